//! Two tenants on one daemon do not exist for each other.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    ledger,
    stage::{Stage, clips, stories},
};
use crate::http::sse::Sse;

const FIRST: (&str, &str) = ("sk_first_1", "5372118");
const SECOND: (&str, &str) = ("sk_second_1", "5372119");

#[tokio::test]
async fn two_tenants_do_not_see_each_other() {
    let stage = Stage::new(json!({"confirm_ms": 50, "stuck": {"media": "clip_2."}}))
        .await
        .set(
            "STORYCLIP_API_KEYS",
            &format!("first:{}:publish+read,second:{}:publish+read", FIRST.0, SECOND.0),
        )
        .set(
            "STORYCLIP_TENANT_ACCOUNTS",
            &format!("first:{},second:{}", FIRST.1, SECOND.1),
        );
    let daemon = stage.start().await;
    let first = daemon.api.with_key(FIRST.0);
    let second = daemon.api.with_key(SECOND.0);

    // The same user name, but not the same user.
    let id = first.publish(&stories(FIRST.1, &clips(2), json!({}))).await;
    first.clip_is(&id, 2, "waiting_confirmation").await;
    for (method, path) in [
        (Method::GET, format!("/api/metricool/status?batchId={id}")),
        (Method::GET, format!("/api/metricool/batch/{id}")),
        (Method::GET, format!("/api/metricool/batch/{id}/attempts")),
        (Method::GET, format!("/api/metricool/reconcile/{id}")),
        (Method::GET, format!("/api/metricool/stream?batchId={id}")),
        (Method::POST, format!("/api/metricool/batch/{id}/cancel")),
    ] {
        let response = second.request(method, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "BATCH_NOT_FOUND", "{path}");
    }
    assert_eq!(first.batch(&id).await["status"], "processing", "nobody cancelled it");

    let active =
        async |api: &super::stage::Api| api.get("/api/metricool/batches/active?userId=u1").await.1["count"].clone();
    assert_eq!((active(&first).await, active(&second).await), (json!(1), json!(0)));

    // Each sees its own brand of those that the one token has.
    for (api, (_, brand)) in [(&first, FIRST), (&second, SECOND)] {
        let (status, told) = api.get("/api/metricool/brands").await;
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!((&told["count"], &told["brands"][0]["id"]), (&json!(1), &json!(brand)));
    }

    let (status, refused) = second
        .post(
            "/api/metricool/publish/stories",
            &stories(FIRST.1, &clips(1), json!({})),
        )
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the brand is not theirs: {refused}");

    // Everything that the second one's user is told is about the second one's batch, numbered from 1.
    let path = "/api/metricool/stream?userId=u1&lastEventId=0";
    let mut stream = Sse::open(second.request(Method::GET, path)).await;
    let theirs = second.publish(&stories(SECOND.1, &clips(1), json!({}))).await;
    let mut numbers = Vec::new();
    loop {
        let message = stream.message().await;
        assert_eq!(message.data["batchId"], theirs, "{}", message.data);
        numbers.extend(message.id);
        if message.kind() == "completed" {
            break;
        }
    }
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    ledger::all_published(&stage.sandbox, &second.batch(&theirs).await);

    let stranger = daemon.api.with_key("sk_nobody_1");
    assert_eq!(
        stranger.get(&format!("/api/metricool/batch/{id}")).await.0,
        StatusCode::UNAUTHORIZED
    );
    daemon.stop().await;
    stage.clear().await;
}
