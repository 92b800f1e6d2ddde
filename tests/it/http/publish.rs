//! `POST …/publish/stories`: what is taken on, what is refused, and that nothing is half-written.

use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::{FULL, PUBLISH, Server, Setup, body_of, problem, read};

#[tokio::test]
async fn the_answer_says_what_was_taken_on() {
    let server = Server::start().await;
    let body = json!({
        "userId": "u1", "unknown": {"is": "ignored"},
        "posts": [
            {"url": "https://cdn.example/1.mp4", "text": "hello", "title": "One", "more": 1},
            {"id": "mine", "url": "http://cdn.example/2.mp4", "text": null},
        ],
        "schedule": {"mode": "now", "scheduledAt": null, "timezone": "Europe/Madrid"},
        "settings": {
            "metricoolAccountId": "5372118", "publishSpeed": "hyper", "network": "instagram", "onFailure": "stop",
            "maxRetries": 0, "webhookUrl": "https://hooks.example/x"
        },
    });
    let (status, answer) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let id = answer["batchId"].as_str().unwrap().to_owned();
    let [word, millis, random] = id.split('_').collect::<Vec<_>>()[..] else {
        panic!("{id}");
    };
    assert_eq!((word, millis, random.len()), ("batch", "1767225600000", 9));
    let expected = json!({
        "batchId": id, "tenant": "stories", "status": "processing", "posts": {"total": 2, "queued": 2},
        "schedule": {"mode": "now", "scheduledAt": null, "timezone": null},
        "settings": {
            "accountId": "5372118", "publishSpeed": "hyper", "network": "instagram", "onFailure": "stop",
            "maxRetries": 0, "webhookUrl": "https://hooks.example/x"
        },
        "createdAt": "2026-01-01T00:00:00.000Z",
        "warnings": [{"field": "posts[0].text", "message": "is stored and not sent: a story carries no text"}],
    });
    assert_eq!(answer, expected);
    assert_eq!(server.rows().await, [1, 2, 0, 0, 0, 0]);
    assert_eq!(server.notes.created.lock().unwrap()[0].as_str(), id);
    let (_, batch) = read(server.get(&format!("/api/metricool/batch/{id}")).send().await.unwrap()).await;
    let clips = &batch["batch"]["clips"];
    assert_eq!((&clips[0]["id"], &clips[1]["id"]), (&json!("clip_1"), &json!("mine")));
    assert_eq!(clips[0]["title"], "One");
}

#[tokio::test]
async fn what_may_be_absent_has_its_default() {
    let server = Server::start().await;
    let (_, answer) = read(server.publish(&body_of(100)).send().await.unwrap()).await;
    assert_eq!(answer["posts"], json!({"total": 100, "queued": 100}));
    let settings = json!({
        "accountId": "5372118", "publishSpeed": "fast", "network": "facebook", "onFailure": "skip", "maxRetries": 2,
        "webhookUrl": null
    });
    assert_eq!(answer["settings"], settings);
    assert_eq!(answer["warnings"], json!([]));
    let kind = server
        .post(PUBLISH)
        .header("content-type", "Application/JSON; charset=\"UTF-8\"");
    let sent = kind.body(body_of(1).to_string()).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
}

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
        ("/userId", Some(long(129)), "INVALID_USER_ID", "userId"),
        ("/jobId", Some(json!(1)), "INVALID_JOB_ID", "jobId"),
        ("/jobId", Some(json!("\u{0}")), "INVALID_JOB_ID", "jobId"),
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
    for mode in ["scheduled", "bestTime"] {
        let body = with(
            "/schedule",
            Some(json!({"mode": mode, "scheduledAt": "2026-12-01T18:00:00+01:00"})),
        );
        let told = problem(server.publish(&body).send().await.unwrap(), 422, "MODE_NOT_AVAILABLE").await;
        assert_eq!(told["errors"][0]["field"], "schedule.mode");
    }
    assert_eq!(server.rows().await, [0; 6]);
    assert!(server.notes.created.lock().unwrap().is_empty());
}

