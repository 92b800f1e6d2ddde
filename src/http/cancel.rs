//! `POST /api/metricool/batch/{batchId}/cancel`: starts no further clip and withdraws what can be withdrawn.
//!
//! The wish is a durable row before anything is answered, so a crash right after the answer does not lose it.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, BatchStatus, CommandKind, Timestamp, Wish},
};

use super::{App, AppState, batch::BatchPath, caller::Caller, keys::Scope, problem::Problem};
use crate::store::BatchView;

/// The answer to a command.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    success: bool,
    batch_id: String,
    action: CommandKind,
    status: BatchStatus,
    timestamp: Timestamp,
}

/// Stores the wish, nudges the batch's actor and answers with the status that the batch then has.
pub async fn cancel(State(app): App, caller: Caller, BatchPath(id): BatchPath) -> Result<Json<Done>, Problem> {
    caller.need(Scope::Publish)?;
    let mut status = still_possible(read(&app, &caller, &id).await?.status)?;
    if status != BatchStatus::Cancelled {
        status = still_possible(request(&app, &caller, &id).await?)?;
    }
    Ok(Json(Done {
        success: true,
        batch_id: id.to_string(),
        action: CommandKind::Cancel,
        status,
        timestamp: app.clock.now(),
    }))
}

/// Stores the wish and gives the status that the batch has after it was applied, or has now if that takes too long.
///
/// A task of its own, because a client that hangs up ends its handler: a wish whose actor was never told would wait in its
/// row until that actor ends.
async fn request(app: &Arc<AppState>, caller: &Caller, id: &BatchId) -> Result<BatchStatus, Problem> {
    let (daemon, batch, requested_by) = (app.clone(), id.clone(), caller.name.clone());
    let telling = tokio::spawn(async move {
        let at = daemon.clock.now();
        daemon.store.command(&batch, &Wish::Cancel, &requested_by, at).await?;
        tracing::info!(batch.id = %batch, requested_by, "cancel requested");
        Ok::<_, StoreError>(daemon.control.command(&batch).await)
    });
    let told = telling
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    match told? {
        Some(status) => Ok(status),
        None => Ok(read(app, caller, id).await?.status),
    }
}

async fn read(app: &AppState, caller: &Caller, id: &BatchId) -> Result<BatchView, Problem> {
    let batch = app.store.batch(&caller.tenant, id).await?;
    batch.ok_or_else(Problem::batch_not_found)
}

/// A batch that has come to its own end cannot be cancelled any more.
fn still_possible(status: BatchStatus) -> Result<BatchStatus, Problem> {
    match status {
        BatchStatus::Completed | BatchStatus::Failed => Err(Problem::new(
            StatusCode::CONFLICT,
            "BATCH_NOT_CANCELLABLE",
            format!("a {status} batch cannot be cancelled"),
        )
        .current_status(status)),
        BatchStatus::Draft
        | BatchStatus::Scheduled
        | BatchStatus::Processing
        | BatchStatus::Paused
        | BatchStatus::Cancelled => Ok(status),
    }
}
