//! A person's decision about a held clip: durable before it is answered, and every wrong one is told why.

use reqwest::Response;
use serde_json::{Value, json};
use storyclip_actors::{
    model::{BatchId, BatchStatus, ClipStatus, PostRef, Resolution, Trouble, Wish, code},
    ports,
};

use super::{
    runner::Runner,
    server::{Server, problem, read},
};

async fn decide(server: &Server, id: &BatchId, clip: &str, body: &Value) -> Response {
    let path = format!("/api/metricool/batch/{id}/clips/{clip}/resolve");
    server.post(&path).json(body).send().await.unwrap()
}

/// A batch whose first clip is held for this reason.
async fn held(server: &Server, reason: &str) -> (BatchId, Runner) {
    let id = server.batch(2).await;
    let mut runner = Runner::claim(server, &id).await;
    runner.clips[0].error = Some(Trouble::new(reason, "why it is held"));
    runner.clip(1, ClipStatus::Held).await;
    (id, runner)
}

#[tokio::test]
async fn each_decision_is_durable_before_it_is_answered() {
    let server = Server::start().await;
    for (body, how) in [
        (
            json!({"action": "adopt", "postId": "300000001"}),
            Resolution::Adopt("300000001".into()),
        ),
        (json!({"action": "retry"}), Resolution::Retry),
        (json!({"action": "drop", "postId": null}), Resolution::Drop),
    ] {
        let (id, _runner) = held(&server, code::CANNOT_TELL).await;
        *server.notes.answer.lock().unwrap() = Some(BatchStatus::Processing);
        let (status, told) = read(decide(&server, &id, "1", &body).await).await;
        let expected = json!({
            "success": true, "batchId": id, "action": "resolve", "status": "processing", "applied": true,
            "timestamp": "2026-01-01T00:00:00.000Z", "clip": {"index": 1, "status": "held"},
        });
        assert_eq!((status.as_u16(), told), (200, expected));
        let commands = ports::Store::commands(&server.store, &id).await.unwrap();
        let wishes: Vec<_> = commands.into_iter().map(|command| command.wish).collect();
        let (clip, attempt) = (1, Some(0));
        assert_eq!(wishes, [Some(Wish::Resolve { clip, attempt, how })]);
        assert_eq!(server.notes.commanded.lock().unwrap().last(), Some(&id));
    }
}

#[tokio::test]
async fn a_post_that_belongs_to_another_clip_is_a_conflict_that_says_so() {
    let server = Server::start().await;
    let (id, _runner) = held(&server, code::POST_TAKEN).await;
    let body = json!({"action": "adopt", "postId": "300000001"});
    *server.notes.answer.lock().unwrap() = Some(BatchStatus::Paused);
    let told = problem(decide(&server, &id, "1", &body).await, 409, "POST_TAKEN").await;
    assert_eq!(
        (&told["currentStatus"], &told["error"]),
        (&json!("held"), &json!("why it is held"))
    );
    *server.notes.answer.lock().unwrap() = None;
    let (_, told) = read(decide(&server, &id, "1", &body).await).await;
    assert_eq!(told["applied"], false, "that reason is from before");
}

#[tokio::test]
async fn a_decision_that_stands_already_is_answered_and_stores_nothing() {
    let server = Server::start().await;
    let id = server.batch(3).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    runner.clip(2, ClipStatus::WaitingConfirmation).await;
    runner.clip(2, ClipStatus::Published).await;
    runner.clips[2].error = Some(Trouble::new(code::DROPPED, "dropped"));
    runner.clip(3, ClipStatus::Failed).await;
    let post = |runner: &Runner, clip: usize| {
        runner.clips[clip]
            .post
            .as_ref()
            .map(|PostRef { id, .. }| id.to_string())
    };
    for (clip, body, status) in [
        (
            "1",
            json!({"action": "adopt", "postId": post(&runner, 0)}),
            "waiting_confirmation",
        ),
        ("2", json!({"action": "adopt", "postId": post(&runner, 1)}), "published"),
        ("3", json!({"action": "drop"}), "failed"),
    ] {
        let (code, told) = read(decide(&server, &id, clip, &body).await).await;
        assert_eq!(
            (code.as_u16(), &told["clip"]["status"]),
            (200, &json!(status)),
            "{told}"
        );
    }
    assert_eq!(server.rows().await[3], 0);
}

