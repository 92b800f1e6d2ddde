//! The keys of a tenant: made, shown once, listed, used, revoked.

use std::sync::atomic::Ordering;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{
    server::{START, Server, Setup, problem, read},
    sse::Sse,
};

const PATH: &str = "/api/keys";
const ROOT: &str = "sk_root_1";
const ACTIVE: &str = "/api/metricool/batches/active?userId=u1";

fn setup() -> Setup {
    Setup {
        keys: "stories:sk_full_1:publish+read,stories:sk_root_1:admin,other:sk_else_1:admin,ops:sk_both_1:admin+metrics,\
           ops:sk_scrape_1:metrics",
        ..Setup::default()
    }
}

async fn send(server: &Server, method: Method, path: &str, key: &str, body: Option<Value>) -> Response {
    let request = server.bare(method, path).bearer_auth(key);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    request.send().await.unwrap()
}

/// Makes a key and gives its id and itself.
async fn made(server: &Server, by: &str, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "backend", "scopes": scopes});
    let (status, told) = read(send(server, Method::POST, PATH, by, Some(body)).await).await;
    assert_eq!(status, StatusCode::CREATED, "{told}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&told["key"]["id"]), text(&told["secret"]))
}

async fn listed(server: &Server, by: &str) -> Value {
    let (status, told) = read(send(server, Method::GET, PATH, by, None).await).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    told
}

async fn revoke(server: &Server, by: &str, id: &str) -> Response {
    send(server, Method::DELETE, &format!("{PATH}/{id}"), by, None).await
}

