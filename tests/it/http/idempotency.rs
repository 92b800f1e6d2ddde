//! `Idempotency-Key`: what is sent twice is created once.

use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};

use super::server::{FULL, PUBLISH, Server, Setup, body_of, problem, read};

#[tokio::test]
async fn one_idempotency_key_creates_once() {
    let server = Server::start().await;
    let today = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    server.clock.0.store(today.as_millis() as i64, Ordering::Relaxed); // the age of a key is counted from the real day
    let body = body_of(2).to_string();
    let send = async |key: &str, body: &str, tenant: &str| {
        let request = server.bare(Method::POST, PUBLISH).header("x-api-key", tenant);
        let request = request
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        request.body(body.to_owned()).send().await.unwrap()
    };
    let first = send("key-1", &body, FULL).await;
    assert!(first.headers().get("idempotency-replayed").is_none());
    let first = read(first).await;
    assert_eq!(first.0, StatusCode::ACCEPTED);
    for _ in 0..2 {
        let again = send("key-1", &body, FULL).await;
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(again.headers()["content-type"], "application/json");
        assert_eq!(read(again).await, first);
    }
    assert_eq!(server.rows().await, [1, 2, 0, 0, 1, 0]);
    assert_eq!(server.notes.created.lock().unwrap().len(), 1);
    problem(
        send("key-1", &body_of(1).to_string(), FULL).await,
        422,
        "IDEMPOTENCY_KEY_REUSED",
    )
    .await;
    problem(send("key-1", "{", FULL).await, 422, "IDEMPOTENCY_KEY_REUSED").await;
    problem(send("key-2", "{", FULL).await, 400, "MALFORMED_JSON").await;
    assert_eq!(server.rows().await, [1, 2, 0, 0, 1, 0], "only what succeeded is kept");
    assert_eq!(send("key-2", &body, FULL).await.status(), StatusCode::ACCEPTED);
    let others = body.replace("5372118", "99");
    let other = send("key-1", &others, "sk_other_1").await;
    assert!(
        other.headers().get("idempotency-replayed").is_none(),
        "keys are a tenant's own"
    );
    assert_eq!(server.rows().await, [3, 6, 0, 0, 3, 0]);
    let server = server.restart(Setup::default()).await;
    let request = server.publish(&body_of(2)).header("idempotency-key", "key-1");
    assert_eq!(read(request.send().await.unwrap()).await, first, "also after a restart");
}

#[tokio::test]
async fn the_same_key_at_the_same_time_creates_once() {
    let server = Server::start().await;
    let body = body_of(1);
    let sends = (0..20).map(|_| server.publish(&body).header("idempotency-key", "k").send());
    let answers = futures_util::future::join_all(sends).await;
    let mut ids = Vec::new();
    for answer in answers {
        let (status, answer) = read(answer.unwrap()).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        ids.push(answer["batchId"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(server.rows().await, [1, 1, 0, 0, 1, 0]);
    assert_eq!(server.notes.created.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_idempotency_key_is_refused() {
    let server = Server::start().await;
    let long = "k".repeat(256);
    for key in ["", "a b", long.as_str()] {
        let response = server
            .publish(&body_of(1))
            .header("idempotency-key", key)
            .send()
            .await
            .unwrap();
        let told = problem(response, 400, "INVALID_IDEMPOTENCY_KEY").await;
        assert_eq!(told["errors"][0]["field"], "Idempotency-Key");
    }
    let dry = server
        .post("/api/metricool/publish/stories?dryRun=true")
        .json(&body_of(1));
    let response = dry.header("idempotency-key", "a b").send().await.unwrap();
    problem(response, 400, "INVALID_IDEMPOTENCY_KEY").await;
    let bytes = reqwest::header::HeaderValue::from_bytes(b"k\xff").unwrap();
    let response = server
        .publish(&body_of(1))
        .header("idempotency-key", bytes)
        .send()
        .await
        .unwrap();
    problem(response, 400, "INVALID_IDEMPOTENCY_KEY").await;
    let twice = server
        .publish(&body_of(1))
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    problem(twice.send().await.unwrap(), 400, "INVALID_IDEMPOTENCY_KEY").await;
    assert_eq!(server.rows().await, [0; 6]);
}
