//! `POST /api/metricool/batch/{batchId}/retry-failed`, with `{"clips":[3,5]}` or without a body: tries failed clips again.
//!
//! Durable before it is answered, like every command. The network is asked about the old posts first. A clip that is named
//! and has not failed makes the whole wish impossible, unless an earlier wish named it, too: this is a repeat then, and the
//! clip is where that one brought it.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::Value;
use storyclip_actors::model::{ClipStatus, CommandKind, Wish};

use super::{
    App, AppState,
    batch::BatchPath,
    body,
    caller::Caller,
    command::{self, Done},
    fields::{Errors, Object},
    problem::{FieldError, Problem},
};
use crate::store::{BatchView, ClipView};

/// What a body may have.
pub(super) const MEMBERS: &[&str] = &["clips"];

/// Tries failed clips again: those in the body, or all if it has none.
pub async fn retry_failed(
    State(app): App,
    caller: Caller,
    BatchPath(id): BatchPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Done>, Problem> {
    let batch = command::command(&app, &caller, &id).await?;
    let clips = read_clips(&headers, body, &batch).await?;
    command::possible(CommandKind::RetryFailed, batch.status)?;
    all_failed(&app, &batch, &clips).await?;
    let failed = batch.clips.iter().filter(|clip| clip.status == ClipStatus::Failed);
    let reopened = failed
        .map(|clip| clip.index)
        .filter(|index| clips.is_empty() || clips.contains(index));
    let reopened = reopened.collect();
    let done = command::ask(&app, &caller, &id, Wish::RetryFailed { clips }).await?;
    Ok(Json(done.with_clips(reopened)))
}

/// Refuses clips that are named and have not failed.
async fn all_failed(app: &AppState, batch: &BatchView, named: &[u32]) -> Result<(), Problem> {
    let named = batch.clips.iter().filter(|clip| named.contains(&clip.index));
    let mut others: Vec<&ClipView> = named.filter(|clip| clip.status != ClipStatus::Failed).collect();
    if others.is_empty() {
        return Ok(());
    }
    let named_before = app.store.retries(&batch.id).await?;
    others.retain(|clip| !named_before.contains(&clip.index));
    let Some(first) = others.first() else { return Ok(()) };
    let why = |clip: &ClipView| format!("clip {} is {}, not failed", clip.index, clip.status);
    let error = |clip: &&ClipView| FieldError {
        field: "clips".into(),
        message: why(clip),
    };
    let problem = Problem::new(StatusCode::CONFLICT, "CLIP_NOT_FAILED", why(first));
    Err(problem
        .errors(others.iter().map(error).collect())
        .current_status(first.status.as_str()))
}

/// The clips named in a body; none if there is no body, or none in it.
async fn read_clips(headers: &HeaderMap, body: Body, batch: &BatchView) -> Result<Vec<u32>, Problem> {
    const CODE: &str = "INVALID_CLIPS";
    let bytes = body::read_if_any(headers, body).await?;
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let fields = body::object(&bytes)?;
    let object = Object::new("", &fields);
    let mut errors = Errors::default();
    object.only(&mut errors, MEMBERS);
    let Some(value) = object.value("clips") else {
        return errors.finish().map(|()| Vec::new());
    };
    let named = value.as_array().map(Vec::as_slice).unwrap_or_default();
    match value {
        Value::Array(list) if list.is_empty() => {
            errors.add(
                CODE,
                "clips",
                "must not be empty; leave it out to retry every failed clip",
            );
        }
        Value::Array(_) => {}
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            errors.add(CODE, "clips", "must be an array of clip numbers");
        }
    }
    let mut clips = Vec::with_capacity(named.len().min(batch.clips.len()));
    for (place, value) in named.iter().enumerate() {
        let index = value.as_u64().and_then(|index| u32::try_from(index).ok());
        match index.filter(|index| batch.clips.iter().any(|clip| clip.index == *index)) {
            Some(index) if clips.contains(&index) => {}
            Some(index) => clips.push(index),
            None => {
                let last = batch.clips.len();
                errors.add(
                    CODE,
                    format!("clips[{place}]"),
                    format!("must be a clip of the batch, 1 to {last}"),
                );
            }
        }
    }
    errors.finish()?;
    Ok(clips)
}
