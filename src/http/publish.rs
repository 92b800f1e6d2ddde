//! `POST /api/metricool/publish/stories`: takes a batch on.
//!
//! The answer leaves when the batch is durable and before any clip is sent. If the daemon dies before that, there is no
//! batch; if it dies after, the batch is claimed at the next start.

mod idempotency;
mod posts;
mod request;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use storyclip_actors::model::{BatchId, BatchStatus, Network, OnFailure, PublishMode, Speed, Timestamp};

use self::{idempotency::Key, request::PublishRequest};
use super::{App, AppState, body, caller::Caller, envelope, keys::Scope, problem::Problem, query::Query, webhooks};
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
    if query.flag("dryRun")? {
        return Err(no_dry_run());
    }
    let key = Key::of(&caller.tenant, ROUTE, &headers, &bytes)?;
    if let Some(key) = &key
        && let Some(answer) = key.earlier(&app.store).await?
    {
        return Ok(answer);
    }
    let request = PublishRequest::read(&body::object(&bytes)?)?;
    admit(&app, &caller, &request)?;
    create(&app, &caller, request, key).await
}

/// Refuses what this daemon, or this tenant, cannot publish.
fn admit(app: &AppState, caller: &Caller, request: &PublishRequest) -> Result<(), Problem> {
    if !app
        .accounts
        .allow(&caller.tenant, &request.settings.account, app.keys.many_tenants())
    {
        return Err(
            Problem::new(StatusCode::NOT_FOUND, "ACCOUNT_NOT_FOUND", "account not found").errors(vec![FieldError {
                field: "settings.accountId".into(),
                message: "is no account of this tenant".into(),
            }]),
        );
    }
    if let Some(url) = &request.settings.webhook_url {
        webhooks::public_url(url, app.notices.private_addresses)
            .map_err(|why| Problem::bad("INVALID_WEBHOOK_URL", "settings.webhookUrl", why))?;
    }
    if app.ready.is_draining() {
        return Err(draining());
    }
    if !app.metricool_configured {
        return Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "METRICOOL_NOT_CONFIGURED",
            "no Metricool token is configured",
        ));
    }
    Ok(())
}

async fn create(
    app: &AppState,
    caller: &Caller,
    request: PublishRequest,
    key: Option<Key>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let batch = new_batch(caller, request, now);
    let answer = Answer::of(&batch).text()?;
    let id = batch.id.clone();
    let clips = batch.clips.len();
    let batch = NewBatch {
        idempotency: key.as_ref().map(|key| key.entry(&answer)),
        ..batch
    };
    match (app.store.create_batch(batch).await?, key) {
        (Created::Replayed { body_hash, answer }, Some(key)) => key.replay(&body_hash, answer),
        (Created::Replayed { answer, .. }, None) => Ok(idempotency::accepted(answer)),
        (Created::New, _) => {
            tracing::info!(batch.id = %id, batch.clips = clips, tenant = %caller.tenant, "batch created");
            app.control.created(&id);
            Ok(idempotency::accepted(answer))
        }
    }
}

fn new_batch(caller: &Caller, request: PublishRequest, now: Timestamp) -> NewBatch {
    let settings = request.settings;
    NewBatch {
        id: BatchId::from(format!("batch_{}_{}", now.as_millis(), envelope::random_base36(9))),
        tenant: caller.tenant.clone(),
        job_id: request.job_id,
        user: request.user,
        account: settings.account,
        network: settings.network,
        mode: PublishMode::Now,
        speed: settings.speed,
        on_failure: settings.on_failure,
        max_retries: settings.max_retries,
        webhook_url: settings.webhook_url,
        status: BatchStatus::Processing,
        scheduled_for: None,
        created_at: now,
        started_at: None,
        clips: request.clips,
        events: Vec::new(),
        idempotency: None,
    }
}

/// Dry runs would validate and create nothing; to publish instead would be the opposite of what was asked.
/// Whoever repeats it finds the next process.
fn draining() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "DRAINING", "the daemon is stopping")
        .detail("The daemon is about to stop and takes no more work. Nothing was created; the request may be repeated.")
        .header(header::RETRY_AFTER, "1")
}

fn no_dry_run() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "DRY_RUN_NOT_AVAILABLE",
        "dryRun is not available in this version",
    )
    .detail("This version cannot do a dry run; nothing was created. Leave dryRun away to publish.")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    batch_id: &'a str,
    tenant: &'a str,
    status: BatchStatus,
    posts: Posts,
    schedule: Schedule,
    settings: Settings<'a>,
    created_at: Timestamp,
    warnings: Vec<FieldError>,
}

#[derive(Serialize)]
struct Posts {
    total: usize,
    queued: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Schedule {
    mode: PublishMode,
    scheduled_at: Option<Timestamp>,
    timezone: Option<String>,
}

#[derive(Serialize)]
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
    fn of(batch: &'a NewBatch) -> Self {
        Self {
            batch_id: batch.id.as_str(),
            tenant: batch.tenant.as_str(),
            status: batch.status,
            posts: Posts {
                total: batch.clips.len(),
                queued: batch.clips.len(),
            },
            schedule: Schedule {
                mode: batch.mode,
                scheduled_at: batch.scheduled_for,
                timezone: None,
            },
            settings: Settings {
                account_id: batch.account.as_str(),
                publish_speed: batch.speed,
                network: batch.network,
                on_failure: batch.on_failure,
                max_retries: batch.max_retries,
                webhook_url: batch.webhook_url.as_deref(),
            },
            created_at: batch.created_at,
            warnings: warnings(&batch.clips),
        }
    }

    fn text(&self) -> Result<String, Problem> {
        serde_json::to_string(self).map_err(|error| {
            tracing::error!(error = %error, "an answer cannot be written as JSON");
            Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
        })
    }
}

fn warnings(clips: &[NewClip]) -> Vec<FieldError> {
    let with_text = clips.iter().enumerate().filter(|(_, clip)| !clip.text.is_empty());
    let warning = |(n, _)| FieldError {
        field: format!("posts[{n}].text"),
        message: "is stored and not sent: a story carries no text".into(),
    };
    with_text.map(warning).collect()
}
