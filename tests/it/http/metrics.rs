//! The counts for a scraper: of all tenants, for a key of its own.

use reqwest::Method;
use storyclip_actors::model::{BatchStatus, ClipStatus};

use super::{
    runner::Runner,
    server::{Server, problem},
};

#[tokio::test]
async fn every_status_has_a_line_and_the_rows_are_counted_at_each_scrape() {
    let server = Server::start().await;
    let scrape = async || {
        let request = server.bare(Method::GET, "/metrics").bearer_auth("sk_scrape_1");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        response.text().await.unwrap()
    };
    let none = scrape().await;
    assert_eq!(none.lines().count(), 4 + BatchStatus::ALL.len() + ClipStatus::ALL.len());
    assert!(
        none.lines().all(|line| line.starts_with("# ") || line.ends_with("} 0")),
        "{none}"
    );

    let id = server.batch(3).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Held).await;
    runner.clip(2, ClipStatus::Uncertain).await;
    let some = scrape().await;
    for line in [
        "storyclip_batches{status=\"processing\"} 1",
        "storyclip_clips{status=\"held\"} 1",
        "storyclip_clips{status=\"uncertain\"} 1",
        "storyclip_clips{status=\"pending\"} 1",
    ] {
        assert!(some.lines().any(|told| told == line), "{line} is missing:\n{some}");
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
