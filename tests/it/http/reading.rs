//! The answers that tell what is in the database.

use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storyclip_actors::model::{BatchId, BatchStatus, ClipStatus};

use super::{
    runner::Runner,
    server::{START, Server, problem, read},
};

async fn get(server: &Server, path: &str) -> Value {
    let (status, body) = read(server.get(path).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

async fn status(server: &Server, id: &BatchId) -> Value {
    get(server, &format!("/api/metricool/status?batchId={id}")).await
}

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn status_follows_the_clip_at_work() {
    let server = Server::start().await;
    let id = server.batch(3).await;
    let at = "2026-01-01T00:00:00.000Z";
    let told = status(&server, &id).await;
    let mut expected = json!({
        "batchId": id, "tenant": "stories", "status": "processing", "progress": 0, "createdAt": at, "startedAt": null,
        "completedAt": null, "updatedAt": at, "currentStory": null, "currentStatus": "idle", "waitProgress": null,
        "posts": {"total": 3, "published": 0, "failed": 0, "cancelled": 0, "pending": 3}, "error": null,
    });
    expected["clips"] = told["clips"].clone();
    assert_eq!(told, expected);
    assert_eq!(told["clips"].as_array().unwrap().len(), 3);

    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Uploading).await;
    let told = status(&server, &id).await;
    assert_eq!(
        (&told["currentStory"], &told["currentStatus"]),
        (&json!("clip_1"), &json!("uploading"))
    );
    assert_eq!(told["startedAt"], at);

    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    for (millis, elapsed, attempt) in [(-5_000, 0, 0), (0, 0, 0), (4_999, 4, 3), (600_000, 90, 31)] {
        server.clock.0.store(START + millis, Ordering::Relaxed);
        let told = status(&server, &id).await;
        let wait = json!({"elapsed": elapsed, "total": 90, "attempt": attempt, "currentStatus": "PENDING"});
        assert_eq!(
            (&told["currentStatus"], &told["waitProgress"]),
            (&json!("waiting"), &wait),
            "{millis}"
        );
    }

    runner.clip(1, ClipStatus::Published).await;
    let told = status(&server, &id).await;
    assert_eq!(
        (&told["currentStory"], &told["currentStatus"]),
        (&json!(null), &json!("published"))
    );
    assert_eq!((&told["progress"], &told["waitProgress"]), (&json!(33), &json!(null)));

    runner.clip(2, ClipStatus::Failed).await;
    let told = status(&server, &id).await;
    assert_eq!(
        (&told["progress"], &told["currentStatus"]),
        (&json!(66), &json!("failed"))
    );
    runner.clip(3, ClipStatus::Cancelled).await;
    runner.turn(BatchStatus::Completed, true).await;
    let told = status(&server, &id).await;
    let posts = json!({"total": 3, "published": 1, "failed": 1, "cancelled": 1, "pending": 0});
    assert_eq!(
        (&told["progress"], &told["status"], &told["posts"]),
        (&json!(100), &json!("completed"), &posts)
    );
    assert_eq!(told["completedAt"], at);
}

#[tokio::test]
async fn a_batch_has_the_fields_of_the_documents() {
    let server = Server::start().await;
    let id = server.batch(2).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Uploading).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    runner.clip(1, ClipStatus::Published).await;
    let told = get(&server, &format!("/api/metricool/batch/{id}")).await;
    assert_eq!(told["success"], true);
    let at = "2026-01-01T00:00:00.000Z";
    let clip = |n: usize| {
        json!({
            "index": n, "id": format!("clip_{n}"), "url": format!("https://cdn.example/clip_{n}.mp4"), "title": null,
            "status": "pending", "metricoolPostId": null, "facebookPostId": null, "permalink": null, "error": null,
            "errorCode": null, "attempts": 0, "scheduledAt": null, "nextAttemptAt": null, "uploadedAt": null,
            "publishedAt": null,
        })
    };
    let mut first = clip(1);
    first["status"] = json!("published");
    first["metricoolPostId"] = json!(format!("{id}-1-1"));
    first["attempts"] = json!(1);
    for field in ["scheduledAt", "uploadedAt", "publishedAt"] {
        first[field] = json!(at);
    }
    let expected = json!({
        "batchId": id, "jobId": "job_123", "userId": "u1", "accountId": "5372118", "network": "facebook",
        "status": "processing", "publishMode": "now", "total": 2, "published": 1, "failed": 0, "cancelled": 0,
        "currentIndex": 1, "progress": 50, "scheduledFor": null, "createdAt": at, "startedAt": at,
        "completedAt": null, "error": null, "clips": [first, clip(2)],
    });
    assert_eq!(told["batch"], expected);
}

