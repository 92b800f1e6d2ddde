//! `POST /api/metricool/batch/{batchId}/cancel | pause | resume`, and what all commands have in common.
//!
//! A wish is a durable row before anything is answered, so a crash right after the answer does not lose it. The batch's
//! actor carries it out, and has the last word about whether it is still possible.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use storyclip_actors::{
    model::{BatchId, BatchStatus, ClipStatus, CommandKind, Timestamp, Wish},
    ports::Store as _,
};
use utoipa::ToSchema;

use super::{App, AppState, batch::BatchPath, caller::Caller, keys::Scope, problem::Problem, to_the_end::to_the_end};
use crate::store::BatchView;

/// The answer to a command.
#[derive(Serialize, ToSchema)]
#[schema(as = Commanded)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    success: bool,
    batch_id: String,
    action: CommandKind,
    status: BatchStatus,
    /// Whether `status` is that after the wish was carried out; if not, it is durable and will be.
    applied: bool,
    timestamp: Timestamp,
    /// The failed clips that are tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    clips: Option<Vec<u32>>,
    /// The clip that was decided about, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    clip: Option<ClipNow>,
}

#[derive(Serialize, ToSchema)]
struct ClipNow {
    index: u32,
    status: ClipStatus,
}

impl Done {
    /// Whether the wish was carried out.
    pub(super) fn is_applied(&self) -> bool {
        self.applied
    }

    /// The same, with the clips that are tried again.
    pub(super) fn with_clips(mut self, clips: Vec<u32>) -> Self {
        self.clips = Some(clips);
        self
    }

    /// The same about a clip.
    pub(super) fn with_clip(mut self, index: u32, status: ClipStatus) -> Self {
        self.clip = Some(ClipNow { index, status });
        self
    }
}

/// Starts no further clip and withdraws what can be withdrawn.
pub async fn cancel(State(app): App, caller: Caller, BatchPath(id): BatchPath) -> Result<Json<Done>, Problem> {
    let batch = command(&app, &caller, &id).await?;
    possible(CommandKind::Cancel, batch.status)?;
    if batch.status == BatchStatus::Cancelled {
        return Ok(Json(done(&app, &id, CommandKind::Cancel, batch.status, true)));
    }
    Ok(Json(ask(&app, &caller, &id, Wish::Cancel).await?))
}

/// Starts no further clip until the batch is resumed.
pub async fn pause(State(app): App, caller: Caller, BatchPath(id): BatchPath) -> Result<Json<Done>, Problem> {
    let batch = command(&app, &caller, &id).await?;
    possible(CommandKind::Pause, batch.status)?;
    Ok(Json(ask(&app, &caller, &id, Wish::Pause).await?))
}

/// Lets a paused batch go on.
pub async fn resume(State(app): App, caller: Caller, BatchPath(id): BatchPath) -> Result<Json<Done>, Problem> {
    let batch = command(&app, &caller, &id).await?;
    possible(CommandKind::Resume, batch.status)?;
    Ok(Json(ask(&app, &caller, &id, Wish::Resume).await?))
}

/// Whoever commands must be allowed to, and the batch must be there.
pub(super) async fn command(app: &AppState, caller: &Caller, id: &BatchId) -> Result<BatchView, Problem> {
    caller.need(Scope::Publish)?;
    let batch = app.store.batch(&caller.tenant, id).await?;
    batch.ok_or_else(Problem::batch_not_found)
}

/// Stores the wish and answers with the status that the batch has after it was carried out, or has now if that takes too
/// long. It is stored also where it seems to be the case already: another wish may be waiting before it.
///
/// To the end, also where the client hangs up: a wish whose actor was never told would wait in its row until that actor
/// ends.
pub(super) async fn ask(app: &Arc<AppState>, caller: &Caller, id: &BatchId, wish: Wish) -> Result<Done, Problem> {
    let (daemon, batch, requested_by) = (app.clone(), id.clone(), caller.name.clone());
    let action = wish.kind();
    let told = to_the_end(async move {
        let at = daemon.clock.now();
        let stored = daemon.store.command(&batch, &wish, &requested_by, at).await?;
        tracing::info!(batch.id = %batch, %requested_by, ?wish, "command requested");
        Ok((stored, daemon.control.command(&batch).await))
    });
    let (status, applied) = match told.await? {
        (_, Some(status)) => (status, true),
        (stored, None) => {
            // An actor that had nothing else to do may be gone before it could say so; the rows tell.
            let waiting = app.store.commands(id).await?;
            let status = command(app, caller, id).await?.status;
            (status, waiting.iter().all(|command| command.id != stored))
        }
    };
    still_possible(action, status)?;
    Ok(done(app, id, action, status, applied))
}

pub(super) fn done(app: &AppState, id: &BatchId, action: CommandKind, status: BatchStatus, applied: bool) -> Done {
    Done {
        success: true,
        batch_id: id.to_string(),
        action,
        status,
        applied,
        timestamp: app.clock.now(),
        clips: None,
        clip: None,
    }
}

/// Whether a batch of this status can still be commanded so, or stands so already.
pub(super) fn possible(action: CommandKind, status: BatchStatus) -> Result<(), Problem> {
    use BatchStatus as S;
    let possible = match action {
        CommandKind::Cancel => match status {
            S::Draft | S::Scheduled | S::Processing | S::Paused | S::Cancelled => true,
            S::Completed | S::Failed => false,
        },
        CommandKind::Pause => match status {
            S::Scheduled | S::Processing | S::Paused => true,
            S::Draft | S::Completed | S::Failed | S::Cancelled => false,
        },
        CommandKind::Resume => match status {
            S::Scheduled | S::Processing | S::Paused => true,
            S::Draft | S::Completed | S::Failed | S::Cancelled => false,
        },
        CommandKind::RetryFailed => match status {
            S::Scheduled | S::Processing | S::Paused | S::Completed | S::Failed => true,
            S::Draft | S::Cancelled => false,
        },
        // That is a question of the clip.
        CommandKind::Resolve => true,
    };
    if possible {
        Ok(())
    } else {
        Err(impossible(action, status))
    }
}

/// Whether the batch came to this status in spite of the wish, because something else was faster. A batch that was let go
/// on may have stopped or ended at once.
fn still_possible(action: CommandKind, status: BatchStatus) -> Result<(), Problem> {
    match action {
        CommandKind::Cancel | CommandKind::Pause => possible(action, status),
        CommandKind::Resume | CommandKind::RetryFailed if status == BatchStatus::Cancelled => {
            Err(impossible(action, status))
        }
        CommandKind::Resume | CommandKind::RetryFailed | CommandKind::Resolve => Ok(()),
    }
}

/// 409 with the status that is in the way.
pub(super) fn impossible(action: CommandKind, status: BatchStatus) -> Problem {
    let (code, word) = match action {
        CommandKind::Cancel => ("BATCH_NOT_CANCELLABLE", "cancelled"),
        CommandKind::Pause => ("BATCH_NOT_PAUSABLE", "paused"),
        CommandKind::Resume => ("BATCH_NOT_RESUMABLE", "resumed"),
        CommandKind::RetryFailed | CommandKind::Resolve => ("BATCH_NOT_RETRYABLE", "retried"),
    };
    Problem::new(StatusCode::CONFLICT, code, format!("a {status} batch cannot be {word}"))
        .current_status(status.as_str())
}
