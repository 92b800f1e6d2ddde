//! The supervisor's orderly end: every batch is told, the leases go back when the last of their actors is gone.
//!
//! The daemon asks for it once. If it takes too long the daemon kills the supervisor, and the leases lapse.

use ractor::{ActorProcessingErr, ActorRef, RpcReplyPort};

use super::SupervisorState;
use crate::messages::{BatchMessage, SupervisorMessage};

impl SupervisorState {
    pub(super) async fn drain(&mut self, myself: &ActorRef<SupervisorMessage>, reply: RpcReplyPort<()>) {
        self.draining = Some(reply);
        self.tell_all(|| BatchMessage::Drain);
        if let Err(error) = self.finish_drain(myself).await {
            tracing::error!(%error, "orderly stop failed");
        }
    }

    pub(super) async fn finish_drain(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
    ) -> Result<(), ActorProcessingErr> {
        if !self.directory.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.context.store.release_all(&self.context.node).await {
            tracing::error!(%error, "leases cannot be given back, they will lapse");
        }
        if let Some(reply) = self.draining.take() {
            // Whoever asked may be gone.
            let _: Result<(), _> = reply.send(());
        }
        myself.stop(None);
        Ok(())
    }
}
