//! `GET /api/metricool/batches/active?userId=&limit=&cursor=` and its alias `batch/user-active`: what is under way.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    App,
    caller::Caller,
    history,
    keys::Scope,
    page::{self, List, MOST},
    problem::Problem,
    query::Query,
    view::BatchBody,
};

const LIST: List = List("active");

/// The answer.
#[derive(Serialize, ToSchema)]
#[schema(as = ActiveBatches)]
#[serde(rename_all = "camelCase")]
pub struct Active {
    success: bool,
    batches: Vec<BatchBody>,
    count: usize,
    next_cursor: Option<String>,
}

/// The batches of a user, or, for scope `admin`, of the whole tenant.
pub async fn list(State(app): App, caller: Caller, query: Query) -> Result<Json<Active>, Problem> {
    caller.need(Scope::Read)?;
    let user = history::user(&caller, &query)?;
    // As many as a page can have: who never heard of pages wants all.
    let page = query.page(LIST, MOST)?;
    let now = app.clock.now();
    let listed = app.store.active(&caller.tenant, user.as_ref(), &page).await?;
    Ok(Json(Active {
        success: true,
        count: listed.rows.len(),
        next_cursor: page::next_of(LIST, &listed),
        batches: listed.rows.into_iter().map(|batch| BatchBody::of(batch, now)).collect(),
    }))
}
