//! What a person's wishes mean for the rows: cancel, pause, resume, retry-failed, resolve.
//!
//! [`Run::advance`] carries them out before it plans. A wish and everything it changes are one commit with the mark that it
//! is applied, so a death before it leaves the wish waiting and a death after it leaves nothing to do. A wish that has
//! become impossible changes nothing but that mark.

use ractor::{ActorProcessingErr, ActorRef};

use super::{
    answers::{Outcome, attempt},
    run::Run,
};
use crate::{
    events,
    lifecycle::ClipEvent,
    messages::BatchMessage,
    model::{BatchStatus, Clip, ClipStatus, OnFailure, PostId, PostRef, Resolution, Ruling, Trouble, Wish, code},
    plan::first_slot,
    ports::{AttemptVerdict, AttemptWrite},
    work::{Call, CallKind},
};

impl Run {
    /// Oldest first. False if nothing may be done now, as with [`Run::commit`].
    pub(super) async fn carry_out_commands(
        &mut self,
        myself: &ActorRef<BatchMessage>,
    ) -> Result<bool, ActorProcessingErr> {
        while let Some(command) = self.commands.first() {
            // A unique rule may refuse an adoption: nothing else must fall with it.
            let alone = match &command.wish {
                Some(Wish::Resolve { how, .. }) => match how {
                    Resolution::Adopt(_) => true,
                    Resolution::Retry | Resolution::Drop => false,
                },
                Some(Wish::Cancel | Wish::Pause | Wish::Resume | Wish::RetryFailed { .. }) | None => false,
            };
            if alone && !self.commit(myself).await? {
                return Ok(false);
            }
            let command = self.commands.remove(0);
            self.draft.applied.push(command.id);
            if let Some(wish) = command.wish {
                tracing::info!(batch.id = %self.batch.id, status = %self.batch.status, ?wish, "carrying out a command");
                self.carry_out(wish)?;
            }
            if alone && !self.commit(myself).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn carry_out(&mut self, wish: Wish) -> Outcome {
        match wish {
            Wish::Cancel => self.cancel(),
            Wish::Pause => {
                self.pause();
                Ok(())
            }
            Wish::Resume => self.resume(),
            Wish::RetryFailed { clips } => self.retry_failed(&clips),
            Wish::Resolve { clip, attempt, how } => self.resolve(clip, attempt, how),
        }
    }

    /// The batch is cancelled at once; clips in flight are followed (and withdrawn where that is possible).
    fn cancel(&mut self) -> Outcome {
        if self.batch.status.is_finished() {
            return Ok(());
        }
        self.batch.status = BatchStatus::Cancelled;
        self.batch.error = None;
        self.draft.head = true;
        self.each(may_be_cancelled, || ClipEvent::Cancel)
    }

    /// No clip starts any more; clips in flight are followed, and withdrawn where the batch is ordered by slots.
    fn pause(&mut self) {
        match self.batch.status {
            BatchStatus::Scheduled | BatchStatus::Processing => {
                let why = Trouble::new(code::PAUSED, "a person paused the batch; resume lets it go on");
                self.settle(BatchStatus::Paused, Some(why));
            }
            BatchStatus::Draft
            | BatchStatus::Paused
            | BatchStatus::Completed
            | BatchStatus::Failed
            | BatchStatus::Cancelled => {}
        }
    }

    /// The batch goes on, whatever paused it; the next plan may find the same reason again. But what the policy `hold` asked
    /// a person about is answered: the failures so far are passed over.
    fn resume(&mut self) -> Outcome {
        if self.batch.status != BatchStatus::Paused {
            return Ok(());
        }
        if self.batch.on_failure == OnFailure::Hold {
            self.each(stops_a_batch, || ClipEvent::PassOver)?;
        }
        self.batch.restarts = 0;
        self.go_on(self.at_work());
        Ok(())
    }

    /// Failed clips are opened again, the wanted ones or all. A batch that had ended, or that waited for a person because of
    /// its clips, goes on; one that a person paused stays paused.
    fn retry_failed(&mut self, wanted: &[u32]) -> Outcome {
        let goes_on = match self.batch.status {
            BatchStatus::Draft | BatchStatus::Cancelled => return Ok(()),
            BatchStatus::Scheduled | BatchStatus::Processing => false,
            BatchStatus::Paused => self.waits_because_of(&[code::CLIP_FAILED, code::CLIP_HELD]),
            BatchStatus::Completed | BatchStatus::Failed => true,
        };
        let is_wanted = |clip: &Clip| clip.may_be_reopened() && (wanted.is_empty() || wanted.contains(&clip.index));
        let reopened: Vec<u32> = self
            .clips
            .iter()
            .filter(|clip| is_wanted(clip))
            .map(|clip| clip.index)
            .collect();
        // A failed batch whose failure turned out to be live has nothing to reopen but itself.
        let in_the_way = self.batch.status != BatchStatus::Failed || self.clips.iter().any(stops_a_batch);
        if reopened.is_empty() && in_the_way {
            return Ok(());
        }
        let why = "a person asked for another try: asking the network about the last one first";
        for index in reopened {
            self.apply(index, ClipEvent::Reopen(Trouble::new(code::RETRY_REQUESTED, why)))?;
            self.work.look_anew(index);
        }
        if goes_on {
            self.go_on(self.at_work());
        }
        Ok(())
    }

    /// A held clip is decided about, if it is still the attempt that the person saw. A batch that waited for that goes on;
    /// its next plan sees whether others are held.
    fn resolve(&mut self, index: u32, seen: Option<u32>, how: Resolution) -> Outcome {
        let held = self
            .clips
            .iter()
            .find(|clip| clip.index == index && clip.status == ClipStatus::Held);
        let Some(clip) = held else { return Ok(()) };
        let attempt = clip.attempt;
        if seen.is_some_and(|seen| seen != attempt) {
            tracing::warn!(batch.id = %self.batch.id, clip.index = index, attempt, seen, "decision about an attempt that is over");
            return Ok(());
        }
        match how {
            Resolution::Retry if self.batch.status == BatchStatus::Cancelled => return Ok(()),
            Resolution::Retry => self.apply(index, ClipEvent::SendAgain)?,
            Resolution::Drop => {
                let why = Trouble::new(code::DROPPED, "a person decided that it is not to be published");
                self.apply(index, ClipEvent::Drop(why))?;
            }
            Resolution::Adopt(post) => self.adopt(index, attempt, post)?,
        }
        self.work.look_anew(index);
        if self.waits_because_of(&[code::CLIP_HELD]) {
            self.go_on(self.at_work());
        }
        Ok(())
    }

    fn adopt(&mut self, index: u32, number: u32, id: PostId) -> Outcome {
        self.draft.before_adoption = Some(Box::new(self.batch.clone()));
        let post = PostRef { id, uuid: None };
        let call = Call {
            kind: CallKind::Find,
            clip: index,
            attempt: number,
        };
        self.draft.attempts.push(AttemptWrite {
            outcome_at: Some(self.context.now()),
            verdict: Some(AttemptVerdict::Adopted),
            message: Some("a person named this post as the clip's".into()),
            post: Some(post.clone()),
            ..attempt(call)
        });
        self.apply(index, ClipEvent::Adopt(post))
    }

    /// The post that a person named belongs to another clip, or to another attempt of this one: the clip stays held, and
    /// everybody is told why.
    pub(super) fn refuse_adoption(&mut self, index: u32, post: &PostId) -> Outcome {
        let message = format!("post {post} belongs to another clip or to another attempt of this one");
        tracing::warn!(batch.id = %self.batch.id, clip.index = index, %post, "adoption refused");
        self.apply(index, ClipEvent::NotAdopted(Trouble::new(code::POST_TAKEN, message)))?;
        let told = events::progress(&self.batch, self.clip(index)?, self.totals(), false, self.context.now());
        self.draft.events.push(told);
        Ok(())
    }

    /// The status in which a batch goes on: one of which no slot has come yet is still scheduled. A slot that came while it
    /// rested would open it at once, and everybody would be told twice.
    fn at_work(&self) -> BatchStatus {
        let has_come = first_slot(&self.clips).is_some_and(|first| first <= self.context.now());
        if self.batch.mode.is_by_slots() && self.batch.started_at.is_none() && !has_come {
            BatchStatus::Scheduled
        } else {
            BatchStatus::Processing
        }
    }

    pub(super) fn go_on(&mut self, status: BatchStatus) {
        self.batch.status = status;
        self.batch.error = None;
        self.batch.completed_at = None;
        if status == BatchStatus::Processing && self.batch.started_at.is_none() {
            self.batch.started_at = Some(self.context.now());
        }
        self.draft.head = true;
        let told = events::going_on(&self.batch, self.totals(), self.context.now());
        self.draft.events.push(told);
    }

    fn waits_because_of(&self, codes: &[&str]) -> bool {
        let reason = self.batch.error.as_ref();
        self.batch.status == BatchStatus::Paused && reason.is_some_and(|reason| codes.contains(&&*reason.code))
    }

    /// Lets something happen to every clip of a kind.
    fn each(&mut self, which: impl Fn(&Clip) -> bool, event: impl Fn() -> ClipEvent) -> Outcome {
        let chosen: Vec<u32> = self
            .clips
            .iter()
            .filter(|clip| which(clip))
            .map(|clip| clip.index)
            .collect();
        for index in chosen {
            self.apply(index, event())?;
        }
        Ok(())
    }
}

/// Whether the policies `stop` and `hold` stop for it.
fn stops_a_batch(clip: &Clip) -> bool {
    clip.status == ClipStatus::Failed && clip.ruling != Some(Ruling::PassOver)
}

fn may_be_cancelled(clip: &Clip) -> bool {
    use ClipStatus as S;
    match clip.status {
        S::Pending | S::Queued | S::Retrying => true,
        S::Uploading => clip.request.is_none(),
        S::WaitingConfirmation | S::Uncertain | S::Held | S::Published | S::Failed | S::Cancelled => false,
    }
}
