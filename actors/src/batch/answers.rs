//! What each message means for the rows: one method per message of BatchActor; those about sending, searching and looking
//! have files of their own.
//!
//! Called by BatchActor's `handle` before it goes on. They change the rows in memory and the draft; nothing is durable and
//! nothing is asked of anybody until [`Run::advance`] has committed.

use std::time::Duration;

use ractor::{ActorProcessingErr, RpcReplyPort};

use super::run::Run;
use crate::{
    error::{ProviderError, StoreError},
    limiter::Limiter,
    messages::PollerMessage,
    model::{BatchStatus, Timestamp, Trouble},
    ports::{AttemptVerdict, AttemptWrite},
    work::Call,
};

/// Between two tries to read from a store that does not answer.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

pub(super) type Outcome = Result<(), ActorProcessingErr>;

impl Run {
    pub(super) fn on_wake(&mut self) {
        self.forget_timer();
    }

    pub(super) async fn on_command(&mut self, reply: Option<RpcReplyPort<BatchStatus>>) -> Outcome {
        self.commands = insist(&self.context.limiter, || self.context.store.commands(&self.batch.id)).await?;
        self.replies.extend(reply);
        Ok(())
    }

    pub(super) async fn on_reconcile(&mut self) -> Outcome {
        self.commands = insist(&self.context.limiter, || self.context.store.commands(&self.batch.id)).await?;
        self.children.ask_poller(PollerMessage::LookNow);
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
        self.work.wants_reservation = None;
    }

    /// A new poller watches nothing.
    pub(super) fn forget_poller(&mut self) {
        self.work.watched = None;
        self.work.late = None;
    }
}

/// Reads until the store answers: while it cannot be read nothing could be committed either.
pub(super) async fn insist<T, F>(limiter: &Limiter, read: impl Fn() -> F) -> Result<T, ActorProcessingErr>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut told = false;
    loop {
        match read().await {
            Ok(rows) => return Ok(rows),
            Err(StoreError::Unavailable(reason)) => {
                // That the store is away is told by the store, once for all batches.
                if !told && !limiter.is_held() {
                    told = true;
                    tracing::error!(%reason, "the store cannot be read, trying again");
                }
                tokio::time::sleep(UNREADABLE_PAUSE).await;
            }
            Err(error @ (StoreError::Lost | StoreError::Conflict(_))) => return Err(error.into()),
        }
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
