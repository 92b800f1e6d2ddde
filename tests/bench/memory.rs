//! Resident memory: of a daemon that has nothing to do, and what each batch in flight adds to it.

use std::time::{Duration, Instant};

use super::{
    Outcome, Setting,
    daemon::Daemon,
    progress,
    stand_in::{Script, StandIn},
    table::{Row, Table},
};

const CLIPS: u32 = 10;

/// What is asked of an idle process, in bytes.
const IDLE_MOST: u64 = 40_000_000;

/// What is asked of a batch in flight, in bytes.
const BATCH_MOST: u64 = 32 << 10;

/// Nothing ever goes live.
struct Never;

impl Script for Never {
    fn created(&self, _brand: u32, _body: &[u8], _arrived: Instant) {}

    fn live(&self, _brand: u32, _arrived: Instant) -> bool {
        false
    }
}

pub async fn run(setting: &Setting, table: &mut Table) -> Outcome<()> {
    let batches = setting.scaled(5_000);
    let stand_in = StandIn::start(Never).await?;
    stand_in.open();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_MAX_IN_FLIGHT", "64"),
    ];
    let daemon = Daemon::start(&setting.fresh("memory")?, &stand_in.url(), &settings).await?;
    daemon.at_rest().await?;
    let idle = daemon.process().resident()?;
    table.push(Row::at_most(
        "idle process, resident",
        (idle as f64, format!("{:.1} MB", idle as f64 / 1e6)),
        (IDLE_MOST as f64, "<= 40 MB"),
    ));
    progress(&format!(
        "memory: {batches} batches of {CLIPS} clips that wait for confirmation"
    ));
    daemon.submit(batches, CLIPS).await?;
    while stand_in.counts().creates() < u64::from(batches) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Two rounds of looks, so that all that a waiting batch ever needs is there.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let per_batch = daemon.process().resident()?.saturating_sub(idle) / u64::from(batches);
    table.push(Row::at_most(
        &format!("each of {batches} batches of {CLIPS} clips in flight"),
        (per_batch as f64, format!("{:.1} KB", per_batch as f64 / 1_024.0)),
        (BATCH_MOST as f64, "<= 32 KB"),
    ));
    Ok(())
}
