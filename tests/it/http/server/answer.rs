//! Answers, read and checked.

use reqwest::{Response, StatusCode};
use serde_json::Value;

/// Status and JSON of an answer.
pub async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {text:?}: {error}"));
    (status, body)
}

/// Checks that an answer is a complete problem of this status and code, and gives it.
pub async fn problem(response: Response, status: u16, code: &str) -> Value {
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let id = response.headers().get("x-request-id").cloned();
    let path = response.url().path().to_owned();
    let (actual, body) = read(response).await;
    assert_eq!((actual.as_u16(), body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(kind, "application/problem+json");
    assert_eq!(body["status"], status);
    assert_eq!(body["instance"], path);
    assert!(id.is_some_and(|id| !id.is_empty()));
    for member in ["type", "title", "detail", "error"] {
        assert!(
            body[member].as_str().is_some_and(|text| !text.is_empty()),
            "{member}: {body}"
        );
    }
    body
}
