//! Live streams: what a subscriber costs in memory, and how many messages per second reach all of them while batches run as
//! fast as they can, beside a bare axum broadcast of the same messages. Subscribers are bare TCP in a process of their own.

use std::{path::Path, time::Duration};

use super::{
    Outcome, Setting, bare_broadcast,
    daemon::{Daemon, KEY},
    process::Process,
    progress, readers,
    readers::Report,
    role::RoleProcess,
    stand_in::{Script, StandIn},
    table::{Row, Table},
};

/// Batches that are listened to.
const BATCHES: u32 = 100;

/// Clips of each.
const CLIPS: u32 = 100;

/// What is asked of a subscriber, in bytes.
const SUBSCRIBER_MOST: u64 = 24 << 10;

/// What is asked of the pace.
const RATIO_LEAST: f64 = 0.7;

/// Everything is live at once.
struct Instantly;

impl Script for Instantly {
    fn created(&self, _brand: u32, _body: &[u8], _arrived: std::time::Instant) {}

    fn live(&self, _brand: u32, _arrived: std::time::Instant) -> bool {
        true
    }
}

/// What one side did.
struct Side {
    /// Bytes that each subscriber added to the server's resident memory.
    memory: u64,
    report: Report,
    /// Microseconds of the server's processor time per delivery.
    cpu: f64,
}

pub async fn run(setting: &Setting, table: &mut Table) -> Outcome<()> {
    let folder = setting.fresh("subscribers")?;
    let each = setting.scaled(10_000) / BATCHES;
    let subscribers = each * BATCHES;
    let alone = alone(&setting.fresh("subscribers-none")?).await?;
    let daemon = daemon(&folder, each).await?;
    let live = bare(&folder, each, bare_broadcast::LIVE).await?;
    let bursts = bare(&folder, each, bare_broadcast::BURSTS).await?;
    table.push(Row {
        limit: format!("bare {:.1} KB", kb(live.memory)),
        ..Row::at_most(
            &format!("each of {subscribers} subscribers on {BATCHES} batches, resident"),
            (daemon.memory as f64, format!("{:.1} KB", kb(daemon.memory))),
            (SUBSCRIBER_MOST as f64, "<= 24 KB"),
        )
    });
    let ratio = daemon.report.per_second / live.report.per_second;
    table.push(Row {
        figure: format!(
            "deliveries to them while the batches run ({} of {:.0} bytes in {:.1} s)",
            daemon.report.deliveries, daemon.report.bytes, daemon.report.took
        ),
        value: format!("{:.0}/s", daemon.report.per_second),
        limit: format!(
            "bare broadcast {:.0}/s (in bursts {:.0}/s)",
            live.report.per_second, bursts.report.per_second
        ),
        ratio: Some(ratio),
        asked: ">= 0.7",
        holds: Some(ratio >= RATIO_LEAST),
    });
    table.push(Row {
        limit: format!("bare broadcast {:.2} us (in bursts {:.2} us)", live.cpu, bursts.cpu),
        ..Row::told(
            "processor time per delivery, less that of the same clips without subscribers",
            format!(
                "{:.2} us",
                daemon.cpu - alone.as_secs_f64() * 1e6 / daemon.report.deliveries as f64
            ),
        )
    });
    table.push(Row::told(
        "processor time of the clips alone",
        format!("{:.1} s", alone.as_secs_f64()),
    ));
    Ok(())
}

/// A daemon whose batches begin when the stand-in is opened.
async fn prepared(folder: &Path) -> Outcome<(StandIn<Instantly>, Daemon, Vec<String>)> {
    let stand_in = StandIn::start(Instantly).await?;
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
        ("STORYCLIP_LOOK_WAITS_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_MAX_IN_FLIGHT", "64"),
        ("STORYCLIP_LOG", "warn"),
    ];
    let daemon = Daemon::start(folder, &stand_in.url(), &settings).await?;
    let ids = daemon.submit(BATCHES, CLIPS).await?;
    daemon.at_rest().await?;
    Ok((stand_in, daemon, ids))
}

/// Processor time of the batches that nobody listens to.
async fn alone(folder: &Path) -> Outcome<Duration> {
    progress(&format!("subscribers: none on {BATCHES} batches of a daemon"));
    let (stand_in, daemon, _) = prepared(folder).await?;
    let before = daemon.process().cpu()?;
    stand_in.open();
    while stand_in.counts().confirmed() < u64::from(BATCHES * CLIPS) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    daemon.at_rest().await?;
    Ok(daemon.process().cpu()? - before)
}

async fn daemon(folder: &Path, each: u32) -> Outcome<Side> {
    progress(&format!("subscribers: {each} on each of {BATCHES} batches of a daemon"));
    let (stand_in, daemon, ids) = prepared(folder).await?;
    let paths = ids.iter().map(|id| format!("/api/metricool/stream?batchId={id}"));
    let server = (daemon.process(), daemon.address());
    listen(folder, each, server, paths, async || {
        stand_in.open();
        Ok(())
    })
    .await
}

/// After the daemon, whose messages it sends.
async fn bare(folder: &Path, each: u32, left: usize) -> Outcome<Side> {
    progress(&format!(
        "subscribers: as many on a bare broadcast, {left} messages left at most"
    ));
    let order = bare_broadcast::Order {
        channels: BATCHES as usize,
        left,
        sample: folder.join("sample"),
    };
    let mut bare = RoleProcess::start(order.arguments())?;
    let address = bare.line().await?;
    let go = format!("http://{address}/go");
    let client = storyclip::providers::http_client(&go, 1)?;
    let paths = (0..BATCHES).map(|channel| format!("/{channel}"));
    listen(folder, each, (bare.process(), address.as_str()), paths, async || {
        client.get(&go).send().await?.error_for_status()?;
        Ok(())
    })
    .await
}

/// Opens the streams, lets messages come and waits for the streams' end.
async fn listen(
    folder: &Path,
    each: u32,
    (server, address): (Process, &str),
    paths: impl Iterator<Item = String>,
    begin: impl AsyncFnOnce() -> Outcome<()>,
) -> Outcome<Side> {
    let list = folder.join("paths");
    let paths: Vec<String> = paths.collect();
    std::fs::write(&list, paths.join("\n"))?;
    let order = readers::Order {
        address: address.to_owned(),
        header: format!("x-api-key: {KEY}"),
        each: each as usize,
        paths: list,
        sample: folder.join("sample"),
    };
    let before = server.resident()?;
    let mut readers = RoleProcess::start(order.arguments())?;
    readers.line().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let memory = server.resident()?.saturating_sub(before) / (u64::from(each) * paths.len() as u64);
    let cpu = server.cpu()?;
    begin().await?;
    let report: Report = serde_json::from_str(&readers.line().await?)?;
    let cpu = server.cpu()? - cpu;
    Ok(Side {
        memory,
        cpu: cpu.as_secs_f64() * 1e6 / report.deliveries as f64,
        report,
    })
}

fn kb(bytes: u64) -> f64 {
    bytes as f64 / 1_024.0
}
