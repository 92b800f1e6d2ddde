//! What the outside is told of, by the real daemon over real sockets: signed, at least once, and never where it must not go.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    database::Database,
    ledger,
    process::PATIENCE,
    receiver::{Call, Receiver, Say},
    stage::{ACCOUNT, Api, KEY, Stage, clips, instant, stories},
};

async fn stage(faults: Value) -> Stage {
    stage_on(Database::sqlite(), faults).await
}

async fn stage_on(database: Database, faults: Value) -> Stage {
    Stage::with(database, instant(faults))
        .await
        .set("STORYCLIP_API_KEYS", &format!("stories:{KEY}:admin"))
        .set("STORYCLIP_WEBHOOK_PRIVATE_ADDRESSES", "true")
        .set("STORYCLIP_WEBHOOK_RETRY_SECONDS", "0,0")
}

/// A new endpoint: id and secret.
async fn endpoint(api: &Api, url: &str) -> (String, String) {
    let (status, body) = api.post("/api/webhooks", &json!({ "url": url })).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&body["endpoint"]["id"]), text(&body["secret"]))
}

/// Asks until this delivery is settled.
async fn settled(api: &Api, delivery: &str) -> Value {
    let asking = async {
        loop {
            let (_, mut body) = api.get(&format!("/api/webhooks/deliveries/{delivery}")).await;
            if body["delivery"]["status"] != "pending" {
                return body["delivery"].take();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap()
}

async fn test_message(api: &Api, endpoint: &str) -> String {
    let (status, body) = api.post(&format!("/api/webhooks/{endpoint}/test"), &json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    body["deliveryId"].as_str().unwrap().to_owned()
}

fn ids(calls: &[Call]) -> BTreeSet<String> {
    calls.iter().map(|call| call.id().to_owned()).collect()
}

#[tokio::test]
async fn every_clip_and_the_end_are_told_signed_to_endpoints_and_to_the_batch_s_own_url() {
    let (stage, receiver) = (stage(json!({})).await, Receiver::start().await);
    let daemon = stage.start().await;
    let (_, secret) = endpoint(&daemon.api, &format!("{}/all", receiver.url)).await;
    let (_, made) = daemon.api.post("/api/webhooks/batch-secret", &json!({})).await;
    let own = json!({"webhookUrl": format!("{}/own", receiver.url)});
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), own)).await;
    let calls = receiver.until("eight calls", |calls| calls.len() == 8).await;
    for (path, secret) in [("/all", &*secret), ("/own", made["secret"].as_str().unwrap())] {
        let calls: Vec<Call> = calls.iter().filter(|call| call.path == path).cloned().collect();
        assert!(calls.iter().all(|call| call.is_signed_by(secret)), "{path}");
        assert!(!calls[0].is_signed_by("whsec_AAAA"));
        assert_eq!(ids(&calls).len(), 4);
        let mut kinds: Vec<String> = calls.iter().map(Call::kind).collect();
        kinds.sort();
        assert_eq!(
            kinds,
            ["batch.completed", "clip.published", "clip.published", "clip.published"]
        );
    }
    let published = calls
        .iter()
        .find(|call| call.kind() == "clip.published")
        .unwrap()
        .json();
    assert_eq!(published["data"]["batchId"], *id);
    assert_eq!(published["data"]["clip"]["status"], "published");
    assert!(
        published["data"]["clip"]["metricoolPostId"].is_string(),
        "{published:#}"
    );
    let (_, log) = daemon.api.get(&format!("/api/webhooks/deliveries?batchId={id}")).await;
    assert_eq!(log["count"], 8);
    let log = daemon.process.log();
    assert!(!log.contains("whsec_") && !log.contains(&secret));
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_under_the_same_id_until_its_endpoint_is_disabled() {
    let (stage, receiver) = (stage(json!({})).await, Receiver::start().await);
    let daemon = stage.start().await;
    let api = &daemon.api;
    let (id, _) = endpoint(api, &receiver.url).await;
    receiver.says([Say::Status(500), Say::Status(204)]);
    let batch = api.publish(&stories(ACCOUNT, &clips(1), json!({}))).await;
    let calls = receiver
        .until("both messages and a repeat", |calls| calls.len() == 3)
        .await;
    assert_eq!(ids(&calls).len(), 2);

    receiver.says([
        Say::Status(500),
        Say::Redirect,
        Say::Status(503),
        Say::Status(500),
        Say::Status(500),
        Say::Status(500),
    ]);
    let second = api
        .publish(&stories(
            ACCOUNT,
            &["https://cdn.example/other.mp4".to_owned()],
            json!({}),
        ))
        .await;
    receiver.until("a whole schedule", |calls| calls.len() >= 8).await;
    let shown = async || api.get(&format!("/api/webhooks/{id}")).await.1["endpoint"].clone();
    let disabled = async {
        while shown().await["enabled"] == true {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, disabled).await.unwrap();
    assert_eq!(shown().await["disabledReason"], "failing");
    let (_, log) = api
        .get(&format!("/api/webhooks/deliveries?batchId={second}&status=failed"))
        .await;
    let failed = log["deliveries"][0].clone();
    assert_eq!(failed["attempts"], 3, "{log:#}");
    assert!(
        receiver.calls().iter().all(|call| call.path == "/"),
        "a redirect was followed"
    );

    let enable = api
        .request(Method::PATCH, &format!("/api/webhooks/{id}"))
        .json(&json!({"enabled": true}));
    assert_eq!(enable.send().await.unwrap().status(), StatusCode::OK);
    let failed_id = failed["id"].as_str().unwrap();
    let (status, _) = api
        .post(&format!("/api/webhooks/deliveries/{failed_id}/replay"), &json!({}))
        .await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let message = failed["messageId"].as_str().unwrap().to_owned();
    let taken = async { while settled(api, failed_id).await["status"] != "delivered" {} };
    tokio::time::timeout(PATIENCE, taken).await.unwrap();
    assert!(receiver.calls().iter().filter(|call| call.id() == message).count() >= 4);
    assert_ne!(batch, second);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_endpoint_at_once() {
    let (stage, receiver) = (stage(json!({})).await, Receiver::start().await);
    let daemon = stage.start().await;
    let (id, _) = endpoint(&daemon.api, &receiver.url).await;
    receiver.says([Say::Status(410)]);
    let delivery = test_message(&daemon.api, &id).await;
    assert_eq!(settled(&daemon.api, &delivery).await["httpStatus"], 410);
    let (_, body) = daemon.api.get(&format!("/api/webhooks/{id}")).await;
    assert_eq!(body["endpoint"]["disabledReason"], "gone");
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_name_of_this_machine_is_not_called() {
    let (mut stage, receiver) = (stage(json!({})).await, Receiver::start().await);
    stage.unset("STORYCLIP_WEBHOOK_PRIVATE_ADDRESSES");
    let daemon = stage.start().await;
    let name = receiver.url.replace("127.0.0.1", "localhost");
    let (id, _) = endpoint(&daemon.api, &name).await;
    let delivery = test_message(&daemon.api, &id).await;
    let ended = settled(&daemon.api, &delivery).await;
    assert_eq!(ended["status"], "failed");
    assert_eq!(ended["error"], "the host is not on the public internet");
    let literal = stories(
        ACCOUNT,
        &clips(1),
        json!({"webhookUrl": format!("{}/own", receiver.url)}),
    );
    let (status, problem) = daemon.api.post("/api/metricool/publish/stories", &literal).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::BAD_REQUEST, &json!("INVALID_WEBHOOK_URL"))
    );
    let own_url = json!({"webhookUrl": format!("{name}/own")});
    let batch = daemon.api.publish(&stories(ACCOUNT, &clips(1), own_url)).await;
    daemon.api.finished(&batch).await;
    let path = format!("/api/webhooks/deliveries?batchId={batch}&status=failed");
    let own = |log: &Value| {
        let all = log["deliveries"].as_array().unwrap();
        all.iter()
            .filter(|one| one["channel"] == "batch")
            .cloned()
            .collect::<Vec<Value>>()
    };
    let given_up = async {
        loop {
            let own = own(&daemon.api.get(&path).await.1);
            if own.len() == 2 {
                return own;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let given_up = tokio::time::timeout(PATIENCE, given_up).await.unwrap();
    assert_eq!(given_up[0]["error"], "the host is not on the public internet");
    assert_eq!(receiver.calls().len(), 0);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_kill_while_a_message_is_on_its_way_has_it_sent_again_under_the_same_id() {
    let (stage, receiver) = (stage(json!({})).await, Receiver::start().await);
    let daemon = stage.start().await;
    let (id, secret) = endpoint(&daemon.api, &receiver.url).await;
    receiver.says([Say::Nothing]);
    let delivery = test_message(&daemon.api, &id).await;
    receiver.until("the first try", |calls| calls.len() == 1).await;
    daemon.process.kill();
    let daemon = stage.start().await;
    let calls = receiver.until("the second try", |calls| calls.len() == 2).await;
    assert_eq!(ids(&calls).len(), 1);
    assert!(calls.iter().all(|call| call.is_signed_by(&secret)));
    assert_eq!(settled(&daemon.api, &delivery).await["status"], "delivered");
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn kills_between_events_and_deliveries_lose_nothing() {
    const CLIPS: usize = 30;
    const KILLS: usize = 10;
    let (stage, receiver) = (stage(json!({})).await, Receiver::start().await);
    let mut daemon = stage.start().await;
    let (_, secret) = endpoint(&daemon.api, &receiver.url).await;
    let batch = daemon.api.publish(&stories(ACCOUNT, &clips(CLIPS), json!({}))).await;
    // Each kill follows an event at once, so that mostly nothing is queued for it yet; and some messages that were queued
    // before are on their way then.
    receiver.says([Say::Nothing; KILLS]);
    for kill in 1..=KILLS {
        let clip = (kill * CLIPS / (KILLS + 1)) as u64;
        daemon.api.clip_is(&batch, clip, "published").await;
        daemon.process.kill();
        daemon = stage.start().await;
    }
    let batch = daemon.api.finished(&batch).await;
    let calls = receiver.until("all", |calls| ids(calls).len() > CLIPS).await;
    assert!(calls.iter().all(|call| call.is_signed_by(&secret)));
    let told: BTreeSet<(String, String)> = calls.iter().map(|call| (call.kind(), call.id().to_owned())).collect();
    assert_eq!(told.len(), CLIPS + 1, "one message of each, however often");
    assert_eq!(told.iter().filter(|(kind, _)| kind == "clip.published").count(), CLIPS);
    daemon.stop().await;
    let what = format!("{} calls for {} messages over {KILLS} kills", calls.len(), told.len());
    ledger::told(&stage, &what, &[batch]).await;
    stage.clear().await;
}

#[tokio::test]
async fn two_daemons_on_one_database_tell_everything_once() {
    const CLIPS: usize = 20;
    let Some(database) = Database::postgres().await else {
        return;
    };
    let (stage, receiver) = (stage_on(database, json!({})).await, Receiver::start().await);
    let (one, other) = (stage.start().await, stage.start().await);
    let (_, secret) = endpoint(&one.api, &receiver.url).await;
    for daemon in [&one, &other] {
        let account = if std::ptr::eq(daemon, &one) { ACCOUNT } else { "5372119" };
        daemon.api.publish(&stories(account, &clips(CLIPS), json!({}))).await;
    }
    let all = 2 * (CLIPS + 1);
    let calls = receiver.until("all", |calls| ids(calls).len() == all).await;
    assert!(calls.iter().all(|call| call.is_signed_by(&secret)));
    assert_eq!(calls.len(), all, "nobody died, so that nothing was sent twice");
    one.stop().await;
    other.stop().await;
    stage.clear().await;
}
