//! A receiver changes over to a new secret when it likes: meanwhile messages are signed by both.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    receiver::{Call, Receiver},
    stage::{ACCOUNT, Api, KEY, Stage, clips, stories},
};

async fn secret(api: &Api, path: &str, body: &Value) -> String {
    let (status, answer) = api.post(path, body).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    answer["secret"].as_str().unwrap().to_owned()
}

fn signatures(call: &Call) -> usize {
    call.headers["webhook-signature"].to_str().unwrap().split(' ').count()
}

#[tokio::test]
async fn the_old_secret_and_the_new_one_sign_until_the_overlap_is_over() {
    let receiver = Receiver::start().await;
    let stage = Stage::new(json!({}))
        .await
        .set("STORYCLIP_API_KEYS", &format!("stories:{KEY}:admin"))
        .set("STORYCLIP_WEBHOOK_PRIVATE_ADDRESSES", "true");
    let daemon = stage.start().await;
    let api = &daemon.api;
    let (_, made) = api
        .post("/api/webhooks", &json!({"url": format!("{}/all", receiver.url)}))
        .await;
    let (id, old) = (
        made["endpoint"]["id"].as_str().unwrap(),
        made["secret"].as_str().unwrap(),
    );
    let batches = "/api/webhooks/batch-secret";
    let old_of_batches = secret(api, batches, &json!({})).await;
    let rotate = format!("/api/webhooks/{id}/rotate-secret");
    let new = secret(api, &rotate, &json!({"overlapSeconds": 600})).await;
    let new_of_batches = secret(api, batches, &json!({"overlapSeconds": 600})).await;
    let own = json!({"webhookUrl": format!("{}/own", receiver.url)});
    api.publish(&stories(ACCOUNT, &clips(1), own.clone())).await;
    let calls = receiver.until("four calls", |calls| calls.len() == 4).await;
    for call in &calls {
        let [old, new] = match &*call.path {
            "/all" => [old, &new],
            _ => [&*old_of_batches, &new_of_batches],
        };
        assert!(call.is_signed_by(old) && call.is_signed_by(new), "{call:?}");
        assert_eq!(signatures(call), 2);
    }

    let last = secret(api, &rotate, &json!({"overlapSeconds": 0})).await;
    let (status, _) = api.post(&format!("/api/webhooks/{id}/test"), &json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let calls = receiver.until("a fifth", |calls| calls.len() == 5).await;
    let call = &calls[4];
    assert!(call.is_signed_by(&last) && signatures(call) == 1);
    assert!(!call.is_signed_by(old) && !call.is_signed_by(&new));
    daemon.stop().await;
    stage.clear().await;
}
