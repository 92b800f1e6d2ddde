//! Requests that are wrong by themselves: who sends them, their bytes, their words. One line for each code.

use reqwest::Response;
use serde_json::{Value, json};

use super::{
    super::server::read,
    document::Operation,
    request::Request,
    stage::{Stage, key_for},
};

/// A field of the body by its JSON pointer, and what it is changed to; `None` takes it out.
type Change = (&'static str, &'static str, Option<Value>);

fn changes() -> Vec<Change> {
    let number = || Some(json!(7));
    let word = || Some(json!("?"));
    let scheduled = |rest: Value| {
        let mut schedule = json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00Z"});
        schedule
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        Some(schedule)
    };
    let at = |text: &str| scheduled(json!({"scheduledAt": text}));
    vec![
        ("MISSING_USER_ID", "/userId", None),
        ("INVALID_USER_ID", "/userId", number()),
        ("INVALID_JOB_ID", "/jobId", number()),
        ("MISSING_POSTS", "/posts", None),
        ("INVALID_POSTS", "/posts", number()),
        ("INVALID_POST", "/posts/0", number()),
        ("MISSING_POST_URL", "/posts/0/url", None),
        ("INVALID_POST_URL", "/posts/0/url", word()),
        ("INVALID_POST_TITLE", "/posts/0/title", number()),
        ("INVALID_POST_TEXT", "/posts/0/text", number()),
        ("INVALID_SETTINGS", "/settings", number()),
        ("MISSING_ACCOUNT_ID", "/settings/accountId", None),
        ("INVALID_ACCOUNT_ID", "/settings/accountId", word()),
        ("ACCOUNT_NOT_FOUND", "/settings/accountId", Some(json!("99"))),
        ("INVALID_PUBLISH_SPEED", "/settings/publishSpeed", word()),
        ("INVALID_NETWORK", "/settings/network", word()),
        ("INVALID_ON_FAILURE", "/settings/onFailure", word()),
        ("INVALID_MAX_RETRIES", "/settings/maxRetries", word()),
        ("INVALID_WEBHOOK_URL", "/settings/webhookUrl", word()),
        ("INVALID_SCHEDULE", "/schedule", number()),
        ("MISSING_SCHEDULED_AT", "/schedule", Some(json!({"mode": "scheduled"}))),
        ("INVALID_SCHEDULED_AT", "/schedule", at("?")),
        ("SCHEDULED_AT_IN_THE_PAST", "/schedule", at("2020-01-01T00:00:00Z")),
        ("MISSING_TIMEZONE", "/schedule", at("2026-12-01T18:00:00")),
        (
            "UNKNOWN_TIMEZONE",
            "/schedule",
            scheduled(json!({"timezone": "Europe/Nowhere"})),
        ),
        (
            "NONEXISTENT_LOCAL_TIME",
            "/schedule",
            scheduled(json!({"scheduledAt": "2026-03-29T02:30:00", "timezone": "Europe/Madrid"})),
        ),
        (
            "INVALID_INTERVAL",
            "/schedule",
            scheduled(json!({"intervalSeconds": 0})),
        ),
        (
            "INVALID_MIN_GAP",
            "/schedule",
            Some(json!({"mode": "bestTime", "minGapMinutes": 0})),
        ),
        ("MISSING_URL", "/url", None),
        ("INVALID_URL", "/url", word()),
        ("INVALID_DESCRIPTION", "/description", number()),
        ("INVALID_EVENTS", "/events", number()),
        ("INVALID_ENABLED", "/enabled", number()),
        ("INVALID_NAME", "/name", number()),
        ("MISSING_SCOPES", "/scopes", None),
        ("INVALID_SCOPES", "/scopes", number()),
        ("MISSING_SUBSCRIPTION", "/subscription", None),
        ("INVALID_SUBSCRIPTION", "/subscription", number()),
        ("MISSING_ACTION", "/action", None),
        ("INVALID_ACTION", "/action", word()),
        ("MISSING_POST_ID", "/postId", None),
        ("INVALID_ATTEMPT", "/attempt", word()),
        ("ATTEMPT_NOT_HELD", "/attempt", Some(json!(9))),
        ("INVALID_CLIPS", "/clips", word()),
        ("CLIP_NOT_FAILED", "/clips/0", Some(json!(2))),
        ("INVALID_OVERLAP", "/overlapSeconds", word()),
    ]
}

