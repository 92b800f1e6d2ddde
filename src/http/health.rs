//! `GET /healthz` and `GET /readyz`: for whatever watches the process. Neither needs a key nor tells anything secret.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
};
use serde::Serialize;

use super::{App, problem::Problem};

/// The answer.
#[derive(Serialize)]
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
    if let Err(error) = app.store.ping().await {
        tracing::warn!(error = %error, "not ready: the database does not answer");
        return Err(not_ready("the database cannot be used".into()));
    }
    Ok(Json(Health { status: "ready" }))
}

fn not_ready(why: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", "not ready")
        .detail(why)
        .header(header::RETRY_AFTER, "1")
}
