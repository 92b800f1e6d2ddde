//! The limit of taking batches on: an axum route in a process of its own that checks a request as the daemon does and
//! answers as much, with no key, no row and no batch. `publish` starts it beside the daemon.

use axum::{
    Router,
    body::Bytes,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use storyclip::{clock::SystemClock, http::check_publish};
use storyclip_actors::ports::Clock;
use tokio::net::TcpListener;

use super::{Outcome, publishers::PATH};

pub const ROLE: &str = "bare-route";

/// As long as the daemon's.
const ANSWER: &str = r#"{"batchId":"batch_1761725644409_k3f9a1c2z","tenant":"bench","status":"processing","posts":{"total":10,"queued":10},"schedule":{"mode":"now","scheduledAt":null,"timezone":null},"settings":{"accountId":"10001","publishSpeed":"hyper","network":"facebook","onFailure":"skip","maxRetries":3,"webhookUrl":null},"createdAt":"2026-01-01T00:00:00.000Z","warnings":[]}"#;

/// The process: says its address and serves.
pub async fn role() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(axum::serve(listener, Router::new().route(PATH, post(take))).await?)
}

async fn take(body: Bytes) -> Response {
    match check_publish(&body, SystemClock.now()) {
        Ok(_) => (
            StatusCode::ACCEPTED,
            [(header::CONTENT_TYPE, "application/json")],
            ANSWER,
        )
            .into_response(),
        Err(problem) => problem.into_response(),
    }
}
