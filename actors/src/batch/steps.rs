//! The row changes that a plan asks for: beginning, doubting, parking, settling, carrying out commands.
//!
//! Called by [`Run::advance`] until the plan wants no more of them; all of them are one commit.

use ractor::ActorProcessingErr;

use super::run::Run;
use crate::{
    error::Refused,
    events,
    lifecycle::ClipEvent,
    model::{BatchStatus, Clip, ClipStatus, Trouble, Wish, code},
    plan::RowStep,
};

impl Run {
    pub(super) fn take_row_step(&mut self, step: RowStep) -> Result<(), ActorProcessingErr> {
        match step {
            RowStep::ApplyCommand => self.apply_command(),
            RowStep::Doubt(clip) => {
                let why = Trouble::new(
                    code::ANSWER_LOST,
                    "the daemon stopped during the create call: asking the network",
                );
                self.apply(clip, ClipEvent::AnswerLost(why))
            }
            RowStep::Begin(clip) => self.apply(clip, ClipEvent::Begin),
            RowStep::Park(clip, refused) => self.park(clip, refused),
            RowStep::NoteRefusal(refused) => {
                self.batch.error = Some(unauthorized(refused));
                self.draft.head = true;
                Ok(())
            }
            RowStep::Settle(status, error) => {
                self.settle(status, error);
                Ok(())
            }
            RowStep::EndCancelled => {
                self.settle(BatchStatus::Cancelled, None);
                Ok(())
            }
        }
    }

    /// The clip waits for its account; the batch says why.
    pub(super) fn park(&mut self, index: u32, refused: Refused) -> Result<(), ActorProcessingErr> {
        let trouble = unauthorized(refused);
        self.batch.error = Some(trouble.clone());
        self.draft.head = true;
        self.apply(index, ClipEvent::Queue { trouble, until: None })
    }

    fn settle(&mut self, status: BatchStatus, error: Option<Trouble>) {
        let now = self.context.now();
        self.batch.status = status;
        self.batch.error = error;
        if status.is_finished() {
            self.batch.completed_at = Some(now);
        }
        tracing::info!(batch.id = %self.batch.id, to = %status, "batch moved");
        self.draft.head = true;
        self.draft.events.push(events::ending(&self.batch, self.totals(), now));
    }

    fn apply_command(&mut self) -> Result<(), ActorProcessingErr> {
        let command = self.commands.remove(0);
        match command.wish {
            Some(Wish::Cancel) => self.cancel()?,
            Some(Wish::Pause | Wish::Resume | Wish::RetryFailed { .. } | Wish::Resolve { .. }) | None => {}
        }
        self.draft.applied.push(command.id);
        Ok(())
    }

    /// The batch is cancelled at once; clips in flight are followed (and withdrawn where that is possible).
    fn cancel(&mut self) -> Result<(), ActorProcessingErr> {
        if self.batch.status.is_finished() {
            return Ok(());
        }
        self.batch.status = BatchStatus::Cancelled;
        self.batch.error = None;
        self.draft.head = true;
        tracing::info!(batch.id = %self.batch.id, to = %self.batch.status, "batch moved");
        let open: Vec<u32> = self
            .clips
            .iter()
            .filter(|clip| may_be_cancelled(clip))
            .map(|clip| clip.index)
            .collect();
        open.into_iter()
            .try_for_each(|index| self.apply(index, ClipEvent::Cancel))
    }
}

/// The reason shown while a credential is refused.
fn unauthorized(refused: Refused) -> Trouble {
    let message = match refused {
        Refused::Token => "the provider refuses the token: renew it, the work goes on by itself",
        Refused::Brand => "the provider refuses this account: reconnect it, the work goes on by itself",
    };
    Trouble::new(code::ACCOUNT_UNAUTHORIZED, message)
}

fn may_be_cancelled(clip: &Clip) -> bool {
    use ClipStatus as S;
    match clip.status {
        S::Pending | S::Queued | S::Retrying => true,
        S::Uploading => clip.request.is_none(),
        S::WaitingConfirmation | S::Uncertain | S::Held | S::Published | S::Failed | S::Cancelled => false,
    }
}
