//! What must hold when everybody has come to rest.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::hammering;
use crate::{
    events::{Event, EventKind},
    model::{BatchStatus, Clip, ClipStatus, OnFailure, PostRef, Ruling, Totals, code},
    ports::{AttemptVerdict, FailureKind, Reading},
    schedule::LATE_LOOKS,
    testing::{
        RowView,
        simulation::{
            ledger::{Fate, Ledger, Post},
            node::Gate,
            stage::Stage,
        },
    },
};

/// Everybody has come to rest.
pub fn everybody_rests(stage: &Arc<Stage>) {
    for batch in stage.rows.batches() {
        let row = stage.rows.row(&batch);
        if let Some(why) = ended_against_the_rules(stage, &row) {
            stage.violate(
                "every batch ends by the rules",
                format!("{batch} is {}: {why}", row.batch.status),
            );
        }
        let asked = stage.wishes(&batch, "retry-failed") + stage.wishes(&batch, "resolve");
        for clip in &row.clips {
            let held = u64::from(clip.status == ClipStatus::Held);
            let broken = differs_from_the_ledger(stage, &stage.ledger(), clip, &row);
            stage.record().counts.held_at_the_end += held;
            if let Some(why) = sent_too_often(&stage.ledger(), clip, &row, asked) {
                stage.violate("retries are counted", format!("{batch}#{}: {why}", clip.index));
            }
            if let Some(why) = attempt_differs(stage, clip, &row) {
                stage.violate(
                    "every attempt's row says how it ended",
                    format!("{batch}#{}: {why}", clip.index),
                );
            }
            let looks = clip.late_looks as usize;
            if clip.status == ClipStatus::Failed && clip.timed_out() && looks < LATE_LOOKS.len() && !kept_failing(&row)
            {
                let what = format!("{batch}#{}: {looks}", clip.index);
                stage.violate("a timed-out post has all its late looks", what);
            }
            if let Some((rule, why)) = broken {
                stage.record().counts.lost += 1;
                stage.violate(rule, format!("{batch}#{} is {}: {why}", clip.index, clip.status));
            }
        }
        if let Some(why) = events_differ(&stage.rows.events(&batch), &row) {
            stage.violate("events tell what the rows say", format!("{batch}: {why}"));
        }
    }
    hammering::nobody_is_hammered(stage);
}

/// Time is up and somebody still has something to do.
pub fn somebody_does_not_rest(stage: &Arc<Stage>) {
    for batch in stage.rows.batches() {
        let row = stage.rows.row(&batch);
        let open = row.clips.iter().filter(|clip| !clip.status.is_terminal()).count() as u64;
        stage.record().counts.lost += open;
        if row.owner.is_some() || row.batch.wake_at.is_some() || !stage.rows.waiting_commands(&batch).is_empty() {
            let clips: Vec<_> = row.clips.iter().map(|clip| clip.status.as_str()).collect();
            let what = format!("{batch} of {:?} is {}, {clips:?}", row.owner, row.batch.status);
            stage.violate("everybody comes to rest", what);
        }
    }
}

/// Permits never leak.
pub fn places_are_free(stage: &Arc<Stage>, gate: &Gate, free: usize) {
    if free < stage.scenario.max_in_flight {
        stage.violate("permits come back", format!("{free} places of {} are free", gate.name));
    }
}

/// Whether it does nothing, not even ask, until a person says resume.
fn kept_failing(row: &RowView) -> bool {
    let reason = row.batch.error.as_ref().map(|error| &*error.code);
    row.batch.status == BatchStatus::Paused && reason == Some(code::BATCH_KEEPS_FAILING)
}

fn ended_against_the_rules(stage: &Stage, row: &RowView) -> Option<String> {
    let any = |status| row.clips.iter().any(|clip| clip.status == status);
    // A clip whose timeout stopped its batch may have been published late; the batch stays stopped for a person.
    let stopped = any(ClipStatus::Failed) || row.clips.iter().any(|clip| clip.timed_out_at.is_some());
    let settled = |clip: &Clip| clip.status.is_terminal() || clip.status == ClipStatus::Held;
    let batch = &row.batch;
    let reason = batch.error.as_ref().map(|error| &*error.code);
    let flying = row.clips.iter().find(|clip| clip.in_flight());
    if let Some(clip) = flying.filter(|_| !kept_failing(row)) {
        return Some(format!("clip {} is {}", clip.index, clip.status));
    }
    let right = match batch.status {
        BatchStatus::Completed => {
            let passed = |clip: &Clip| batch.on_failure == OnFailure::Skip || was_passed_over(clip);
            row.clips.iter().all(|clip| clip.status.is_terminal() && passed(clip))
        }
        BatchStatus::Cancelled => {
            let wished = stage.wishes(&batch.id, "cancel") > 0;
            wished && batch.completed_at.is_some() && row.clips.iter().all(settled)
        }
        BatchStatus::Failed => batch.on_failure == OnFailure::Stop && stopped,
        BatchStatus::Paused => match reason {
            Some(code::CLIP_HELD) => any(ClipStatus::Held),
            Some(code::CLIP_FAILED) => batch.on_failure == OnFailure::Hold && stopped,
            Some(code::PAUSED) => stage.wishes(&batch.id, "pause") > 0,
            Some(code::BATCH_KEEPS_FAILING) => batch.restarts > stage.scenario.rules.max_restarts,
            Some(_) | None => false,
        },
        BatchStatus::Draft | BatchStatus::Scheduled | BatchStatus::Processing => false,
    };
    (!right).then(|| {
        let clips: Vec<_> = row.clips.iter().map(|clip| clip.status.as_str()).collect();
        format!("{reason:?}, {clips:?}")
    })
}

