//! `GET /api/metricool/batch/{batchId}/attempts?limit=&cursor=`: the ledger, which says why a clip is believed to be live, or not.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;
use storyclip_actors::model::{Network, Timestamp};
use utoipa::ToSchema;

use super::{
    App,
    batch::BatchPath,
    caller::Caller,
    keys::Scope,
    page::{self, List, MOST},
    problem::Problem,
    query::Query,
};
use crate::store::{AttemptView, Page};

const LIST: List = List("attempts");

/// The answer: attempts by clip, then by number.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    success: bool,
    batch_id: String,
    attempts: Vec<Attempt>,
    count: usize,
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    index: u32,
    attempt: u32,
    account_id: String,
    network: Network,
    request: Option<Value>,
    slot: Option<Timestamp>,
    media: Option<String>,
    intent_at: Option<Timestamp>,
    outcome_at: Option<Timestamp>,
    verdict: Option<String>,
    code: Option<String>,
    message: Option<String>,
    http_status: Option<u16>,
    request_id: Option<String>,
    metricool_post_id: Option<String>,
    post_uuid: Option<String>,
    permalink: Option<String>,
}

/// Reads the rows and says it.
pub async fn list(
    State(app): App,
    caller: Caller,
    BatchPath(id): BatchPath,
    query: Query,
) -> Result<Json<Ledger>, Problem> {
    caller.need(Scope::Read)?;
    let page = Page {
        limit: query.limit(MOST)?,
        after: query.cursor(LIST, |[clip, attempt]| {
            Some((clip.parse().ok()?, attempt.parse().ok()?))
        })?,
    };
    let listed = app.store.attempts(&caller.tenant, &id, &page).await?;
    let listed = listed.ok_or_else(Problem::batch_not_found)?;
    let last = listed.rows.last().filter(|_| listed.more);
    let next = |last: &AttemptView| page::next(LIST, &[&last.clip_index.to_string(), &last.attempt.to_string()]);
    Ok(Json(Ledger {
        success: true,
        batch_id: id.to_string(),
        count: listed.rows.len(),
        next_cursor: last.map(next),
        attempts: listed.rows.into_iter().map(Attempt::from).collect(),
    }))
}

impl From<AttemptView> for Attempt {
    fn from(row: AttemptView) -> Self {
        Self {
            index: row.clip_index,
            attempt: row.attempt,
            account_id: row.account.to_string(),
            network: row.network,
            request: row
                .request
                .map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
            slot: row.slot,
            media: row.media,
            intent_at: row.intent_at,
            outcome_at: row.outcome_at,
            verdict: row.verdict,
            code: row.code,
            message: row.message,
            http_status: row.http_status,
            request_id: row.request_id,
            metricool_post_id: row.post_id.map(|id| id.to_string()),
            post_uuid: row.post_uuid,
            permalink: row.permalink,
        }
    }
}