#[tokio::test]
async fn all_errors_are_told_at_once() {
    let server = Server::start().await;
    let body = json!({"posts": [{"url": "x"}, {}], "settings": {"network": 1}, "schedule": {"mode": "bestTime"}});
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
        "schedule.mode",
    ];
    assert_eq!(fields, expected);
    problem(server.publish(&json!({})).send().await.unwrap(), 400, "MISSING_POSTS").await;
    assert_eq!(server.rows().await, [0; 6]);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let server = Server::start().await;
    let send = async |kind: Option<&str>, body: Vec<u8>| {
        let mut request = server.post(PUBLISH).body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        request.send().await.unwrap()
    };
    let json = Some("application/json");
    let good = || body_of(1).to_string().into_bytes();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=latin1"),
    ] {
        problem(send(kind, good()).await, 415, "UNSUPPORTED_MEDIA_TYPE").await;
    }
    let zipped = server
        .publish(&body_of(1))
        .header("content-encoding", "gzip")
        .send()
        .await
        .unwrap();
    problem(zipped, 415, "UNSUPPORTED_CONTENT_ENCODING").await;
    let deep = [b"{\"a\":".repeat(5_000), b"1".to_vec(), b"}".repeat(5_000)].concat();
    for body in [
        &b""[..],
        b"{",
        b"{\"posts\":[}",
        b"nonsense",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"{\"a\":1e999}",
        &deep,
    ] {
        problem(send(json, body.into()).await, 400, "MALFORMED_JSON").await;
    }
    for body in [&b"[]"[..], b"null", b"\"text\"", b"7"] {
        problem(send(json, body.into()).await, 400, "INVALID_BODY").await;
    }
    problem(send(json, b"{\"userId\":\"\xff\"}".into()).await, 400, "INVALID_UTF8").await;
    for length in [1024 * 1024 + 1, 3 * 1024 * 1024] {
        problem(send(json, vec![b' '; length]).await, 413, "PAYLOAD_TOO_LARGE").await;
    }
    let mut largest = good();
    largest.resize(1024 * 1024, b' ');
    assert_eq!(server.rows().await, [0; 6]);
    assert_eq!(send(json, largest).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_dry_run_never_publishes() {
    let server = Server::start().await;
    let send = async |query: &str| {
        let path = format!("{PUBLISH}?{query}");
        server.post(&path).json(&body_of(1)).send().await.unwrap()
    };
    problem(send("dryRun=true").await, 422, "DRY_RUN_NOT_AVAILABLE").await;
    for wrong in ["dryRun=yes", "dryRun=%ff", "dryRun=false&dryRun=true"] {
        let told = problem(send(wrong).await, 400, "INVALID_QUERY").await;
        assert_eq!(told["errors"][0]["field"], "dryRun");
    }
    assert_eq!(server.rows().await, [0; 6]);
    assert_eq!(send("dryRun=false").await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn without_a_token_nothing_is_taken_on() {
    let setup = Setup {
        configured: false,
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    problem(
        server.publish(&body_of(1)).send().await.unwrap(),
        500,
        "METRICOOL_NOT_CONFIGURED",
    )
    .await;
    assert_eq!(server.rows().await, [0; 6]);
}

#[tokio::test]
async fn one_idempotency_key_creates_once() {
    let server = Server::start().await;
    let today = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    server.clock.0.store(today.as_millis() as i64, Ordering::Relaxed); // the age of a key is counted from the real day
    let body = body_of(2).to_string();
    let send = async |key: &str, body: &str, tenant: &str| {
        let request = server.bare(Method::POST, PUBLISH).header("x-api-key", tenant);
        let request = request
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        request.body(body.to_owned()).send().await.unwrap()
    };
    let first = send("key-1", &body, FULL).await;
    assert!(first.headers().get("idempotency-replayed").is_none());
    let first = read(first).await;
    assert_eq!(first.0, StatusCode::ACCEPTED);
    for _ in 0..2 {
        let again = send("key-1", &body, FULL).await;
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        assert_eq!(again.headers()["content-type"], "application/json");
        assert_eq!(read(again).await, first);
    }
    assert_eq!(server.rows().await, [1, 2, 0, 0, 1, 0]);
    assert_eq!(server.notes.created.lock().unwrap().len(), 1);
    problem(
        send("key-1", &body_of(1).to_string(), FULL).await,
        422,
        "IDEMPOTENCY_KEY_REUSED",
    )
    .await;
    problem(send("key-1", "{", FULL).await, 422, "IDEMPOTENCY_KEY_REUSED").await;
    problem(send("key-2", "{", FULL).await, 400, "MALFORMED_JSON").await;
    assert_eq!(server.rows().await, [1, 2, 0, 0, 1, 0], "only what succeeded is kept");
    assert_eq!(send("key-2", &body, FULL).await.status(), StatusCode::ACCEPTED);
    let others = body.replace("5372118", "99");
    let other = send("key-1", &others, "sk_other_1").await;
    assert!(
        other.headers().get("idempotency-replayed").is_none(),
        "keys are a tenant's own"
    );
    assert_eq!(server.rows().await, [3, 6, 0, 0, 3, 0]);
    let server = server.restart(Setup::default()).await;
    let request = server.publish(&body_of(2)).header("idempotency-key", "key-1");
    assert_eq!(read(request.send().await.unwrap()).await, first, "also after a restart");
}

#[tokio::test]
async fn the_same_key_at_the_same_time_creates_once() {
    let server = Server::start().await;
    let body = body_of(1);
    let sends = (0..20).map(|_| server.publish(&body).header("idempotency-key", "k").send());
    let answers = futures_util::future::join_all(sends).await;
    let mut ids = Vec::new();
    for answer in answers {
        let (status, answer) = read(answer.unwrap()).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        ids.push(answer["batchId"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(server.rows().await, [1, 1, 0, 0, 1, 0]);
    assert_eq!(server.notes.created.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_idempotency_key_is_refused() {
    let server = Server::start().await;
    let long = "k".repeat(256);
    for key in ["", "a b", long.as_str()] {
        let response = server
            .publish(&body_of(1))
            .header("idempotency-key", key)
            .send()
            .await
            .unwrap();
        let told = problem(response, 400, "INVALID_IDEMPOTENCY_KEY").await;
        assert_eq!(told["errors"][0]["field"], "Idempotency-Key");
    }
    let bytes = reqwest::header::HeaderValue::from_bytes(b"k\xff").unwrap();
    let response = server
        .publish(&body_of(1))
        .header("idempotency-key", bytes)
        .send()
        .await
        .unwrap();
    problem(response, 400, "INVALID_IDEMPOTENCY_KEY").await;
    let twice = server
        .publish(&body_of(1))
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    problem(twice.send().await.unwrap(), 400, "INVALID_IDEMPOTENCY_KEY").await;
    assert_eq!(server.rows().await, [0; 6]);
}
