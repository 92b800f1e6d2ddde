//! How soon a cancel is answered with a batch that is cancelled, from the request to the last byte of the answer, while
//! many batches wait for confirmation, each in the middle of a status call that is never answered: one after the other, then
//! over many connections at once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Outcome, Setting,
    daemon::Daemon,
    progress,
    samples::{Samples, millis},
    stand_in::{Script, StandIn},
    table::{Row, Table},
};

const CLIPS: u32 = 2;

/// Connections that cancel at once.
const CONNECTIONS: usize = 32;

/// What is asked of the 99th percentile.
const LATENCY_MOST: Duration = Duration::from_millis(100);

/// Nobody ever learns what became of a post.
struct Never;

impl Script for Never {
    fn created(&self, _brand: u32, _body: &[u8], _arrived: Instant) {}

    fn live(&self, _brand: u32, _arrived: Instant) -> bool {
        false
    }

    fn answers_looks(&self) -> bool {
        false
    }
}

pub async fn run(setting: &Setting, table: &mut Table) -> Outcome<()> {
    // While those are cancelled one by one the others stay in flight.
    let (single, many) = (setting.scaled(200), setting.scaled(1_000));
    let batches = single + many;
    progress(&format!("cancel: {batches} batches that wait for confirmation"));
    let stand_in = StandIn::start(Never).await?;
    stand_in.open();
    let all = batches.to_string();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
        // All are looked at at once.
        ("STORYCLIP_METRICOOL_MAX_IN_FLIGHT", all.as_str()),
    ];
    let daemon = Daemon::start(&setting.fresh("cancel")?, &stand_in.url(), &settings).await?;
    let mut ids = daemon.submit(batches, CLIPS).await?;
    // Every batch is being looked at, so its post is known.
    while stand_in.counts().looks() < u64::from(batches) || stand_in.counts().creates() < u64::from(batches) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;

    let mut took = Vec::new();
    for id in ids.split_off(many as usize) {
        took.push(daemon.cancel(&id).await?);
    }
    push(
        table,
        &format!("each with a look open, one after the other, {many} batches in flight"),
        took,
    );
    let took = at_once(&Arc::new(daemon), ids).await?;
    push(
        table,
        &format!("each with a look open, over {CONNECTIONS} connections, from {many} batches in flight to none"),
        took,
    );
    Ok(())
}

async fn at_once(daemon: &Arc<Daemon>, ids: Vec<String>) -> Outcome<Vec<Duration>> {
    let left = Arc::new(Mutex::new(ids));
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (daemon, left) = (daemon.clone(), left.clone());
        tasks.push(tokio::spawn(async move {
            let mut took = Vec::new();
            loop {
                let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
                match next {
                    Some(id) => took.push(daemon.cancel(&id).await?),
                    None => return Ok(took),
                }
            }
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        let took: Outcome<Vec<Duration>> = task.await?;
        all.extend(took?);
    }
    Ok(all)
}

fn push(table: &mut Table, how: &str, took: Vec<Duration>) {
    let took = Samples::new(took);
    table.push(Row::at_most(
        &format!(
            "{} cancels answered, {how}, p99 (median {}, max {})",
            took.len(),
            millis(took.median()),
            millis(took.max())
        ),
        (took.p99().as_secs_f64(), millis(took.p99())),
        (LATENCY_MOST.as_secs_f64(), "p99 < 100 ms"),
    ));
}
