//! `/api/push`: browsers subscribe with a key that may read, and only with keys that can be encrypted for.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::{FULL, Server, Setup, problem, read};

/// The example of RFC 8291.
const P256DH: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

async fn server() -> Server {
    Server::start_with(Setup {
        push_key: Some("BPublic"),
        ..Setup::default()
    })
    .await
}

fn wanted() -> Value {
    json!({
        "userId": "u1",
        "subscription": {
            "endpoint": "https://push.example/send/1",
            "expirationTime": null,
            "keys": {"p256dh": P256DH, "auth": AUTH}
        }
    })
}

#[tokio::test]
async fn a_browser_subscribes_and_unsubscribes() {
    let server = server().await;
    let (status, body) = read(server.get("/api/push/key").send().await.unwrap()).await;
    assert_eq!((status, &body["publicKey"]), (StatusCode::OK, &json!("BPublic")));
    let subscribe = async || {
        let (status, body) = read(
            server
                .post("/api/push/subscriptions")
                .json(&wanted())
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        body["subscriptionId"].as_str().unwrap().to_owned()
    };
    let id = subscribe().await;
    assert_eq!(subscribe().await, id, "the same browser again");
    let path = format!("/api/push/subscriptions/{id}");
    let delete = |key| server.bare(Method::DELETE, &path).header("x-api-key", key);
    problem(
        delete("sk_other_1").send().await.unwrap(),
        404,
        "SUBSCRIPTION_NOT_FOUND",
    )
    .await;
    let (status, _) = read(delete(FULL).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    problem(delete(FULL).send().await.unwrap(), 404, "SUBSCRIPTION_NOT_FOUND").await;
}

#[tokio::test]
async fn every_route_wants_a_key_that_may_read() {
    let server = server().await;
    for (method, path) in [
        (Method::GET, "/api/push/key"),
        (Method::POST, "/api/push/subscriptions"),
        (Method::DELETE, "/api/push/subscriptions/push_1"),
    ] {
        let request = |key| {
            server
                .bare(method.clone(), path)
                .header("x-api-key", key)
                .json(&wanted())
        };
        problem(
            server.bare(method.clone(), path).send().await.unwrap(),
            401,
            "MISSING_API_KEY",
        )
        .await;
        problem(request("sk_wrong_1").send().await.unwrap(), 401, "INVALID_API_KEY").await;
        problem(request("sk_send_1").send().await.unwrap(), 403, "INSUFFICIENT_SCOPE").await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_subscription_is_named() {
    let server = server().await;
    for (pointer, value, code, field) in [
        ("/userId", Value::Null, "MISSING_USER_ID", "userId"),
        ("/userId", json!(7), "INVALID_USER_ID", "userId"),
        ("/subscription", Value::Null, "MISSING_SUBSCRIPTION", "subscription"),
        ("/subscription", json!([]), "INVALID_SUBSCRIPTION", "subscription"),
        (
            "/subscription/endpoint",
            Value::Null,
            "INVALID_SUBSCRIPTION",
            "subscription.endpoint",
        ),
        (
            "/subscription/endpoint",
            json!("http://push.example/"),
            "INVALID_SUBSCRIPTION",
            "subscription.endpoint",
        ),
        (
            "/subscription/endpoint",
            json!("https://10.0.0.1/"),
            "INVALID_SUBSCRIPTION",
            "subscription.endpoint",
        ),
        (
            "/subscription/endpoint",
            json!("ééééé"),
            "INVALID_SUBSCRIPTION",
            "subscription.endpoint",
        ),
        (
            "/subscription/keys",
            json!("k"),
            "INVALID_SUBSCRIPTION",
            "subscription.keys",
        ),
        (
            "/subscription/keys/auth",
            Value::Null,
            "INVALID_SUBSCRIPTION",
            "subscription.keys.auth",
        ),
        (
            "/subscription/keys/p256dh",
            json!("AAAA"),
            "INVALID_SUBSCRIPTION",
            "subscription.keys.p256dh",
        ),
    ] {
        let mut body = wanted();
        *body.pointer_mut(pointer).unwrap() = value;
        let answer = server.post("/api/push/subscriptions").json(&body).send().await.unwrap();
        assert_eq!(
            problem(answer, 400, code).await["errors"][0]["field"],
            field,
            "{pointer}"
        );
    }
}

#[tokio::test]
async fn without_keys_of_its_own_a_daemon_has_no_push() {
    let server = Server::start().await;
    problem(
        server.get("/api/push/key").send().await.unwrap(),
        404,
        "PUSH_NOT_CONFIGURED",
    )
    .await;
    let answer = server
        .post("/api/push/subscriptions")
        .json(&wanted())
        .send()
        .await
        .unwrap();
    problem(answer, 404, "PUSH_NOT_CONFIGURED").await;
}