async fn status_of(server: &Server, key: &str) -> StatusCode {
    send(server, Method::GET, ACTIVE, key, None).await.status()
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_at_once_also_after_a_restart() {
    let server = Server::start_with(setup()).await;
    let body = json!({"name": "backend", "scopes": ["read", "publish", "read"]});
    let response = send(&server, Method::POST, PATH, ROOT, Some(body)).await;
    let (status, told) = read(response).await;
    assert_eq!(status, StatusCode::CREATED);
    let secret = told["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("sk_") && secret.len() == 51);
    let key = &told["key"];
    let at = "2026-01-01T00:00:00.000Z";
    let mut expected = json!({
        "id": key["id"], "tenant": "stories", "name": "backend", "scopes": ["publish", "read"],
        "createdBy": key["createdBy"], "createdAt": at, "lastUsedAt": null, "revokedAt": null,
    });
    assert_eq!(*key, expected);
    assert!(key["createdBy"].as_str().unwrap().starts_with("key_"));
    let list = listed(&server, ROOT).await;
    assert_eq!((&list["count"], &list["nextCursor"]), (&json!(1), &json!(null)));
    assert_eq!(list["keys"][0], expected);
    assert!(!list.to_string().contains(&secret));
    assert_eq!(list["environment"].as_array().unwrap().len(), 2, "{list}");
    assert_eq!(list["environment"][1]["scopes"], json!(["admin"]));
    assert_eq!(list["environment"][1]["lastUsedAt"], at);

    server.clock.0.store(START + 5_000, Ordering::Relaxed);
    assert_eq!(status_of(&server, &secret).await, StatusCode::OK);
    let refused = send(&server, Method::GET, PATH, &secret, None).await;
    problem(refused, 403, "INSUFFICIENT_SCOPE").await;
    expected["lastUsedAt"] = json!("2026-01-01T00:00:05.000Z");
    assert_eq!(
        listed(&server, ROOT).await["keys"][0],
        expected,
        "before it is written down"
    );
    let file = server.database();
    assert!(
        !file.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()),
        "only its hash is kept"
    );

    let server = server.restart(setup()).await;
    assert_eq!(status_of(&server, &secret).await, StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_key_works_no_more_and_what_it_watched_ends() {
    let server = Server::start_with(setup()).await;
    let (id, secret) = made(&server, ROOT, &["read"]).await;
    let events = Sse::open(
        server
            .bare(Method::GET, "/api/metricool/stream?userId=u1")
            .bearer_auth(&secret),
    )
    .await;
    server.clock.0.store(START + 1_000, Ordering::Relaxed);
    let (status, first) = read(revoke(&server, ROOT, &id).await).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        first,
        json!({"success": true, "id": id, "revokedAt": "2026-01-01T00:00:01.000Z"})
    );
    let refused = send(&server, Method::GET, ACTIVE, &secret, None).await;
    problem(refused, 401, "INVALID_API_KEY").await;
    server.batch(1).await;
    let batch = server.batch(1).await;
    super::runner::Runner::claim(&server, &batch).await.events(1).await;
    assert!(events.rest().await.is_empty(), "nothing is told to it");

    server.clock.0.store(START + 9_000, Ordering::Relaxed);
    assert_eq!(
        read(revoke(&server, ROOT, &id).await).await.1,
        first,
        "repeating changes nothing"
    );
    assert_eq!(listed(&server, ROOT).await["keys"][0]["revokedAt"], first["revokedAt"]);
    let server = server.restart(setup()).await;
    let refused = send(&server, Method::GET, ACTIVE, &secret, None).await;
    problem(refused, 401, "INVALID_API_KEY").await;

    // Also the one that is used for it.
    let (own, secret) = made(&server, ROOT, &["admin"]).await;
    assert_eq!(revoke(&server, &secret, &own).await.status(), StatusCode::OK);
    problem(revoke(&server, &secret, &own).await, 401, "INVALID_API_KEY").await;
}

#[tokio::test]
async fn a_tenant_has_only_its_own_keys() {
    let server = Server::start_with(setup()).await;
    let (id, secret) = made(&server, ROOT, &["read"]).await;
    let theirs = listed(&server, "sk_else_1").await;
    assert_eq!(theirs["count"], 0);
    assert_eq!(theirs["environment"].as_array().unwrap().len(), 1);
    problem(revoke(&server, "sk_else_1", &id).await, 404, "KEY_NOT_FOUND").await;
    assert_eq!(status_of(&server, &secret).await, StatusCode::OK);
    let mine = listed(&server, ROOT).await;
    for key in mine["environment"].as_array().unwrap() {
        let id = key["id"].as_str().unwrap();
        problem(revoke(&server, ROOT, id).await, 409, "KEY_OF_ENVIRONMENT").await;
        problem(revoke(&server, "sk_else_1", id).await, 404, "KEY_NOT_FOUND").await;
    }
    for (id, status, code) in [
        ("key_none", 404, "KEY_NOT_FOUND"),
        (secret.as_str(), 404, "KEY_NOT_FOUND"),
        ("a.b", 400, "INVALID_KEY_ID"),
        ("%00", 400, "INVALID_KEY_ID"),
        ("%ff", 400, "INVALID_KEY_ID"),
    ] {
        problem(revoke(&server, ROOT, id).await, status, code).await;
    }
}

#[tokio::test]
async fn every_route_of_keys_asks_for_an_admin() {
    let server = Server::start_with(setup()).await;
    let (id, _) = made(&server, ROOT, &["read"]).await;
    let body = json!({"scopes": ["read"]});
    for (method, path) in [
        (Method::GET, PATH.to_owned()),
        (Method::POST, PATH.to_owned()),
        (Method::DELETE, format!("{PATH}/{id}")),
    ] {
        let request = || server.bare(method.clone(), &path).json(&body);
        problem(request().send().await.unwrap(), 401, "MISSING_API_KEY").await;
        let wrong = request().bearer_auth("sk_wrong_1").send().await.unwrap();
        problem(wrong, 401, "INVALID_API_KEY").await;
        for key in ["sk_full_1", "sk_scrape_1"] {
            let unfit = request().bearer_auth(key).send().await.unwrap();
            problem(unfit, 403, "INSUFFICIENT_SCOPE").await;
        }
        let foreign = request().bearer_auth(ROOT).header("x-tenant", "other");
        problem(foreign.send().await.unwrap(), 403, "TENANT_MISMATCH").await;
    }
    assert_eq!(listed(&server, ROOT).await["count"], 1);
    // The numbers of all tenants are nothing that one tenant's admin can give away.
    let body = json!({"scopes": ["read", "metrics"]});
    let refused = send(&server, Method::POST, PATH, ROOT, Some(body.clone())).await;
    problem(refused, 403, "INSUFFICIENT_SCOPE").await;
    let given = send(&server, Method::POST, PATH, "sk_both_1", Some(body)).await;
    assert_eq!(given.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_that_makes_no_sense_names_its_fields_and_makes_no_key() {
    let server = Server::start_with(setup()).await;
    for (body, code, field) in [
        (json!({}), "MISSING_SCOPES", "scopes"),
        (json!({"scopes": null}), "MISSING_SCOPES", "scopes"),
        (json!({"scopes": []}), "INVALID_SCOPES", "scopes"),
        (json!({"scopes": "read"}), "INVALID_SCOPES", "scopes"),
        (json!({"scopes": ["read", "fly"]}), "INVALID_SCOPES", "scopes[1]"),
        (json!({"scopes": [1]}), "INVALID_SCOPES", "scopes[0]"),
        (json!({"scopes": ["read"], "name": 1}), "INVALID_NAME", "name"),
        (json!({"scopes": ["read"], "name": ""}), "INVALID_NAME", "name"),
        (json!({"scopes": ["read"], "name": "a\u{0}"}), "INVALID_NAME", "name"),
    ] {
        let told = problem(send(&server, Method::POST, PATH, ROOT, Some(body)).await, 400, code).await;
        assert_eq!(told["errors"][0]["field"], field);
    }
    let text = server.bare(Method::POST, PATH).bearer_auth(ROOT).body("x");
    problem(text.send().await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE").await;
    assert_eq!(listed(&server, ROOT).await["count"], 0);
}

#[tokio::test]
async fn a_request_that_is_sent_twice_makes_one_key_and_shows_it_once() {
    let server = Server::start_with(setup()).await;
    let body = json!({"scopes": ["read"]});
    let send = async |body: &Value| {
        let request = server.bare(Method::POST, PATH).bearer_auth(ROOT).json(body);
        request.header("idempotency-key", "k").send().await.unwrap()
    };
    let (status, mut first) = read(send(&body).await).await;
    assert_eq!(status, StatusCode::CREATED);
    assert!(first["secret"].take().is_string());
    let again = send(&body).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true");
    assert_eq!(read(again).await, (StatusCode::CREATED, first));
    problem(send(&json!({"scopes": ["admin"]})).await, 422, "IDEMPOTENCY_KEY_REUSED").await;
    assert_eq!(listed(&server, ROOT).await["count"], 1);
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let server = Server::start_with(setup()).await;
    for _ in 0..5 {
        made(&server, ROOT, &["read"]).await;
    }
    let whole = listed(&server, ROOT).await;
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{PATH}?limit=2&cursor={cursor}");
        let page = read(send(&server, Method::GET, &path, ROOT, None).await).await.1;
        ids.extend(page["keys"].as_array().unwrap().clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(Value::from(ids), whole["keys"]);
    for (wrong, code) in [("limit=0", "INVALID_LIMIT"), ("cursor=x", "INVALID_CURSOR")] {
        let response = send(&server, Method::GET, &format!("{PATH}?{wrong}"), ROOT, None).await;
        problem(response, 400, code).await;
    }
}

#[tokio::test]
async fn without_a_database_keys_work_and_none_is_made_or_revoked() {
    let server = Server::start_with(setup()).await;
    let (id, secret) = made(&server, ROOT, &["read"]).await;
    server.store.close().await;
    let body = json!({"scopes": ["read"]});
    for response in [
        send(&server, Method::POST, PATH, ROOT, Some(body)).await,
        send(&server, Method::GET, PATH, ROOT, None).await,
        revoke(&server, ROOT, &id).await,
    ] {
        problem(response, 503, "STORE_UNAVAILABLE").await;
    }
    assert_eq!(
        status_of(&server, &secret).await,
        StatusCode::SERVICE_UNAVAILABLE,
        "it is known"
    );
    assert_eq!(status_of(&server, "sk_wrong_1").await, StatusCode::UNAUTHORIZED);
}