#[tokio::test]
async fn what_is_not_held_is_a_conflict_with_the_clips_status() {
    let server = Server::start().await;
    let id = server.batch(2).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    runner.clips[1].error = Some(Trouble::new("X", "x"));
    runner.clip(2, ClipStatus::Failed).await;
    for body in [
        json!({"action": "adopt", "postId": "other"}),
        json!({"action": "retry"}),
        json!({"action": "drop"}),
    ] {
        for (clip, status) in [("1", "waiting_confirmation"), ("2", "failed")] {
            let told = problem(decide(&server, &id, clip, &body).await, 409, "CLIP_NOT_HELD").await;
            assert_eq!(told["currentStatus"], status);
        }
    }
    let (id, mut runner) = held(&server, code::CANNOT_TELL).await;
    let another = decide(&server, &id, "1", &json!({"action": "retry", "attempt": 9})).await;
    let told = problem(another, 409, "ATTEMPT_NOT_HELD").await;
    assert_eq!(told["currentStatus"], "held");
    runner.turn(BatchStatus::Cancelled, true).await;
    let again = decide(&server, &id, "1", &json!({"action": "retry"})).await;
    let told = problem(again, 409, "BATCH_NOT_RETRYABLE").await;
    assert_eq!(told["currentStatus"], "cancelled");
    assert_eq!(server.rows().await[3], 0);
}

#[tokio::test]
async fn a_body_that_makes_no_sense_names_its_fields() {
    let server = Server::start().await;
    let (id, _runner) = held(&server, code::CANNOT_TELL).await;
    let long = "1".repeat(65);
    for (body, code, fields) in [
        (json!({}), "MISSING_ACTION", vec!["action"]),
        (json!({"action": "sing"}), "INVALID_ACTION", vec!["action"]),
        (json!({"action": 1}), "INVALID_ACTION", vec!["action"]),
        (json!({"action": "adopt"}), "MISSING_POST_ID", vec!["postId"]),
        (
            json!({"action": "drop", "attempt": 0}),
            "INVALID_ATTEMPT",
            vec!["attempt"],
        ),
        (
            json!({"action": "drop", "attempt": "1"}),
            "INVALID_ATTEMPT",
            vec!["attempt"],
        ),
        (
            json!({"action": "drop", "attempt": 4294967296_u64}),
            "INVALID_ATTEMPT",
            vec!["attempt"],
        ),
        (
            json!({"action": "adopt", "postId": ""}),
            "INVALID_POST_ID",
            vec!["postId"],
        ),
        (
            json!({"action": "adopt", "postId": 300000001}),
            "INVALID_POST_ID",
            vec!["postId"],
        ),
        (
            json!({"action": "adopt", "postId": "../1"}),
            "INVALID_POST_ID",
            vec!["postId"],
        ),
        (
            json!({"action": "adopt", "postId": long}),
            "INVALID_POST_ID",
            vec!["postId"],
        ),
        (
            json!({"action": "retry", "postId": "1"}),
            "INVALID_POST_ID",
            vec!["postId"],
        ),
        (
            json!({"action": "sing", "postId": "?"}),
            "INVALID_POST_ID",
            vec!["postId", "action"],
        ),
    ] {
        let told = problem(decide(&server, &id, "1", &body).await, 400, code).await;
        let named: Vec<_> = told["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["field"].clone())
            .collect();
        assert_eq!(named, fields, "{body}");
    }
    for clip in ["0", "-1", "+1", "x", "1.5", "99999999999", ""] {
        let told = problem(
            decide(&server, &id, clip, &json!({"action": "drop"})).await,
            400,
            "INVALID_CLIP_INDEX",
        )
        .await;
        assert_eq!(told["errors"][0]["field"], "index", "{clip}");
    }
    problem(
        decide(&server, &id, "3", &json!({"action": "drop"})).await,
        404,
        "CLIP_NOT_FOUND",
    )
    .await;
    let bare = server.post(&format!("/api/metricool/batch/{id}/clips/1/resolve"));
    problem(bare.send().await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE").await;
    assert_eq!(server.rows().await[3], 0);
    assert!(server.notes.commanded.lock().unwrap().is_empty());
}
