//! Every wrong field of a publish request is named, and nothing is half-written.

use serde_json::{Value, json};

use super::server::{Server, body_of, problem};

/// A good body with one value at a JSON pointer set, or taken away by `None`.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut body = body_of(3);
    body["schedule"] = json!({"mode": "now"});
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match (body.pointer_mut(parent).unwrap(), value) {
        (Value::Object(fields), Some(value)) => drop(fields.insert(name.into(), value)),
        (Value::Object(fields), None) => drop(fields.remove(name)),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{other}"),
    }
    body
}

#[tokio::test]
async fn every_wrong_field_is_named_and_nothing_is_written() {
    let server = Server::start().await;
    let long = |n: usize| json!("a".repeat(n));
    let url = |text: &str| Some(json!(text));
    let cases: Vec<(&str, Option<Value>, &str, &str)> = vec![
        ("/posts", None, "MISSING_POSTS", "posts"),
        ("/posts", Some(json!(null)), "MISSING_POSTS", "posts"),
        ("/posts", Some(json!([])), "MISSING_POSTS", "posts"),
        ("/posts", Some(json!({"0": {}})), "INVALID_POSTS", "posts"),
        ("/posts", Some(body_of(101)["posts"].clone()), "INVALID_POSTS", "posts"),
        (
            "/posts/1",
            Some(json!("https://cdn.example/x.mp4")),
            "INVALID_POST",
            "posts[1]",
        ),
        ("/posts/1/url", None, "MISSING_POST_URL", "posts[1].url"),
        ("/posts/1/url", Some(json!(7)), "INVALID_POST_URL", "posts[1].url"),
        ("/posts/1/url", url("clip.mp4"), "INVALID_POST_URL", "posts[1].url"),
        (
            "/posts/1/url",
            url("ftp://cdn.example/x"),
            "INVALID_POST_URL",
            "posts[1].url",
        ),
        (
            "/posts/1/url",
            url("https://u:p@cdn.example/x"),
            "INVALID_POST_URL",
            "posts[1].url",
        ),
        (
            "/posts/1/url",
            url("https://cdn.example/\0"),
            "INVALID_POST_URL",
            "posts[1].url",
        ),
        (
            "/posts/1/url",
            url(&format!("https://cdn.example/{}", "a".repeat(2_029))),
            "INVALID_POST_URL",
            "posts[1].url",
        ),
        ("/posts/2/id", Some(json!("clip_1")), "INVALID_POST_ID", "posts[2].id"),
        ("/posts/0/id", Some(json!("clip_2")), "INVALID_POST_ID", "posts[1].id"),
        ("/posts/0/id", Some(json!("")), "INVALID_POST_ID", "posts[0].id"),
        ("/posts/0/id", Some(json!(" ")), "INVALID_POST_ID", "posts[0].id"),
        ("/posts/0/id", Some(json!(1)), "INVALID_POST_ID", "posts[0].id"),
        ("/posts/0/id", Some(json!("a\u{0}b")), "INVALID_POST_ID", "posts[0].id"),
        ("/posts/0/id", Some(long(129)), "INVALID_POST_ID", "posts[0].id"),
        (
            "/posts/0/title",
            Some(json!(["x"])),
            "INVALID_POST_TITLE",
            "posts[0].title",
        ),
        (
            "/posts/0/title",
            Some(long(501)),
            "INVALID_POST_TITLE",
            "posts[0].title",
        ),
        (
            "/posts/0/text",
            Some(json!(false)),
            "INVALID_POST_TEXT",
            "posts[0].text",
        ),
        (
            "/posts/0/text",
            Some(json!("\u{0}")),
            "INVALID_POST_TEXT",
            "posts[0].text",
        ),
        (
            "/posts/0/text",
            Some(long(10_001)),
            "INVALID_POST_TEXT",
            "posts[0].text",
        ),
        ("/settings", None, "MISSING_ACCOUNT_ID", "settings.accountId"),
        ("/settings", Some(json!([])), "INVALID_SETTINGS", "settings"),
        ("/settings/accountId", None, "MISSING_ACCOUNT_ID", "settings.accountId"),
        (
            "/settings/accountId",
            Some(json!("")),
            "MISSING_ACCOUNT_ID",
            "settings.accountId",
        ),
        (
            "/settings/accountId",
            Some(json!(5_372_118)),
            "INVALID_ACCOUNT_ID",
            "settings.accountId",
        ),
        (
            "/settings/accountId",
            Some(json!("1&2")),
            "INVALID_ACCOUNT_ID",
            "settings.accountId",
        ),
        (
            "/settings/accountId",
            Some(long(65)),
            "INVALID_ACCOUNT_ID",
            "settings.accountId",
        ),
        (
            "/settings/metricoolAccountId",
            Some(json!("77")),
            "INVALID_ACCOUNT_ID",
            "settings.metricoolAccountId",
        ),
        (
            "/settings/publishSpeed",
            Some(json!("FAST")),
            "INVALID_PUBLISH_SPEED",
            "settings.publishSpeed",
        ),
        (
            "/settings/publishSpeed",
            Some(json!(1)),
            "INVALID_PUBLISH_SPEED",
            "settings.publishSpeed",
        ),
        (
            "/settings/network",
            Some(json!("tiktok")),
            "INVALID_NETWORK",
            "settings.network",
        ),
        (
            "/settings/onFailure",
            Some(json!("retry")),
            "INVALID_ON_FAILURE",
            "settings.onFailure",
        ),
        (
            "/settings/maxRetries",
            Some(json!(11)),
            "INVALID_MAX_RETRIES",
            "settings.maxRetries",
        ),
        (
            "/settings/maxRetries",
            Some(json!(-1)),
            "INVALID_MAX_RETRIES",
            "settings.maxRetries",
        ),
        (
            "/settings/maxRetries",
            Some(json!(1.5)),
            "INVALID_MAX_RETRIES",
            "settings.maxRetries",
        ),
        (
            "/settings/maxRetries",
            Some(json!("2")),
            "INVALID_MAX_RETRIES",
            "settings.maxRetries",
        ),
        (
            "/settings/webhookUrl",
            url("/hook"),
            "INVALID_WEBHOOK_URL",
            "settings.webhookUrl",
        ),
        (
            "/settings/webhookUrl",
            Some(json!({})),
            "INVALID_WEBHOOK_URL",
            "settings.webhookUrl",
        ),
        ("/userId", None, "MISSING_USER_ID", "userId"),
        ("/userId", Some(json!("")), "MISSING_USER_ID", "userId"),
        ("/userId", Some(json!(1)), "INVALID_USER_ID", "userId"),
        ("/userId", Some(json!("a\nb")), "INVALID_USER_ID", "userId"),
        ("/userId", Some(json!("  ")), "INVALID_USER_ID", "userId"),
        ("/userId", Some(long(129)), "INVALID_USER_ID", "userId"),
        ("/jobId", Some(json!(1)), "INVALID_JOB_ID", "jobId"),
        ("/jobId", Some(json!("\u{0}")), "INVALID_JOB_ID", "jobId"),
        ("/jobId", Some(json!("\u{a0}")), "INVALID_JOB_ID", "jobId"),
        ("/schedule", Some(json!("now")), "INVALID_SCHEDULE", "schedule"),
        (
            "/schedule/mode",
            Some(json!("later")),
            "INVALID_SCHEDULE",
            "schedule.mode",
        ),
        ("/schedule/mode", Some(json!(0)), "INVALID_SCHEDULE", "schedule.mode"),
        (
            "/schedule/scheduledAt",
            Some(json!(0)),
            "INVALID_SCHEDULE",
            "schedule.scheduledAt",
        ),
        (
            "/schedule/intervalSeconds",
            Some(json!("x")),
            "INVALID_INTERVAL",
            "schedule.intervalSeconds",
        ),
        (
            "/schedule/minGapMinutes",
            Some(json!({})),
            "INVALID_MIN_GAP",
            "schedule.minGapMinutes",
        ),
        (
            "/schedule",
            Some(json!({"mode": "bestTime", "scheduledAt": 1})),
            "INVALID_SCHEDULE",
            "schedule.scheduledAt",
        ),
        (
            "/schedule",
            Some(json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00Z", "minGapMinutes": "x"})),
            "INVALID_MIN_GAP",
            "schedule.minGapMinutes",
        ),
        (
            "/schedule",
            Some(json!({"scheduledAt": "2026-12-01T18:00:00Z"})),
            "INVALID_SCHEDULE",
            "schedule.mode",
        ),
    ];
    for (pointer, value, code, field) in cases {
        let what = format!("{pointer} = {value:?}");
        let response = server.publish(&with(pointer, value)).send().await.unwrap();
        let told = problem(response, 400, code).await;
        assert_eq!(told["errors"][0]["field"], field, "{what}: {told}");
        assert_eq!(told["errors"].as_array().unwrap().len(), 1, "{what}: {told}");
    }
    assert_eq!(server.rows().await, [0; 6]);
    assert!(server.notes.created.lock().unwrap().is_empty());
}

#[tokio::test]
async fn all_errors_are_told_at_once() {
    let server = Server::start().await;
    let body = json!({"posts": [{"url": "x"}, {}], "settings": {"network": 1}, "schedule": {"mode": "scheduled"}});
    let told = problem(server.publish(&body).send().await.unwrap(), 400, "INVALID_POST_URL").await;
    let fields: Vec<&str> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].as_str().unwrap())
        .collect();
    let expected = [
        "posts[0].url",
        "posts[1].url",
        "settings.accountId",
        "settings.network",
        "userId",
        "schedule.scheduledAt",
    ];
    assert_eq!(fields, expected);
    problem(server.publish(&json!({})).send().await.unwrap(), 400, "MISSING_POSTS").await;
    assert_eq!(server.rows().await, [0; 6]);
}
