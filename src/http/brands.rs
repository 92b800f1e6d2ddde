//! `GET /api/metricool/brands?limit=&cursor=`: what the tenant may publish to, as Metricool says, at most a minute old.
//!
//! Metricool is asked once at a time for everybody; a failure is shared by all who waited for it. What is kept is gone with
//! the process.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use storyclip_actors::{
    error::{ProviderError, Verdict},
    model::{AccountId, Timestamp},
};
use tokio::sync::Mutex;
use utoipa::ToSchema;

use super::{
    App,
    caller::Caller,
    keys::Scope,
    limits,
    page::{self, List},
    problem::Problem,
    query::Query,
};
use crate::providers::metricool::Brand;

const LIST: List = List("brands");

/// How long an answer is taken for true (API.md).
const FRESH: Duration = Duration::from_secs(60);

/// How long a failure is taken for true: only those who asked at the same time share it.
const FAILED: Duration = Duration::from_secs(1);

/// Where brands come from.
#[async_trait]
pub trait BrandSource: Send + Sync + 'static {
    /// All brands of the Metricool account.
    ///
    /// # Errors
    /// As every read: the verdict is never `Unknown`.
    async fn brands(&self) -> Result<Vec<Brand>, ProviderError>;
}

type Told = Result<Arc<[Brand]>, ProviderError>;

/// The newest answer.
pub struct Brands {
    source: Option<Arc<dyn BrandSource>>,
    /// Locked while Metricool is asked.
    told: Mutex<Option<(Timestamp, Told)>>,
}

impl Brands {
    /// From here; `None` if there is no Metricool token.
    pub fn new(source: Option<Arc<dyn BrandSource>>) -> Self {
        let told = Mutex::new(None);
        Self { source, told }
    }

    async fn get(&self, app: &App) -> Result<Arc<[Brand]>, Problem> {
        let source = self.source.as_ref().ok_or_else(Problem::metricool_not_configured)?;
        let mut told = self.told.lock().await;
        if let Some((at, answer)) = &*told
            && app.clock.now().since(*at) < if answer.is_ok() { FRESH } else { FAILED }
        {
            return answer.clone().map_err(|error| problem(&error, app.clock.now()));
        }
        let answer: Told = source.brands().await.map(Into::into);
        if let Err(error) = &answer {
            tracing::warn!(code = %error.code, %error, "the brands cannot be read");
        }
        let now = app.clock.now();
        *told = Some((now, answer.clone()));
        answer.map_err(|error| problem(&error, now))
    }
}

/// The answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrandList {
    success: bool,
    /// By id.
    brands: Vec<BrandBody>,
    count: usize,
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Brand)]
#[serde(rename_all = "camelCase")]
struct BrandBody {
    id: String,
    user_id: Option<String>,
    label: Option<String>,
    facebook: Option<String>,
    facebook_page_id: Option<String>,
    instagram: Option<String>,
    tiktok: Option<String>,
    youtube: Option<String>,
    picture: Option<String>,
    has_instagram: bool,
    has_facebook: bool,
    #[serde(rename = "hasTikTok")]
    has_tiktok: bool,
}

/// Asks Metricool, or remembers, and shows the tenant's own: all of them, or a page.
pub async fn list(State(app): App, caller: Caller, query: Query) -> Result<Json<BrandList>, Problem> {
    caller.need(Scope::Read)?;
    let limit = query.limit(usize::MAX)?;
    let after = query.cursor(LIST, |[id]| {
        limits::account(id).ok()?;
        Some(AccountId::from(id))
    })?;
    let brands = app.brands.get(&State(app.clone())).await?;
    let many = app.keys.many_tenants();
    let mut own: Vec<&Brand> = brands
        .iter()
        .filter(|brand| app.accounts.allow(&caller.tenant, &brand.id, many))
        .collect();
    own.sort_by_key(|brand| place(&brand.id));
    let begin = after.map_or(0, |after| {
        own.partition_point(|brand| place(&brand.id) <= place(&after))
    });
    let (shown, rest) = own[begin..].split_at(limit.min(own.len() - begin));
    let last = shown.last().filter(|_| !rest.is_empty());
    Ok(Json(BrandList {
        success: true,
        count: shown.len(),
        next_cursor: last.map(|last| page::next(LIST, &[last.id.as_str()])),
        brands: shown.iter().copied().map(BrandBody::from).collect(),
    }))
}

/// Where an account stands in the list: ids are numbers, and the list is the same whatever Metricool's order.
fn place(id: &AccountId) -> (usize, &str) {
    (id.as_str().len(), id.as_str())
}

/// What is wrong with Metricool, or with the token, is nobody's fault who calls: a 502 or a 503.
fn problem(error: &ProviderError, now: Timestamp) -> Problem {
    let unavailable = |code: &'static str, text: &'static str, seconds: i64| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, text)
            .detail(error.message.clone())
            .retry_after(seconds)
    };
    let bad = |code: &'static str, text: &'static str| {
        Problem::new(StatusCode::BAD_GATEWAY, code, text).detail(error.message.clone())
    };
    match error.verdict {
        Verdict::Unauthorized(_) => bad("METRICOOL_UNAUTHORIZED", "Metricool refuses the token"),
        Verdict::Throttled(until) => {
            let seconds = i64::try_from(until.since(now).as_secs()).unwrap_or(i64::MAX);
            unavailable(
                "METRICOOL_THROTTLED",
                "Metricool takes no more requests now",
                seconds.max(1),
            )
        }
        Verdict::Unavailable => unavailable("METRICOOL_UNAVAILABLE", "Metricool cannot be reached", 5),
        Verdict::Rejected | Verdict::Unknown => bad("METRICOOL_UNREADABLE", "Metricool's answer is not understood"),
    }
}

impl From<&Brand> for BrandBody {
    fn from(brand: &Brand) -> Self {
        Self {
            id: brand.id.to_string(),
            user_id: brand.user_id.clone(),
            label: brand.label.clone(),
            facebook: brand.facebook.clone(),
            facebook_page_id: brand.facebook_page_id.clone(),
            instagram: brand.instagram.clone(),
            tiktok: brand.tiktok.clone(),
            youtube: brand.youtube.clone(),
            picture: brand.picture.clone(),
            has_instagram: brand.instagram.is_some(),
            has_facebook: brand.facebook.is_some() || brand.facebook_page_id.is_some(),
            has_tiktok: brand.tiktok.is_some(),
        }
    }
}
