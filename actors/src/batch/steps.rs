//! The row changes that a plan asks for: beginning, doubting, parking, settling.
//!
//! Called by [`Run::advance`] until the plan wants no more of them; all of them are one commit.

use ractor::ActorProcessingErr;

use super::run::Run;
use crate::{
    error::Refused,
    events,
    lifecycle::ClipEvent,
    model::{BatchStatus, Trouble, code},
    plan::RowStep,
};

impl Run {
    pub(super) fn take_row_step(&mut self, step: RowStep) -> Result<(), ActorProcessingErr> {
        match step {
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
            RowStep::Open => {
                self.go_on(BatchStatus::Processing);
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

    /// The clip waits for its account; the batch says why, unless it rests for a reason of its own.
    pub(super) fn park(&mut self, index: u32, refused: Refused) -> Result<(), ActorProcessingErr> {
        self.park_because(index, unauthorized(refused))
    }

    /// The same with the reason in the network's own words. A batch that waits for a person keeps its own reason.
    pub(super) fn park_because(&mut self, index: u32, trouble: Trouble) -> Result<(), ActorProcessingErr> {
        if self.batch.status.is_at_work() {
            self.batch.error = Some(trouble.clone());
            self.draft.head = true;
        }
        self.apply(index, ClipEvent::Queue { trouble, until: None })
    }

    /// The batch comes to this end or stop, and everybody is told.
    pub(super) fn settle(&mut self, status: BatchStatus, error: Option<Trouble>) {
        let now = self.context.now();
        self.batch.status = status;
        self.batch.error = error;
        if status.is_finished() {
            self.batch.completed_at = Some(now);
        }
        self.draft.head = true;
        self.draft.events.push(events::ending(&self.batch, self.totals(), now));
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
