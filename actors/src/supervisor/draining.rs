//! The supervisor's orderly end: every batch is told, the leases go back when the last of their actors is gone.
//!
//! The root asks for it, and asks the follower of a supervisor that died of it. If it takes too long the daemon kills the
//! root, and the leases lapse.

use ractor::ActorRef;

use super::SupervisorState;
use crate::messages::{BatchMessage, SupervisorMessage};

impl SupervisorState {
    pub(super) async fn drain(&mut self, myself: &ActorRef<SupervisorMessage>) {
        self.draining = true;
        self.context.limiter.stop();
        self.tell_all(|| BatchMessage::Drain);
        self.finish_drain(myself).await;
    }

    pub(super) async fn finish_drain(&mut self, myself: &ActorRef<SupervisorMessage>) {
        if !self.directory.is_empty() {
            return;
        }
        if let Err(error) = self.context.store.release_all(&self.context.node, &[]).await {
            tracing::error!(%error, "leases cannot be given back, they will lapse");
        }
        myself.stop(None);
    }
}
