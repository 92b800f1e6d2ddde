//! `GET /api/metricool/reconcile/{batchId}`: the database's word, and a nudge to look at the network again.

use axum::{Json, extract::State};
use serde::Serialize;
use storyclip_actors::model::{BatchStatus, Timestamp};
use utoipa::ToSchema;

use super::{App, batch::BatchPath, caller::Caller, keys::Scope, problem::Problem};

/// The answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reconciled {
    batch_id: String,
    status: BatchStatus,
    posts: Posts,
    reconciled: bool,
    reconciled_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReconciledPosts)]
struct Posts {
    total: u32,
    published: u32,
    failed: u32,
    pending: u32,
}

/// Nudges the batch's actor and answers from the rows.
pub async fn show(State(app): App, caller: Caller, BatchPath(id): BatchPath) -> Result<Json<Reconciled>, Problem> {
    caller.need(Scope::Read)?;
    let batch = app.store.batch(&caller.tenant, &id).await?;
    let batch = batch.ok_or_else(Problem::batch_not_found)?;
    app.control.reconcile(&id);
    Ok(Json(Reconciled {
        batch_id: batch.id.to_string(),
        status: batch.status,
        posts: Posts {
            total: batch.totals.total,
            published: batch.totals.published,
            failed: batch.totals.failed,
            pending: batch.totals.pending(),
        },
        reconciled: true,
        reconciled_at: app.clock.now(),
    }))
}
