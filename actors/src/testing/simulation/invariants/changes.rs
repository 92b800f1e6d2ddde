//! What must hold of every change that becomes durable: whose it is, what it counts, and in which order clips are sent.

use std::sync::Arc;

use super::clips::a_clip_changed;
use crate::{
    error::StoreError,
    model::{BatchStatus, ClipStatus, OnFailure, Ruling, Totals},
    ports::{AttemptVerdict, Change},
    testing::{
        RowView,
        simulation::{ledger::Attempt, node::Gate, stage::Stage},
    },
};

/// A change was written, or refused.
pub fn a_change_was_written(
    stage: &Arc<Stage>,
    gate: &Gate,
    change: &Change,
    before: &RowView,
    result: &Result<(), StoreError>,
) {
    stage.tell(gate.name.as_str(), || describe(change, before, result));
    if result.is_err() {
        return;
    }
    stage.record().counts.commits += 1;
    stage.is_at_work(&change.batch);
    if before.owner.as_ref() != Some(&gate.name) || before.batch.epoch != change.epoch {
        stage.violate(
            "no write of a stale owner lands",
            format!(
                "{} of {} at epoch {}, epoch {} of {:?}",
                change.batch, gate.name, change.epoch, before.batch.epoch, before.owner
            ),
        );
    }
    let after = stage.rows.row(&change.batch);
    if Totals::of(&after.clips) != change.head.totals {
        stage.violate(
            "totals equal rows",
            format!("{}: {:?}", change.batch, change.head.totals),
        );
    }
    for write in &change.attempts {
        if write.verdict == Some(AttemptVerdict::Absent) && stage.scenario.list_lags() {
            let who = format!("{}#{}.{}", change.batch, write.clip, write.attempt);
            stage.violate("absence is not believed where the list lags behind", who);
        }
        if write.request.is_some() {
            an_intent_is_durable(stage, change, write.clip, write.attempt, &after);
        }
    }
    for write in &change.clips {
        let place = write.clip.index as usize - 1;
        a_clip_changed(stage, &before.clips[place], &after.clips[place], &after);
    }
}

/// Order (DESIGN 4, rules 1 and 2), and one clip at a time.
fn an_intent_is_durable(stage: &Arc<Stage>, change: &Change, index: u32, attempt: u32, after: &RowView) {
    let intent = Attempt {
        batch: change.batch.clone(),
        clip: index,
        attempt,
    };
    stage.record().intents.insert(intent, change.epoch);
    let who = format!("{}#{index}.{attempt}", change.batch);
    if after.batch.mode.is_by_slots() {
        return an_intent_at_a_slot_is_durable(stage, change, index, &who, after);
    }
    if change.head.status != BatchStatus::Processing {
        stage.violate(
            "only a batch that is processing sends",
            format!("{who}: {}", change.head.status),
        );
    }
    for clip in after.clips.iter().filter(|clip| clip.index != index) {
        if clip.in_flight() {
            stage.violate(
                "one clip at a time",
                format!("{who} while clip {} is {}", clip.index, clip.status),
            );
        }
        let passed = match (clip.status, after.batch.on_failure) {
            (ClipStatus::Published | ClipStatus::Cancelled, _) => true,
            (ClipStatus::Failed | ClipStatus::Held, OnFailure::Skip) => true,
            (ClipStatus::Failed, OnFailure::Stop | OnFailure::Hold) if clip.ruling == Some(Ruling::PassOver) => true,
            (ClipStatus::Failed | ClipStatus::Held, OnFailure::Stop | OnFailure::Hold) => false,
            (
                ClipStatus::Pending
                | ClipStatus::Queued
                | ClipStatus::Uploading
                | ClipStatus::WaitingConfirmation
                | ClipStatus::Retrying
                | ClipStatus::Uncertain,
                _,
            ) => false,
        };
        if clip.index < index && !passed {
            stage.violate(
                "clips go in order",
                format!("{who} while clip {} is {}", clip.index, clip.status),
            );
        }
    }
}

/// The same where slots give the order: clips are handed over in it, one at a time, each for a slot of its own after those
/// of the clips before it, and none of a batch that stops.
fn an_intent_at_a_slot_is_durable(stage: &Arc<Stage>, change: &Change, index: u32, who: &str, after: &RowView) {
    if !change.head.status.is_at_work() {
        let what = format!("{who}: {}", change.head.status);
        stage.violate("only a batch that is at work sends", what);
    }
    let rule = &stage.scenario.rules.slots;
    let slot = after.clips[index as usize - 1].slot();
    for clip in after.clips.iter().filter(|clip| clip.index != index) {
        let with = || {
            format!(
                "{who} for {slot:?} while clip {} is {} for {:?}",
                clip.index,
                clip.status,
                clip.slot()
            )
        };
        let (before, stops) = (clip.index < index, after.batch.on_failure != OnFailure::Skip);
        let wrong = match clip.status {
            ClipStatus::Pending | ClipStatus::Queued | ClipStatus::Retrying => before,
            ClipStatus::Uploading => before || clip.request.is_some(),
            ClipStatus::Uncertain => before,
            ClipStatus::Failed => stops && clip.ruling != Some(Ruling::PassOver),
            ClipStatus::Held => stops,
            ClipStatus::WaitingConfirmation | ClipStatus::Published | ClipStatus::Cancelled => false,
        };
        if wrong {
            stage.violate("clips are handed over in order", with());
        }
        let (Some(slot), Some(other)) = (slot, clip.slot()) else {
            continue;
        };
        if rule.same(slot, other) || (before && slot < other) {
            stage.violate("slots give the order", with());
        }
    }
}

fn describe(change: &Change, before: &RowView, result: &Result<(), StoreError>) -> String {
    let mut line = format!("commits {} @{}: {}", change.batch, change.epoch, change.head.status);
    for write in &change.clips {
        let (was, is) = (&before.clips[write.clip.index as usize - 1].status, write.clip.status);
        line += &format!(", #{}.{} {was} -> {is}", write.clip.index, write.clip.attempt);
        if let Some(error) = &write.clip.error {
            line += &format!(" ({})", error.code);
        }
    }
    for write in &change.attempts {
        if let Some(request) = &write.request {
            line += &format!(", intent {}.{} for {}", write.clip, write.attempt, request.slot);
        }
    }
    if change.head.release {
        line += &format!(", gives the lease back until {:?}", change.head.wake_at);
    }
    match result {
        Ok(()) => line,
        Err(error) => format!("{line} -> {error}"),
    }
}
