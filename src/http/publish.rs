//! `POST /api/metricool/publish/stories`: takes a batch on.
//!
//! The answer leaves when the batch is durable and before any clip is sent. If the daemon dies before that, there is no
//! batch; if it dies after, the batch is claimed at the next start.

mod best_time;
mod dry_run;
mod plan;
mod posts;
mod quota;
mod request;
mod schedule;
mod unknown;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use storyclip_actors::model::{BatchId, BatchStatus, Network, OnFailure, PublishMode, Speed, Timestamp};
use utoipa::ToSchema;

use self::{
    plan::{Plan, Planned},
    request::PublishRequest,
    schedule::Schedule as When,
};
#[cfg(test)]
pub(super) use self::{
    posts::MEMBERS as POST,
    request::{MEMBERS as BODY, SETTINGS},
    schedule::MEMBERS as SCHEDULE,
};
use super::{
    App, AppState, body,
    caller::Caller,
    envelope,
    idempotency::{self, Repeat},
    keys::Scope,
    problem::Problem,
    query::Query,
    webhooks,
};
use crate::{
    http::problem::FieldError,
    store::{Created, NewBatch, NewClip},
};

/// Names this route in `idempotency_keys`.
const ROUTE: &str = "publish/stories";

/// Validates, stores and answers 202.
pub async fn stories(
    State(app): App,
    caller: Caller,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.need(Scope::Publish)?;
    let bytes = body::read(&headers, body).await?;
    // Whoever meant a dry run and is misunderstood has published.
    query.only(&["dryRun"])?;
    let dry_run = query.flag("dryRun")?;
    let key = Repeat::of(&caller.tenant, ROUTE, StatusCode::ACCEPTED, &headers, &bytes)?;
    if dry_run {
        return dry_run::answer(&app, new_batch(&app, &caller, &bytes).await?).await;
    }
    if let Some(key) = &key
        && let Some(answer) = key.earlier(&app.store).await?
    {
        return Ok(answer);
    }
    let batch = new_batch(&app, &caller, &bytes).await?;
    create(&app, &caller, batch, key).await
}

/// Refuses what this daemon, or this tenant, cannot publish.
fn admit(app: &AppState, caller: &Caller, request: &PublishRequest) -> Result<(), Problem> {
    let many = app.keys.many_tenants();
    if !app.accounts.allow(&caller.tenant, &request.settings.account, many) {
        let problem = Problem::new(StatusCode::NOT_FOUND, "ACCOUNT_NOT_FOUND", "account not found");
        let problem = match app.accounts.lists(&caller.tenant) || !many {
            true => problem,
            false => {
                problem.detail("No account is this tenant's: the setting STORYCLIP_TENANT_ACCOUNTS names none for it.")
            }
        };
        return Err(problem.errors(vec![FieldError {
            field: "settings.accountId".into(),
            message: "is no account of this tenant".into(),
        }]));
    }
    if let Some(url) = &request.settings.webhook_url {
        webhooks::public_url(url, app.notices.private_addresses)
            .map_err(|why| Problem::bad("INVALID_WEBHOOK_URL", "settings.webhookUrl", why))?;
    }
    if app.ready.is_draining() {
        return Err(draining());
    }
    if !app.metricool_configured {
        return Err(Problem::metricool_not_configured());
    }
    Ok(())
}

/// Reads a body as the route does and checks all of it that needs neither a row nor the network; nothing is kept. How many
/// clips it has. The benchmark serves this bare, as the limit of the route.
///
/// # Errors
/// What the route would answer: 400 for text that is no JSON object, 422 or 400 for fields that cannot be.
pub fn check(body: &[u8], now: Timestamp) -> Result<usize, Problem> {
    Ok(PublishRequest::read(&body::object(body)?, now)?.clips.len())
}

/// A batch that could be created, and what its answer says beside its rows.
struct Ready {
    batch: NewBatch,
    when: When,
    warnings: Vec<FieldError>,
}

/// Reads the request and plans its slots; what it cannot be is a problem.
async fn new_batch(app: &AppState, caller: &Caller, body: &Bytes) -> Result<Ready, Problem> {
    let now = app.clock.now();
    let request = PublishRequest::read(&body::object(body)?, now)?;
    admit(app, caller, &request)?;
    let plan = Plan::of(app, &request, now).await?;
    let settings = request.settings;
    let mut clips = request.clips;
    for (clip, slot) in clips.iter_mut().zip(&plan.slots) {
        clip.planned_for = Some(*slot);
    }
    let mut warnings = texts_that_are_not_sent(&clips);
    warnings.extend(request.warnings);
    warnings.extend(plan.warnings);
    if settings.webhook_url.is_some() && !app.store.has_batch_secret(&caller.tenant).await? {
        warnings.push(unsigned());
    }
    let mode = request.schedule.mode();
    let batch = NewBatch {
        id: BatchId::from(format!("batch_{}_{}", now.as_millis(), envelope::random_base36(9))),
        tenant: caller.tenant.clone(),
        job_id: request.job_id,
        user: request.user,
        account: settings.account,
        network: settings.network,
        mode,
        speed: settings.speed,
        on_failure: settings.on_failure,
        max_retries: settings.max_retries,
        webhook_url: settings.webhook_url,
        status: match mode {
            PublishMode::Now => BatchStatus::Processing,
            PublishMode::Scheduled | PublishMode::BestTime => BatchStatus::Scheduled,
        },
        scheduled_for: plan.slots.first().copied(),
        created_at: now,
        started_at: None,
        clips,
        events: Vec::new(),
        idempotency: None,
        trace_parent: trace_parent(),
    };
    Ok(Ready {
        batch,
        when: request.schedule,
        warnings,
    })
}

