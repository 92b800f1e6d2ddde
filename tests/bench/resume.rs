//! Coming back after kill -9 with every batch in flight: when the first outside call is made, when every batch is at work
//! again, and what memory that takes. All are counted from the start of the process and told from outside: by requests that
//! arrive at the stand-in, and by leases that a second connection reads in the database.

use std::{
    path::Path,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use sqlx::{Connection, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::time::sleep;

use super::{
    Outcome, Setting,
    daemon::{Daemon, database},
    progress,
    samples::millis,
    stand_in::{Script, StandIn},
    table::{Row, Table},
};

const CLIPS: u32 = 10;

/// What is asked of the first outside call.
const FIRST_MOST: Duration = Duration::from_secs(1);

/// What is asked of the last batch.
const ALL_MOST: Duration = Duration::from_secs(5);

/// What is asked of memory, in bytes.
const MEMORY_MOST: u64 = 400_000_000;

/// How long anything here may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Nothing goes live; of each brand the first request since the last reset is noted.
struct FirstCalls {
    epoch: Instant,
    /// Microseconds since the epoch; 0: none yet.
    first: Vec<AtomicU64>,
    brands: AtomicU32,
}

impl FirstCalls {
    fn new(brands: u32) -> Self {
        Self {
            epoch: Instant::now(),
            first: (0..brands).map(|_| AtomicU64::new(0)).collect(),
            brands: AtomicU32::new(0),
        }
    }

    fn reset(&self) {
        self.first.iter().for_each(|first| first.store(0, Ordering::Relaxed));
        self.brands.store(0, Ordering::Relaxed);
    }

    /// When the first and the last of the brands were first heard of.
    fn span(&self) -> Option<(Instant, Instant)> {
        let heard = || {
            self.first
                .iter()
                .map(|first| first.load(Ordering::Relaxed))
                .filter(|at| *at > 0)
        };
        let at = |micros| self.epoch + Duration::from_micros(micros);
        Some((at(heard().min()?), at(heard().max()?)))
    }
}

impl Script for FirstCalls {
    fn created(&self, _brand: u32, _body: &[u8], _arrived: Instant) {}

    fn live(&self, _brand: u32, _arrived: Instant) -> bool {
        false
    }

    fn asked(&self, brand: u32, arrived: Instant) {
        let Some(first) = self.first.get((brand as usize).wrapping_sub(1)) else {
            return;
        };
        let at = (arrived - self.epoch).as_micros() as u64;
        if first
            .compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            self.brands.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub async fn run(setting: &Setting, table: &mut Table) -> Outcome<()> {
    let batches = setting.scaled(10_000);
    progress(&format!(
        "resume: {batches} batches of {CLIPS} clips until all wait for confirmation"
    ));
    let stand_in = StandIn::start(FirstCalls::new(batches)).await?;
    stand_in.open();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
    ];
    let folder = setting.fresh("resume")?;
    let daemon = Daemon::start(&folder, &stand_in.url(), &settings).await?;
    daemon.submit(batches, CLIPS).await?;
    until("every batch waits for confirmation", async || {
        in_flight(&folder).await.map(|waiting| waiting == batches)
    })
    .await?;
    daemon.kill()?;
    let waiting = in_flight(&folder).await?;
    if waiting != batches {
        return Err(format!("{waiting} of {batches} batches were in flight when the daemon was killed").into());
    }

    progress("resume: starting again");
    stand_in.script.reset();
    let daemon = Daemon::start(&folder, &stand_in.url(), &settings).await?;
    let since = |at: Instant| at.saturating_duration_since(daemon.started);
    let mut leased = None;
    until("every batch has been heard of", async || {
        if leased.is_none() && leases(&folder).await? == batches {
            leased = Some(Instant::now());
        }
        Ok(leased.is_some() && stand_in.script.brands.load(Ordering::Relaxed) == batches)
    })
    .await?;
    let (resident, cpu) = (daemon.process().resident()?, daemon.process().cpu()?);
    // Two rounds of looks: what a waiting batch ever needs is there, and so is the peak.
    sleep(Duration::from_secs(7)).await;
    let peak = daemon.process().peak()?;
    let (first, last) = stand_in.script.span().ok_or("no call was made")?;
    let leased = leased.unwrap_or(last);

    let most = |most: Duration, asked| (most.as_secs_f64(), asked);
    let took = |took: Duration| (took.as_secs_f64(), millis(took));
    table.push(Row::at_most(
        &format!("kill -9 with {batches} batches in flight: first outside call after the start"),
        took(since(first)),
        most(FIRST_MOST, "< 1 s"),
    ));
    table.push(Row::at_most(
        &format!(
            "the same: every batch has made a call (all leased after {})",
            millis(since(leased))
        ),
        took(since(last)),
        most(ALL_MOST, "< 5 s"),
    ));
    table.push(Row::at_most(
        &format!(
            "the same: most resident memory ({:.0} MB at that instant)",
            resident as f64 / 1e6
        ),
        (peak as f64, format!("{:.0} MB", peak as f64 / 1e6)),
        (MEMORY_MOST as f64, "<= 400 MB"),
    ));
    table.push(Row::told(
        "the same: processor time until every batch has made a call",
        format!("{:.2} s", cpu.as_secs_f64()),
    ));
    Ok(())
}

/// Asks until it is so.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> Outcome<bool>) -> Outcome<()> {
    let end = Instant::now() + PATIENCE;
    while !holds().await? {
        if Instant::now() > end {
            return Err(format!("it did not come to this: {what}").into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Batches with a clip that has a post and waits for the network's word.
async fn in_flight(folder: &Path) -> Outcome<u32> {
    let sql = "SELECT COUNT(DISTINCT batch_id) FROM publish_batch_clips \
               WHERE status = 'waiting_confirmation' AND metricool_post_id IS NOT NULL";
    count(folder, sql).await
}

/// Batches that a living daemon has: the start cleared all older leases.
async fn leases(folder: &Path) -> Outcome<u32> {
    count(
        folder,
        "SELECT COUNT(*) FROM publish_batches WHERE lease_owner IS NOT NULL",
    )
    .await
}

/// On a connection that can write nothing and is not there while the daemon is started.
async fn count(folder: &Path, sql: &'static str) -> Outcome<u32> {
    let options = SqliteConnectOptions::new().filename(database(folder)).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await?;
    let count: i64 = sqlx::query(sql).fetch_one(&mut conn).await?.try_get(0)?;
    conn.close().await?;
    Ok(u32::try_from(count)?)
}
