//! `GET /api/metricool/batch/{batchId}`: the full summary of one batch.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use serde::Serialize;
use storyclip_actors::model::BatchId;

use super::{App, caller::Caller, keys::Scope, limits, problem::Problem, view::BatchBody};

/// The answer.
#[derive(Serialize)]
pub struct Summary {
    success: bool,
    batch: BatchBody,
}

/// Reads the rows and says it.
pub async fn show(State(app): App, caller: Caller, BatchPath(id): BatchPath) -> Result<Json<Summary>, Problem> {
    caller.need(Scope::Read)?;
    let batch = app.store.batch(&caller.tenant, &id).await?;
    let batch = batch.ok_or_else(Problem::batch_not_found)?;
    Ok(Json(Summary {
        success: true,
        batch: BatchBody::of(batch, app.clock.now()),
    }))
}

/// The `{batchId}` of a path.
pub struct BatchPath(pub BatchId);

impl<S: Send + Sync> FromRequestParts<S> for BatchPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |why| Problem::bad("INVALID_BATCH_ID", "batchId", why);
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|_| bad("must be percent-encoded UTF-8".to_owned()))?;
        limits::batch(&id).map_err(bad)?;
        Ok(Self(id.into()))
    }
}
