//! `GET /api/metricool/history?userId=&status=&from=&to=&limit=&cursor=`: batches that have ended, newest first, with what
//! became of their clips and how long they took.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use storyclip_actors::model::{BatchStatus, Network, PublishMode, Timestamp, UserId};
use utoipa::ToSchema;

use super::{
    App,
    caller::Caller,
    keys::Scope,
    page::{self, List},
    problem::Problem,
    query::Query,
};
use crate::store::{BatchView, Past};

const LIST: List = List("history");

/// Batches of a page where the client names no number.
pub(super) const PAGE: usize = 50;

/// The answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    success: bool,
    batches: Vec<Ended>,
    count: usize,
    next_cursor: Option<String>,
}

/// A batch that has ended; its clips are a request of their own.
#[derive(Serialize, ToSchema)]
#[schema(as = PastBatch)]
#[serde(rename_all = "camelCase")]
struct Ended {
    batch_id: String,
    job_id: Option<String>,
    user_id: String,
    account_id: String,
    network: Network,
    status: BatchStatus,
    publish_mode: PublishMode,
    total: u32,
    published: u32,
    failed: u32,
    cancelled: u32,
    pending: u32,
    scheduled_for: Option<Timestamp>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
    durations: Durations,
    error: Option<String>,
    error_code: Option<String>,
}

/// Milliseconds; null where an end of the span is missing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Durations {
    /// From its creation to the start of its first clip.
    queued_ms: Option<i64>,
    /// From there to its end.
    running_ms: Option<i64>,
    /// From its creation to its end.
    total_ms: Option<i64>,
}

/// The past batches of a user, or, for scope `admin`, of the whole tenant.
pub async fn list(State(app): App, caller: Caller, query: Query) -> Result<Json<History>, Problem> {
    caller.need(Scope::Read)?;
    let user = user(&caller, &query)?;
    let (from, to) = (query.instant("from")?, query.instant("to")?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(Problem::bad("INVALID_TO", "to", "must be later than from"));
    }
    let past = Past {
        user,
        status: status(&query)?,
        from,
        to,
    };
    let listed = app.store.past(&caller.tenant, &past, &query.page(LIST, PAGE)?).await?;
    Ok(Json(History {
        success: true,
        count: listed.rows.len(),
        next_cursor: page::next_of(LIST, &listed),
        batches: listed.rows.into_iter().map(Ended::from).collect(),
    }))
}

/// Whose batches a list is to have: a user's, or everybody's. Only an admin may have those, and only who left the parameter
/// away wants them: an empty one is the mistake of a client that lost its user.
///
/// # Errors
/// 400 `MISSING_USER_ID` or `INVALID_USER_ID`.
pub fn user(caller: &Caller, query: &Query) -> Result<Option<UserId>, Problem> {
    let user = query.user()?;
    let missing = || Problem::new(StatusCode::BAD_REQUEST, "MISSING_USER_ID", "userId is missing");
    match user {
        None if query.has("userId") => Err(missing().detail("userId is there and empty.")),
        None if !caller.may(Scope::Admin) => {
            Err(missing().detail("userId is missing; only a key with the scope admin may leave it away."))
        }
        user => Ok(user),
    }
}

fn status(query: &Query) -> Result<Option<BatchStatus>, Problem> {
    let Some(word) = query.get("status")? else {
        return Ok(None);
    };
    match word.parse::<BatchStatus>() {
        Ok(status) if status.is_finished() => Ok(Some(status)),
        Ok(_) | Err(_) => Err(Problem::bad(
            "INVALID_STATUS",
            "status",
            "must be one of completed, failed, cancelled",
        )),
    }
}

impl From<BatchView> for Ended {
    fn from(batch: BatchView) -> Self {
        let span = |from: Option<Timestamp>, to: Option<Timestamp>| Some(to?.as_millis() - from?.as_millis());
        let (created, started, completed) = (Some(batch.created_at), batch.started_at, batch.completed_at);
        let (error, error_code) = match batch.error {
            Some(error) => (Some(error.message.to_string()), Some(error.code.to_string())),
            None => (None, None),
        };
        Self {
            batch_id: batch.id.to_string(),
            job_id: batch.job_id,
            user_id: batch.user.to_string(),
            account_id: batch.account.to_string(),
            network: batch.network,
            status: batch.status,
            publish_mode: batch.mode,
            total: batch.totals.total,
            published: batch.totals.published,
            failed: batch.totals.failed,
            cancelled: batch.totals.cancelled,
            pending: batch.totals.pending(),
            scheduled_for: batch.scheduled_for,
            created_at: batch.created_at,
            started_at: batch.started_at,
            completed_at: batch.completed_at,
            durations: Durations {
                queued_ms: span(created, started),
                running_ms: span(started, completed),
                total_ms: span(created, completed),
            },
            error,
            error_code,
        }
    }
}
