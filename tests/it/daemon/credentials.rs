//! A token or a brand that is refused: the work waits, says why, and goes on by itself.
//!
//! Whether it is accepted again is asked once a minute, so these tests take about that long.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    ledger,
    stage::{Api, Stage, clips, stories},
};

const BRAND: &str = "5372118";
const OTHER: &str = "5372119";

/// Requests that find out about a refusal; then one check a minute.
const FEW: u64 = 8;

async fn is_parked(api: &Api, id: &str) {
    api.hears(id, |event| {
        event["status"] == "queued" && event["code"] == "ACCOUNT_UNAUTHORIZED"
    })
    .await;
    let batch = api.batch(id).await;
    assert_eq!(batch["status"], "processing");
    assert_ne!(batch["error"], Value::Null, "{batch:#}");
    assert_eq!(
        (&batch["clips"][0]["status"], &batch["clips"][0]["errorCode"]),
        (&json!("queued"), &json!("ACCOUNT_UNAUTHORIZED"))
    );
}

#[tokio::test]
async fn a_refused_token_parks_everything_until_it_is_accepted_again() {
    let stage = Stage::new(json!({"confirm_ms": 1_500})).await;
    let daemon = stage.start().await;
    let sent = daemon.api.publish(&stories(BRAND, &clips(2), json!({}))).await;
    daemon.api.clip_is(&sent, 1, "waiting_confirmation").await;
    stage.faults(json!({"unauthorized": true}));
    let before = stage.requests();
    let waiting = daemon.api.publish(&stories(OTHER, &clips(2), json!({}))).await;
    is_parked(&daemon.api, &waiting).await;

    let batch = daemon.api.batch(&sent).await;
    assert_eq!(batch["status"], "processing");
    assert_eq!(
        batch["clips"][0]["status"], "waiting_confirmation",
        "what is sent is waited for"
    );
    stage
        .until("the post is live", |sandbox| sandbox.posts()[0].live.is_some())
        .await;
    let asked = stage.requests() - before;
    assert!(asked <= FEW, "{asked} requests with a refused token");
    stage.faults(json!({"unauthorized": false}));
    for id in [sent, waiting] {
        let batch = daemon.api.finished(&id).await;
        ledger::all_published(&stage.sandbox, &batch);
    }
    assert_eq!(stage.creates(), 4);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_refused_brand_parks_only_itself_until_it_is_accepted_again() {
    let stage = Stage::new(json!({"confirm_ms": 50, "forbidden_brands": [BRAND]})).await;
    let daemon = stage.start().await;
    let refused = daemon.api.publish(&stories(BRAND, &clips(2), json!({}))).await;
    is_parked(&daemon.api, &refused).await;
    let asked = stage.requests();
    assert!(asked <= FEW, "{asked} requests about a refused brand");

    let other = daemon.api.publish(&stories(OTHER, &clips(2), json!({}))).await;
    ledger::all_published(&stage.sandbox, &daemon.api.finished(&other).await);
    assert_eq!(daemon.api.batch(&refused).await["published"], 0);

    stage.faults(json!({"forbidden_brands": []}));
    ledger::all_published(&stage.sandbox, &daemon.api.finished(&refused).await);
    assert_eq!(daemon.api.get("/readyz").await.0, StatusCode::OK);
    daemon.stop().await;
    stage.clear().await;
}
