//! How HTTP reaches the actors: nudges about what is durable already, and whether the daemon takes work.
//!
//! The daemon hands both to the routes. A nudge that is lost costs a second: the sweep finds the row.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use ractor::{ActorRef, ActorStatus, rpc::CallResult};
use storyclip_actors::{
    directory::Directory,
    messages::SupervisorMessage,
    model::{BatchId, BatchStatus},
    ports::Clock,
    supervisor::nudge,
};

use crate::http::{Control, Readiness};

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

/// How long ago the supervisor's last sweep may be: a few of its intervals.
const TICKING: Duration = Duration::from_secs(10);

/// Whether the daemon takes work.
pub(super) struct Lifetime {
    supervisor: ActorRef<SupervisorMessage>,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    draining: AtomicBool,
}

impl Lifetime {
    pub(super) fn new(
        supervisor: ActorRef<SupervisorMessage>,
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            supervisor,
            directory,
            clock,
            draining: AtomicBool::new(false),
        }
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}

impl Readiness for Lifetime {
    fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Acquire) {
            return Err("the daemon is draining: it takes no more work and is about to stop".into());
        }
        match self.supervisor.get_status() {
            ActorStatus::Running if self.clock.now().since(self.directory.swept_at()) > TICKING => {
                Err("the supervisor does not tick: the database may be slow or away".into())
            }
            ActorStatus::Running => Ok(()),
            ActorStatus::Unstarted
            | ActorStatus::Starting
            | ActorStatus::Upgrading
            | ActorStatus::Draining
            | ActorStatus::Stopping
            | ActorStatus::Stopped => Err("the supervisor is not running".into()),
        }
    }
}
