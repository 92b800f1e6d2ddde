//! How HTTP reaches the actors: nudges about what is durable already.
//!
//! The daemon hands it to the routes. A nudge that is lost costs a second: the sweep finds the row.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ractor::{ActorRef, rpc::CallResult};
use storyclip_actors::{
    directory::Directory,
    messages::SupervisorMessage,
    model::{BatchId, BatchStatus},
    supervisor::nudge,
};

use crate::http::Control;

/// How long a command's answer waits for the actor.
const APPLIED_WITHIN: Duration = Duration::from_secs(2);

/// The supervisor, as HTTP sees it.
pub(super) struct ActorControl {
    pub(super) supervisor: ActorRef<SupervisorMessage>,
    pub(super) directory: Arc<Directory>,
}

#[async_trait]
impl Control for ActorControl {
    fn created(&self, _batch: &BatchId) {
        nudge(&self.supervisor, &self.directory);
    }

    async fn command(&self, batch: &BatchId) -> Option<BatchStatus> {
        let asked = |reply| SupervisorMessage::Command(batch.clone(), reply);
        match self.supervisor.call(asked, Some(APPLIED_WITHIN)).await {
            Ok(CallResult::Success(status)) => Some(status),
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => None,
        }
    }

    fn reconcile(&self, batch: &BatchId) {
        if self
            .supervisor
            .cast(SupervisorMessage::Reconcile(batch.clone()))
            .is_err()
        {
            tracing::warn!(batch.id = %batch, "nobody is there to reconcile");
        }
    }
}
