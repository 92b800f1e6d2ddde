//! `?dryRun=true`: everything about a request is checked, as far as the network can be asked, and nothing is created.
//!
//! No batch, no idempotency row, no post. Media is made ready at Metricool as it would be for the batch itself, which shows
//! nobody anything and may be repeated.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use storyclip_actors::{
    error::{ProviderError, Verdict},
    model::PublishMode,
};

use super::{
    Answer, NewBatch, Ready,
    plan::{Planned, one_by_one},
    quota,
};
use crate::http::{
    AppState,
    problem::{FieldError, Problem},
};

/// Media that is asked about at once; the limiter lets no more calls through than it lets through for anybody.
const AT_ONCE: usize = 5;

/// Asks about the account and every media, and says what would happen.
pub async fn answer(app: &AppState, ready: Ready) -> Result<Response, Problem> {
    let batch = &ready.batch;
    let plan = expected(app, batch);
    let mut warnings = ready.warnings.clone();
    warnings.extend(quota::check(app, batch, &plan).await?);
    if !app.ahead.is_connected(&batch.account, batch.network).await? {
        return Err(not_connected());
    }
    let asked = stream::iter(0..batch.clips.len()).map(|n| async move {
        let answer = app.ahead.media(&batch.account, &batch.clips[n].url).await;
        (n, answer)
    });
    unreachable_media(asked.buffered(AT_ONCE).collect().await)?;
    let answer = Answer {
        dry_run: true,
        batch_id: None,
        created_at: None,
        plan: Some(plan),
        warnings: &warnings,
        ..Answer::of(&ready)
    };
    Ok(Json(answer).into_response())
}

fn not_connected() -> Problem {
    let field = FieldError {
        field: "settings.network".into(),
        message: "is not connected to this account at the provider".into(),
    };
    let text = format!("{} {}", field.field, field.message);
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "NETWORK_NOT_CONNECTED", text).errors(vec![field])
}

/// A problem that names each media that could not be read; one that is about no media in particular comes first.
fn unreachable_media(answers: Vec<(usize, Result<(), ProviderError>)>) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    for (n, answer) in answers {
        let Err(error) = answer else { continue };
        match error.verdict {
            Verdict::Rejected => {}
            Verdict::Unavailable | Verdict::Unknown if !error.outage => {}
            Verdict::Unavailable | Verdict::Unknown | Verdict::Throttled(_) | Verdict::Unauthorized(_) => {
                return Err(error.into());
            }
        }
        wrong.push(FieldError {
            field: format!("posts[{n}].url"),
            message: format!("cannot be read by the provider: {}", error.message),
        });
    }
    let Some(first) = wrong.first() else { return Ok(()) };
    let text = format!("{} {}", first.field, first.message);
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "MEDIA_NOT_READABLE", text).errors(wrong))
}

/// The slots, or in mode `now` those of a batch in which all goes well.
fn expected<'a>(app: &AppState, batch: &'a NewBatch) -> Vec<Planned<'a>> {
    let lines = batch.clips.iter().zip(1..);
    let lines = lines.zip(one_by_one(&app.rules.slots, batch.created_at));
    let lines = lines.map(|((clip, index), next)| Planned {
        index,
        id: &clip.id,
        scheduled_at: match batch.mode {
            PublishMode::Now => next,
            PublishMode::Scheduled | PublishMode::BestTime => clip.planned_for.unwrap_or(batch.created_at),
        },
    });
    lines.collect()
}
