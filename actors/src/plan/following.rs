//! What to ask about clips that may be on their way, and about those that timed out: the part of a plan that is the same
//! for a batch at work, a paused and a cancelled one.
//!
//! [`super::plan`] calls it. Usually one clip is on its way; a person who reopens or adopts others makes them several. Then
//! the poller watches the first that waits, and the publisher makes one call at a time.

use super::{Act, Plan, RowStep, View, slots};
use crate::{
    model::{BatchStatus, Clip, ClipStatus, Timestamp, Trouble, code},
    schedule::{LATE_LOOKS, WITHDRAW_MARGIN},
};

/// A batch at work of which a clip is on its way.
pub(super) fn on_their_way(view: &View<'_>) -> Plan {
    if let Some(plan) = cannot_ask(view) {
        return plan;
    }
    let mut plan = Plan::default();
    follow(view, &mut plan);
    ahead(view, &mut plan);
    plan
}

/// The account of a clip that is to be asked about is refused, and the batch does not say so yet.
pub(super) fn cannot_ask(view: &View<'_>) -> Option<Plan> {
    let asked_about = |clip: &Clip| matches!(clip.status, ClipStatus::WaitingConfirmation | ClipStatus::Uncertain);
    let refused = view.parked.filter(|_| !says_refused(view.batch.error.as_ref()))?;
    let waits = view.clips.iter().any(asked_about);
    waits.then(|| Plan::row(RowStep::NoteRefusal(refused)))
}

/// A batch that starts nothing any more.
pub(super) fn winding_down(view: &View<'_>) -> Plan {
    let mut plan = Plan {
        rest: !view.clips.iter().any(Clip::in_flight),
        ..Plan::default()
    };
    if plan.rest && view.batch.status == BatchStatus::Cancelled && view.batch.completed_at.is_none() {
        return Plan::row(RowStep::EndCancelled);
    }
    follow(view, &mut plan);
    if !plan.rest && view.batch.mode.is_by_slots() {
        slots::rest_until_a_slot(view, &mut plan);
    }
    plan
}

fn says_refused(error: Option<&Trouble>) -> bool {
    error.is_some_and(|error| &*error.code == code::ACCOUNT_UNAUTHORIZED)
}

/// Clips that may be on their way are followed to their ends, whatever became of their batch.
pub(super) fn follow(view: &View<'_>, plan: &mut Plan) {
    let work = view.work;
    let with = |status| view.clips.iter().filter(move |clip| clip.status == status);
    let mut idle = work.call.is_none();
    if let Some(clip) = with(ClipStatus::WaitingConfirmation).find(|clip| idle && is_to_be_withdrawn(view, clip)) {
        match work.withdraw_again.filter(|(_, again)| *again > view.now) {
            Some((_, again)) => plan.wake_by(Some(again)),
            None => {
                plan.acts.push(Act::Withdraw(clip.index));
                idle = false;
            }
        }
    }
    if let Some(clip) = with(ClipStatus::WaitingConfirmation).min_by_key(|clip| (clip.slot(), clip.index))
        && !slots::is_far(view, clip)
        && work.watched != Some((clip.index, clip.attempt))
    {
        plan.acts.push(Act::Watch(clip.index));
    }
    let Some(clip) = with(ClipStatus::Uncertain).next().filter(|_| idle) else {
        return;
    };
    match work.search {
        Some((index, attempt, search)) if (index, attempt) == (clip.index, clip.attempt) => {
            if search.next_at <= view.now {
                plan.acts.push(Act::Find(clip.index));
            } else {
                plan.wake_by(Some(search.next_at));
            }
        }
        Some(_) | None => plan.acts.push(Act::Find(clip.index)),
    }
}

/// A cancelled batch withdraws what it can; one that is ordered by slots also when it stops for another reason, because
/// the network would go on without it.
pub(super) fn is_to_be_withdrawn(view: &View<'_>, clip: &Clip) -> bool {
    let by_slots = view.batch.mode.is_by_slots();
    let wanted = match view.batch.status {
        BatchStatus::Cancelled => true,
        BatchStatus::Paused | BatchStatus::Failed => by_slots,
        BatchStatus::Scheduled | BatchStatus::Processing => by_slots && slots::stops(view).is_some(),
        BatchStatus::Draft | BatchStatus::Completed => false,
    };
    wanted
        && !view.work.withdraw_refused.contains(&(clip.index, clip.attempt))
        && clip.slot().is_some_and(|slot| view.now + WITHDRAW_MARGIN <= slot)
}

/// Media of the clip that is sent next is made ready while others are on their way.
pub(super) fn ahead(view: &View<'_>, plan: &mut Plan) {
    let Some(next) = view.clips.iter().find(|clip| clip.status == ClipStatus::Pending) else {
        return;
    };
    let work = view.work;
    let idle = work.media_of(next.index).is_none() && !work.preparing.contains(&next.index);
    if idle && work.ahead_failed != Some(next.index) && view.parked.is_none() {
        plan.acts.push(Act::Prepare(next.index));
    }
}

/// Posts of timed-out clips are looked at again: on their schedule, and when a Reconcile asks.
pub(super) fn late_looks(view: &View<'_>, plan: &mut Plan) {
    if view.work.late.is_some() {
        plan.rest = false;
        return;
    }
    if let Some((_, again)) = view.work.late_unanswered.filter(|(_, again)| *again > view.now) {
        plan.rest = false;
        plan.wake_by(Some(again));
        return;
    }
    if let Some(index) = view.work.missed {
        plan.rest = false;
        if view.work.call.is_none() {
            plan.acts.push(Act::Find(index));
        }
        return;
    }
    for clip in view.clips.iter().filter(|clip| clip.timed_out()) {
        let due = late_look_due(clip);
        if view.work.ask.contains(&clip.index) || due.is_some_and(|due| due <= view.now) {
            plan.acts.push(Act::LateLook(clip.index));
            plan.rest = false;
            return;
        }
        plan.wake_by(due);
    }
}

/// When the next look at this timed-out clip is due; `None` after the last. They count from the timeout, or from the slot
/// that a person gave the post after it.
pub fn late_look_due(clip: &Clip) -> Option<Timestamp> {
    let wait = LATE_LOOKS.get(clip.late_looks as usize)?;
    let timed_out_at = clip.timed_out_at?;
    Some(clip.slot().map_or(timed_out_at, |slot| slot.max(timed_out_at)) + *wait)
}
