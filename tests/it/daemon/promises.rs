//! What the daemon has promised over HTTP holds although it is killed around its answer.

use std::time::Duration;

use rand::{SeedableRng, rngs::SmallRng};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{
    experiment::{seed, some_of},
    ledger,
    stage::{Stage, clips, stories},
};

/// Longer than an answer takes, so that some kills come before it and some after.
const AROUND_AN_ANSWER: Duration = Duration::from_millis(12);

#[tokio::test]
async fn a_publish_call_that_is_repeated_after_a_kill_makes_one_batch() {
    let stage = Stage::new(json!({"confirm_ms": 20})).await;
    let mut rng = SmallRng::seed_from_u64(seed("publish calls"));
    let mut ids = Vec::new();
    let mut answers = 0;
    for round in 1..=20 {
        let body = stories(&round.to_string(), &clips(2), json!({}));
        let key = format!("key_{round}");
        let daemon = stage.start().await;
        let (api, once) = (daemon.api.clone(), (body.clone(), key.clone()));
        let call = tokio::spawn(async move { api.publish_once(&once.0, &once.1).await });
        some_of(AROUND_AN_ANSWER, &mut rng).await;
        daemon.process.kill();
        let first = call.await.unwrap();
        let daemon = stage.start().await;
        let (status, second) = daemon.api.publish_once(&body, &key).await.unwrap();
        assert_eq!(status, StatusCode::ACCEPTED, "{second}");
        if let Some((status, first)) = first {
            answers += 1;
            assert_eq!((status, &first), (StatusCode::ACCEPTED, &second));
        }
        ids.push(second["batchId"].as_str().unwrap().to_owned());
        daemon.process.kill();
    }
    let daemon = stage.start().await;
    let mut ended = Vec::new();
    for id in &ids {
        let batch = daemon.api.finished(id).await;
        ledger::all_published(&stage.sandbox, &batch);
        ended.push(batch);
    }
    assert_eq!(stage.sandbox.ledger().counts.live, 2 * ids.len());
    daemon.stop().await;
    let told = format!(
        "{} kills around a publish call, {answers} answered before",
        2 * ids.len()
    );
    ledger::told(&stage, &told, &ended).await;
    stage.clear().await;
}

#[tokio::test]
async fn a_cancel_that_was_answered_is_never_forgotten_and_one_that_was_not_does_no_harm() {
    let stage = Stage::new(json!({"create_delay_ms": [0, 40], "confirm_ms": [0, 80]})).await;
    let mut rng = SmallRng::seed_from_u64(seed("cancels around kills"));
    let (mut answers, mut ended) = (0, Vec::new());
    for round in 1..=20 {
        let daemon = stage.start().await;
        let account = round.to_string();
        let id = daemon
            .api
            .publish(&stories(&account, &clips(4), json!({"maxRetries": 10})))
            .await;
        some_of(Duration::from_millis(300), &mut rng).await;
        let (api, path) = (daemon.api.clone(), format!("/api/metricool/batch/{id}/cancel"));
        let call = tokio::spawn(async move { api.request(Method::POST, &path).send().await });
        some_of(AROUND_AN_ANSWER, &mut rng).await;
        daemon.process.kill();
        let answered = call.await.unwrap().ok().map(|response| response.status());

        let daemon = stage.start().await;
        let batch = daemon.api.finished(&id).await;
        match answered {
            Some(StatusCode::OK) => {
                answers += 1;
                assert_eq!(batch["status"], "cancelled", "{batch:#}");
            }
            Some(other) => assert_eq!((other, &batch["status"]), (StatusCode::CONFLICT, &json!("completed"))),
            None => {}
        }
        let published = batch["published"].as_u64().unwrap() as usize;
        assert_eq!(batch["cancelled"], 4 - published, "{batch:#}");
        ledger::live_once_in_order(&stage.sandbox, &batch, 1..=published);
        daemon.stop().await;
        ended.push(batch);
    }
    let told = format!("{} kills around a cancel, {answers} answered before", ended.len());
    ledger::told(&stage, &told, &ended).await;
    stage.clear().await;
}
