//! `/api/webhooks`: endpoints, their log, tests and replays; whose they are and what may be named.

use std::sync::atomic::Ordering;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::server::{Server, Setup, problem, read};

const KEYS: &str = "stories:sk_root_1:admin,stories:sk_read_1:read+publish,other:sk_boss_1:admin";
const URL: &str = "https://hooks.example/storyclip";

pub async fn server() -> Server {
    Server::start_with(Setup {
        keys: KEYS,
        ..Setup::default()
    })
    .await
}

fn as_key(server: &Server, key: &str, method: Method, path: &str) -> RequestBuilder {
    server.bare(method, path).header("x-api-key", key)
}

pub fn root(server: &Server, method: Method, path: &str) -> RequestBuilder {
    as_key(server, "sk_root_1", method, path)
}

async fn create(server: &Server, body: Value) -> (StatusCode, Value) {
    read(
        root(server, Method::POST, "/api/webhooks")
            .json(&body)
            .send()
            .await
            .unwrap(),
    )
    .await
}

/// A new endpoint's id.
pub async fn created(server: &Server) -> String {
    let (status, body) = create(server, json!({"url": URL})).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    body["endpoint"]["id"].as_str().unwrap().to_owned()
}

pub async fn get(server: &Server, path: &str) -> Value {
    let (status, body) = read(root(server, Method::GET, path).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body
}

async fn patch(server: &Server, id: &str, body: Value) -> Value {
    let path = format!("/api/webhooks/{id}");
    let (status, body) = read(root(server, Method::PATCH, &path).json(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["endpoint"].clone()
}

/// Sends a test, as far as the queue.
pub async fn tested(server: &Server, id: &str) -> String {
    let path = format!("/api/webhooks/{id}/test");
    let (status, body) = read(root(server, Method::POST, &path).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    assert!(body["messageId"].as_str().unwrap().starts_with("msg_test_"));
    body["deliveryId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_endpoint_is_created_read_changed_and_deleted_and_its_secret_is_shown_once() {
    let server = server().await;
    let wanted = json!({"url": URL, "description": "ours", "events": ["clip.failed", "batch.failed", "clip.failed"]});
    let (status, body) = create(&server, wanted).await;
    assert_eq!(status, StatusCode::CREATED);
    let secret = body["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    let endpoint = body["endpoint"].clone();
    let id = endpoint["id"].as_str().unwrap();
    assert_eq!(endpoint["events"], json!(["clip.failed", "batch.failed"]));
    assert_eq!(
        (&endpoint["enabled"], &endpoint["disabledReason"]),
        (&json!(true), &json!(null))
    );

    let list = get(&server, "/api/webhooks").await;
    assert_eq!((&list["count"], &list["endpoints"][0]), (&json!(1), &endpoint));
    let one = get(&server, &format!("/api/webhooks/{id}")).await;
    assert_eq!(one["endpoint"], endpoint);
    assert!(!list.to_string().contains("whsec_") && !one.to_string().contains("whsec_"));

    let off = patch(&server, id, json!({"enabled": false, "description": null})).await;
    assert_eq!(
        (&off["enabled"], &off["disabledReason"]),
        (&json!(false), &json!("person"))
    );
    assert_eq!(
        (&off["description"], &off["url"], &off["events"]),
        (&json!(null), &json!(URL), &endpoint["events"])
    );
    let on = patch(
        &server,
        id,
        json!({"enabled": true, "url": "https://hooks.example/2", "events": ["clip.held"]}),
    )
    .await;
    assert_eq!(
        (&on["enabled"], &on["url"]),
        (&json!(true), &json!("https://hooks.example/2"))
    );
    assert_eq!(on["events"], json!(["clip.held"]));
    assert_eq!(patch(&server, id, json!({})).await["url"], on["url"]);

    let path = format!("/api/webhooks/{id}");
    let (status, _) = read(root(&server, Method::DELETE, &path).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    problem(
        root(&server, Method::GET, &path).send().await.unwrap(),
        404,
        "ENDPOINT_NOT_FOUND",
    )
    .await;
}

#[tokio::test]
async fn endpoints_are_listed_page_by_page() {
    let server = server().await;
    for _ in 0..5 {
        created(&server).await;
    }
    let whole = get(&server, "/api/webhooks").await;
    assert_eq!((&whole["count"], &whole["nextCursor"]), (&json!(5), &json!(null)));
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(&server, &format!("/api/webhooks?limit=2&cursor={cursor}")).await;
        listed.extend(page["endpoints"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = next.to_owned();
        // One that comes between two pages is at the end of the list.
        if listed.len() == 2 {
            server.clock.0.fetch_add(1, Ordering::Relaxed);
            created(&server).await;
        }
    }
    assert_eq!(listed[..5], whole["endpoints"].as_array().unwrap()[..]);
    assert_eq!(listed.len(), 6);
    for (wrong, code) in [("limit=0", "INVALID_LIMIT"), ("cursor=x", "INVALID_CURSOR")] {
        let response = root(&server, Method::GET, &format!("/api/webhooks?{wrong}"))
            .send()
            .await
            .unwrap();
        problem(response, 400, code).await;
    }
}

#[tokio::test]
async fn an_endpoint_without_a_list_hears_every_type() {
    let server = server().await;
    let (_, body) = create(&server, json!({"url": URL})).await;
    let all = [
        "batch.completed",
        "batch.failed",
        "batch.cancelled",
        "clip.published",
        "clip.failed",
        "clip.held",
    ];
    assert_eq!(body["endpoint"]["events"], json!(all));
}

#[tokio::test]
async fn every_route_wants_an_admin_and_knows_only_its_own_tenant() {
    let server = server().await;
    let id = created(&server).await;
    let delivery = tested(&server, &id).await;
    let routes = [
        (Method::POST, "/api/webhooks".to_owned(), 0),
        (Method::GET, "/api/webhooks".to_owned(), 0),
        (Method::GET, format!("/api/webhooks/{id}"), 404),
        (Method::PATCH, format!("/api/webhooks/{id}"), 404),
        (Method::POST, format!("/api/webhooks/{id}/test"), 404),
        (Method::GET, format!("/api/webhooks/{id}/deliveries"), 404),
        (Method::GET, "/api/webhooks/deliveries".to_owned(), 0),
        (Method::GET, format!("/api/webhooks/deliveries/{delivery}"), 404),
        (Method::POST, format!("/api/webhooks/deliveries/{delivery}/replay"), 404),
        (Method::POST, "/api/webhooks/batch-secret".to_owned(), 0),
        (Method::DELETE, format!("/api/webhooks/{id}"), 404),
    ];
    for (method, path, foreign) in routes {
        let request = |key| as_key(&server, key, method.clone(), &path).json(&json!({}));
        let bare = server.bare(method.clone(), &path).send().await.unwrap();
        problem(bare, 401, "MISSING_API_KEY").await;
        problem(request("sk_wrong_1").send().await.unwrap(), 401, "INVALID_API_KEY").await;
        problem(request("sk_read_1").send().await.unwrap(), 403, "INSUFFICIENT_SCOPE").await;
        if foreign == 404 {
            let (status, body) = read(request("sk_boss_1").send().await.unwrap()).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}: {body}");
        }
    }
    assert_eq!(get(&server, "/api/webhooks").await["count"], 1);
    let theirs = as_key(&server, "sk_boss_1", Method::GET, "/api/webhooks/deliveries");
    assert_eq!(read(theirs.send().await.unwrap()).await.1["count"], 0);
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_named() {
    let server = server().await;
    for (body, code, field) in [
        (json!({}), "MISSING_URL", "url"),
        (json!({"url": 1}), "INVALID_URL", "url"),
        (json!({"url": "ftp://hooks.example"}), "INVALID_URL", "url"),
        (
            json!({"url": "https://user:secret@hooks.example"}),
            "INVALID_URL",
            "url",
        ),
        (json!({"url": "http://127.0.0.1/x"}), "INVALID_URL", "url"),
        (json!({"url": "http://2130706433/x"}), "INVALID_URL", "url"),
        (json!({"url": "http://169.254.169.254/latest"}), "INVALID_URL", "url"),
        (json!({"url": "http://[::1]/x"}), "INVALID_URL", "url"),
        (json!({"url": "http://[::ffff:10.0.0.1]/x"}), "INVALID_URL", "url"),
        (json!({"url": URL, "events": []}), "INVALID_EVENTS", "events"),
        (json!({"url": URL, "events": "clip.failed"}), "INVALID_EVENTS", "events"),
        (
            json!({"url": URL, "events": ["clip.failed", "webhook.test"]}),
            "INVALID_EVENTS",
            "events[1]",
        ),
        (json!({"url": URL, "events": [7]}), "INVALID_EVENTS", "events[0]"),
        (
            json!({"url": URL, "description": "x".repeat(501)}),
            "INVALID_DESCRIPTION",
            "description",
        ),
        (json!({"url": URL, "enabled": "yes"}), "INVALID_ENABLED", "enabled"),
    ] {
        let answer = root(&server, Method::POST, "/api/webhooks")
            .json(&body)
            .send()
            .await
            .unwrap();
        let problem = problem(answer, 400, code).await;
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
        assert!(!problem.to_string().contains("secret"));
    }
    assert_eq!(get(&server, "/api/webhooks").await["count"], 0);
    for path in ["?limit=0", "?limit=201", "?limit=x"] {
        let path = format!("/api/webhooks/deliveries{path}");
        problem(
            root(&server, Method::GET, &path).send().await.unwrap(),
            400,
            "INVALID_LIMIT",
        )
        .await;
    }
    for path in [
        "/api/webhooks/%00",
        "/api/webhooks/deliveries/a%0Ab",
        "/api/webhooks/%ff",
    ] {
        problem(
            root(&server, Method::GET, path).send().await.unwrap(),
            400,
            "INVALID_ID",
        )
        .await;
    }
    for (query, code) in [
        ("status=lost", "INVALID_STATUS"),
        ("cursor=x", "INVALID_CURSOR"),
        ("cursor=1-%00", "INVALID_CURSOR"),
        ("batchId=%20", "INVALID_BATCH_ID"),
    ] {
        let path = format!("/api/webhooks/deliveries?{query}");
        problem(root(&server, Method::GET, &path).send().await.unwrap(), 400, code).await;
    }
}

#[tokio::test]
async fn a_tenant_has_only_so_many_endpoints() {
    let server = server().await;
    for _ in 0..storyclip::store::MOST_ENDPOINTS {
        created(&server).await;
    }
    let answer = root(&server, Method::POST, "/api/webhooks")
        .json(&json!({"url": URL}))
        .send()
        .await
        .unwrap();
    problem(answer, 409, "TOO_MANY_ENDPOINTS").await;
}

#[tokio::test]
async fn the_secret_for_batches_is_shown_once_and_is_another_each_time() {
    let server = server().await;
    let make = async || {
        let answer = root(&server, Method::POST, "/api/webhooks/batch-secret")
            .send()
            .await
            .unwrap();
        let (status, body) = read(answer).await;
        assert_eq!(status, StatusCode::CREATED);
        body["secret"].as_str().unwrap().to_owned()
    };
    let (one, other) = (make().await, make().await);
    assert!(one.starts_with("whsec_") && one != other);
}

#[tokio::test]
async fn a_setting_allows_addresses_of_ones_own_network() {
    let server = Server::start_with(Setup {
        keys: KEYS,
        private_addresses: true,
        ..Setup::default()
    })
    .await;
    let (status, body) = create(&server, json!({"url": "http://127.0.0.1:9/x"})).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
}
