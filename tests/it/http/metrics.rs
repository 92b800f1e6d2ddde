//! The counts for a scraper: of all tenants, for a key of its own.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use storyclip_actors::model::{BatchStatus, ClipStatus};

use super::{
    runner::Runner,
    server::{Server, problem},
    sse::Sse,
};

/// What a scraper reads.
async fn scrape(server: &Server) -> String {
    let request = server.bare(Method::GET, "/metrics").bearer_auth("sk_scrape_1");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    response.text().await.unwrap()
}

fn holds(page: &str, line: &str) {
    assert!(page.lines().any(|told| told == line), "{line} is missing:\n{page}");
}

#[tokio::test]
async fn every_status_has_a_line_and_the_rows_are_counted_at_each_scrape() {
    let server = Server::start().await;
    let none = scrape(&server).await;
    let of_rows = |line: &&str| line.starts_with("storyclip_batches{") || line.starts_with("storyclip_clips{");
    let rows: Vec<&str> = none.lines().filter(of_rows).collect();
    assert_eq!(rows.len(), BatchStatus::ALL.len() + ClipStatus::ALL.len());
    assert!(rows.iter().all(|line| line.ends_with("} 0")), "{none}");

    let id = server.batch(3).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Held).await;
    runner.clip(2, ClipStatus::Uncertain).await;
    let some = scrape(&server).await;
    for line in [
        "storyclip_batches{status=\"processing\"} 1",
        "storyclip_clips{status=\"held\"} 1",
        "storyclip_clips{status=\"uncertain\"} 1",
        "storyclip_clips{status=\"pending\"} 1",
    ] {
        holds(&some, line);
    }
}

#[tokio::test]
async fn commits_subscribers_and_what_the_daemon_says_of_itself_are_counted() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let before = scrape(&server).await;
    for line in [
        "storyclip_batch_actors 7",
        "storyclip_calls_held 0",
        "storyclip_task_deaths_total 0",
        "storyclip_deliveries_pending 0",
        "storyclip_webhook_endpoints_disabled{reason=\"failing\"} 0",
        "storyclip_draining 0",
        "storyclip_stream_subscribers 0",
        "storyclip_stream_lag_seconds_count 0",
        "storyclip_attempts_total{network=\"facebook\",verdict=\"created\"} 0",
        "storyclip_provider_calls_total{operation=\"create\",outcome=\"answered\"} 0",
        "storyclip_polls_total{reading=\"pending\"} 0",
        "storyclip_lateness_seconds_bucket{network=\"facebook\",le=\"+Inf\"} 0",
        &format!("storyclip_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
    ] {
        holds(&before, line);
    }
    let mut events = Sse::open(server.get(&format!("/api/metricool/stream?batchId={id}"))).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Uploading).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    while events.message().await.data["status"] != "waiting_confirmation" {}
    let during = scrape(&server).await;
    holds(&during, "storyclip_stream_subscribers 1");
    let number = |page: &str, series: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no {series} in {page}"))
            .trim()
            .parse()
            .unwrap()
    };
    for series in ["storyclip_commit_seconds_count", "storyclip_commit_operations_sum"] {
        assert!(number(&during, series) >= number(&before, series) + 2.0, "{series}");
    }
    assert!(number(&during, "storyclip_commit_seconds_sum") > 0.0);
    assert!(number(&during, "storyclip_stream_lag_seconds_count") >= 1.0);
}

/// The names that begin like ours in this text.
fn named(text: &str) -> BTreeSet<&str> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split(|c| !word(c))
        .filter(|name| name.starts_with("storyclip_"))
        .collect()
}

