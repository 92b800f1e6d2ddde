//! What holds for every route: request ids, problems for what is no route, panics, health.

use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};

use super::server::{PUBLISH, Server, body_of, problem, read};

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let server = Server::start().await;
    let id = async |sent: Option<&str>| {
        let mut request = server.get("/healthz");
        if let Some(sent) = sent {
            request = request.header("x-request-id", sent);
        }
        request.send().await.unwrap().headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(id(Some("req-1.a:b/c")).await, "req-1.a:b/c");
    let long = "a".repeat(129);
    for odd in [None, Some("a b"), Some("a\"b"), Some(long.as_str())] {
        let made = id(odd).await;
        assert!(made.starts_with("req_") && made.len() == 24, "{made}");
    }
    assert_ne!(id(None).await, id(None).await);
}

#[tokio::test]
async fn what_is_no_route_is_a_problem() {
    let server = Server::start().await;
    for path in ["/", "/api/metricool", "/api/metricool/status/", "/%ff"] {
        let response = server.get(path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        problem(response, 404, "ROUTE_NOT_FOUND").await;
    }
    for (method, path, allow) in [
        (Method::GET, PUBLISH, "POST"),
        (Method::DELETE, PUBLISH, "POST"),
        (Method::POST, "/api/metricool/status", "GET,HEAD"),
        (Method::GET, "/api/metricool/batch/b/cancel", "POST"),
        (Method::PUT, "/healthz", "GET,HEAD"),
    ] {
        let response = server.bare(method, path).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allow, "{path}");
        problem(response, 405, "METHOD_NOT_ALLOWED").await;
    }
}

#[tokio::test]
async fn a_panic_ends_one_request_and_nothing_else() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let path = format!("/api/metricool/reconcile/{id}");
    server.notes.panics.store(true, Ordering::Relaxed);
    let told = problem(server.get(&path).send().await.unwrap(), 500, "INTERNAL_ERROR").await;
    assert!(!told.to_string().contains("told to panic"));
    server.notes.panics.store(false, Ordering::Relaxed);
    assert_eq!(server.get(&path).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn health_needs_no_key_and_readiness_tells_why_not() {
    let server = Server::start().await;
    let get = async |path| server.bare(Method::GET, path).send().await.unwrap();
    assert_eq!(read(get("/healthz").await).await.1["status"], "ok");
    assert_eq!(read(get("/readyz").await).await.1["status"], "ready");
    server.notes.draining.store(true, Ordering::Relaxed);
    let told = problem(get("/readyz").await, 503, "NOT_READY").await;
    assert_eq!(told["detail"], "draining");
    assert_eq!(get("/healthz").await.status(), StatusCode::OK);
    server.notes.draining.store(false, Ordering::Relaxed);
    server.store.close().await;
    problem(get("/readyz").await, 503, "NOT_READY").await;
}

#[tokio::test]
async fn a_database_that_is_away_is_said_so() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    server.store.close().await;
    for path in [
        format!("/api/metricool/status?batchId={id}"),
        format!("/api/metricool/batch/{id}"),
        format!("/api/metricool/batch/{id}/attempts"),
        "/api/metricool/batches/active?userId=u1".into(),
        "/api/metricool/history?userId=u1".into(),
        format!("/api/metricool/reconcile/{id}"),
        format!("/api/metricool/stream?batchId={id}"),
        "/api/metricool/stream?userId=u1".into(),
    ] {
        let response = server.get(&path).send().await.unwrap();
        assert_eq!(response.headers()["retry-after"], "1");
        problem(response, 503, "STORE_UNAVAILABLE").await;
    }
    problem(
        server.publish(&body_of(1)).send().await.unwrap(),
        503,
        "STORE_UNAVAILABLE",
    )
    .await;
    for command in ["cancel", "pause", "resume", "retry-failed", "clips/1/resolve"] {
        let request = server.post(&format!("/api/metricool/batch/{id}/{command}"));
        let response = request
            .json(&serde_json::json!({"action": "drop"}))
            .send()
            .await
            .unwrap();
        problem(response, 503, "STORE_UNAVAILABLE").await;
    }
    let scrape = server.bare(Method::GET, "/metrics").bearer_auth("sk_scrape_1");
    problem(scrape.send().await.unwrap(), 503, "STORE_UNAVAILABLE").await;
    assert_eq!(server.hub.channels(), 0);
}
