//! Secrets of webhooks: new ones beside the old, and what a request makes that is sent twice.

use std::sync::atomic::Ordering;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use storyclip_actors::model::Timestamp;

use super::{
    server::{PUBLISH, Server, Setup, body_of, problem, read},
    webhooks::{created, get, root, server},
};

const BROWSER: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

async fn post(server: &Server, path: &str, key: Option<&str>, body: &Value) -> Response {
    let request = root(server, Method::POST, path).json(body);
    let request = key
        .iter()
        .fold(request, |request, key| request.header("idempotency-key", *key));
    request.send().await.unwrap()
}

fn rotation(id: &str) -> String {
    format!("/api/webhooks/{id}/rotate-secret")
}

/// The age of an idempotency key is counted from the real day.
fn today(server: &Server) {
    let today = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    server.clock.0.store(today.as_millis() as i64, Ordering::Relaxed);
}

fn now(server: &Server) -> i64 {
    server.clock.0.load(Ordering::Relaxed)
}

/// Sends this twice with one key, and with another body; gives both answers.
async fn twice(server: &Server, path: &str, body: &Value, other: &Value) -> [(StatusCode, Value); 2] {
    let first = post(server, path, Some("k1"), body).await;
    assert!(first.headers().get("idempotency-replayed").is_none(), "{path}");
    let first = read(first).await;
    assert!(first.0.is_success(), "{path}: {first:?}");
    let again = post(server, path, Some("k1"), body).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true", "{path}");
    problem(
        post(server, path, Some("k1"), other).await,
        422,
        "IDEMPOTENCY_KEY_REUSED",
    )
    .await;
    problem(
        post(server, path, Some("a b"), body).await,
        400,
        "INVALID_IDEMPOTENCY_KEY",
    )
    .await;
    [first, read(again).await]
}

#[tokio::test]
async fn a_batch_whose_messages_are_not_signed_says_so_until_there_is_a_secret() {
    let server = server().await;
    let mut told = body_of(1);
    told["settings"]["webhookUrl"] = json!("https://hooks.example/own");
    let publish = async |body: &Value| {
        let (status, answer) = read(post(&server, PUBLISH, None, body).await).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        answer["warnings"].clone()
    };
    let warnings = publish(&told).await;
    assert_eq!(warnings[0]["field"], "settings.webhookUrl");
    assert!(
        warnings[0]["message"]
            .as_str()
            .unwrap()
            .contains("/api/webhooks/batch-secret"),
        "{warnings}"
    );
    assert_eq!(publish(&body_of(1)).await, json!([]));
    let made = post(&server, "/api/webhooks/batch-secret", None, &json!({})).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(publish(&told).await, json!([]));
}

#[tokio::test]
async fn an_endpoint_that_is_asked_for_twice_is_made_once_and_its_secret_is_shown_once() {
    let server = server().await;
    today(&server);
    let wanted = |name: &str| json!({"url": format!("https://hooks.example/{name}")});
    let [(status, mut first), (again, repeated)] = twice(&server, "/api/webhooks", &wanted("a"), &wanted("b")).await;
    assert_eq!((status, again), (StatusCode::CREATED, StatusCode::CREATED));
    assert!(first["secret"].as_str().unwrap().starts_with("whsec_"));
    first["secret"] = Value::Null;
    assert_eq!(repeated, first, "the same answer but for the secret");
    let list = get(&server, "/api/webhooks").await;
    assert_eq!((&list["count"], &list["endpoints"][0]), (&json!(1), &first["endpoint"]));
    let theirs = server
        .bare(Method::POST, "/api/webhooks")
        .header("x-api-key", "sk_boss_1");
    let theirs = theirs
        .header("idempotency-key", "k1")
        .json(&wanted("a"))
        .send()
        .await
        .unwrap();
    assert!(
        theirs.headers().get("idempotency-replayed").is_none(),
        "keys are a tenant's own"
    );
}

