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

/// How far apart the looks, and so the commits, of the one batch lie: far enough for a disk and a processor to come to rest,
/// or one right after the other.
const PACES: [(Duration, &str); 2] = [
    (Duration::from_millis(20), "one every 20 ms"),
    (Duration::ZERO, "back to back"),
];

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

pub async fn run(setting: &Setting, table: &mut Table) -> Outcome<()> {
    for (pace, name) in PACES {
        one_batch(setting, pace, name, table).await?;
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

/// One batch after the other, and flushes of the same disk at the same pace before, between and after them.
async fn one_batch(setting: &Setting, pace: Duration, name: &str, table: &mut Table) -> Outcome<()> {
    let round_trip = round_trip(setting, pace).await?;
    let clips = 100;
    let batches = if setting.quick { 1 } else { 4 };
    progress(&format!(
        "breath: {batches} batches of {clips} clips, one after the other, looks {name}"
    ));
    let stand_in = StandIn::start(Confirming::new(batches, Duration::ZERO..Duration::from_nanos(1))).await?;
    stand_in.open();
    let wait = pace.as_secs_f64().to_string();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
        ("STORYCLIP_LOOK_WAITS_SECONDS", wait.as_str()),
        ("STORYCLIP_MAX_BATCHES", "1"),
    ];
    let daemon = Daemon::start(&setting.fresh(&format!("breath-{wait}"))?, &stand_in.url(), &settings).await?;
    let began = Instant::now();
    let mut flushes = fsync::measure(&setting.folder, 150, pace)?;
    for batch in 1..=batches {
        daemon.submit_batch(batch, clips).await?;
        while stand_in.counts().confirmed() < u64::from(batch * clips) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        flushes = flushes.and(fsync::measure(&setting.folder, 150, pace)?);
    }
    let breaths = stand_in.script.since(began);
    // Half of a round trip passes before the daemon can read, the other half after its request has left.
    let (outside, own) = (breaths.median(), breaths.median().saturating_sub(round_trip));
    let limit = flushes.median() * 3;
    table.push(Row::told(
        format!("bare loopback round trip, {name}, median"),
        millis(round_trip),
    ));
    table.push(Row::told(
        format!("fdatasync of 4 KiB, {name}, median of {}", flushes.len()),
        millis(flushes.median()),
    ));
    table.push(Row {
        limit: format!("3 fsyncs {name} = {}", millis(limit)),
        ..Row::at_most(
            &format!("published -> next create, 1 batch, looks {name}, median, less one bare round trip"),
            (own.as_secs_f64(), millis(own)),
            (limit.as_secs_f64(), "<= 3 fsyncs"),
        )
    });
    table.push(Row {
        limit: format!("3 fsyncs {name} = {}", millis(limit)),
        ratio: Some(outside.as_secs_f64() / limit.as_secs_f64()),
        ..Row::told(
            format!(
                "the same as seen from outside, p99 {} (not judged)",
                millis(breaths.p99())
            ),
            millis(outside),
        )
    });
    Ok(())
}

/// One task that rests between its steps, as one batch does.
async fn round_trip(setting: &Setting, pace: Duration) -> Outcome<Duration> {
    progress("breath: bare round trips");
    let stand_in = StandIn::start(Confirming::new(1, Duration::ZERO..Duration::from_nanos(1))).await?;
    stand_in.open();
    let order = LoopOrder {
        url: stand_in.url(),
        tasks: 1,
        steps: setting.scaled(300),
        rest: pace.as_millis() as u64,
    };
    let report = BareLoop::start(&order)?.report().await?;
    Ok(Duration::from_nanos(report.median))
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
