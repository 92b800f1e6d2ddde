//! The change that a batch actor is about to make durable, and making it so.
//!
//! Everything that one message leads to is one [`Draft`] and one commit. If the process dies before the commit, none of it
//! happened; after it, all of it did, and only then are the children asked to act.

use std::{sync::Arc, time::Duration};

use ractor::{ActorProcessingErr, ActorRef};

use super::run::Run;
use crate::{
    error::StoreError,
    events::Event,
    lifecycle::ClipEvent,
    limiter::Reservation,
    messages::{BatchMessage, PublisherMessage},
    model::{Batch, BatchId, Clip, ClipStatus, CommandId, Timestamp, Trouble, code},
    ports::{AttemptVerdict, AttemptWrite, BatchWrite, Change, ClipWrite},
    schedule,
    work::Call,
};

/// What is not durable yet.
#[derive(Default)]
pub(super) struct Draft {
    /// Clips that changed, as their rows are now.
    touched: Vec<Clip>,
    pub(super) attempts: Vec<AttemptWrite>,
    pub(super) events: Vec<Event>,
    /// Changes of status, for the log.
    pub(super) moves: Vec<Move>,
    pub(super) applied: Vec<CommandId>,
    /// The batch as it was before an adoption, which a unique rule may refuse.
    pub(super) before_adoption: Option<Box<Batch>>,
    /// Whether the batch's own row changes.
    pub(super) head: bool,
    /// Whether the lease is given back with it.
    pub(super) release: bool,
    /// Whether that is done.
    pub(super) released: bool,
    /// When the batch is to be claimed again after a release.
    pub(super) wake_at: Option<Timestamp>,
    /// The create call that leaves when it is durable.
    pub(super) create: Option<(Call, Reservation)>,
    ready: Option<PublisherMessage>,
}

/// A clip's change of status.
pub(super) struct Move {
    pub(super) clip: u32,
    pub(super) attempt: u32,
    pub(super) from: ClipStatus,
    pub(super) to: ClipStatus,
    pub(super) code: Option<Arc<str>>,
}

impl Draft {
    /// Remembers how a clip was before the first change to it.
    pub(super) fn touch(&mut self, clip: &Clip) {
        if !self.touched.iter().any(|touched| touched.index == clip.index) {
            self.touched.push(clip.clone());
        }
    }

    fn is_empty(&self) -> bool {
        self.touched.is_empty()
            && self.attempts.is_empty()
            && self.events.is_empty()
            && self.applied.is_empty()
            && !self.head
            && !self.release
    }

    /// The create call that may leave now.
    pub(super) fn take_create(&mut self) -> Option<PublisherMessage> {
        self.ready.take()
    }
}