#[tokio::test]
async fn of_one_request_sent_often_at_once_one_endpoint_is_made() {
    let server = server().await;
    today(&server);
    let body = json!({"url": "https://hooks.example/a"});
    let sends = (0..10).map(|_| post(&server, "/api/webhooks", Some("k"), &body));
    let mut secrets = 0;
    for answer in futures_util::future::join_all(sends).await {
        let (status, answer) = read(answer).await;
        assert_eq!(status, StatusCode::CREATED);
        secrets += usize::from(answer["secret"].is_string());
    }
    assert_eq!(secrets, 1);
    assert_eq!(get(&server, "/api/webhooks").await["count"], 1);
}

#[tokio::test]
async fn a_new_secret_is_shown_once_and_the_old_one_ends_when_it_is_said() {
    let server = server().await;
    today(&server);
    let id = created(&server).await;
    let first = read(post(&server, "/api/webhooks/batch-secret", Some("first"), &json!({})).await).await;
    assert_eq!(
        (first.0, &first.1["overlapUntil"]),
        (StatusCode::CREATED, &Value::Null),
        "nothing signed before"
    );
    for path in [rotation(&id), "/api/webhooks/batch-secret".to_owned()] {
        let mut seen = Vec::new();
        for (body, overlap) in [
            (json!({}), Some(86_400)),
            (json!({"overlapSeconds": null}), Some(86_400)),
            (json!({"overlapSeconds": 60}), Some(60)),
            (json!({"overlapSeconds": 0}), None),
        ] {
            let (status, answer) = read(post(&server, &path, None, &body).await).await;
            assert_eq!(status, StatusCode::CREATED, "{answer}");
            let until = overlap.map(|seconds| Timestamp::from_millis(now(&server) + seconds * 1_000).to_string());
            assert_eq!(answer["overlapUntil"], json!(until), "{path} {body}");
            seen.push(answer["secret"].as_str().unwrap().to_owned());
        }
        let bare = root(&server, Method::POST, &path).send().await.unwrap();
        assert_eq!(read(bare).await.0, StatusCode::CREATED, "{path}: no body is needed");
        seen.sort();
        seen.dedup();
        assert!(
            seen.len() == 4 && seen.iter().all(|secret| secret.starts_with("whsec_")),
            "{seen:?}"
        );
    }
    let mut again = read(post(&server, "/api/webhooks/batch-secret", Some("first"), &json!({})).await)
        .await
        .1;
    assert!(first.1["secret"].is_string() && again["secret"].take().is_null());
    assert_eq!(
        again["overlapUntil"],
        Value::Null,
        "the first answer, whatever came after it"
    );
    assert!(
        !get(&server, &format!("/api/webhooks/{id}"))
            .await
            .to_string()
            .contains("whsec_")
    );
}

#[tokio::test]
async fn a_rotation_that_is_sent_twice_happens_once() {
    let server = server().await;
    today(&server);
    let (id, other) = (created(&server).await, created(&server).await);
    let (body, longer) = (json!({"overlapSeconds": 60}), json!({"overlapSeconds": 61}));
    for path in [rotation(&id), "/api/webhooks/batch-secret".to_owned()] {
        let [(_, mut first), (_, repeated)] = twice(&server, &path, &body, &longer).await;
        assert!(first["secret"].is_string());
        first["secret"] = Value::Null;
        assert_eq!(repeated, first);
    }
    let elsewhere = post(&server, &rotation(&other), Some("k1"), &body).await;
    let told = problem(elsewhere, 422, "IDEMPOTENCY_KEY_REUSED").await;
    let why = "this Idempotency-Key was used for another request";
    assert_eq!(told["error"], why, "the body was the same");
}

