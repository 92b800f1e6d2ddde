//! `GET /api/metricool/stream?batchId=` or `?userId=`: live events as `text/event-stream`.
//!
//! An `EventSource` cannot send headers, so the key and the last number may also come in the query; neither is logged.

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;

use super::{App, caller::Caller, keys::Scope, problem::Problem, query::Query, rate::Metered};
use crate::stream::{OpenError, Subscription};

const LAST_EVENT_ID: &str = "last-event-id";

/// Subscribes and answers with a body that is pulled message by message.
pub async fn open(State(app): App, query: Query, metered: Metered, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = Caller::identify(&app, &headers, &metered, query.get("apiKey")?)?;
    caller.need(Scope::Read)?;
    let last = last_event(&headers, &query)?;
    let now = app.clock.now();
    let subscription = match (query.batch()?, query.user()?) {
        (Some(batch), None) => Subscription::to_batch(&app.hub, &app.store, &caller.tenant, &batch, last, now).await,
        (None, Some(user)) => Subscription::to_user(&app.hub, &app.store, &caller.tenant, &user, last, now).await,
        (Some(_), Some(_)) => return Err(Problem::bad("INVALID_QUERY", "userId", "must be absent beside batchId")),
        (None, None) => return Err(missing()),
    };
    Ok(respond(subscription?, caller))
}

/// Pulls until the stream ends, or the key is revoked: then the next message, or comment, is not sent.
fn respond(subscription: Subscription, caller: Caller) -> Response {
    let messages = stream::unfold((subscription, caller), async |(mut subscription, caller)| {
        let bytes = subscription.next().await?;
        (!caller.is_revoked()).then_some((Ok::<_, Infallible>(bytes), (subscription, caller)))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (
            header::HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    (headers, Body::from_stream(messages)).into_response()
}

/// The newest number that the client has; the header wins over the query. An empty one is none, in both.
fn last_event(headers: &HeaderMap, query: &Query) -> Result<Option<i64>, Problem> {
    let header = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let (name, text) = match header {
        Some(value) => ("Last-Event-ID", value.to_str().unwrap_or("?")),
        None => match query.get("lastEventId")? {
            Some(text) => ("lastEventId", text),
            None => return Ok(None),
        },
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(last) if digits => Ok(Some(last)),
        _ => Err(Problem::bad(
            "INVALID_LAST_EVENT_ID",
            name,
            "must be a non-negative integer",
        )),
    }
}

fn missing() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "MISSING_BATCH_ID", "batchId is missing")
        .detail("Exactly one of batchId and userId must be given.")
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NoSuchBatch => Self::batch_not_found(),
            OpenError::Store(error) => error.into(),
        }
    }
}
