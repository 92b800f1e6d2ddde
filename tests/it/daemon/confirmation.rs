//! Waiting for the network's word: the anti-race last look, the timeout, and the word that comes after it.

use std::time::Duration;

use serde_json::{Value, json};
use storyclip::sandbox::{PostView, Route};

use super::{
    ledger,
    stage::{ACCOUNT, Stage, clips, stories},
};

/// With the looks of the documents and a timeout that a test can wait for.
async fn stage(faults: Value) -> Stage {
    let stage = Stage::new(faults).await;
    stage
        .set("STORYCLIP_TIMEOUT_ULTRA_SECONDS", "2")
        .set("STORYCLIP_LOOK_WAITS_SECONDS", "1,1.5,2,3")
}

#[tokio::test]
async fn a_clip_that_goes_live_exactly_at_the_timeout_is_published() {
    let stage = stage(json!({"publish_at_ms": 2_000})).await;
    let daemon = stage.start().await;
    let body = stories(ACCOUNT, &clips(2), json!({"publishSpeed": "ultra"}));
    let id = daemon.api.publish(&body).await;
    let batch = daemon.api.finished(&id).await;
    ledger::all_published(&stage.sandbox, &batch);
    let looks = stage.sandbox.requests()[&Route::Get].count;
    assert!(
        looks <= 4,
        "one look after a second and one at the timeout for each clip, not {looks}"
    );
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_clip_that_is_never_confirmed_fails_by_timeout_and_the_next_goes_on() {
    let stage = stage(json!({"confirm_ms": 100, "stuck": {"media": "clip_1."}})).await;
    let daemon = stage.start().await;
    let body = stories(ACCOUNT, &clips(2), json!({"publishSpeed": "ultra"}));
    let id = daemon.api.publish(&body).await;
    let batch = daemon.api.finished(&id).await;
    assert_eq!(batch["status"], "completed");
    assert_eq!(
        (&batch["published"], &batch["failed"], &batch["progress"]),
        (&json!(1), &json!(1), &json!(100))
    );
    let stuck = &batch["clips"][0];
    assert_eq!(
        (&stuck["status"], &stuck["errorCode"]),
        (&json!("failed"), &json!("CONFIRMATION_TIMEOUT"))
    );
    assert_eq!(
        (&stuck["publishedAt"], &stuck["facebookPostId"]),
        (&Value::Null, &Value::Null)
    );
    assert!(stuck["metricoolPostId"].is_string(), "the post is not forgotten");
    assert_eq!(batch["clips"][1]["status"], "published");
    let [stuck, next]: [PostView; 2] = stage.sandbox.posts().try_into().unwrap();
    assert!(stuck.live.is_none() && next.live.is_some());
    assert!(
        next.created >= stuck.slot + Duration::from_secs(2),
        "the next clip waits for the timeout"
    );
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_clip_that_goes_live_after_its_timeout_becomes_published_late() {
    let faults = json!({"confirm_ms": 100, "publish_at_ms": {"media": "clip_1.", "ms": 4_000}});
    let stage = stage(faults).await;
    let daemon = stage.start().await;
    let body = stories(ACCOUNT, &clips(2), json!({"publishSpeed": "ultra"}));
    let id = daemon.api.publish(&body).await;
    let batch = daemon.api.finished(&id).await;
    assert_eq!(batch["clips"][0]["errorCode"], "CONFIRMATION_TIMEOUT");

    // In a finished batch, before the look that would come by itself after half a minute.
    stage
        .until("the first post is live", |sandbox| sandbox.posts()[0].live.is_some())
        .await;
    let user = daemon
        .api
        .request(reqwest::Method::GET, "/api/metricool/stream?userId=u1&lastEventId=0");
    let mut user = crate::http::sse::Sse::open(user).await;
    daemon.api.reconcile(&id).await;
    let late = loop {
        let message = user.message().await;
        if message.data["late"] == true {
            break message.data;
        }
    };
    assert_eq!(
        (&late["current"], &late["status"], &late["published"], &late["errors"]),
        (&json!(1), &json!("published"), &json!(2), &json!(0))
    );
    let batch = daemon.api.batch(&id).await;
    assert_eq!(batch["clips"][0]["error"], Value::Null);
    assert_eq!(
        (&batch["status"], &batch["published"], &batch["failed"]),
        (&json!("completed"), &json!(2), &json!(0))
    );
    let posts = stage.sandbox.posts();
    assert!(posts.len() == 2 && posts.iter().all(|post| post.live.is_some()));
    daemon.stop().await;
    stage.clear().await;
}
