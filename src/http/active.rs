//! `GET /api/metricool/batches/active?userId=` and its alias `batch/user-active`: what is under way.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;

use super::{App, caller::Caller, keys::Scope, problem::Problem, query::Query, view::BatchBody};

/// The answer.
#[derive(Serialize)]
pub struct Active {
    success: bool,
    batches: Vec<BatchBody>,
    count: usize,
}

/// The batches of a user, or, for scope `admin`, of the whole tenant.
pub async fn list(State(app): App, caller: Caller, query: Query) -> Result<Json<Active>, Problem> {
    caller.need(Scope::Read)?;
    let user = query.user()?;
    if user.is_none() && !caller.may(Scope::Admin) {
        return Err(
            Problem::new(StatusCode::BAD_REQUEST, "MISSING_USER_ID", "userId is missing")
                .detail("userId is missing; only a key with the scope admin may leave it away."),
        );
    }
    let batches = app.store.active(&caller.tenant, user.as_ref()).await?;
    let now = app.clock.now();
    let batches: Vec<BatchBody> = batches.into_iter().map(|batch| BatchBody::of(batch, now)).collect();
    Ok(Json(Active {
        success: true,
        count: batches.len(),
        batches,
    }))
}