#[tokio::test]
async fn active_lists_what_is_under_way() {
    let server = Server::start().await;
    let (done, paused, running) = (server.batch(1).await, server.batch(1).await, server.batch(2).await);
    Runner::claim(&server, &done)
        .await
        .turn(BatchStatus::Completed, true)
        .await;
    Runner::claim(&server, &paused)
        .await
        .turn(BatchStatus::Paused, true)
        .await;
    for path in [
        "/api/metricool/batches/active?userId=u1",
        "/api/metricool/batch/user-active?userId=u1",
    ] {
        let told = get(&server, path).await;
        assert_eq!((&told["success"], &told["count"]), (&json!(true), &json!(2)));
        let batches = told["batches"].as_array().unwrap();
        let ids: Vec<&str> = batches.iter().map(|batch| batch["batchId"].as_str().unwrap()).collect();
        assert!(
            ids.contains(&paused.as_str()) && ids.contains(&running.as_str()),
            "{ids:?}"
        );
        let running = batches
            .iter()
            .find(|batch| batch["batchId"] == running.as_str())
            .unwrap();
        assert_eq!(running["clips"].as_array().unwrap().len(), 2);
    }
    assert_eq!(
        get(&server, "/api/metricool/batches/active?userId=u2").await["count"],
        0
    );
    for path in ["/api/metricool/batches/active", "/api/metricool/batch/user-active"] {
        problem(server.get(path).send().await.unwrap(), 400, "MISSING_USER_ID").await;
        let admin = |path: &str| server.bare(Method::GET, path).bearer_auth("sk_root_1").send();
        let lost = admin(&format!("{path}?userId=")).await.unwrap();
        problem(lost, 400, "MISSING_USER_ID").await;
        let all = admin(path).await.unwrap();
        assert_eq!(read(all).await.1["count"], 2);
    }
}

#[tokio::test]
async fn reconcile_answers_from_the_rows_and_nudges() {
    let server = Server::start().await;
    let id = server.batch(2).await;
    let told = get(&server, &format!("/api/metricool/reconcile/{id}")).await;
    let expected = json!({
        "batchId": id, "status": "processing", "posts": {"total": 2, "published": 0, "failed": 0, "pending": 2},
        "reconciled": true, "reconciledAt": "2026-01-01T00:00:00.000Z",
    });
    assert_eq!(told, expected);
    assert_eq!(*server.notes.reconciled.lock().unwrap(), [id]);
}

#[tokio::test]
async fn attempts_show_intent_and_outcome() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let path = format!("/api/metricool/batch/{id}/attempts");
    assert_eq!(get(&server, &path).await["count"], 0);
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Uploading).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    let told = get(&server, &path).await;
    assert_eq!(
        (&told["success"], &told["batchId"], &told["count"]),
        (&json!(true), &json!(id), &json!(1))
    );
    let attempt = &told["attempts"][0];
    let expected = [
        "accountId",
        "attempt",
        "code",
        "httpStatus",
        "index",
        "intentAt",
        "media",
        "message",
        "metricoolPostId",
        "network",
        "outcomeAt",
        "permalink",
        "postUuid",
        "request",
        "requestId",
        "slot",
        "verdict",
    ];
    assert_eq!(names(attempt), expected);
    assert_eq!(attempt["request"]["media"], "https://cdn.example/clip_1.mp4");
    assert_eq!(attempt["intentAt"], "2026-01-01T00:00:00.000Z");
    assert_eq!(attempt["metricoolPostId"], format!("{id}-1-1"));
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let server = Server::start().await;
    let long = "a".repeat(65);
    for (path, status, code, field) in [
        ("/api/metricool/status", 400, "MISSING_BATCH_ID", None),
        ("/api/metricool/status?batchId=", 400, "MISSING_BATCH_ID", None),
        (
            "/api/metricool/status?batchId=batch_1_none",
            404,
            "BATCH_NOT_FOUND",
            None,
        ),
        (
            "/api/metricool/status?batchId=a%00",
            400,
            "INVALID_BATCH_ID",
            Some("batchId"),
        ),
        (
            "/api/metricool/status?batchId=a'%20OR%201",
            400,
            "INVALID_BATCH_ID",
            Some("batchId"),
        ),
        (
            "/api/metricool/status?batchId=%ff",
            400,
            "INVALID_QUERY",
            Some("batchId"),
        ),
        (
            "/api/metricool/status?batchId=a&batchId=b",
            400,
            "INVALID_QUERY",
            Some("batchId"),
        ),
        ("/api/metricool/batch/none", 404, "BATCH_NOT_FOUND", None),
        ("/api/metricool/batch/a%00", 400, "INVALID_BATCH_ID", Some("batchId")),
        ("/api/metricool/batch/%ff", 400, "INVALID_BATCH_ID", Some("batchId")),
        (
            "/api/metricool/batch/%ff/attempts",
            400,
            "INVALID_BATCH_ID",
            Some("batchId"),
        ),
        ("/api/metricool/batch/none/attempts", 404, "BATCH_NOT_FOUND", None),
        ("/api/metricool/reconcile/none", 404, "BATCH_NOT_FOUND", None),
        ("/api/metricool/reconcile/a.b", 400, "INVALID_BATCH_ID", Some("batchId")),
        (
            "/api/metricool/batches/active?userId=%00",
            400,
            "INVALID_USER_ID",
            Some("userId"),
        ),
        (
            "/api/metricool/batches/active?userId=%f",
            400,
            "INVALID_QUERY",
            Some("userId"),
        ),
        (
            "/api/metricool/batches/active?userId=a&userId=a",
            400,
            "INVALID_QUERY",
            Some("userId"),
        ),
        (
            &format!("/api/metricool/batch/{long}"),
            400,
            "INVALID_BATCH_ID",
            Some("batchId"),
        ),
    ] {
        let told = problem(server.get(path).send().await.unwrap(), status, code).await;
        assert_eq!(told["errors"][0]["field"].as_str(), field, "{path}");
    }
    assert!(server.notes.reconciled.lock().unwrap().is_empty());
}
