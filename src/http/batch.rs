//! `GET /api/metricool/batch/{batchId}`: the full summary of one batch.

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use serde::Serialize;
use storyclip_actors::model::BatchId;
use utoipa::ToSchema;

use super::{
    App,
    caller::Caller,
    etag::{self, Tag},
    keys::Scope,
    limits,
    problem::Problem,
    view::{self, BatchBody},
};

/// The answer.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchSummary)]
pub struct Summary {
    success: bool,
    batch: BatchBody,
}

/// Reads the rows and says it.
pub async fn show(
    State(app): App,
    caller: Caller,
    BatchPath(id): BatchPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.need(Scope::Read)?;
    if let Some(known) = etag::known(&app.store, &caller.tenant, &id, &headers).await? {
        return Ok(known.not_modified());
    }
    let batch = app.store.batch(&caller.tenant, &id).await?;
    let batch = batch.ok_or_else(Problem::batch_not_found)?;
    let now = app.clock.now();
    let tag = Tag::of(batch.last_event, batch.updated_at).ahead(view::ahead(&batch, now));
    let summary = Summary {
        success: true,
        batch: BatchBody::of(batch, now),
    };
    Ok(tag.answer(&headers, summary))
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
