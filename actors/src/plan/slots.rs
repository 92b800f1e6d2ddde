//! What next for a batch whose order is that of its slots: every clip is handed over at once, in order, and confirmed after
//! its slot.
//!
//! [`super::plan`] calls it. Clips that are with the network and far from their slots cost nothing: the lease goes back and
//! the batch is claimed again when the next slot comes. One at a time is handed over, so that a clip whose create call was
//! lost, and which may get a later slot, is never overtaken by those after it.

use std::time::Duration;

use super::{Plan, RowStep, View, all_settled_but, current, following, keeps_failing, stop_at};
use crate::model::{BatchStatus, Clip, ClipStatus, OnFailure, Ruling, Timestamp, code};

/// A slot that is this far away is not waited for in memory: claiming a batch again costs four statements.
const FAR: Duration = Duration::from_secs(30);

/// A batch that is scheduled or at work.
pub(super) fn at_work(view: &View<'_>) -> Plan {
    if let Some(plan) = keeps_failing(view) {
        return plan;
    }
    let opens_at = opens_at(view);
    if opens_at.is_some_and(|at| at <= view.now) {
        return Plan::row(RowStep::Open);
    }
    let stops = stops(view);
    if !view.clips.iter().any(Clip::in_flight) {
        if let Some((clip, status, code)) = stops {
            return stop_at(clip, status, code);
        }
        if view
            .clips
            .iter()
            .all(|clip| clip.status.is_terminal() || clip.status == ClipStatus::Held)
        {
            let held = view.clips.iter().filter(|clip| clip.status == ClipStatus::Held);
            return all_settled_but(held.count());
        }
    }
    if let Some(plan) = following::cannot_ask(view) {
        return plan;
    }
    let next = next_to_hand_over(view.clips).filter(|_| stops.is_none());
    let mut plan = match next {
        Some(clip) => current(view, clip),
        None => Plan::default(),
    };
    if plan.row.is_some() {
        return plan;
    }
    following::follow(view, &mut plan);
    if stops.is_none() {
        following::ahead(view, &mut plan);
    }
    plan.wake_by(opens_at);
    if next.is_none() {
        rest_until_a_slot(view, &mut plan);
    }
    plan
}

/// When a batch that is scheduled is to be at work: at its first slot.
fn opens_at(view: &View<'_>) -> Option<Timestamp> {
    first_slot(view.clips).filter(|_| view.batch.status == BatchStatus::Scheduled)
}

/// The first slot of a batch ordered by slots.
pub fn first_slot(clips: &[Clip]) -> Option<Timestamp> {
    let slot = |clip: &Clip| clip.slot().or(clip.planned_for);
    clips.iter().filter_map(slot).min()
}

/// The clip for which the batch's policy stops it. Those before it may still be on their way: with slots far ahead nobody
/// waits for them.
pub(super) fn stops<'a>(view: &View<'a>) -> Option<(&'a Clip, BatchStatus, &'static str)> {
    let stop = match view.batch.on_failure {
        OnFailure::Skip => return None,
        OnFailure::Stop => BatchStatus::Failed,
        OnFailure::Hold => BatchStatus::Paused,
    };
    view.clips.iter().find_map(|clip| match clip.status {
        ClipStatus::Failed if clip.ruling == Some(Ruling::PassOver) => None,
        ClipStatus::Failed => Some((clip, stop, code::CLIP_FAILED)),
        ClipStatus::Held => Some((clip, BatchStatus::Paused, code::CLIP_HELD)),
        ClipStatus::Pending
        | ClipStatus::Queued
        | ClipStatus::Uploading
        | ClipStatus::WaitingConfirmation
        | ClipStatus::Retrying
        | ClipStatus::Uncertain
        | ClipStatus::Published
        | ClipStatus::Cancelled => None,
    })
}

/// The first clip that is not with the network, unless one before it may or may not be there.
fn next_to_hand_over(clips: &[Clip]) -> Option<&Clip> {
    for clip in clips {
        match clip.status {
            ClipStatus::Pending | ClipStatus::Queued | ClipStatus::Retrying => return Some(clip),
            ClipStatus::Uploading if clip.request.is_none() => return Some(clip),
            ClipStatus::Uploading | ClipStatus::Uncertain => return None,
            ClipStatus::WaitingConfirmation
            | ClipStatus::Held
            | ClipStatus::Published
            | ClipStatus::Failed
            | ClipStatus::Cancelled => {}
        }
    }
    None
}

/// Whether this clip's slot need not be waited for in memory.
pub(super) fn is_far(view: &View<'_>, clip: &Clip) -> bool {
    view.batch.mode.is_by_slots() && clip.slot().is_some_and(|slot| slot >= view.now + FAR)
}

/// Lets the batch leave memory until the next slot, if that is all there is to wait for.
pub(super) fn rest_until_a_slot(view: &View<'_>, plan: &mut Plan) {
    let work = view.work;
    let under_way = !plan.acts.is_empty() || work.call.is_some() || !work.preparing.is_empty() || view.parked.is_some();
    let waits = |clip: &Clip| {
        clip.status == ClipStatus::WaitingConfirmation
            && is_far(view, clip)
            && !following::is_to_be_withdrawn(view, clip)
    };
    if under_way || !view.clips.iter().filter(|clip| clip.in_flight()).all(waits) {
        return;
    }
    let next = view
        .clips
        .iter()
        .filter(|clip| clip.in_flight())
        .filter_map(Clip::slot)
        .min();
    plan.wake_by(next);
    plan.rest = next.is_some();
}

#[cfg(test)]
mod tests;
