//! What next? A pure function of a batch's rows, of what its children are at, and of a clock reading.
//!
//! The batch actor calls [`plan`] after everything that happens: at its start, after a restart, a takeover, an answer, a
//! command that it carried out. There is no other way on, so there is no recovery path either.

mod following;
mod slots;

use crate::{
    error::Refused,
    model::{Batch, BatchStatus, Clip, ClipStatus, OnFailure, Ruling, Timestamp, Trouble, code},
    work::Work,
};
use following::{late_looks, on_their_way, winding_down};

pub use following::late_look_due;
pub use slots::first_slot;

/// Everything that a plan depends on.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the types say it")]
pub struct View<'a> {
    pub batch: &'a Batch,
    pub clips: &'a [Clip],
    pub work: &'a Work,
    /// Whether the account's credential is refused.
    pub parked: Option<Refused>,
    pub max_restarts: u32,
    pub now: Timestamp,
}

/// A change of rows that comes first; after it, plan again.
#[derive(Clone, Debug, PartialEq)]
pub enum RowStep {
    /// The create call of this clip was under way in a life that ended.
    Doubt(u32),
    /// The clip's media is to be prepared.
    Begin(u32),
    /// The clip is due, but its account is refused.
    Park(u32, Refused),
    /// A clip is on its way and nobody can be asked about it, because the account is refused: the batch says so.
    NoteRefusal(Refused),
    /// The batch comes to this end or stop.
    Settle(BatchStatus, Option<Trouble>),
    /// The first slot of a scheduled batch has come.
    Open,
    /// The last clip in flight of a cancelled batch is settled.
    EndCancelled,
}

/// Something to ask of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Make media ready.
    Prepare(u32),
    /// Reserve a call, make the intent durable, create.
    Send(u32),
    /// List and compare.
    Find(u32),
    /// Look until the network says something final or the time is up.
    Watch(u32),
    /// Take a post back before its slot.
    Withdraw(u32),
    /// One look at a timed-out post.
    LateLook(u32),
}

/// What to do now, and when to plan again if nothing happens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Rows first.
    pub row: Option<RowStep>,
    /// Then these.
    pub acts: Vec<Act>,
    /// Then at this instant.
    pub wake_at: Option<Timestamp>,
    /// Nothing is left to do before `wake_at`: the lease can be given back.
    pub rest: bool,
}

impl Plan {
    fn row(step: RowStep) -> Self {
        Self {
            row: Some(step),
            ..Self::default()
        }
    }

    fn wake_by(&mut self, at: Option<Timestamp>) {
        self.wake_at = [self.wake_at, at].into_iter().flatten().min();
    }
}

/// What next?
pub fn plan(view: &View<'_>) -> Plan {
    let orphan =
        |clip: &&Clip| clip.status == ClipStatus::Uploading && clip.request.is_some() && !view.work.calls(clip);
    if let Some(clip) = view.clips.iter().find(orphan) {
        return Plan::row(RowStep::Doubt(clip.index));
    }
    let mut plan = match view.batch.status {
        BatchStatus::Scheduled | BatchStatus::Processing if view.batch.mode.is_by_slots() => slots::at_work(view),
        BatchStatus::Processing => processing(view),
        // Whatever it did last killed it again and again: it does nothing until a person says resume.
        BatchStatus::Paused if kept_failing(view.batch) => {
            return Plan {
                rest: true,
                ..Plan::default()
            };
        }
        BatchStatus::Draft
        | BatchStatus::Scheduled
        | BatchStatus::Paused
        | BatchStatus::Completed
        | BatchStatus::Failed
        | BatchStatus::Cancelled => winding_down(view),
    };
    if plan.row.is_none() {
        late_looks(view, &mut plan);
    }
    plan
}

fn kept_failing(batch: &Batch) -> bool {
    let reason = batch.error.as_ref();
    reason.is_some_and(|reason| &*reason.code == code::BATCH_KEEPS_FAILING)
}