/// Whether no policy stops a batch for this clip: it did not fail, or a person let its batch go on or gave it up.
fn was_passed_over(clip: &Clip) -> bool {
    let dropped = clip.error.as_ref().is_some_and(|error| &*error.code == code::DROPPED);
    clip.status != ClipStatus::Failed || clip.ruling == Some(Ruling::PassOver) || dropped
}

/// At most one live post per clip, and the row says so.
fn differs_from_the_ledger(
    stage: &Stage,
    ledger: &Ledger,
    clip: &Clip,
    row: &RowView,
) -> Option<(&'static str, String)> {
    let live: Vec<&Post> = ledger
        .of(&row.batch.id, clip.index)
        .filter(|post| post.live_at().is_some())
        .collect();
    let mut record = stage.record();
    record.counts.live += u64::from(!live.is_empty());
    if live.len() > 1 {
        record.counts.duplicates += 1;
        let ids: Vec<_> = live.iter().map(|post| post.id().as_str()).collect();
        return Some(("at most one live post per clip", format!("{ids:?}")));
    }
    drop(record);
    let Some(post) = live.first() else {
        return (clip.status == ClipStatus::Published)
            .then(|| ("what is published is live", "there is no post".into()));
    };
    let own = clip.post.as_ref().is_some_and(|known| post.ids.contains(&known.id));
    let right = match clip.status {
        ClipStatus::Published => own,
        ClipStatus::Held => true,
        ClipStatus::Failed => {
            own && clip.timed_out() && (kept_failing(row) || could_not_be_seen_going_live(ledger, post, clip))
        }
        ClipStatus::Uploading | ClipStatus::WaitingConfirmation | ClipStatus::Uncertain => kept_failing(row),
        ClipStatus::Pending | ClipStatus::Queued | ClipStatus::Retrying | ClipStatus::Cancelled => false,
    };
    let code = clip.error.as_ref().map(|error| error.code.clone());
    (!right).then(|| {
        (
            "what is live is published",
            format!("{} is live since {:?}, {code:?}", post.id(), post.live_at()),
        )
    })
}

/// A clip that timed out may stay `failed` although its post went live only if that happened after the last of its late
/// looks, or if the planner had forgotten the post.
fn could_not_be_seen_going_live(ledger: &Ledger, post: &Post, clip: &Clip) -> bool {
    let looks = ledger.looks.iter().filter(|look| post.ids.contains(&look.post));
    let seen = looks
        .clone()
        .any(|look| matches!(look.reading, Reading::Published { .. }));
    let all_done = clip.late_looks as usize >= LATE_LOOKS.len();
    let last = looks.map(|look| look.asked_at).max();
    let went_live_later = last.is_some_and(|last| post.live_at().is_some_and(|at| at > last));
    all_done && !seen && (went_live_later || post.gone_at.is_some())
}

/// Each time that a person asks for another try, the batch's retries are there anew. What a lost connection made fail is
/// none of them, nor is what was withdrawn because its batch stopped.
fn sent_too_often(ledger: &Ledger, clip: &Clip, row: &RowView, asked: u32) -> Option<String> {
    let by_slots = row.batch.mode.is_by_slots();
    let counts = |post: &&Post| match &post.fate {
        _ if by_slots && post.gone_at.is_some() => false,
        Fate::Fails(_, failure) => failure.kind != FailureKind::Connection,
        Fate::GoesLive(_) | Fate::Stuck => true,
    };
    let made = ledger.of(&row.batch.id, clip.index).filter(counts).count() as u32;
    let allowed = (1 + row.batch.max_retries) * (1 + asked);
    (made > allowed).then(|| format!("{made} posts of {allowed}"))
}

