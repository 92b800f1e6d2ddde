//! Batches that wait for confirmation: how late their looks come after the product's own schedule, and what the waiting
//! costs. Once with slots as they fall, once with all slots on one instant, as whole-minute slots have it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use storyclip_actors::{model::Timestamp, schedule::LookRule};

use super::{
    Outcome, Setting,
    daemon::Daemon,
    progress,
    samples::{Samples, millis},
    stand_in::{Script, StandIn},
    table::{Row, Table},
};

/// What is asked of the 99th percentile of lateness.
const LATENESS_MOST: Duration = Duration::from_millis(250);

/// What is asked of the processor, as a share of one core.
const CORE_MOST: f64 = 0.1;

/// Nothing goes live; every look is held against the schedule.
struct Watched {
    rule: LookRule,
    brands: Vec<Mutex<Brand>>,
    lateness: Mutex<Vec<(Instant, Duration)>>,
}

#[derive(Default)]
struct Brand {
    /// Milliseconds since the Unix epoch; 0 before the create request.
    slot: i64,
    looks: u32,
}

impl Watched {
    fn new(brands: u32) -> Self {
        Self {
            rule: LookRule::default(),
            brands: (0..=brands).map(|_| Mutex::default()).collect(),
            lateness: Mutex::default(),
        }
    }

    fn between(&self, from: Instant, to: Instant) -> Samples {
        let lateness = self.lateness.lock().unwrap_or_else(PoisonError::into_inner);
        let within = lateness.iter().filter(|(at, _)| (from..to).contains(at));
        Samples::new(within.map(|(_, lateness)| *lateness).collect())
    }
}

impl Script for Watched {
    fn created(&self, brand: u32, body: &[u8], _arrived: Instant) {
        if let (Some(brand), Some(slot)) = (self.brands.get(brand as usize), slot(body)) {
            *brand.lock().unwrap_or_else(PoisonError::into_inner) = Brand { slot, looks: 0 };
        }
    }

    fn live(&self, brand: u32, arrived: Instant) -> bool {
        let Some(brand) = self.brands.get(brand as usize) else {
            return false;
        };
        let mut brand = brand.lock().unwrap_or_else(PoisonError::into_inner);
        let due = UNIX_EPOCH + Duration::from_millis(brand.slot as u64) + self.rule.after_slot(brand.looks);
        brand.looks += 1;
        let late = SystemTime::now().duration_since(due).unwrap_or_default();
        let mut lateness = self.lateness.lock().unwrap_or_else(PoisonError::into_inner);
        lateness.push((arrived, late));
        false
    }
}

/// The instant that a create request asks for.
fn slot(body: &[u8]) -> Option<i64> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let wall_clock = body["publicationDate"]["dateTime"].as_str()?;
    Some(format!("{wall_clock}Z").parse::<Timestamp>().ok()?.as_millis())
}

pub async fn run(setting: &Setting, table: &mut Table) -> Outcome<()> {
    wait(setting, table, "spread slots", "0").await?;
    wait(setting, table, "one slot for all", "15").await
}

async fn wait(setting: &Setting, table: &mut Table, name: &str, granularity: &str) -> Outcome<()> {
    let batches = setting.scaled(1_000);
    let measured = Duration::from_secs(if setting.quick { 6 } else { 21 });
    progress(&format!("waiting: {batches} batches, {name}, {} s", measured.as_secs()));
    let stand_in = StandIn::start(Watched::new(batches)).await?;
    stand_in.open();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", granularity),
    ];
    let daemon = Daemon::start(
        &setting.fresh(&format!("waiting-{granularity}"))?,
        &stand_in.url(),
        &settings,
    )
    .await?;
    daemon.submit(batches, 2).await?;
    // Every batch has been looked at once: submission and slots are behind it.
    while stand_in.counts().looks() < u64::from(batches) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (began, cpu) = (Instant::now(), daemon.process().cpu()?);
    tokio::time::sleep(measured).await;
    let (ended, cpu) = (Instant::now(), daemon.process().cpu()? - cpu);
    let lateness = stand_in.script.between(began, ended);
    let share = cpu.as_secs_f64() / (ended - began).as_secs_f64();
    table.push(Row::at_most(
        &format!(
            "lateness of {} looks, {batches} batches waiting, {name}, p99 (median {}, max {})",
            lateness.len(),
            millis(lateness.median()),
            millis(lateness.max())
        ),
        (lateness.p99().as_secs_f64(), millis(lateness.p99())),
        (LATENESS_MOST.as_secs_f64(), "p99 < 250 ms"),
    ));
    table.push(Row::at_most(
        &format!("processor of these {batches}, {name}, share of one core"),
        (share, format!("{:.1} %", share * 100.0)),
        (CORE_MOST, "< 10 %"),
    ));
    Ok(())
}
