//! `GET /metrics`: how many batches and clips are where, read from the rows at the time of the scrape, and what this
//! process has counted since it began, in Prometheus' text format.
//!
//! The numbers are of all tenants together, so neither is it open to everybody nor does a tenant's key open it, be it the
//! tenant's `admin`: it takes a key with the scope `metrics`, which may do nothing else.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{App, AppState, Connections, Vital, caller::Caller, keys::Scope, problem::Problem};
use crate::{
    metrics::{Calls, Exposition},
    store::{Counts, Tally},
    stream::Listeners,
};

/// Version 0.0.4 of the format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Counts rows and says it.
pub async fn show(State(app): App, caller: Caller) -> Result<Response, Problem> {
    caller.need(Scope::Metrics)?;
    let counts = app.store.counts().await?;
    let headers = [
        (header::CONTENT_TYPE, TEXT),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, page(&app, &counts)).into_response())
}

fn page(app: &AppState, counts: &Counts) -> String {
    let mut page = Exposition::default();
    page.gauge("storyclip_build_info", "1; the label names the version.");
    page.sample("storyclip_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    rows(&mut page, counts);
    work(&mut page, app.store.tally());
    network(&mut page, &app.calls);
    commits(&mut page, app.store.tally());
    vital(&mut page, app.vitals.now());
    connections(&mut page, &app.connections);
    streams(&mut page, app.hub.listeners());
    page.into_text()
}

fn rows(page: &mut Exposition, counts: &Counts) {
    page.gauge("storyclip_batches", "Batches by status.");
    for (status, count) in &counts.batches {
        page.sample("storyclip_batches", &[("status", status.as_str())], count);
    }
    page.gauge(
        "storyclip_clips",
        "Clips by status; uncertain: the network is being asked, held: a person must decide.",
    );
    for (status, count) in &counts.clips {
        page.sample("storyclip_clips", &[("status", status.as_str())], count);
    }
    page.gauge(
        "storyclip_deliveries_pending",
        "Webhooks, e-mails and push messages that are still to be delivered, now or later.",
    );
    page.sample("storyclip_deliveries_pending", &[], counts.deliveries_pending);
    page.gauge(
        "storyclip_webhook_endpoints_disabled",
        "Webhook endpoints that are not sent to, by the reason: a person's wish, or they are gone or failing.",
    );
    for (reason, count) in &counts.endpoints_disabled {
        page.sample(
            "storyclip_webhook_endpoints_disabled",
            &[("reason", reason.as_str())],
            count,
        );
    }
}

fn work(page: &mut Exposition, tally: &Tally) {
    page.counter(
        "storyclip_attempts_total",
        "Verdicts about attempts, as the ledger has them; an attempt may have several (created, then published).",
    );
    for (network, verdict, count) in tally.attempts() {
        let labels = [("network", network.as_str()), ("verdict", verdict)];
        page.sample("storyclip_attempts_total", &labels, count);
    }
    page.histograms(
        "storyclip_lateness_seconds",
        "From the instant at which a clip was to go live to the one at which the network's word of it was known.",
        (tally.lateness()).map(|(network, seconds)| (vec![("network", network.as_str())], seconds)),
    );
}

fn network(page: &mut Exposition, calls: &Calls) {
    page.histograms(
        "storyclip_provider_call_seconds",
        "How long calls to the provider take.",
        (calls.seconds()).map(|(operation, seconds)| (vec![("operation", operation.as_str())], seconds)),
    );
    page.counter(
        "storyclip_provider_calls_total",
        "Calls to the provider by how they ended.",
    );
    for (operation, outcome, count) in calls.ends() {
        let labels = [("operation", operation.as_str()), ("outcome", outcome)];
        page.sample("storyclip_provider_calls_total", &labels, count);
    }
    page.counter("storyclip_polls_total", "Looks at posts by what they brought.");
    for (reading, count) in calls.polls() {
        page.sample("storyclip_polls_total", &[("reading", reading)], count);
    }
}

fn commits(page: &mut Exposition, tally: &Tally) {
    page.histograms(
        "storyclip_commit_seconds",
        "How long a transaction of the committer takes.",
        [(vec![], &tally.commit_seconds)],
    );
    page.histograms(
        "storyclip_commit_operations",
        "How many operations one transaction holds.",
        [(vec![], &tally.commit_operations)],
    );
}

fn vital(page: &mut Exposition, vital: Vital) {
    let gauges = [
        (
            "storyclip_batch_actors",
            "Batches that have actors here.",
            vital.actors as f64,
        ),
        (
            "storyclip_sweep_age_seconds",
            "How long ago the supervisor last looked for what is due.",
            vital.swept_ago.as_secs_f64(),
        ),
        (
            "storyclip_lease_age_seconds",
            "How long ago this node's leases were last renewed.",
            vital.lease_age.as_secs_f64(),
        ),
        (
            "storyclip_calls_held",
            "1 while no call may leave because the database is away.",
            f64::from(u8::from(vital.calls_held)),
        ),
        (
            "storyclip_draining",
            "1 while the daemon is about to stop.",
            f64::from(u8::from(vital.draining)),
        ),
    ];
    for (name, help, value) in gauges {
        page.gauge(name, help);
        page.sample(name, &[], value);
    }
    page.counter(
        "storyclip_task_deaths_total",
        "Tasks beside the actors that panicked and were begun anew; the log names them.",
    );
    page.sample("storyclip_task_deaths_total", &[], vital.task_deaths);
}

fn connections(page: &mut Exposition, connections: &Connections) {
    page.gauge("storyclip_http_connections", "Open connections of clients.");
    page.sample("storyclip_http_connections", &[], connections.open());
    page.gauge("storyclip_http_connections_most", "How many there may be.");
    page.sample("storyclip_http_connections_most", &[], connections.most());
    page.counter(
        "storyclip_http_connections_turned_away_total",
        "Connections that came when there were as many as there may be.",
    );
    page.sample(
        "storyclip_http_connections_turned_away_total",
        &[],
        connections.turned_away(),
    );
}

fn streams(page: &mut Exposition, listeners: &Listeners) {
    page.gauge("storyclip_stream_subscribers", "Open live streams.");
    page.sample("storyclip_stream_subscribers", &[], listeners.count());
    page.histograms(
        "storyclip_stream_lag_seconds",
        "From an event, of those since the subscriber came, to its handing over to the subscriber's connection.",
        [(vec![], &listeners.lag)],
    );
}

#[cfg(test)]
mod tests {
    use storyclip_actors::model::{BatchStatus, ClipStatus};

    use super::*;
    use crate::store::DisabledReason;

    #[test]
    fn labels_are_plain_words_and_rows_have_a_line_per_status() {
        let counts = Counts {
            batches: vec![(BatchStatus::Processing, 3), (BatchStatus::Paused, 0)],
            clips: vec![(ClipStatus::WaitingConfirmation, 12), (ClipStatus::Held, 1)],
            deliveries_pending: 5,
            endpoints_disabled: vec![(DisabledReason::Gone, 2)],
        };
        let mut page = Exposition::default();
        rows(&mut page, &counts);
        assert_eq!(
            page.into_text(),
            "# HELP storyclip_batches Batches by status.\n\
             # TYPE storyclip_batches gauge\n\
             storyclip_batches{status=\"processing\"} 3\n\
             storyclip_batches{status=\"paused\"} 0\n\
             # HELP storyclip_clips Clips by status; uncertain: the network is being asked, held: a person must decide.\n\
             # TYPE storyclip_clips gauge\n\
             storyclip_clips{status=\"waiting_confirmation\"} 12\n\
             storyclip_clips{status=\"held\"} 1\n\
             # HELP storyclip_deliveries_pending Webhooks, e-mails and push messages that are still to be delivered, now or later.\n\
             # TYPE storyclip_deliveries_pending gauge\n\
             storyclip_deliveries_pending 5\n\
             # HELP storyclip_webhook_endpoints_disabled Webhook endpoints that are not sent to, by the reason: a person's \
             wish, or they are gone or failing.\n\
             # TYPE storyclip_webhook_endpoints_disabled gauge\n\
             storyclip_webhook_endpoints_disabled{reason=\"gone\"} 2\n"
        );
        let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(BatchStatus::ALL.iter().all(|status| plain(status.as_str())));
        assert!(ClipStatus::ALL.iter().all(|status| plain(status.as_str())));
        assert!(DisabledReason::ALL.iter().all(|reason| plain(reason.as_str())));
        let tally = Tally::default();
        assert!(
            tally
                .attempts()
                .all(|(network, verdict, _)| plain(network.as_str()) && plain(verdict))
        );
    }
}