impl Run {
    /// Makes the draft durable. False if nothing may be done now: the lease is lost (the actor stops and has touched
    /// nothing), or something else became durable than was planned (it plans anew).
    pub(super) async fn commit(&mut self, myself: &ActorRef<BatchMessage>) -> Result<bool, ActorProcessingErr> {
        self.clear_account_error();
        if self.draft.is_empty() {
            return Ok(true);
        }
        #[cfg(feature = "without-intent")]
        self.send_before_it_is_durable();
        let mut change = Arc::new(self.change());
        let mut failures = 0;
        let mut as_planned = true;
        loop {
            let committing = self.context.store.commit(change.clone());
            let telling = tell(&self.batch.id, std::mem::take(&mut self.draft.moves));
            let (committed, ()) = tokio::join!(committing, telling);
            let refused = match committed {
                Ok(()) => break,
                Err(StoreError::Lost) => {
                    tracing::warn!(batch.id = %self.batch.id, "lease is lost, actor stops");
                    myself.stop(Some("lease lost".into()));
                    return Ok(false);
                }
                Err(StoreError::Conflict(rule)) => match self.taken_slots().await {
                    Ok(taken) => {
                        if !self.move_slot(&taken)? {
                            if !self.disown()? {
                                return Err(format!("a change was refused: {rule}").into());
                            }
                            as_planned = false;
                        }
                        change = Arc::new(self.change());
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error @ StoreError::Unavailable(_)) => error,
            };
            // That the store is away is told by the store, once for all batches.
            if failures == 1 && !self.context.limiter.is_held() {
                tracing::error!(batch.id = %self.batch.id, error = %refused, "change is not durable yet, trying again");
            }
            tokio::time::sleep(Duration::from_millis(100 << u32::min(failures, 5))).await;
            failures += 1;
        }
        self.tell_of_the_batch();
        self.stored_status = self.batch.status;
        let (release, create) = (self.draft.release, self.draft.create.take());
        self.batch.wake_at = change.head.wake_at;
        self.ours_at = change.at;
        self.draft = Draft {
            released: release,
            ..Draft::default()
        };
        if let Some((call, reservation)) = create {
            let clip = self.clip(call.clip)?;
            let (Some(request), Some(intent)) = (clip.request.clone(), clip.intent_at) else {
                return Err("a create call without a request".into());
            };
            self.draft.ready = Some(PublisherMessage::Create(call, request, intent, reservation));
        }
        if !as_planned {
            myself.cast(BatchMessage::Wake)?;
        }
        Ok(as_planned)
    }

    /// One line per transition of the batch: of its row, so one that was undone in the same commit is none.
    fn tell_of_the_batch(&self) {
        let (from, to) = (self.stored_status, self.batch.status);
        if from != to {
            let code = self.batch.error.as_ref().map(|error| &*error.code);
            tracing::info!(batch.id = %self.batch.id, from = %from, to = %to, code, "batch moved");
        }
    }

    #[cfg(feature = "without-intent")]
    fn send_before_it_is_durable(&mut self) {
        if let Some((call, reservation)) = self.draft.create.take()
            && let Some(clip) = self.clips.get(call.clip as usize - 1)
            && let (Some(request), Some(intent)) = (clip.request.clone(), clip.intent_at)
        {
            let create = PublisherMessage::Create(call, request, intent, reservation);
            self.children.ask_publisher(create);
        }
    }

    /// The account's refusal is over as soon as anything else is recorded about the batch.
    fn clear_account_error(&mut self) {
        let refused = self
            .batch
            .error
            .as_ref()
            .is_some_and(|error| &*error.code == code::ACCOUNT_UNAUTHORIZED);
        if refused && self.context.limiter.parked(&self.batch.account).is_none() {
            self.batch.error = None;
            self.draft.head = true;
        }
    }

    /// The provider (or a person) named a post that another clip owns: whose it is, and whether this clip's exists, is for
    /// a person. False if the draft names no post.
    fn disown(&mut self) -> Result<bool, ActorProcessingErr> {
        let Some(write) = self.draft.attempts.iter().find(|write| write.post.is_some()) else {
            return Ok(false);
        };
        let (index, attempt, post) = (write.clip, write.attempt, write.post.clone());
        for before in std::mem::take(&mut self.draft.touched) {
            let at = before.index as usize - 1;
            self.clips[at] = before;
        }
        self.draft.attempts.clear();
        self.draft.events.clear();
        self.draft.create = None;
        if let (Some(before), Some(post)) = (self.draft.before_adoption.take(), post) {
            self.batch = *before;
            self.refuse_adoption(index, &post.id)?;
            return Ok(true);
        }
        if self.clip(index)?.timed_out() {
            // What was taken for its post is another clip's: it stays lost.
            return Ok(true);
        }
        let trouble = Trouble::new(
            code::CANNOT_TELL,
            "the provider named a post that belongs to another clip",
        );
        self.draft.attempts.push(AttemptWrite {
            clip: index,
            attempt,
            outcome_at: Some(self.context.now()),
            verdict: Some(AttemptVerdict::CannotTell),
            code: Some(trouble.code.to_string()),
            message: Some(trouble.message.to_string()),
            ..AttemptWrite::default()
        });
        if self.clip(index)?.status == ClipStatus::Uploading {
            self.apply(index, ClipEvent::AnswerLost(trouble.clone()))?;
        }
        self.apply(index, ClipEvent::CannotTell(trouble))?;
        Ok(true)
    }

    /// Where the media of the create call that is to leave stands already, from its slot on.
    async fn taken_slots(&self) -> Result<Vec<Timestamp>, StoreError> {
        let planned = self
            .draft
            .create
            .as_ref()
            .and_then(|(call, _)| self.clips.get(call.clip as usize - 1));
        let Some(request) = planned.and_then(|clip| clip.request.as_ref()) else {
            return Ok(Vec::new());
        };
        let Batch { account, network, .. } = &self.batch;
        let store = &self.context.store;
        store.taken_slots(account, *network, &request.media, request.slot).await
    }

    /// Two clips of one account never share slot and media: the next slot that is free, then. False if this one is.
    fn move_slot(&mut self, taken: &[Timestamp]) -> Result<bool, ActorProcessingErr> {
        let Some((call, _)) = &self.draft.create else {
            return Ok(false);
        };
        let (index, attempt) = (call.clip, call.attempt);
        let rule = self.context.rules.slots;
        let wanted = self.clip(index)?.slot().ok_or("an intent without a request")?;
        let mut next = wanted;
        while taken.contains(&next) {
            next = rule.next(next);
            if self.batch.mode.is_by_slots() {
                next = schedule::free_slot(&rule, &self.clips, index, next);
            }
        }
        if next == wanted {
            return Ok(false);
        }
        let Some(request) = self.clips[index as usize - 1].request.as_mut() else {
            return Err("an intent without a request".into());
        };
        request.slot = next;
        let moved = request.clone();
        for write in &mut self.draft.attempts {
            if (write.clip, write.attempt) == (index, attempt) {
                write.request = Some(moved.clone());
            }
        }
        Ok(true)
    }

    fn change(&self) -> Change {
        let now = self.context.now();
        let batch = &self.batch;
        let draft = &self.draft;
        // While there is something to do the batch is due, or nobody would go on after a death: a command may come long
        // before the slot that a resting batch waits for.
        let due = batch.wake_at.filter(|at| *at <= now);
        let wake_at = if draft.release {
            draft.wake_at
        } else {
            Some(due.unwrap_or(now))
        };
        let wake_stays = !draft.release && due.is_some();
        Change {
            batch: batch.id.clone(),
            tenant: batch.tenant.clone(),
            user: batch.user.clone(),
            account: batch.account.clone(),
            network: batch.network,
            epoch: batch.epoch,
            at: now,
            head: BatchWrite {
                expected: self.stored_status,
                status: batch.status,
                error: batch.error.clone(),
                totals: self.totals(),
                wake_at,
                wake_stays,
                started_at: batch.started_at,
                completed_at: batch.completed_at,
                restarts: batch.restarts,
                release: draft.release,
            },
            clips: draft
                .touched
                .iter()
                .map(|before| ClipWrite {
                    expected: before.status,
                    clip: self.clips[before.index as usize - 1].clone(),
                })
                .collect(),
            attempts: draft.attempts.clone(),
            events: draft.events.clone(),
            applied: draft.applied.clone(),
        }
    }
}

/// One line per transition of a clip, while the disk is waited for: the next create call does not wait for the log.
async fn tell(batch: &BatchId, moves: Vec<Move>) {
    if moves.is_empty() {
        return;
    }
    // The change is on its way into the database first.
    tokio::task::yield_now().await;
    for Move {
        clip,
        attempt,
        from,
        to,
        code,
    } in &moves
    {
        tracing::info!(
            batch.id = %batch, clip.index = clip, attempt, from = %from, to = %to, code = code.as_deref(),
            "clip moved"
        );
    }
}
