//! Cancel: durable before it is answered, harmless when repeated, refused when it is too late.

use serde_json::json;
use storyclip_actors::{
    model::{BatchStatus, Wish},
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
        "success": true, "batchId": id, "action": "cancel", "status": "cancelled",
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
        (&told["success"], &told["status"]),
        (&json!(true), &json!("processing"))
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

#[tokio::test]
async fn what_is_not_there_cannot_be_cancelled() {
    let server = Server::start().await;
    let send = async |id: &str| {
        server
            .post(&format!("/api/metricool/batch/{id}/cancel"))
            .send()
            .await
            .unwrap()
    };
    problem(send("none").await, 404, "BATCH_NOT_FOUND").await;
    problem(send("").await, 400, "INVALID_BATCH_ID").await;
    problem(send("a%00").await, 400, "INVALID_BATCH_ID").await;
    assert_eq!(server.rows().await, [0; 6]);
}