fn processing(view: &View<'_>) -> Plan {
    if let Some(plan) = keeps_failing(view) {
        return plan;
    }
    // A person may reopen an earlier clip while a later one is on its way: nothing is sent before that one is settled.
    if view.clips.iter().any(Clip::in_flight) {
        return on_their_way(view);
    }
    let mut held = 0;
    for clip in view.clips {
        match (clip.status, view.batch.on_failure) {
            (ClipStatus::Published | ClipStatus::Cancelled, _) | (ClipStatus::Failed, OnFailure::Skip) => {}
            (ClipStatus::Failed, OnFailure::Stop | OnFailure::Hold) if clip.ruling == Some(Ruling::PassOver) => {}
            (ClipStatus::Failed, OnFailure::Stop) => return stop_at(clip, BatchStatus::Failed, code::CLIP_FAILED),
            (ClipStatus::Failed, OnFailure::Hold) => return stop_at(clip, BatchStatus::Paused, code::CLIP_FAILED),
            (ClipStatus::Held, OnFailure::Skip) => held += 1,
            (ClipStatus::Held, OnFailure::Stop | OnFailure::Hold) => {
                return stop_at(clip, BatchStatus::Paused, code::CLIP_HELD);
            }
            (
                ClipStatus::Pending
                | ClipStatus::Queued
                | ClipStatus::Uploading
                | ClipStatus::WaitingConfirmation
                | ClipStatus::Retrying
                | ClipStatus::Uncertain,
                _,
            ) => return current(view, clip),
        }
    }
    all_settled_but(held)
}

/// A batch whose actor dies again and again waits for a person.
fn keeps_failing(view: &View<'_>) -> Option<Plan> {
    if view.batch.restarts <= view.max_restarts {
        return None;
    }
    let message = format!("the batch's actor died {} times in a row", view.batch.restarts);
    Some(Plan::row(RowStep::Settle(
        BatchStatus::Paused,
        Some(Trouble::new(code::BATCH_KEEPS_FAILING, message)),
    )))
}

/// Every clip is settled but so many that are held.
fn all_settled_but(held: usize) -> Plan {
    if held == 0 {
        return Plan::row(RowStep::Settle(BatchStatus::Completed, None));
    }
    let message = format!("{held} clips are held: a person decides whether they are live");
    Plan::row(RowStep::Settle(
        BatchStatus::Paused,
        Some(Trouble::new(code::CLIP_HELD, message)),
    ))
}

fn stop_at(clip: &Clip, status: BatchStatus, code: &str) -> Plan {
    let why = clip.error.as_ref().map_or("no reason is known", |error| &error.message);
    Plan::row(RowStep::Settle(
        status,
        Some(Trouble::new(
            code,
            format!("clip {} is {}: {why}", clip.index, clip.status),
        )),
    ))
}

/// The clip at work: the first that is neither settled nor held, none being on its way.
fn current(view: &View<'_>, clip: &Clip) -> Plan {
    let work = view.work;
    let mut plan = Plan::default();
    match clip.status {
        ClipStatus::Pending | ClipStatus::Queued | ClipStatus::Retrying => {
            let parked_here = clip
                .error
                .as_ref()
                .is_some_and(|error| &*error.code == code::ACCOUNT_UNAUTHORIZED);
            let parked_row = clip.status == ClipStatus::Queued && parked_here;
            match (view.parked, parked_row) {
                (Some(_), true) => return plan,
                (Some(refused), false) => return Plan::row(RowStep::Park(clip.index, refused)),
                (None, true) => {}
                (None, false) if clip.next_attempt_at.is_some_and(|due| due > view.now) => {
                    plan.wake_by(clip.next_attempt_at);
                    return plan;
                }
                (None, false) => {}
            }
            if work.media_of(clip.index).is_none() {
                return Plan::row(RowStep::Begin(clip.index));
            }
            send(work, clip, &mut plan);
        }
        ClipStatus::Uploading => match view.parked {
            Some(refused) => return Plan::row(RowStep::Park(clip.index, refused)),
            None if work.media_of(clip.index).is_some() => send(work, clip, &mut plan),
            None if work.preparing.contains(&clip.index) => {}
            None => plan.acts.push(Act::Prepare(clip.index)),
        },
        ClipStatus::WaitingConfirmation
        | ClipStatus::Uncertain
        | ClipStatus::Held
        | ClipStatus::Published
        | ClipStatus::Failed
        | ClipStatus::Cancelled => {}
    }
    plan
}

fn send(work: &Work, clip: &Clip, plan: &mut Plan) {
    if work.wants_reservation != Some(clip.index) && work.call.is_none() {
        plan.acts.push(Act::Send(clip.index));
    }
}

#[cfg(test)]
mod tests;
