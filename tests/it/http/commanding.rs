//! Commands about a batch: durable before they are answered, harmless when repeated, refused when it is too late.

use serde_json::json;
use storyclip_actors::{
    model::{BatchId, BatchStatus, ClipStatus, Wish},
    ports,
};

use super::{
    runner::Runner,
    server::{Server, problem, read},
};

#[tokio::test]
async fn a_wish_is_durable_before_it_is_answered() {
    let server = Server::start().await;
    let id = server.batch(2).await;
    let path = format!("/api/metricool/batch/{id}/cancel");
    *server.notes.answer.lock().unwrap() = Some(BatchStatus::Cancelled);
    let (_, told) = read(server.post(&path).send().await.unwrap()).await;
    let expected = json!({
        "success": true, "batchId": id, "action": "cancel", "status": "cancelled", "applied": true,
        "timestamp": "2026-01-01T00:00:00.000Z",
    });
    assert_eq!(told, expected);
    let commands = ports::Store::commands(&server.store, &id).await.unwrap();
    assert_eq!(
        commands.into_iter().map(|command| command.wish).collect::<Vec<_>>(),
        [Some(Wish::Cancel)]
    );
    assert_eq!(*server.notes.commanded.lock().unwrap(), [id]);
}

#[tokio::test]
async fn without_word_from_the_actor_the_answer_is_what_the_row_says() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let path = format!("/api/metricool/batch/{id}/cancel");
    let (_, told) = read(server.post(&path).send().await.unwrap()).await;
    assert_eq!(
        (&told["success"], &told["status"], &told["applied"]),
        (&json!(true), &json!("processing"), &json!(false))
    );
    assert_eq!(server.rows().await[3], 1);
}

#[tokio::test]
async fn repeating_is_harmless_and_too_late_is_a_conflict() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let path = format!("/api/metricool/batch/{id}/cancel");
    let mut runner = Runner::claim(&server, &id).await;
    runner.turn(BatchStatus::Cancelled, true).await;
    let before = server.rows().await;
    for _ in 0..2 {
        let (_, told) = read(server.post(&path).send().await.unwrap()).await;
        assert_eq!(told["status"], "cancelled");
    }
    for status in [BatchStatus::Completed, BatchStatus::Failed] {
        let id = server.batch(1).await;
        Runner::claim(&server, &id).await.turn(status, true).await;
        let response = server
            .post(&format!("/api/metricool/batch/{id}/cancel"))
            .send()
            .await
            .unwrap();
        let told = problem(response, 409, "BATCH_NOT_CANCELLABLE").await;
        assert_eq!(told["currentStatus"], status.as_str());
    }
    assert_eq!(server.rows().await[3], before[3]);
    assert!(server.notes.commanded.lock().unwrap().is_empty());

    let id = server.batch(1).await;
    *server.notes.answer.lock().unwrap() = Some(BatchStatus::Completed);
    let response = server
        .post(&format!("/api/metricool/batch/{id}/cancel"))
        .send()
        .await
        .unwrap();
    let told = problem(response, 409, "BATCH_NOT_CANCELLABLE").await;
    assert_eq!(
        told["currentStatus"], "completed",
        "it ended while the wish was on its way"
    );
}

/// A batch of three clips with this status, of which the first failed, the second is held and the third has not begun.
async fn batch_that_is(server: &Server, status: BatchStatus) -> BatchId {
    let id = server.batch(3).await;
    let mut runner = Runner::claim(server, &id).await;
    runner.clip(1, ClipStatus::Failed).await;
    runner.clip(2, ClipStatus::Held).await;
    runner.turn(status, false).await;
    id
}

/// The wishes that are stored for the batch.
async fn wishes(server: &Server, id: &BatchId) -> Vec<Wish> {
    let commands = ports::Store::commands(&server.store, id).await.unwrap();
    commands.into_iter().filter_map(|command| command.wish).collect()
}

const ACTIONS: [(&str, &str, Wish, [BatchStatus; 4]); 2] = [
    (
        "pause",
        "BATCH_NOT_PAUSABLE",
        Wish::Pause,
        [
            BatchStatus::Draft,
            BatchStatus::Completed,
            BatchStatus::Failed,
            BatchStatus::Cancelled,
        ],
    ),
    (
        "resume",
        "BATCH_NOT_RESUMABLE",
        Wish::Resume,
        [
            BatchStatus::Draft,
            BatchStatus::Completed,
            BatchStatus::Failed,
            BatchStatus::Cancelled,
        ],
    ),
];

