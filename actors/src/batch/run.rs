//! A batch while it runs: its rows as they are in the database, what its children are at, and the loop that goes on.
//!
//! BatchActor owns one and calls [`Run::advance`] after every message. Nothing here outlives the actor.

use std::sync::Arc;

use ractor::{ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::JoinHandle;

use super::{
    call,
    commit::{Draft, Move},
};
use crate::{
    context::Context,
    events,
    lifecycle::{self, ClipEvent},
    limiter::Reservation,
    messages::{BatchMessage, PollerMessage, PublisherMessage},
    model::{Batch, BatchStatus, Clip, ClipStatus, Command, Request, Timestamp, Totals},
    plan::{Act, Plan, View, plan},
    ports::{AttemptWrite, Snapshot},
    schedule,
    work::{Call, CallKind, Work},
};

/// How many deaths of its children a batch's actor lives through before it gives up itself.
const MAX_CHILD_DEATHS: u32 = 3;

/// The two children and how often one of them died, or the task in which one of them makes media ready.
pub struct Children {
    pub publisher: ActorRef<PublisherMessage>,
    pub poller: ActorRef<PollerMessage>,
    pub deaths: u32,
}

impl Children {
    /// Counts a death; gives the cause back if it was one too many.
    pub(super) fn one_died(&mut self, cause: ActorProcessingErr) -> Result<(), ActorProcessingErr> {
        self.deaths += 1;
        if self.deaths > MAX_CHILD_DEATHS {
            return Err(cause);
        }
        Ok(())
    }

    /// Asks the publisher. One that just died hears nothing: its death is what this actor hears next, and it plans again.
    pub(super) fn ask_publisher(&self, message: PublisherMessage) {
        let _: Result<(), _> = self.publisher.cast(message);
    }

    /// Asks the poller; the same.
    pub(super) fn ask_poller(&self, message: PollerMessage) {
        let _: Result<(), _> = self.poller.cast(message);
    }
}

/// See the file's first paragraph.
pub struct Run {
    pub(super) context: Arc<Context>,
    pub(super) batch: Batch,
    /// The batch's status in its row.
    pub(super) stored_status: BatchStatus,
    pub(super) clips: Vec<Clip>,
    pub(super) commands: Vec<Command>,
    pub(super) work: Work,
    pub(super) draft: Draft,
    pub(super) children: Children,
    pub(super) reservation: Option<(u32, Reservation)>,
    pub(super) loaded_at: Timestamp,
    /// When the rows were last seen to be this actor's: when they were read, or by a commit under their epoch.
    pub(super) ours_at: Timestamp,
    pub(super) draining: bool,
    /// Who waits to hear that a command is applied.
    pub(super) replies: Vec<RpcReplyPort<BatchStatus>>,
    timer: Option<(Timestamp, JoinHandle<()>)>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.forget_timer();
    }
}

impl Run {
    pub(super) fn new(context: Arc<Context>, snapshot: Snapshot, children: Children) -> Self {
        let loaded_at = context.now();
        Self {
            context,
            stored_status: snapshot.batch.status,
            batch: snapshot.batch,
            clips: snapshot.clips,
            commands: snapshot.commands,
            work: Work::default(),
            draft: Draft::default(),
            children,
            reservation: None,
            loaded_at,
            ours_at: loaded_at,
            draining: false,
            replies: Vec::new(),
            timer: None,
        }
    }

    pub(super) fn clip(&self, index: u32) -> Result<&Clip, ActorProcessingErr> {
        let position = (index as usize).checked_sub(1);
        position
            .and_then(|at| self.clips.get(at))
            .ok_or_else(|| format!("batch has no clip {index}").into())
    }

    pub(super) fn totals(&self) -> Totals {
        Totals::of(&self.clips)
    }

    /// Lets something happen to a clip: the state machine decides, the draft remembers, subscribers will be told.
    pub(super) fn apply(&mut self, index: u32, event: ClipEvent) -> Result<(), ActorProcessingErr> {
        let now = self.context.now();
        let Some(clip) = (index as usize).checked_sub(1).and_then(|at| self.clips.get_mut(at)) else {
            return Err(format!("batch has no clip {index}").into());
        };
        let before = clip.status;
        let timed_out = clip.timed_out();
        self.draft.touch(clip);
        lifecycle::apply(clip, event, now)?;
        let clip = &self.clips[index as usize - 1];
        if clip.status == before {
            return Ok(());
        }
        self.draft.moves.push(Move {
            clip: index,
            attempt: clip.attempt,
            from: before,
            to: clip.status,
            code: clip.error.as_ref().map(|error| error.code.clone()),
        });
        let late = timed_out && clip.status == ClipStatus::Published;
        if clip.status != ClipStatus::Cancelled {
            self.draft
                .events
                .push(events::progress(&self.batch, clip, self.totals(), late, now));
        }
        let begins = !self.batch.mode.is_by_slots() || self.batch.status == BatchStatus::Processing;
        if self.batch.started_at.is_none() && begins {
            self.batch.started_at = Some(now);
        }
        Ok(())
    }

