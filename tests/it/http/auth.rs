//! Who may do what, and that tenants do not see each other.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::server::{PUBLISH, Server, Setup, body_of, problem, read};

const GETS: [&str; 9] = [
    "/api/metricool/status?batchId=ID",
    "/api/metricool/batch/ID",
    "/api/metricool/batch/ID/attempts",
    "/api/metricool/batches/active?userId=u1",
    "/api/metricool/batch/user-active?userId=u1",
    "/api/metricool/history?userId=u1",
    "/api/metricool/brands",
    "/api/metricool/reconcile/ID",
    "/api/metricool/stream?batchId=ID",
];

const COMMANDS: [&str; 5] = [
    "/api/metricool/batch/ID/cancel",
    "/api/metricool/batch/ID/pause",
    "/api/metricool/batch/ID/resume",
    "/api/metricool/batch/ID/retry-failed",
    "/api/metricool/batch/ID/clips/1/resolve",
];

#[tokio::test]
async fn every_route_asks_for_a_key_and_its_scope() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let before = server.rows().await;
    let commands = COMMANDS.map(|path| (Method::POST, path.replace("ID", id.as_str()), "sk_read_1"));
    let reads = GETS.map(|path| (Method::GET, path.replace("ID", id.as_str()), "sk_send_1"));
    let publish = [(Method::POST, PUBLISH.to_owned(), "sk_read_1")];
    for (method, path, unfit) in reads.into_iter().chain(commands).chain(publish) {
        let request = || server.bare(method.clone(), &path).json(&body_of(1));
        let send = async |request: reqwest::RequestBuilder| request.send().await.unwrap();
        let response = send(request()).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        problem(response, 401, "MISSING_API_KEY").await;
        problem(
            send(request().header("authorization", "Basic c2s6")).await,
            401,
            "MISSING_API_KEY",
        )
        .await;
        problem(
            send(request().header("x-api-key", "sk_wrong_1")).await,
            401,
            "INVALID_API_KEY",
        )
        .await;
        problem(send(request().header("x-api-key", "")).await, 401, "INVALID_API_KEY").await;
        problem(send(request().bearer_auth("sk_full_")).await, 401, "INVALID_API_KEY").await;
        let latin = reqwest::header::HeaderValue::from_bytes(b"sk_\xff").unwrap();
        problem(send(request().header("x-api-key", latin)).await, 401, "INVALID_API_KEY").await;
        problem(
            send(request().header("x-api-key", unfit)).await,
            403,
            "INSUFFICIENT_SCOPE",
        )
        .await;
        let foreign = request().bearer_auth("sk_root_1").header("x-tenant", "other");
        problem(send(foreign).await, 403, "TENANT_MISMATCH").await;
    }
    assert_eq!(server.rows().await, before);
    assert_eq!(server.notes.created.lock().unwrap().len(), 1);
    assert!(server.notes.commanded.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_key_is_taken_from_either_header_and_admin_may_do_everything() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let path = format!("/api/metricool/batch/{id}");
    for request in [
        server.bare(Method::GET, &path).header("x-api-key", "sk_read_1"),
        server.bare(Method::GET, &path).bearer_auth("sk_root_1"),
        server
            .bare(Method::GET, &path)
            .header("authorization", "bearer sk_read_1"),
        server.get(&path).header("x-tenant", "stories"),
    ] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
    let sent = server
        .bare(Method::POST, PUBLISH)
        .bearer_auth("sk_root_1")
        .json(&body_of(1));
    assert_eq!(sent.send().await.unwrap().status(), StatusCode::ACCEPTED);
    let in_query = server
        .bare(Method::GET, &format!("{path}?apiKey=sk_read_1"))
        .send()
        .await
        .unwrap();
    let told = problem(in_query, 401, "MISSING_API_KEY").await;
    assert!(
        !told.to_string().contains("sk_read_1"),
        "only streams take a key from the query"
    );
}

#[tokio::test]
async fn another_tenants_batch_does_not_exist() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let before = server.rows().await;
    let other = |method, path: &str| server.bare(method, path).header("x-api-key", "sk_other_1");
    for path in GETS.iter().filter(|path| path.contains("ID")) {
        let response = other(Method::GET, &path.replace("ID", id.as_str()))
            .send()
            .await
            .unwrap();
        problem(response, 404, "BATCH_NOT_FOUND").await;
    }
    for path in COMMANDS {
        let command = other(Method::POST, &path.replace("ID", id.as_str())).json(&json!({"action": "drop"}));
        problem(command.send().await.unwrap(), 404, "BATCH_NOT_FOUND").await;
    }
    let active = other(Method::GET, "/api/metricool/batches/active?userId=u1");
    assert_eq!(read(active.send().await.unwrap()).await.1["count"], 0);
    let brand = other(Method::POST, PUBLISH).json(&body_of(1)).send().await.unwrap();
    problem(brand, 404, "ACCOUNT_NOT_FOUND").await;
    assert_eq!(server.rows().await, before);
    assert!(server.notes.reconciled.lock().unwrap().is_empty());
    assert!(server.notes.commanded.lock().unwrap().is_empty());
}

#[tokio::test]
async fn with_several_tenants_a_brand_must_be_listed_and_with_one_it_need_not() {
    let mut body = body_of(1);
    body["settings"] = json!({"metricoolAccountId": "4711"});
    let several = Server::start().await;
    problem(several.publish(&body).send().await.unwrap(), 404, "ACCOUNT_NOT_FOUND").await;
    assert_eq!(several.rows().await, [0; 6]);
    let alone = Setup {
        keys: "stories:sk_full_1:publish",
        accounts: "",
        ..Setup::default()
    };
    let alone = Server::start_with(alone).await;
    assert_eq!(
        alone.publish(&body).send().await.unwrap().status(),
        StatusCode::ACCEPTED
    );
}
