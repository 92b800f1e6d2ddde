//! Publish requests per second, 10 clips each, while as many batches as a daemon runs at once wait for confirmation and are
//! looked at, so that the new ones stay rows; beside a bare axum route that checks the same and stores nothing.

use std::time::Duration;

use super::{
    Outcome, Setting, bare_route,
    daemon::{Daemon, KEY},
    progress,
    publishers::{Order, Report},
    role::RoleProcess,
    samples::millis,
    stand_in::{Script, StandIn},
    table::{Row, Table},
};

/// Connections that publish at once.
const CONNECTIONS: u32 = 64;

/// What is asked of the rate.
const RATIO_LEAST: f64 = 0.1;

/// What is asked of the 99th percentile.
const LATENCY_MOST: Duration = Duration::from_millis(100);

/// Nothing ever goes live.
struct Never;

impl Script for Never {
    fn created(&self, _brand: u32, _body: &[u8], _arrived: std::time::Instant) {}

    fn live(&self, _brand: u32, _arrived: std::time::Instant) -> bool {
        false
    }
}

pub async fn run(setting: &Setting, table: &mut Table) -> Outcome<()> {
    // One run of the bare route before and one after, so that a machine whose pace changes does not decide the ratio.
    let before = bare(setting).await?;
    let running = setting.scaled(10_000);
    let requests = setting.scaled(20_000);
    let daemon = daemon(setting, running, requests).await?;
    let after = bare(setting).await?;
    let limit = (before.per_second + after.per_second) / 2.0;
    let ratio = daemon.per_second / limit;
    table.push(Row {
        figure: format!("{requests} publish requests over {CONNECTIONS} connections, {running} batches running"),
        value: format!("{:.0}/s", daemon.per_second),
        limit: format!(
            "bare route {limit:.0}/s ({:.0}, {:.0})",
            before.per_second, after.per_second
        ),
        ratio: Some(ratio),
        asked: ">= 0.1",
        holds: Some(ratio >= RATIO_LEAST),
    });
    let [median, p99, max] = [daemon.median, daemon.p99, daemon.max].map(Duration::from_nanos);
    table.push(Row::at_most(
        &format!(
            "their answers, p99 (median {}, max {}, bare p99 {})",
            millis(median),
            millis(max),
            millis(Duration::from_nanos(after.p99))
        ),
        (p99.as_secs_f64(), millis(p99)),
        (LATENCY_MOST.as_secs_f64(), "p99 < 100 ms"),
    ));
    Ok(())
}

async fn bare(setting: &Setting) -> Outcome<Report> {
    let requests = setting.scaled(100_000);
    progress(&format!("publish: {requests} requests to a bare route"));
    let mut server = RoleProcess::start([bare_route::ROLE.into()])?;
    let address = server.line().await?;
    publish(&address, requests, 1).await
}

async fn daemon(setting: &Setting, running: u32, requests: u32) -> Outcome<Report> {
    progress(&format!("publish: {running} batches until all wait for confirmation"));
    let stand_in = StandIn::start(Never).await?;
    stand_in.open();
    let most = running.to_string();
    let settings = [
        ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0"),
        ("STORYCLIP_METRICOOL_MAX_IN_FLIGHT", "64"),
        ("STORYCLIP_MAX_BATCHES", most.as_str()),
        ("STORYCLIP_LOG", "warn"),
    ];
    let daemon = Daemon::start(&setting.fresh("publish")?, &stand_in.url(), &settings).await?;
    daemon.submit(running, 10).await?;
    while stand_in.counts().creates() < u64::from(running) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The burst of the start is over when the first looks are.
    tokio::time::sleep(Duration::from_secs(5)).await;
    progress(&format!("publish: {requests} requests beside them"));
    let report = publish(daemon.address(), requests, running + 1).await?;
    match stand_in.counts().creates() {
        creates if creates == u64::from(running) => Ok(report),
        creates => Err(format!("{creates} batches ran where {running} may").into()),
    }
}

async fn publish(address: &str, requests: u32, first: u32) -> Outcome<Report> {
    let order = Order {
        address: address.to_owned(),
        key: KEY.to_owned(),
        connections: CONNECTIONS,
        requests,
        first,
    };
    let mut publishers = RoleProcess::start(order.arguments())?;
    Ok(serde_json::from_str(&publishers.line().await?)?)
}