    /// Carries out commands, plans, changes rows until they need no more change, commits once, then asks the children.
    pub(super) async fn advance(&mut self, myself: &ActorRef<BatchMessage>) -> Result<(), ActorProcessingErr> {
        if !self.carry_out_commands(myself).await? {
            return Ok(());
        }
        let mut plan = self.settle_rows()?;
        let mut asked = Vec::new();
        while let Some(position) = plan.acts.iter().position(|act| matches!(act, Act::Send(_))) {
            let Act::Send(index) = plan.acts.remove(position) else {
                break;
            };
            if self.draining {
                continue;
            }
            if let Some(reservation) = self.reservation_for(index) {
                self.intend(index, reservation)?;
            } else {
                self.work.wants_reservation = Some(index);
                asked.push(PublisherMessage::Reserve(index));
            }
            plan = self.settle_rows()?;
        }
        // A reservation that came for nothing (its account was refused meanwhile) is somebody else's.
        self.reservation = None;
        self.draft.release = plan.rest && !self.draining;
        self.draft.wake_at = plan.wake_at;
        if plan.acts.iter().any(|act| matches!(act, Act::Withdraw(_))) {
            self.see_whether_it_is_ours();
        }
        if !self.commit(myself).await? {
            return Ok(());
        }
        for reply in self.replies.drain(..) {
            // Whoever asked may be gone.
            let _: Result<(), _> = reply.send(self.batch.status);
        }
        if self.draft.released || (self.draining && !self.work.changes_the_network()) {
            myself.stop(None);
            return Ok(());
        }
        for message in asked {
            self.children.ask_publisher(message);
        }
        if let Some(create) = self.draft.take_create() {
            self.children.ask_publisher(create);
        }
        if !self.draining {
            for act in plan.acts {
                self.perform(act)?;
            }
        }
        self.set_timer(myself, plan.wake_at);
        Ok(())
    }

    /// What is taken back cannot be brought back: after a gap in the lease a commit under its epoch has to tell whether
    /// another node has the batch.
    fn see_whether_it_is_ours(&mut self) {
        let unbroken = self.context.lease.allows_calls(self.ours_at, self.context.now());
        self.draft.head |= !unbroken;
    }

    fn settle_rows(&mut self) -> Result<Plan, ActorProcessingErr> {
        loop {
            let plan = plan(&View {
                batch: &self.batch,
                clips: &self.clips,
                work: &self.work,
                parked: self.context.limiter.parked(&self.batch.account),
                max_restarts: self.context.rules.max_restarts,
                now: self.context.now(),
            });
            match plan.row {
                None => return Ok(plan),
                Some(step) => self.take_row_step(step)?,
            }
        }
    }

    fn reservation_for(&mut self, index: u32) -> Option<Reservation> {
        match self.reservation.take() {
            Some((clip, reservation)) if clip == index => Some(reservation),
            Some(_) | None => self.context.limiter.try_reserve(&self.batch.account),
        }
    }

    /// Decides the exact request; it is durable before the create call leaves.
    fn intend(&mut self, index: u32, reservation: Reservation) -> Result<(), ActorProcessingErr> {
        let now = self.context.now();
        let Some(at) = self.work.media.iter().position(|(clip, _)| *clip == index) else {
            return Err(format!("clip {index} has no media to send").into());
        };
        let (_, media) = self.work.media.swap_remove(at);
        let rule = self.context.rules.slots;
        let slot = if self.batch.mode.is_by_slots() {
            schedule::free_slot(&rule, &self.clips, index, rule.slot(now))
        } else {
            rule.slot(now)
        };
        let request = Request {
            network: self.batch.network,
            media,
            text: "".into(),
            slot,
        };
        self.apply(index, ClipEvent::Intend(request.clone()))?;
        let clip = self.clip(index)?;
        let call = call(CallKind::Create, clip);
        let attempt = AttemptWrite {
            clip: index,
            attempt: clip.attempt,
            request: Some(request),
            intent_at: Some(now),
            ..AttemptWrite::default()
        };
        self.draft.attempts.push(attempt);
        self.draft.create = Some((call, reservation));
        self.work.call = Some(call);
        self.work.search = None;
        Ok(())
    }

    fn set_timer(&mut self, myself: &ActorRef<BatchMessage>, at: Option<Timestamp>) {
        if self.timer.as_ref().map(|(due, _)| *due) == at {
            return;
        }
        self.forget_timer();
        let Some(at) = at else { return };
        let myself = myself.clone();
        let pause = at.since(self.context.now());
        let timer = tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            // An actor that is gone needs no waking.
            let _: Result<(), _> = myself.cast(BatchMessage::Wake);
        });
        self.timer = Some((at, timer));
    }

    pub(super) fn forget_timer(&mut self) {
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
    }

    /// The call that was under way, if this answer belongs to it.
    pub(super) fn take_call(&mut self, call: Call) -> bool {
        let mine = self.work.call == Some(call);
        if mine {
            self.work.call = None;
        }
        mine
    }
}