#[tokio::test]
async fn a_batch_is_paused_and_resumed_and_a_wish_is_stored_each_time() {
    let server = Server::start().await;
    for (action, code, wish, never) in ACTIONS {
        let send = async |id: &BatchId| {
            let path = format!("/api/metricool/batch/{id}/{action}");
            server.post(&path).send().await.unwrap()
        };
        for status in [BatchStatus::Processing, BatchStatus::Paused] {
            let id = batch_that_is(&server, status).await;
            let after = if action == "pause" {
                BatchStatus::Paused
            } else {
                BatchStatus::Processing
            };
            *server.notes.answer.lock().unwrap() = Some(after);
            for _ in 0..2 {
                let (code, told) = read(send(&id).await).await;
                let expected = json!({
                    "success": true, "batchId": id, "action": action, "status": after, "applied": true,
                    "timestamp": "2026-01-01T00:00:00.000Z",
                });
                assert_eq!((code.as_u16(), told), (200, expected));
            }
            assert_eq!(
                wishes(&server, &id).await,
                [wish.clone(), wish.clone()],
                "the last word counts"
            );
        }
        *server.notes.answer.lock().unwrap() = None;
        for status in never {
            let id = batch_that_is(&server, status).await;
            let told = problem(send(&id).await, 409, code).await;
            assert_eq!(told["currentStatus"], status.as_str());
            assert!(wishes(&server, &id).await.is_empty());
        }
    }
}

#[tokio::test]
async fn a_wish_that_came_too_late_is_a_conflict_and_a_stop_right_after_a_resume_is_not() {
    let server = Server::start().await;
    for (action, after, conflict) in [
        ("pause", BatchStatus::Completed, Some("BATCH_NOT_PAUSABLE")),
        ("pause", BatchStatus::Cancelled, Some("BATCH_NOT_PAUSABLE")),
        ("resume", BatchStatus::Cancelled, Some("BATCH_NOT_RESUMABLE")),
        ("resume", BatchStatus::Paused, None),
        ("resume", BatchStatus::Completed, None),
        ("retry-failed", BatchStatus::Cancelled, Some("BATCH_NOT_RETRYABLE")),
        ("retry-failed", BatchStatus::Failed, None),
    ] {
        let id = batch_that_is(&server, BatchStatus::Paused).await;
        *server.notes.answer.lock().unwrap() = Some(after);
        let path = format!("/api/metricool/batch/{id}/{action}");
        let response = server.post(&path).send().await.unwrap();
        match conflict {
            Some(code) => {
                let told = problem(response, 409, code).await;
                assert_eq!(told["currentStatus"], after.as_str());
            }
            None => assert_eq!(read(response).await.1["status"], after.as_str(), "{action}"),
        }
    }
}

#[tokio::test]
async fn failed_clips_are_retried_all_or_those_that_are_named() {
    let server = Server::start().await;
    let id = batch_that_is(&server, BatchStatus::Completed).await;
    let path = format!("/api/metricool/batch/{id}/retry-failed");
    *server.notes.answer.lock().unwrap() = Some(BatchStatus::Processing);
    let bare = server.post(&path).send().await.unwrap();
    let (status, told) = read(bare).await;
    let expected = json!({
        "success": true, "batchId": id, "action": "retry-failed", "status": "processing", "applied": true,
        "timestamp": "2026-01-01T00:00:00.000Z", "clips": [1],
    });
    assert_eq!((status.as_u16(), told), (200, expected));
    for (body, covered) in [
        (json!({}), json!([1])),
        (json!({"clips": null}), json!([1])),
        (json!({"clips": [1, 1]}), json!([1])),
    ] {
        let (_, told) = read(server.post(&path).json(&body).send().await.unwrap()).await;
        assert_eq!(told["clips"], covered, "{body}");
    }
    let stored = wishes(&server, &id).await;
    let named = |clips: &[u32]| Wish::RetryFailed { clips: clips.to_vec() };
    assert_eq!(stored, [named(&[]), named(&[]), named(&[]), named(&[1])]);
}

