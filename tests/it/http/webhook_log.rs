//! The delivery log: each try, pages, replays; the tests do what a courier would.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use storyclip::store::{Attempted, DisabledReason, Due, Ending};
use storyclip_actors::model::Timestamp;

use super::{
    server::{START, Server, problem, read},
    webhooks::{created, get, root, server, tested},
};

const NOW: Timestamp = Timestamp::from_millis(START);

/// What a courier would do.
async fn attempt(server: &Server, ending: Ending) {
    let until = NOW + Duration::from_secs(60);
    let due: Due = server
        .store
        .claim_deliveries(NOW, until, 1, &[])
        .await
        .unwrap()
        .remove(0);
    let attempted = Attempted {
        due,
        at: NOW,
        took: Duration::from_millis(12),
        http_status: Some(500),
        error: Some("answered 500".into()),
        ending,
    };
    server.store.record_deliveries(&[attempted]).await.unwrap();
}

#[tokio::test]
async fn the_log_shows_each_try_and_a_settled_delivery_can_be_replayed() {
    let server = server().await;
    let id = created(&server).await;
    let delivery = tested(&server, &id).await;
    let path = format!("/api/webhooks/deliveries/{delivery}");
    let replay = || root(&server, Method::POST, &format!("{path}/replay"));
    let waiting = problem(replay().send().await.unwrap(), 409, "DELIVERY_NOT_SETTLED").await;
    assert_eq!(waiting["currentStatus"], "pending");

    attempt(&server, Ending::Failed(None)).await;
    let shown = get(&server, &path).await["delivery"].clone();
    assert_eq!(
        (&shown["status"], &shown["httpStatus"]),
        (&json!("failed"), &json!(500))
    );
    assert_eq!(
        (&shown["type"], &shown["channel"]),
        (&json!("webhook.test"), &json!("webhook"))
    );
    assert_eq!(shown["tries"][0]["error"], "answered 500");
    assert_eq!(
        (&shown["tries"][0]["attempt"], &shown["tries"][0]["tookMs"]),
        (&json!(1), &json!(12))
    );

    let (status, body) = read(replay().send().await.unwrap()).await;
    assert_eq!(
        (status, &body["delivery"]["status"]),
        (StatusCode::ACCEPTED, &json!("pending"))
    );
    assert_eq!(
        body["delivery"]["messageId"], shown["messageId"],
        "a receiver knows it by its id"
    );

    attempt(&server, Ending::Failed(Some(DisabledReason::Gone))).await;
    let endpoint = get(&server, &format!("/api/webhooks/{id}")).await["endpoint"].clone();
    assert_eq!(
        (&endpoint["enabled"], &endpoint["disabledReason"]),
        (&json!(false), &json!("gone"))
    );
    problem(replay().send().await.unwrap(), 409, "ENDPOINT_DISABLED").await;
    let test = root(&server, Method::POST, &format!("/api/webhooks/{id}/test"));
    problem(test.send().await.unwrap(), 409, "ENDPOINT_DISABLED").await;
}

#[tokio::test]
async fn the_log_comes_in_pages_newest_first() {
    let server = server().await;
    let (id, other) = (created(&server).await, created(&server).await);
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(tested(&server, &id).await);
    }
    tested(&server, &other).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&server, &format!("/api/webhooks/{id}/deliveries?limit=2{cursor}")).await;
        seen.extend(
            page["deliveries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    sent.sort();
    seen.sort();
    assert_eq!(seen, sent);
    assert_eq!(get(&server, "/api/webhooks/deliveries").await["count"], 6);
    assert_eq!(get(&server, "/api/webhooks/deliveries?status=failed").await["count"], 0);
    assert_eq!(
        get(&server, "/api/webhooks/deliveries?batchId=batch_1").await["count"],
        0
    );
}
