//! The sandbox's own routes under `/_sandbox`: the ledger, the knobs, the counts. Metricool has none of them.
//!
//! A person or a test asks them over HTTP; code in the same process uses the handle instead.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing,
};
use bytes::Bytes;

use super::{
    World,
    answer::{self, Problem},
};

/// The route table.
pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_sandbox/posts", routing::get(posts).delete(clear_posts))
        .route(
            "/_sandbox/faults",
            routing::get(faults).post(set_faults).delete(reset_faults),
        )
        .route("/_sandbox/requests", routing::get(requests).delete(clear_requests))
}

async fn posts(State(world): State<Arc<World>>) -> Response {
    let view = world.ledger().view(world.clock.now());
    answer::bare(&view)
}

async fn clear_posts(State(world): State<Arc<World>>) -> StatusCode {
    world.ledger().clear();
    StatusCode::NO_CONTENT
}

async fn faults(State(world): State<Arc<World>>) -> Response {
    answer::bare(&world.faults.get())
}

async fn set_faults(State(world): State<Arc<World>>, body: Bytes) -> Response {
    let update = match serde_json::from_slice(&body) {
        Ok(update) => update,
        Err(error) => return Problem::new(400, format!("The body is no JSON: {error}")).into_response(),
    };
    match world.faults.set(update) {
        Ok(settings) => answer::bare(&settings),
        Err(message) => Problem::new(400, message).into_response(),
    }
}

async fn reset_faults(State(world): State<Arc<World>>) -> StatusCode {
    world.faults.reset();
    StatusCode::NO_CONTENT
}

async fn requests(State(world): State<Arc<World>>) -> Response {
    answer::bare(&world.traffic.get())
}

async fn clear_requests(State(world): State<Arc<World>>) -> StatusCode {
    world.traffic.clear();
    StatusCode::NO_CONTENT
}