#[tokio::test]
async fn a_clip_that_has_not_failed_cannot_be_retried_unless_that_was_asked_for_before() {
    let server = Server::start().await;
    *server.notes.answer.lock().unwrap() = Some(BatchStatus::Processing);
    let id = server.batch(3).await;
    let path = format!("/api/metricool/batch/{id}/retry-failed");
    let retry = async |clips: &[u32]| {
        server
            .post(&path)
            .json(&json!({ "clips": clips }))
            .send()
            .await
            .unwrap()
    };
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Failed).await;
    runner.clip(2, ClipStatus::Held).await;
    runner.turn(BatchStatus::Processing, false).await;
    // Nothing of a wish that is impossible in part is done.
    let told = problem(retry(&[3, 1, 2]).await, 409, "CLIP_NOT_FAILED").await;
    assert_eq!(told["currentStatus"], "held");
    let named: Vec<_> = (told["errors"].as_array().unwrap().iter())
        .map(|error| (&error["field"], &error["message"]))
        .collect();
    let (second, third) = ("clip 2 is held, not failed", "clip 3 is pending, not failed");
    assert_eq!(
        named,
        [(&json!("clips"), &json!(second)), (&json!("clips"), &json!(third))]
    );
    assert!(wishes(&server, &id).await.is_empty());

    // The first one carried out, its repeat finds the clip wherever it has come to.
    assert_eq!(read(retry(&[1]).await).await.1["clips"], json!([1]));
    for status in [ClipStatus::Retrying, ClipStatus::Uploading, ClipStatus::Held] {
        runner.clip(1, status).await;
        let (code, told) = read(retry(&[1]).await).await;
        assert_eq!((code.as_u16(), &told["clips"]), (200, &json!([])), "{status}");
    }
    let told = problem(retry(&[1, 3]).await, 409, "CLIP_NOT_FAILED").await;
    assert_eq!(told["currentStatus"], "pending");
    // Who names none takes what has failed, and that may be nothing.
    let (code, told) = read(server.post(&path).send().await.unwrap()).await;
    assert_eq!((code.as_u16(), &told["clips"]), (200, &json!([])));
}

#[tokio::test]
async fn a_list_of_clips_that_makes_no_sense_names_its_fields_and_stores_nothing() {
    let server = Server::start().await;
    let id = batch_that_is(&server, BatchStatus::Completed).await;
    let path = format!("/api/metricool/batch/{id}/retry-failed");
    for (body, fields) in [
        (json!({"clips": []}), vec!["clips"]),
        (json!({"clips": 1}), vec!["clips"]),
        (json!({"clips": "all"}), vec!["clips"]),
        (json!({"clips": {"1": true}}), vec!["clips"]),
        (
            json!({"clips": [1, 4, 0, -1, 1.5, "2", null]}),
            vec!["clips[1]", "clips[2]", "clips[3]", "clips[4]", "clips[5]", "clips[6]"],
        ),
    ] {
        let told = problem(
            server.post(&path).json(&body).send().await.unwrap(),
            400,
            "INVALID_CLIPS",
        )
        .await;
        let named: Vec<_> = told["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["field"].clone())
            .collect();
        assert_eq!(named, fields, "{body}");
    }
    let send = |kind: &str, text: &'static str| server.post(&path).header("content-type", kind).body(text).send();
    problem(send("application/json", "[1]").await.unwrap(), 400, "INVALID_BODY").await;
    problem(send("application/json", "{").await.unwrap(), 400, "MALFORMED_JSON").await;
    problem(send("text/plain", "1").await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE").await;
    for status in [BatchStatus::Draft, BatchStatus::Cancelled] {
        let id = batch_that_is(&server, status).await;
        let path = format!("/api/metricool/batch/{id}/retry-failed");
        let told = problem(server.post(&path).send().await.unwrap(), 409, "BATCH_NOT_RETRYABLE").await;
        assert_eq!(told["currentStatus"], status.as_str());
    }
    assert_eq!(server.rows().await[3], 0);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_commanded() {
    let server = Server::start().await;
    for action in ["cancel", "pause", "resume", "retry-failed", "clips/1/resolve"] {
        let send = async |id: &str| {
            let request = server.post(&format!("/api/metricool/batch/{id}/{action}"));
            request.json(&json!({"action": "drop"})).send().await.unwrap()
        };
        problem(send("none").await, 404, "BATCH_NOT_FOUND").await;
        problem(send("").await, 400, "INVALID_BATCH_ID").await;
        problem(send("a%00").await, 400, "INVALID_BATCH_ID").await;
    }
    assert_eq!(server.rows().await, [0; 6]);
}
