//! Clip steps per second, create and confirmation with everything durable, beside a bare loop that makes the same requests
//! and stores nothing. Both have as many in flight. Both are processes of their own against the same stand-in and are
//! counted there, between a fifth and four fifths of all steps, so that neither submission nor start nor end is in the
//! figure.

use std::time::{Duration, Instant};

use super::{
    Outcome, Setting,
    arguments::LoopOrder,
    bare_loop::BareLoop,
    daemon::Daemon,
    process::Process,
    progress,
    stand_in::{Counts, Script, StandIn},
    table::{Row, Table},
};

/// Batches, all of them in flight, and so calls: one of each.
const BATCHES: u32 = 5_000;

/// Calls under way at once in the second comparison, on both sides as well: fewer than there are batches.
const FEW: u32 = 64;

/// Clips of a batch.
const CLIPS: u32 = 10;

/// What is asked.
const RATIO_LEAST: f64 = 0.4;

/// Everything is live at once.
struct Instantly;

impl Script for Instantly {
    fn created(&self, _brand: u32, _body: &[u8], _arrived: Instant) {}

    fn live(&self, _brand: u32, _arrived: Instant) -> bool {
        true
    }
}

/// What one side did.
struct Pace {
    per_second: f64,
    /// Seconds of processor time per 1,000 steps.
    cpu: f64,
    /// Connections opened: calls that were in flight at once, at the most.
    connections: u64,
}

pub async fn run(setting: &Setting, table: &mut Table) -> Outcome<()> {
    let batches = setting.scaled(BATCHES);
    let (ratio, row) = beside(setting, batches, batches, table).await?;
    table.push(Row {
        asked: ">= 0.4",
        holds: Some(ratio >= RATIO_LEAST),
        ..row
    });
    let (_, row) = beside(setting, batches, FEW, table).await?;
    table.push(Row {
        figure: format!("{} (not judged)", row.figure),
        ..row
    });
    Ok(())
}

/// So many batches with so many calls in flight, beside the bare loop with as many; their ratio, and its row.
async fn beside(setting: &Setting, batches: u32, calls: u32, table: &mut Table) -> Outcome<(f64, Row)> {
    // One loop before and one after, so that a machine whose pace changes does not decide the ratio.
    let before = bare(setting, calls).await?;
    let daemon = daemon(setting, batches, calls).await?;
    let after = bare(setting, calls).await?;
    let limit = (before.per_second + after.per_second) / 2.0;
    let ratio = daemon.per_second / limit;
    table.push(Row {
        limit: format!("bare loop {:.3} CPU-s", (before.cpu + after.cpu) / 2.0),
        ..Row::told(
            format!("processor time per 1,000 steps, up to {calls} calls in flight"),
            format!("{:.3} CPU-s", daemon.cpu),
        )
    });
    table.push(Row {
        limit: format!("bare loop {} and {}", before.connections, after.connections),
        ..Row::told(
            format!("calls in flight at once at the most, of {calls}"),
            format!("{}", daemon.connections),
        )
    });
    let row = Row {
        limit: format!(
            "bare loop {limit:.0}/s ({:.0}, {:.0})",
            before.per_second, after.per_second
        ),
        ratio: Some(ratio),
        ..Row::told(
            format!("clip steps, {batches} batches, up to {calls} calls in flight on both sides"),
            format!("{:.0}/s", daemon.per_second),
        )
    };
    Ok((ratio, row))
}

async fn bare(setting: &Setting, calls: u32) -> Outcome<Pace> {
    let steps = setting.scaled(100_000);
    progress(&format!("steps: {steps} by a bare loop, {calls} calls in flight"));
    let stand_in = StandIn::start(Instantly).await?;
    stand_in.open();
    let order = LoopOrder {
        url: stand_in.url(),
        tasks: calls,
        steps,
        rest: 0,
    };
    let bare = BareLoop::start(&order)?;
    let pace = pace(stand_in.counts(), steps, bare.process()).await?;
    bare.report().await?;
    Ok(pace)
}

async fn daemon(setting: &Setting, batches: u32, calls: u32) -> Outcome<Pace> {
    progress(&format!("steps: submitting {batches} batches of {CLIPS} clips"));
    let stand_in = StandIn::start(Instantly).await?;
    let in_flight = calls.to_string();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
        ("STORYCLIP_LOOK_WAITS_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_MAX_IN_FLIGHT", in_flight.as_str()),
        // The bare loop writes no line per transition either.
        ("STORYCLIP_LOG", "warn"),
    ];
    let daemon = Daemon::start(&setting.fresh("steps")?, &stand_in.url(), &settings).await?;
    daemon.submit(batches, CLIPS).await?;
    daemon.at_rest().await?;
    progress(&format!("steps: by the daemon, {calls} calls in flight"));
    stand_in.open();
    pace(stand_in.counts(), batches * CLIPS, daemon.process()).await
}

/// Between a fifth and four fifths of all steps.
async fn pace(counts: &Counts, steps: u32, process: Process) -> Outcome<Pace> {
    let (first, began, cpu) = reach(counts, steps / 5, process).await?;
    let (last, ended, cpu_then) = reach(counts, steps / 5 * 4, process).await?;
    let steps = (last - first) as f64;
    Ok(Pace {
        per_second: steps / (ended - began).as_secs_f64(),
        cpu: (cpu_then - cpu).as_secs_f64() / steps * 1_000.0,
        connections: counts.connections(),
    })
}

/// Waits for so many confirmed steps; how many there are then, when it was, and what had been used.
async fn reach(counts: &Counts, steps: u32, process: Process) -> Outcome<(u64, Instant, Duration)> {
    while counts.confirmed() < u64::from(steps) {
        process.cpu()?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((counts.confirmed(), Instant::now(), process.cpu()?))
}