/// The span of this request.
#[cfg(feature = "otel")]
fn trace_parent() -> Option<String> {
    crate::traces::current()
}

/// Requests have no spans.
#[cfg(not(feature = "otel"))]
fn trace_parent() -> Option<String> {
    None
}

async fn create(app: &AppState, caller: &Caller, ready: Ready, key: Option<Repeat>) -> Result<Response, Problem> {
    let answer = envelope::text(&Answer::of(&ready))?;
    let batch = ready.batch;
    let id = batch.id.clone();
    let clips = batch.clips.len();
    let batch = NewBatch {
        idempotency: key.as_ref().map(|key| key.entry(&answer)),
        ..batch
    };
    match (app.store.create_batch(batch).await?, key) {
        (Created::Replayed { body_hash, answer }, Some(key)) => key.replay(&body_hash, answer),
        (Created::Replayed { answer, .. }, None) => Ok(idempotency::written(StatusCode::ACCEPTED, answer)),
        (Created::New, _) => {
            tracing::info!(batch.id = %id, batch.clips = clips, tenant = %caller.tenant, "batch created");
            app.control.created(&id);
            Ok(idempotency::written(StatusCode::ACCEPTED, answer))
        }
    }
}

/// Whoever repeats it finds the next process.
fn draining() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "DRAINING", "the daemon is stopping")
        .detail("The daemon is about to stop and takes no more work. Nothing was created; the request may be repeated.")
        .header(header::RETRY_AFTER, "1")
}

#[derive(Serialize, ToSchema)]
#[schema(as = Accepted)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// None of a dry run.
    batch_id: Option<&'a str>,
    tenant: &'a str,
    status: BatchStatus,
    posts: Posts,
    schedule: Schedule<'a>,
    settings: Settings<'a>,
    created_at: Option<Timestamp>,
    /// The slot of each clip, where slots give the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    plan: Option<Vec<Planned<'a>>>,
    warnings: &'a [FieldError],
}

#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedPosts)]
struct Posts {
    total: usize,
    queued: usize,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedSchedule)]
#[serde(rename_all = "camelCase")]
struct Schedule<'a> {
    mode: PublishMode,
    scheduled_at: Option<Timestamp>,
    timezone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    interval_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    min_gap_minutes: Option<u64>,
}

impl<'a> Schedule<'a> {
    /// As it was asked for; in mode `bestTime` with the first slot that was found.
    fn of(when: &'a When, first: Option<Timestamp>) -> Self {
        let (scheduled_at, timezone, interval, gap) = match when {
            When::Now => (None, &None, None, None),
            When::Scheduled { at, interval, timezone } => (Some(*at), timezone, Some(*interval), None),
            When::BestTime { min_gap, timezone } => (first, timezone, None, Some(*min_gap)),
        };
        Self {
            mode: when.mode(),
            scheduled_at,
            timezone: timezone.as_deref(),
            interval_seconds: interval.map(|interval| interval.as_secs()),
            min_gap_minutes: gap.map(|gap| gap.as_secs() / 60),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedSettings)]
#[serde(rename_all = "camelCase")]
struct Settings<'a> {
    account_id: &'a str,
    publish_speed: Speed,
    network: Network,
    on_failure: OnFailure,
    max_retries: u32,
    webhook_url: Option<&'a str>,
}

impl<'a> Answer<'a> {
    fn of(ready: &'a Ready) -> Self {
        let Ready { batch, when, warnings } = ready;
        Self {
            dry_run: false,
            batch_id: Some(batch.id.as_str()),
            tenant: batch.tenant.as_str(),
            status: batch.status,
            posts: Posts {
                total: batch.clips.len(),
                queued: batch.clips.len(),
            },
            schedule: Schedule::of(when, batch.scheduled_for),
            settings: Settings {
                account_id: batch.account.as_str(),
                publish_speed: batch.speed,
                network: batch.network,
                on_failure: batch.on_failure,
                max_retries: batch.max_retries,
                webhook_url: batch.webhook_url.as_deref(),
            },
            created_at: Some(batch.created_at),
            plan: Plan::lines(&batch.clips, batch.mode),
            warnings,
        }
    }
}

/// Who receives it has no means to tell its messages from anybody's.
fn unsigned() -> FieldError {
    FieldError {
        field: "settings.webhookUrl".into(),
        message: "is told without a signature, because this tenant has no secret for it yet: POST /api/webhooks/batch-secret \
                  makes one, and signs from then on"
            .into(),
    }
}

fn texts_that_are_not_sent(clips: &[NewClip]) -> Vec<FieldError> {
    let with_text = clips.iter().enumerate().filter(|(_, clip)| !clip.text.is_empty());
    let warning = |(n, _)| FieldError {
        field: format!("posts[{n}].text"),
        message: "is stored and not sent: a story carries no text".into(),
    };
    with_text.map(warning).collect()
}
