//! Publish-time failures in the networks' own words: what is tried again, what is not, and what waits for its account.
//!
//! A lost connection rests for a minute, so the test takes about that long.

use std::time::Duration;

use serde_json::{Value, json};
use storyclip::sandbox::PostView;

use super::{
    ledger,
    stage::{Daemon, Stage, stories},
};

/// Publishes two clips of this brand, the first of which fails once with this text.
async fn publish(stage: &Stage, daemon: &Daemon, brand: &str, text: &str) -> String {
    let urls = [1, 2].map(|clip| format!("https://cdn.example/{brand}_{clip}.mp4"));
    stage.faults(json!({"failed": {"next": 1, "media": urls[0], "detail": text}}));
    let id = daemon.api.publish(&stories(brand, &urls, json!({}))).await;
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    id
}

fn posts(stage: &Stage, brand: &str) -> Vec<PostView> {
    let posts = stage.sandbox.posts().into_iter();
    posts.filter(|post| post.blog_id == brand).collect()
}

/// The first attempt in the ledger: what became of it and what the network said.
async fn first_attempt(daemon: &Daemon, id: &str) -> (Value, Value) {
    let (_, mut ledger) = daemon.api.get(&format!("/api/metricool/batch/{id}/attempts")).await;
    let attempt = &mut ledger["attempts"][0];
    (attempt["verdict"].take(), attempt["message"].take())
}

#[tokio::test]
async fn a_failed_post_is_retried_or_failed_or_waits_for_its_account_as_its_text_says() {
    const LOST: &str = "(#190) Error validating access token: Session has expired on Friday";
    const FORBIDDEN: &str = "Error validating MP4";
    const PASSING: &str = "An unexpected error has occurred. Please retry your request later.";
    let stage = Stage::new(json!({"confirm_ms": 50})).await;
    let daemon = stage.start().await;

    let lost = publish(&stage, &daemon, "101", LOST).await;
    daemon.api.clip_is(&lost, 1, "queued").await;
    let batch = daemon.api.batch(&lost).await;
    assert_eq!(batch["status"], "processing");
    let clip = &batch["clips"][0];
    assert_eq!(clip["errorCode"], "ACCOUNT_UNAUTHORIZED");
    for error in [&batch["error"], &clip["error"]] {
        assert!(error.to_string().contains(LOST), "{error}");
    }
    assert_eq!(first_attempt(&daemon, &lost).await, ("errored".into(), LOST.into()));

    let forbidden = publish(&stage, &daemon, "102", FORBIDDEN).await;
    let batch = daemon.api.finished(&forbidden).await;
    assert_eq!(
        (&batch["status"], &batch["published"], &batch["failed"]),
        (&json!("completed"), &json!(1), &json!(1))
    );
    let clip = &batch["clips"][0];
    assert_eq!(
        (&clip["status"], &clip["errorCode"], &clip["error"], &clip["attempts"]),
        (&json!("failed"), &json!("PROVIDER_ERROR"), &json!(FORBIDDEN), &json!(1))
    );
    assert_eq!(posts(&stage, "102").len(), 2);
    ledger::published_is_live_once(&stage.sandbox, &batch);

    let passing = publish(&stage, &daemon, "103", PASSING).await;
    let heard = daemon.api.hears(&passing, |event| event["status"] == "retrying").await;
    assert_eq!(heard.data["current"], 1);
    let batch = daemon.api.finished(&passing).await;
    assert_eq!(
        (&batch["status"], &batch["published"]),
        (&json!("completed"), &json!(2))
    );
    assert_eq!(batch["clips"][0]["attempts"], 2);
    assert_eq!(
        first_attempt(&daemon, &passing).await,
        ("errored".into(), PASSING.into())
    );
    let sent = posts(&stage, "103");
    assert_eq!(sent.len(), 3);
    let pause = sent[1].created.since(sent[0].slot);
    assert!(pause >= Duration::from_secs(2), "{pause:?}");
    ledger::published_is_live_once(&stage.sandbox, &batch);

    assert_eq!(posts(&stage, "101").len(), 1, "other brands went on, this one waits");
    let batch = daemon.api.finished(&lost).await;
    assert_eq!(
        (&batch["status"], &batch["published"], &batch["error"]),
        (&json!("completed"), &json!(2), &Value::Null)
    );
    let sent = posts(&stage, "101");
    assert_eq!(sent.len(), 3);
    let pause = sent[1].created.since(sent[0].slot);
    assert!(pause >= Duration::from_secs(60), "{pause:?}");
    ledger::published_is_live_once(&stage.sandbox, &batch);
    daemon.stop().await;
    stage.clear().await;
}