#[tokio::test]
async fn every_metric_that_the_dashboard_and_the_alerts_name_is_exported() {
    let server = Server::start().await;
    let page = scrape(&server).await;
    let series: BTreeSet<&str> = (page.lines())
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let dashboard = include_str!("../../../ops/dashboard.json");
    let alerts = include_str!("../../../ops/alerts.yml");
    for (file, text) in [("dashboard.json", dashboard), ("alerts.yml", alerts)] {
        let names = named(text);
        assert!(names.len() > 8, "{file}: {names:?}");
        for name in names {
            assert!(series.contains(name), "{file} names {name}, which is not exported");
        }
    }
    // What is exported and not shown is of no use to the one who looks.
    let families = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for family in families.filter(|family| *family != "storyclip_draining") {
        assert!(dashboard.contains(family), "the dashboard does not show {family}");
    }
    // Labels are words of ours, too: a status that is misspelt would never alert.
    for (label, value) in labels(alerts).chain(labels(dashboard)) {
        assert!(
            page.contains(&format!("{label}=\"{value}\"")),
            "{label}=\"{value}\" is not exported"
        );
    }
}

/// The labels and values that a text selects by; alternatives one by one.
fn labels(text: &str) -> impl Iterator<Item = (&str, &str)> {
    ["status", "verdict", "outcome", "reading", "operation", "reason"]
        .into_iter()
        .flat_map(move |label| {
            let after = text.split(label).skip(1);
            after.filter_map(move |rest| {
                let rest = rest.trim_start_matches(['=', '!', '~']).trim_start_matches('\\');
                let (values, _) = rest.strip_prefix('"')?.split_once(['"', '\\'])?;
                Some((label, values))
            })
        })
        .flat_map(|(label, values)| values.split('|').map(move |value| (label, value)))
        .filter(|(_, value)| !value.is_empty() && value.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

#[test]
fn the_dashboard_is_json_whose_panels_all_ask_something() {
    let dashboard: Value = serde_json::from_str(include_str!("../../../ops/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    for panel in panels {
        assert!(panel["targets"][0]["expr"].is_string(), "{}", panel["title"]);
    }
}

/// What is counted from rows.
const OF_ROWS: [&str; 4] = [
    "storyclip_clips{",
    "storyclip_batches{",
    "storyclip_deliveries_pending",
    "storyclip_webhook_endpoints_disabled",
];

/// Every node counts the rows of the one database: added up over three nodes they would be three times as many.
#[test]
fn what_every_node_counts_from_the_rows_is_not_added_up_over_the_nodes() {
    for (file, text) in [
        ("dashboard.json", include_str!("../../../ops/dashboard.json")),
        ("alerts.yml", include_str!("../../../ops/alerts.yml")),
    ] {
        let expressions: Vec<&str> = (text.lines())
            .filter_map(|line| line.trim().trim_start_matches('"').strip_prefix("expr"))
            .map(|rest| rest.trim_start_matches(['"', ':', ' ']))
            .filter(|rest| OF_ROWS.iter().any(|name| rest.contains(name)))
            .collect();
        for name in OF_ROWS {
            let named = expressions.iter().any(|expression| expression.contains(name));
            assert!(named || name == "storyclip_batches{", "{file} does not show {name}");
        }
        for expression in expressions {
            assert!(
                expression.starts_with("max") && !expression.contains("sum"),
                "{file}: {expression}"
            );
        }
    }
}

#[tokio::test]
async fn no_tenants_key_opens_it_not_even_its_admins() {
    let server = Server::start().await;
    let get = || server.bare(Method::GET, "/metrics");
    problem(get().send().await.unwrap(), 401, "MISSING_API_KEY").await;
    problem(
        get().bearer_auth("sk_wrong_1").send().await.unwrap(),
        401,
        "INVALID_API_KEY",
    )
    .await;
    for key in ["sk_full_1", "sk_root_1", "sk_other_1"] {
        let told = problem(get().bearer_auth(key).send().await.unwrap(), 403, "INSUFFICIENT_SCOPE").await;
        assert!(told["error"].as_str().unwrap().contains("metrics"));
    }
    let elsewhere = server.bare(Method::GET, "/api/metricool/batches/active?userId=u1");
    let elsewhere = elsewhere.bearer_auth("sk_scrape_1").send().await.unwrap();
    problem(elsewhere, 403, "INSUFFICIENT_SCOPE").await;
}
