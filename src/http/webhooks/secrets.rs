//! New secrets: of an endpoint, and of the `webhookUrl` of batches. The one before signs, too, for a while.
//!
//! A secret is shown once, in the answer that made it; the answer that a repeat of the request is given has none, so that
//! no copy of a secret lies among the answers. Who never got it makes another: what signed before still signs.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use secrecy::ExposeSecret;
use serde::Serialize;
use storyclip_actors::model::Timestamp;
use utoipa::ToSchema;

use super::{Named, no_such_endpoint};
use crate::{
    http::{
        App, AppState, body,
        caller::Caller,
        envelope,
        fields::{Errors, Object},
        idempotency::{self, Repeat},
        keys::Scope,
        problem::Problem,
    },
    notifications,
    store::{Created, MOST_OLD_SECRETS, NewSecret, Turned},
};

/// Names the routes in `idempotency_keys`.
const OF_ENDPOINT: &str = "webhooks/rotate-secret";
const OF_BATCHES: &str = "webhooks/batch-secret";

/// How long the secret before signs, too, where the request does not say: seconds.
pub(in crate::http) const OVERLAP: u64 = 24 * 3_600;
/// The longest that it may.
pub(in crate::http) const LONGEST: u64 = 30 * 24 * 3_600;

/// What a body may have.
pub(in crate::http) const MEMBERS: &[&str] = &["overlapSeconds"];

/// A new secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    success: bool,
    /// Shown once; null when the answer is given again.
    secret: Option<String>,
    /// Until then what signed before signs, too; null if it does not any more, or if nothing did.
    overlap_until: Option<Timestamp>,
}

/// A secret to put in force, and what is answered if it takes the place of another, and if it is the first.
struct Ready {
    new: NewSecret,
    later: Told,
    first: Told,
}

/// The answer to who gets the secret, and to who repeats the request.
struct Told {
    shown: String,
    kept: String,
}

impl Ready {
    fn told(&self, first: bool) -> &Told {
        if first { &self.first } else { &self.later }
    }
}

/// `POST /api/webhooks/{id}/rotate-secret` `{"overlapSeconds": 86400}`.
pub async fn rotate(
    State(app): App,
    caller: Caller,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.need(Scope::Admin)?;
    let bytes = body::read_if_any(&headers, body).await?;
    // A key is one request's: the same one for another endpoint is not a repeat.
    let named = Bytes::from([id.as_bytes(), b"\n", &bytes].concat());
    let repeat = Repeat::of(&caller.tenant, OF_ENDPOINT, StatusCode::CREATED, &headers, &named)?;
    if let Some(repeat) = &repeat
        && let Some(answer) = repeat.earlier(&app.store).await?
    {
        return Ok(answer);
    }
    let ready = ready(&app, &bytes)?;
    let entry = repeat.as_ref().map(|repeat| repeat.entry(&ready.later.kept));
    let turned = app
        .store
        .rotate_secret(&caller.tenant, &id, &ready.new, entry.as_ref())
        .await?;
    if turned == Turned::As(Created::New) {
        tracing::info!(endpoint.id = %id, tenant = %caller.tenant, "new secret for a webhook endpoint");
    }
    answer(turned, repeat, ready)
}

/// `POST /api/webhooks/batch-secret`: makes the secret by which messages to the `webhookUrl` of this tenant's batches are
/// signed from now on, and shows it once.
pub async fn of_batches(State(app): App, caller: Caller, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    caller.need(Scope::Admin)?;
    let bytes = body::read_if_any(&headers, body).await?;
    let repeat = Repeat::of(&caller.tenant, OF_BATCHES, StatusCode::CREATED, &headers, &bytes)?;
    if let Some(repeat) = &repeat
        && let Some(answer) = repeat.earlier(&app.store).await?
    {
        return Ok(answer);
    }
    let ready = ready(&app, &bytes)?;
    let entry = |first| Some(repeat.as_ref()?.entry(&ready.told(first).kept));
    let turned = app.store.set_batch_secret(&caller.tenant, &ready.new, entry).await?;
    if matches!(turned, Turned::First | Turned::As(Created::New)) {
        tracing::info!(tenant = %caller.tenant, "new secret for the webhooks of batches");
    }
    answer(turned, repeat, ready)
}

fn ready(app: &AppState, bytes: &[u8]) -> Result<Ready, Problem> {
    let (overlap, at) = (overlap(bytes)?, app.clock.now());
    let new = NewSecret {
        secret: notifications::new_secret(),
        at,
        overlap_until: (!overlap.is_zero()).then(|| at + overlap),
    };
    let text = |secret, overlap_until| {
        envelope::text(&Secret {
            success: true,
            secret,
            overlap_until,
        })
    };
    let told = |until| {
        Ok::<_, Problem>(Told {
            shown: text(Some(new.secret.expose_secret().to_owned()), until)?,
            kept: text(None, until)?,
        })
    };
    let (later, first) = (told(new.overlap_until)?, told(None)?);
    Ok(Ready { new, later, first })
}

fn answer(turned: Turned, repeat: Option<Repeat>, ready: Ready) -> Result<Response, Problem> {
    match turned {
        Turned::As(created) => idempotency::answer(created, repeat, StatusCode::CREATED, ready.later.shown),
        Turned::First => idempotency::answer(Created::New, repeat, StatusCode::CREATED, ready.first.shown),
        Turned::NoSuchEndpoint => Err(no_such_endpoint()),
        Turned::TooMany => {
            let error = format!("{MOST_OLD_SECRETS} earlier secrets sign still");
            let detail = "Wait until the time of one is over, or end it for all of them with an overlapSeconds of 0.";
            Err(Problem::new(StatusCode::CONFLICT, "TOO_MANY_SECRETS", error).detail(detail))
        }
    }
}

/// `{"overlapSeconds": …}`; the body and the field may be absent.
fn overlap(bytes: &[u8]) -> Result<Duration, Problem> {
    if bytes.is_empty() {
        return Ok(Duration::from_secs(OVERLAP));
    }
    let fields = body::object(bytes)?;
    let mut errors = Errors::default();
    let object = Object::new("", &fields);
    object.only(&mut errors, MEMBERS);
    let seconds = match object.value("overlapSeconds") {
        None => OVERLAP,
        Some(value) => value.as_u64().filter(|seconds| *seconds <= LONGEST).unwrap_or_else(|| {
            let message = format!("must be a whole number from 0 to {LONGEST}");
            errors.add("INVALID_OVERLAP", "overlapSeconds", message);
            OVERLAP
        }),
    };
    errors.finish()?;
    Ok(Duration::from_secs(seconds))
}
