//! `POST /api/metricool/batch/{batchId}/clips/{index}/resolve`: a person decides about a held clip.
//!
//! `{"action":"adopt","postId":"…"}`: this post is the clip's (the network still has to say that it is live).
//! `{"action":"retry"}`: it is not live, send it again. `{"action":"drop"}`: leave it. Durable before it is answered, like
//! every command. It is about the attempt that is held now (`attempt`, if the body names one, must be that): should another
//! one be held by the time it is carried out, it changes nothing.

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, StatusCode, request::Parts},
};
use storyclip_actors::model::{BatchId, BatchStatus, ClipStatus, CommandKind, Resolution, Wish, code};

use super::{
    App, body,
    caller::Caller,
    command::{self, Done},
    fields::{Errors, Object},
    limits,
    problem::Problem,
};
use crate::store::{BatchView, ClipView};

/// What a body may have.
pub(super) const MEMBERS: &[&str] = &["action", "postId", "attempt"];

/// Stores the decision and answers with what became of the clip.
pub async fn resolve(
    State(app): App,
    caller: Caller,
    ClipPath(id, index): ClipPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Done>, Problem> {
    let batch = command::command(&app, &caller, &id).await?;
    let (how, seen) = read(&headers, body).await?;
    let clip = clip_of(&batch, index)?;
    if stands_already(&how, clip) {
        let done = command::done(&app, &id, CommandKind::Resolve, batch.status, true);
        return Ok(Json(done.with_clip(index, clip.status)));
    }
    if clip.status != ClipStatus::Held {
        return Err(not_held(clip));
    }
    if seen.is_some_and(|seen| seen != clip.attempts) {
        return Err(another_attempt(clip));
    }
    if how == Resolution::Retry && batch.status == BatchStatus::Cancelled {
        return Err(command::impossible(CommandKind::Resolve, batch.status));
    }
    let held = clip.attempts;
    let wish = Wish::Resolve {
        clip: index,
        attempt: Some(held),
        how,
    };
    let done = command::ask(&app, &caller, &id, wish).await?;
    let batch = command::command(&app, &caller, &id).await?;
    let clip = clip_of(&batch, index)?;
    if done.is_applied() && clip.status == ClipStatus::Held && clip.attempts != held {
        return Err(another_attempt(clip));
    }
    match taken(clip) {
        Some(why) if done.is_applied() => {
            Err(Problem::new(StatusCode::CONFLICT, code::POST_TAKEN, why).current_status(clip.status.as_str()))
        }
        Some(_) | None => Ok(Json(done.with_clip(index, clip.status))),
    }
}

fn clip_of(batch: &BatchView, index: u32) -> Result<&ClipView, Problem> {
    let clip = batch.clips.iter().find(|clip| clip.index == index);
    clip.ok_or_else(|| {
        let last = batch.clips.len();
        Problem::new(
            StatusCode::NOT_FOUND,
            "CLIP_NOT_FOUND",
            format!("the batch has clips 1 to {last}"),
        )
    })
}

/// Whether the same was decided before.
fn stands_already(how: &Resolution, clip: &ClipView) -> bool {
    match how {
        Resolution::Adopt(post) => {
            let followed = matches!(clip.status, ClipStatus::WaitingConfirmation | ClipStatus::Published);
            followed && clip.post_id.as_ref() == Some(post)
        }
        Resolution::Retry => false,
        Resolution::Drop => clip.status == ClipStatus::Failed && has_code(clip, code::DROPPED),
    }
}

/// Why the post that was named is not this clip's.
fn taken(clip: &ClipView) -> Option<String> {
    let error = clip.error.as_ref()?;
    (clip.status == ClipStatus::Held && has_code(clip, code::POST_TAKEN)).then(|| error.message.to_string())
}

fn has_code(clip: &ClipView, code: &str) -> bool {
    clip.error.as_ref().is_some_and(|error| &*error.code == code)
}

fn not_held(clip: &ClipView) -> Problem {
    let (index, status) = (clip.index, clip.status);
    Problem::new(
        StatusCode::CONFLICT,
        "CLIP_NOT_HELD",
        format!("clip {index} is {status}, not held"),
    )
    .current_status(status.as_str())
}

fn another_attempt(clip: &ClipView) -> Problem {
    let (index, held) = (clip.index, clip.attempts);
    Problem::new(
        StatusCode::CONFLICT,
        "ATTEMPT_NOT_HELD",
        format!("of clip {index} attempt {held} is held now: look at it and decide anew"),
    )
    .current_status(clip.status.as_str())
}

/// The decision, and the attempt that it names.
async fn read(headers: &HeaderMap, body: Body) -> Result<(Resolution, Option<u32>), Problem> {
    let fields = body::object(&body::read(headers, body).await?)?;
    let fields = Object::new("", &fields);
    let mut errors = Errors::default();
    let post = fields.checked(&mut errors, "INVALID_POST_ID", "postId", limits::post);
    let action = fields.text(&mut errors, "INVALID_ACTION", "action");
    let seen = fields.value("attempt").and_then(|value| {
        let number = value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number > 0);
        if number.is_none() {
            errors.add("INVALID_ATTEMPT", "attempt", "must be the number of an attempt, from 1");
        }
        number
    });
    let how = match (action, post) {
        (Some("adopt"), Some(post)) => Some(Resolution::Adopt(post.into())),
        (Some("adopt"), None) => {
            if fields.value("postId").is_none() {
                errors.add("MISSING_POST_ID", "postId", "is missing: adopt needs the post");
            }
            None
        }
        (Some(word @ ("retry" | "drop")), post) => {
            if post.is_some() {
                errors.add("INVALID_POST_ID", "postId", format!("must be absent beside {word}"));
            }
            Some(if word == "retry" {
                Resolution::Retry
            } else {
                Resolution::Drop
            })
        }
        (Some(_), _) => {
            errors.add("INVALID_ACTION", "action", "must be one of adopt, retry, drop");
            None
        }
        (None, _) => {
            if fields.value("action").is_none() {
                errors.add("MISSING_ACTION", "action", "is missing: one of adopt, retry, drop");
            }
            None
        }
    };
    fields.only(&mut errors, MEMBERS);
    errors.finish()?;
    let how = how.ok_or_else(|| Problem::bad("INVALID_ACTION", "action", "must be one of adopt, retry, drop"))?;
    Ok((how, seen))
}

/// `{batchId}` and `{index}` of a path.
pub struct ClipPath(BatchId, u32);

impl<S: Send + Sync> FromRequestParts<S> for ClipPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad_batch = |why| Problem::bad("INVALID_BATCH_ID", "batchId", why);
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, state).await;
        let Path((id, index)) = path.map_err(|_| bad_batch("must be percent-encoded UTF-8".to_owned()))?;
        limits::batch(&id).map_err(bad_batch)?;
        let digits = index.bytes().all(|byte| byte.is_ascii_digit());
        match index.parse() {
            Ok(index) if digits && index > 0 => Ok(Self(id.into(), index)),
            Ok(_) | Err(_) => Err(Problem::bad(
                "INVALID_CLIP_INDEX",
                "index",
                "must be the number of a clip, from 1",
            )),
        }
    }
}
