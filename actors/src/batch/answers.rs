//! What each message means for the rows: one method per message of BatchActor; those about sending, searching and looking
//! have files of their own.
//!
//! Called by BatchActor's `handle` before it goes on. They change the rows in memory and the draft; nothing is durable and
//! nothing is asked of anybody until [`Run::advance`] has committed.

use ractor::{ActorProcessingErr, RpcReplyPort};

use super::run::Run;
use crate::{
    error::ProviderError,
    model::{BatchStatus, Timestamp, Trouble},
    poller::PollerMessage,
    ports::{AttemptVerdict, AttemptWrite},
    work::Call,
};

pub(super) type Outcome = Result<(), ActorProcessingErr>;

impl Run {
    pub(super) fn on_wake(&mut self) {
        self.forget_timer();
    }

    pub(super) async fn on_command(&mut self, reply: Option<RpcReplyPort<BatchStatus>>) -> Outcome {
        self.commands = self.context.store.commands(&self.batch.id).await?;
        self.replies.extend(reply);
        Ok(())
    }

    pub(super) fn on_reconcile(&mut self) -> Outcome {
        self.children.poller.cast(PollerMessage::LookNow)?;
        let timed_out = self.clips.iter().filter(|clip| clip.timed_out()).map(|clip| clip.index);
        self.work.ask = timed_out.collect();
        Ok(())
    }

    pub(super) fn on_drain(&mut self) {
        self.draining = true;
    }

    pub(super) fn record(&mut self, call: Call, at: Timestamp, verdict: AttemptVerdict, trouble: Option<&Trouble>) {
        let write = AttemptWrite {
            outcome_at: Some(at),
            verdict: Some(verdict),
            code: trouble.map(|trouble| trouble.code.to_string()),
            message: trouble.map(|trouble| trouble.message.to_string()),
            ..attempt(call)
        };
        self.draft.attempts.push(write);
    }

    /// A new publisher knows nothing of the old one's calls.
    pub(super) fn forget_publisher(&mut self) {
        self.work.call = None;
        self.work.preparing.clear();
        self.work.wants_permit = None;
    }

    /// A new poller watches nothing.
    pub(super) fn forget_poller(&mut self) {
        self.work.watched = None;
        self.work.late = None;
    }
}

pub(super) fn attempt(call: Call) -> AttemptWrite {
    AttemptWrite {
        clip: call.clip,
        attempt: call.attempt,
        ..AttemptWrite::default()
    }
}

pub(super) fn refused(call: Call, error: &ProviderError, at: Timestamp) -> AttemptWrite {
    AttemptWrite {
        outcome_at: Some(at),
        verdict: Some(AttemptVerdict::Refused(error.verdict)),
        code: Some(error.code.clone()),
        message: Some(error.message.clone()),
        http_status: error.http_status,
        request_id: error.request_id.clone(),
        ..attempt(call)
    }
}

/// 0..1, the same for the same attempt: spreads retries without a random source.
pub(super) fn jitter(batch: &crate::model::BatchId, clip: u32, attempt: u32) -> f64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (batch, clip, attempt).hash(&mut hasher);
    (hasher.finish() % 1_000) as f64 / 1_000.0
}