#[tokio::test]
async fn only_so_many_secrets_sign_at_once() {
    let server = server().await;
    let id = created(&server).await;
    let path = rotation(&id);
    for _ in 0..storyclip::store::MOST_OLD_SECRETS {
        assert_eq!(
            post(&server, &path, None, &json!({})).await.status(),
            StatusCode::CREATED
        );
    }
    problem(post(&server, &path, None, &json!({})).await, 409, "TOO_MANY_SECRETS").await;
    let end_all = post(&server, &path, None, &json!({"overlapSeconds": 0})).await;
    assert_eq!(end_all.status(), StatusCode::CREATED);
    assert_eq!(
        post(&server, &path, None, &json!({})).await.status(),
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_rotation_wants_an_admin_of_the_tenant_and_a_body_that_makes_sense() {
    let server = server().await;
    let id = created(&server).await;
    let path = rotation(&id);
    let bare = server.bare(Method::POST, &path).send().await.unwrap();
    problem(bare, 401, "MISSING_API_KEY").await;
    for (key, status, code) in [
        ("sk_wrong_1", 401, "INVALID_API_KEY"),
        ("sk_read_1", 403, "INSUFFICIENT_SCOPE"),
        ("sk_boss_1", 404, "ENDPOINT_NOT_FOUND"),
    ] {
        let answer = server
            .bare(Method::POST, &path)
            .header("x-api-key", key)
            .send()
            .await
            .unwrap();
        problem(answer, status, code).await;
    }
    problem(
        post(&server, &rotation("wh_none"), None, &json!({})).await,
        404,
        "ENDPOINT_NOT_FOUND",
    )
    .await;
    problem(
        post(&server, &rotation("%00"), None, &json!({})).await,
        400,
        "INVALID_ID",
    )
    .await;
    for path in [&*path, "/api/webhooks/batch-secret"] {
        for wrong in [json!(-1), json!(1.5), json!("60"), json!([]), json!(2_592_001)] {
            let answer = post(&server, path, None, &json!({"overlapSeconds": wrong})).await;
            let told = problem(answer, 400, "INVALID_OVERLAP").await;
            assert_eq!(told["errors"][0]["field"], "overlapSeconds");
        }
        problem(post(&server, path, None, &json!([])).await, 400, "INVALID_BODY").await;
        let text = root(&server, Method::POST, path).body("{}").send().await.unwrap();
        problem(text, 415, "UNSUPPORTED_MEDIA_TYPE").await;
        let cut = root(&server, Method::POST, path).header("content-type", "application/json");
        problem(cut.body("{").send().await.unwrap(), 400, "MALFORMED_JSON").await;
    }
}

#[tokio::test]
async fn a_test_and_a_subscription_that_are_sent_twice_happen_once() {
    let server = Server::start_with(Setup {
        keys: "stories:sk_root_1:admin+read",
        push_key: Some("the-key"),
        ..Setup::default()
    })
    .await;
    today(&server);
    let (id, other) = (created(&server).await, created(&server).await);
    let path = |id: &str| format!("/api/webhooks/{id}/test");
    let first = read(post(&server, &path(&id), Some("k1"), &json!({})).await).await;
    assert_eq!(first.0, StatusCode::ACCEPTED);
    let again = post(&server, &path(&id), Some("k1"), &json!({})).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(read(again).await, first);
    assert_eq!(get(&server, "/api/webhooks/deliveries").await["count"], 1);
    problem(
        post(&server, &path(&other), Some("k1"), &json!({})).await,
        422,
        "IDEMPOTENCY_KEY_REUSED",
    )
    .await;

    let browser = |user: &str| {
        let keys = json!({"p256dh": BROWSER, "auth": "BTBZMqHH6r4Tts7J_aSIgg"});
        json!({"userId": user, "subscription": {"endpoint": "https://push.example/1", "keys": keys}})
    };
    let path = "/api/push/subscriptions";
    let [(status, first), (_, again)] = twice(&server, path, &browser("u1"), &browser("u2")).await;
    assert_eq!((status, &first), (StatusCode::CREATED, &again));
    let gone = format!("{path}/{}", first["subscriptionId"].as_str().unwrap());
    let gone = root(&server, Method::DELETE, &gone).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::OK);
    let (_, again) = read(post(&server, path, Some("k1"), &browser("u1")).await).await;
    assert_eq!(again, first, "a repeat does not subscribe again");
}
