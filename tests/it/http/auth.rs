//! What counts as a key, and what a tenant may use.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::server::{PUBLISH, Server, Setup, body_of, problem};

/// That every route asks, `routes` shows; here is what counts as a key.
#[tokio::test]
async fn what_is_no_key_is_refused_in_whatever_form() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let before = server.rows().await;
    let batch = format!("/api/metricool/batch/{id}");
    for (method, path) in [
        (Method::GET, batch.clone()),
        (Method::POST, format!("{batch}/cancel")),
        (Method::POST, PUBLISH.to_owned()),
    ] {
        let request = || server.bare(method.clone(), &path).json(&body_of(1));
        let send = async |request: reqwest::RequestBuilder| request.send().await.unwrap();
        let response = send(request()).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        problem(response, 401, "MISSING_API_KEY").await;
        let basic = request().header("authorization", "Basic c2s6");
        problem(send(basic).await, 401, "MISSING_API_KEY").await;
        let latin = reqwest::header::HeaderValue::from_bytes(b"sk_\xff").unwrap();
        for wrong in [
            request().header("x-api-key", ""),
            request().bearer_auth("sk_full_"),
            request().header("x-api-key", latin),
        ] {
            problem(send(wrong).await, 401, "INVALID_API_KEY").await;
        }
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