/// The ledger answers why it is believed that a clip is where it is.
fn attempt_differs(stage: &Stage, clip: &Clip, row: &RowView) -> Option<String> {
    clip.request.as_ref()?;
    let Some(attempt) = stage.rows.attempt(&row.batch.id, clip.index, clip.attempt) else {
        return Some(format!("attempt {} has no row", clip.attempt));
    };
    let write = attempt.write;
    let post = |post: &Option<PostRef>| post.as_ref().map(|post| post.id.clone());
    let code = clip.error.as_ref().map(|error| &*error.code);
    let right = match (clip.status, write.verdict) {
        (ClipStatus::Published, verdict) => {
            verdict == Some(AttemptVerdict::Published) && post(&write.post) == post(&clip.post)
        }
        (ClipStatus::Held, verdict) => verdict == Some(AttemptVerdict::CannotTell),
        (ClipStatus::Failed, verdict) => match code {
            Some(code::CONFIRMATION_TIMEOUT) => verdict == Some(AttemptVerdict::TimedOut),
            Some(code::PROVIDER_ERROR) => verdict == Some(AttemptVerdict::Errored),
            Some(code::NOT_CREATED) => verdict == Some(AttemptVerdict::Absent),
            Some(_) | None => verdict.is_some(),
        },
        (ClipStatus::Cancelled, verdict) => verdict.is_some(),
        (
            ClipStatus::Pending
            | ClipStatus::Queued
            | ClipStatus::Uploading
            | ClipStatus::WaitingConfirmation
            | ClipStatus::Retrying
            | ClipStatus::Uncertain,
            _,
        ) => true,
    };
    (!right || (write.outcome_at.is_none() && !clip.in_flight()))
        .then(|| format!("{} {code:?}, its row says {:?}", clip.status, write.verdict))
}

fn events_differ(events: &[Event], row: &RowView) -> Option<String> {
    let mut words: BTreeMap<u32, String> = BTreeMap::new();
    let mut ending: Option<(&str, String)> = None;
    let mut ending_before = false;
    let mut counted = (0, 0);
    for event in events {
        let body: Value = serde_json::from_str(&event.body).ok()?;
        let status = body["status"].as_str().unwrap_or_default().to_owned();
        counted = (
            body["published"].as_u64().unwrap_or(99),
            body["errors"].as_u64().unwrap_or(99),
        );
        match event.clip {
            Some(clip) => {
                words.insert(clip, status);
                ending_before = false;
            }
            None => {
                if !fits(event.kind, &status) {
                    return Some(format!("{} is told of a batch that is {status}", event.kind.as_str()));
                }
                let this = Some((event.kind.as_str(), status));
                if ending_before && ending == this {
                    return Some(format!("{this:?} is told twice"));
                }
                (ending, ending_before) = (this, true);
            }
        }
    }
    for clip in &row.clips {
        let word = words.get(&clip.index).map(String::as_str);
        let right = match clip.status {
            ClipStatus::Cancelled => true,
            // One that was reopened and waits for its turn is told to be queued.
            ClipStatus::Pending => word.is_none_or(|word| word == "queued"),
            // One that was handed over before its slot is told to be scheduled, whatever is doubted later.
            ClipStatus::WaitingConfirmation | ClipStatus::Uncertain => {
                matches!(word, Some("waiting_confirmation" | "scheduled"))
            }
            other => word == Some(other.as_str()),
        };
        if !right {
            return Some(format!("clip {} is {}, last told {word:?}", clip.index, clip.status));
        }
    }
    let told = ending.as_ref().map(|(kind, _)| *kind);
    let right = match row.batch.status {
        BatchStatus::Completed => told == Some("completed"),
        BatchStatus::Cancelled => told == Some("cancelled"),
        BatchStatus::Paused => told == Some("paused"),
        BatchStatus::Failed => told == Some("error"),
        BatchStatus::Draft | BatchStatus::Scheduled | BatchStatus::Processing => told.is_none(),
    };
    let totals = Totals::of(&row.clips);
    if !right {
        return Some(format!("the batch is {}, last told {ending:?}", row.batch.status));
    }
    let is = (u64::from(totals.published), u64::from(totals.failed));
    (counted != is).then(|| format!("published and failed are {is:?}, last told {counted:?}"))
}

/// Whether a message about the batch has the type of what it tells: a watcher takes the ending ones for the last.
fn fits(kind: EventKind, status: &str) -> bool {
    match kind {
        EventKind::Completed => status == "completed",
        EventKind::Cancelled => status == "cancelled",
        EventKind::Error => status == "failed",
        EventKind::Paused => status == "paused",
        EventKind::Resumed => matches!(status, "processing" | "scheduled"),
        EventKind::Connected | EventKind::Progress => false,
    }
}
