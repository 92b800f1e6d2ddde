//! `GET /api/metricool/status?batchId=`: where a batch is, for a client that polls.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use storyclip_actors::{
    events::WaitProgress,
    model::{BatchStatus, Timestamp},
};
use utoipa::ToSchema;

use super::{
    App,
    caller::Caller,
    etag::{self, Tag},
    keys::Scope,
    problem::Problem,
    query::Query,
    view::{self, Activity, ClipBody, PostsBody},
};

/// The answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    batch_id: String,
    tenant: String,
    status: BatchStatus,
    progress: u32,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    updated_at: Timestamp,
    posts: PostsBody,
    current_story: Option<String>,
    current_status: Activity,
    wait_progress: Option<WaitProgress>,
    clips: Vec<ClipBody>,
    error: Option<String>,
}

/// Reads the rows and says it.
pub async fn show(State(app): App, caller: Caller, query: Query, headers: HeaderMap) -> Result<Response, Problem> {
    caller.need(Scope::Read)?;
    let id = query.batch()?.ok_or_else(missing)?;
    if let Some(known) = etag::known(&app.store, &caller.tenant, &id, &headers).await? {
        return Ok(known.not_modified());
    }
    let batch = app.store.batch(&caller.tenant, &id).await?;
    let batch = batch.ok_or_else(Problem::batch_not_found)?;
    let (at_work, current_status) = view::activity(&batch.clips);
    let now = app.clock.now();
    let wait_progress = at_work.and_then(|clip| view::wait_progress(&batch, clip, &app.rules, now));
    let tag = Tag::of(batch.last_event, batch.updated_at)
        .ahead(view::ahead(&batch, now))
        .waiting(wait_progress.as_ref());
    let status = Status {
        batch_id: batch.id.to_string(),
        tenant: batch.tenant.to_string(),
        status: batch.status,
        progress: view::progress(batch.totals),
        created_at: batch.created_at,
        started_at: batch.started_at,
        completed_at: batch.completed_at,
        updated_at: batch.updated_at,
        posts: batch.totals.into(),
        current_story: at_work.map(|clip| clip.id.clone()),
        current_status,
        wait_progress,
        error: batch.error.as_ref().map(|error| error.message.to_string()),
        clips: view::clips(&batch, now),
    };
    Ok(tag.answer(&headers, status))
}

fn missing() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "MISSING_BATCH_ID", "batchId is missing")
}
