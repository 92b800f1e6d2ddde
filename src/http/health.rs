//! `GET /healthz` and `GET /readyz`: for whatever watches the process. Neither needs a key nor tells anything secret.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, problem::Problem};

/// Longer than a database that can take work needs for a write, and shorter than what asks here waits.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// The answer.
#[derive(Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
}

/// The process answers.
pub async fn alive() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// The daemon can take work: it is not draining, its parts run, and the database can be written.
pub async fn ready(State(app): App) -> Result<Json<Health>, Problem> {
    app.ready.ready().map_err(not_ready)?;
    match tokio::time::timeout(PING_TIMEOUT, app.store.ping()).await {
        Ok(Ok(())) => Ok(Json(Health { status: "ready" })),
        // The store tells once that it is away; this is asked every few seconds.
        Ok(Err(_)) | Err(_) => Err(not_ready("the database cannot be used".into())),
    }
}

fn not_ready(why: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", "not ready")
        .detail(why)
        .header(header::RETRY_AFTER, "1")
}