/// The answer to a request that is wrong in this way; `None` if this is not the place that knows.
pub async fn provoke(stage: &Stage, operation: &Operation, code: &str) -> Option<Response> {
    let right = stage.right(operation);
    if operation.example.is_some()
        && let Some((_, pointer, value)) = changes().into_iter().find(|(other, ..)| *other == code)
    {
        return Some(right.field(pointer, value).send(&stage.server).await);
    }
    let wrong = match code {
        "MISSING_API_KEY" => right.key(None),
        "INVALID_API_KEY" => right.key(Some("sk_wrong_1")),
        "INSUFFICIENT_SCOPE" => right.key(Some(match operation.scope.as_deref()? {
            "read" => key_for("publish"),
            "metrics" => key_for("admin"),
            _ => key_for("read"),
        })),
        "TENANT_MISMATCH" => right.header("x-tenant", Some("nobody")),
        "URI_TOO_LONG" => right.query("a", Some(&"a".repeat(9_000))),
        "REQUEST_HEADER_FIELDS_TOO_LARGE" => right.header("x-a", Some(&"a".repeat(17_000))),
        "INVALID_QUERY" => right.query(&operation.query[0], Some("%ff")),
        "INVALID_LIMIT" => right.query("limit", Some("201")),
        "INVALID_CURSOR" => right.query("cursor", Some("?")),
        "INVALID_STATUS" => right.query("status", Some("?")),
        "INVALID_TO" => right.query("from", Some("2026-01-02")).query("to", Some("2026-01-01")),
        "INVALID_LAST_EVENT_ID" => right.query("lastEventId", Some("?")),
        "MISSING_BATCH_ID" => right.query("batchId", None),
        "MISSING_USER_ID" => right.query("userId", None),
        "INVALID_USER_ID" => right.query("batchId", None).query("userId", Some("%00")),
        "INVALID_BATCH_ID" => right.instead_of(&stage.batch, "%00"),
        "INVALID_CLIP_INDEX" => right.instead_of("/clips/1/", "/clips/0/"),
        "CLIP_NOT_FOUND" => right.instead_of("/clips/1/", "/clips/9/"),
        "CLIP_NOT_HELD" => right.instead_of("/clips/1/", "/clips/2/"),
        "INVALID_ID" | "INVALID_KEY_ID" => named(stage, right, "%00"),
        "BATCH_NOT_FOUND" => right.instead_of(&stage.batch, "batch_1_none"),
        "KEY_NOT_FOUND" => named(stage, right, "key_000000000000"),
        "ENDPOINT_NOT_FOUND" if operation.id != "replayDelivery" => named(stage, right, "wh_none"),
        "DELIVERY_NOT_FOUND" => named(stage, right, "dlv_none"),
        "SUBSCRIPTION_NOT_FOUND" => named(stage, right, "push_none"),
        "INVALID_POST_ID" if operation.id == "publishStories" => right.field("/posts/0/id", Some(json!(7))),
        "INVALID_POST_ID" => right.field("/postId", Some(json!("?"))),
        "INVALID_UTF8" => right.body(b"{\"\xff\":0}".as_slice()),
        "MALFORMED_JSON" => right.body("{"),
        "INVALID_BODY" => right.body("[]"),
        "DUPLICATE_FIELD" => right.body("{\"a\":0,\"a\":0}"),
        "UNKNOWN_FIELD" => right.field("/schedul", Some(json!({"mode": "now"}))),
        "BODY_TOO_COMPLEX" => right.body(format!("{{\"a\":[{}0]}}", "0,".repeat(10_001))),
        "PAYLOAD_TOO_LARGE" => right.body(" ".repeat(1_048_577)),
        "UNSUPPORTED_MEDIA_TYPE" => right.header("content-type", Some("text/plain")),
        "UNSUPPORTED_CONTENT_ENCODING" => right.header("content-encoding", Some("gzip")),
        "INVALID_IDEMPOTENCY_KEY" => right.header("idempotency-key", Some("a b")),
        "IDEMPOTENCY_KEY_REUSED" => {
            let right = right.header("idempotency-key", Some("k"));
            assert!(right.clone().send(&stage.server).await.status().is_success());
            match right.body.clone() {
                Some(body) => right.body([b" ".as_slice(), &body].concat()),
                // Without a body it is the path that says something else.
                None => right.instead_of(&stage.endpoint, &stage.another_endpoint().await),
            }
        }
        "KEY_OF_ENVIRONMENT" => {
            let list = stage.right(&Operation::named("listKeys")).send(&stage.server).await;
            let (_, list) = read(list).await;
            named(stage, right, list["environment"][0]["id"].as_str().unwrap())
        }
        _ => return None,
    };
    Some(wrong.send(&stage.server).await)
}

/// About another endpoint, delivery, key or subscription.
fn named(stage: &Stage, mut request: Request, other: &str) -> Request {
    for id in [&stage.delivery, &stage.endpoint, &stage.key, &stage.subscription] {
        request = request.instead_of(id, other);
    }
    request
}
