//! What the supervisor does when a batch's actor is gone: one that died or lost its lease is followed by another, at once or,
//! where that did not help, after a pause.
//!
//! The supervisor calls it. The lease stays this node's meanwhile; if the supervisor dies in a pause, its follower
//! finds the lease and claims the batch at once.

use ractor::{ActorId, ActorProcessingErr, ActorRef};

use super::SupervisorState;
use crate::{
    messages::{BatchMessage, Departure, SupervisorMessage},
    model::{BatchId, Timestamp},
    ports::Claim,
    schedule,
};

impl SupervisorState {
    /// An actor is gone. One that lost its lease or died is claimed anew, if the lease is still this node's.
    pub(super) async fn left(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        actor: ActorId,
        departure: Departure,
    ) -> Result<(), ActorProcessingErr> {
        let Some((batch, restarts)) = self.batches.remove(&actor) else {
            return Ok(());
        };
        let claim_again = match departure {
            Departure::Done => false,
            Departure::LeaseLost => true,
            Departure::Died(cause) => {
                tracing::error!(batch.id = %batch, %cause, "actor of a batch died");
                true
            }
        };
        self.directory.leave(&batch, actor);
        if self.draining {
            self.finish_drain(myself).await;
            return Ok(());
        }
        if claim_again {
            let pause = schedule::respawn_backoff(restarts, self.context.rules.max_restarts);
            if pause.is_zero() {
                self.respawn(batch, BatchMessage::Wake).await?;
            } else {
                tracing::warn!(batch.id = %batch, restarts, pause_s = pause.as_secs(), "batch is left alone for a while");
                self.orphans.insert(batch, self.context.now() + pause);
            }
        }
        if self.directory.len() + 1 == self.context.rules.max_batches {
            myself.cast(SupervisorMessage::Claim)?;
        }
        Ok(())
    }

    /// Those whose time has come.
    pub(super) async fn respawn_orphans(&mut self, now: Timestamp) -> Result<(), ActorProcessingErr> {
        let due = self.orphans.iter().filter(|(_, at)| **at <= now);
        let due: Vec<BatchId> = due.map(|(batch, _)| batch.clone()).collect();
        for batch in due {
            self.respawn(batch, BatchMessage::Wake).await?;
        }
        Ok(())
    }

    /// Claims a batch anew whose lease is this node's; at the next sweep if the store cannot be used.
    pub(super) async fn respawn(&mut self, batch: BatchId, first: BatchMessage) -> Result<(), ActorProcessingErr> {
        self.orphans.remove(&batch);
        // Its successor may live here already: a lease that lapsed is taken anew by whoever comes first, also by the node
        // that lost it. To claim it once more would only take it away from that actor.
        if self.directory.contains(&batch) {
            return Ok(());
        }
        let claimed = self.claim(Claim::Respawn(batch.clone()), first).await?;
        if claimed.is_none() {
            self.orphans.insert(batch, self.context.now());
        }
        Ok(())
    }
}
