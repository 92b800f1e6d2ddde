//! How long after "published" the next create request leaves, seen from outside: from the instant at which the stand-in
//! hands out the answer PUBLISHED to the arrival of that batch's next create request. What is asked is the time from reading
//! the one to sending the other: a bare round trip, measured in the same run, is taken off.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Outcome, Setting,
    arguments::LoopOrder,
    bare_loop::BareLoop,
    daemon::Daemon,
    fsync, progress,
    samples::{Samples, millis},
    stand_in::{Script, StandIn},
    table::{Row, Table},
};

/// What is asked of the 99th percentile with many batches.
const P99_MOST: Duration = Duration::from_millis(20);

/// How far apart the looks, and so the commits, of the one batch lie.
const PACE: Duration = Duration::from_millis(20);

/// Posts go live at some instant between these after their create.
struct Confirming {
    live_after: std::ops::Range<Duration>,
    brands: Vec<Mutex<Brand>>,
    breaths: Mutex<Vec<(Instant, Duration)>>,
}

#[derive(Default)]
struct Brand {
    live_at: Option<Instant>,
    confirmed_at: Option<Instant>,
}

impl Confirming {
    fn new(brands: u32, live_after: std::ops::Range<Duration>) -> Self {
        Self {
            live_after,
            brands: (0..=brands).map(|_| Mutex::default()).collect(),
            breaths: Mutex::default(),
        }
    }

    /// Breaths whose create arrived from `since` on.
    fn since(&self, since: Instant) -> Samples {
        let breaths = self.breaths.lock().unwrap_or_else(PoisonError::into_inner);
        let late = breaths.iter().filter(|(at, _)| *at >= since);
        Samples::new(late.map(|(_, breath)| *breath).collect())
    }

    fn brand<T>(&self, brand: u32, look: impl FnOnce(&mut Brand) -> T) -> Option<T> {
        let brand = self.brands.get(brand as usize)?;
        Some(look(&mut brand.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Script for Confirming {
    fn created(&self, brand: u32, _body: &[u8], arrived: Instant) {
        let live_at = arrived + rand::random_range(self.live_after.clone());
        let confirmed_at = self.brand(brand, |brand| {
            brand.live_at = Some(live_at);
            brand.confirmed_at.take()
        });
        if let Some(confirmed_at) = confirmed_at.flatten() {
            let mut breaths = self.breaths.lock().unwrap_or_else(PoisonError::into_inner);
            breaths.push((arrived, arrived - confirmed_at));
        }
    }

    fn live(&self, brand: u32, arrived: Instant) -> bool {
        let live = self.brand(brand, |brand| {
            let live = brand.live_at.is_some_and(|at| at <= arrived);
            brand.confirmed_at = live.then(Instant::now);
            live
        });
        live.unwrap_or(true)
    }
}

pub async fn run(setting: &Setting, fsync: &Samples, table: &mut Table) -> Outcome<()> {
    let round_trip = round_trip(setting).await?;
    table.push(Row::told("bare loopback round trip, median", millis(round_trip)));
    // At the pace of the batch's own, before and after it.
    let before = fsync::measure(&setting.folder, setting.scaled(300), PACE)?;
    let one = one_batch(setting).await?;
    let after = fsync::measure(&setting.folder, setting.scaled(300), PACE)?;
    let paced = (before.median() + after.median()) / 2;
    let figure = format!(
        "fdatasync of 4 KiB, one every 20 ms, median ({}, {})",
        millis(before.median()),
        millis(after.median())
    );
    table.push(Row::told(figure, millis(paced)));
    // Half of a round trip passes before the daemon can read, the other half after its request has left.
    let (outside, own) = (one.median(), one.median().saturating_sub(round_trip));
    let limit = paced * 3;
    table.push(Row {
        limit: format!("3 fsyncs at that pace = {}", millis(limit)),
        ..Row::at_most(
            "published -> next create, 1 batch, median, less one bare round trip",
            (own.as_secs_f64(), millis(own)),
            (limit.as_secs_f64(), "<= 3 fsyncs"),
        )
    });
    for (name, limit) in [("at that pace", limit), ("back to back", fsync.median() * 3)] {
        table.push(Row {
            limit: format!("3 fsyncs {name} = {}", millis(limit)),
            ratio: Some(outside.as_secs_f64() / limit.as_secs_f64()),
            ..Row::told(
                format!("the same as seen from outside, p99 {} (not judged)", millis(one.p99())),
                millis(outside),
            )
        });
    }
    let many = many_batches(setting).await?;
    let batches = setting.scaled(1_000);
    let p99 = many.p99();
    table.push(Row::told(
        format!("published -> next create, {batches} batches, median of {}", many.len()),
        millis(many.median()),
    ));
    table.push(Row::at_most(
        &format!("the same, p99 (max {})", millis(many.max())),
        (p99.as_secs_f64(), millis(p99)),
        (P99_MOST.as_secs_f64(), "p99 < 20 ms"),
    ));
    Ok(())
}

/// One task that rests between its steps, as one batch does.
async fn round_trip(setting: &Setting) -> Outcome<Duration> {
    progress("breath: bare round trips");
    let stand_in = StandIn::start(Confirming::new(1, Duration::ZERO..Duration::from_nanos(1))).await?;
    stand_in.open();
    let order = LoopOrder {
        url: stand_in.url(),
        tasks: 1,
        steps: setting.scaled(300),
        rest: 20,
    };
    let report = BareLoop::start(&order)?.report().await?;
    Ok(Duration::from_nanos(report.median))
}

async fn one_batch(setting: &Setting) -> Outcome<Samples> {
    let clips = 100;
    let batches = if setting.quick { 1 } else { 4 };
    progress(&format!(
        "breath: {batches} batches of {clips} clips, one after the other"
    ));
    let stand_in = StandIn::start(Confirming::new(batches, Duration::ZERO..Duration::from_nanos(1))).await?;
    stand_in.open();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
        ("STORYCLIP_LOOK_WAITS_SECONDS", "0.02"),
        ("STORYCLIP_MAX_BATCHES", "1"),
    ];
    let daemon = Daemon::start(&setting.fresh("breath-one")?, &stand_in.url(), &settings).await?;
    let began = Instant::now();
    daemon.submit(batches, clips).await?;
    let all = u64::from(batches * clips);
    while stand_in.counts().confirmed() < all {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(stand_in.script.since(began))
}

/// Every batch waits for its own confirmation, which comes at any time within some seconds.
async fn many_batches(setting: &Setting) -> Outcome<Samples> {
    let batches = setting.scaled(1_000);
    let measured = Duration::from_secs(if setting.quick { 5 } else { 30 });
    progress(&format!(
        "breath: {batches} batches that wait for confirmations, {} s",
        measured.as_secs()
    ));
    let live_after = Duration::from_millis(500)..Duration::from_secs(6);
    let stand_in = StandIn::start(Confirming::new(batches, live_after)).await?;
    stand_in.open();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_MAX_IN_FLIGHT", "64"),
    ];
    let daemon = Daemon::start(&setting.fresh("breath-many")?, &stand_in.url(), &settings).await?;
    daemon.submit(batches, 40).await?;
    while stand_in.counts().creates() < u64::from(batches) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The burst of the start is over when the first looks are.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let began = Instant::now();
    tokio::time::sleep(measured).await;
    Ok(stand_in.script.since(began))
}
