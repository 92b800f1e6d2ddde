//! Supervisor: one per daemon. Claims batches, spawns and respawns their actors, renews leases, passes on commands.
//!
//! The daemon spawns it and talks to it through [`SupervisorMessage`]. If it dies the daemon ends: leases lapse, and the
//! next start (or another node) claims what was running. A first start and a restart are the same.

mod draining;
mod respawning;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::{
    batch::BatchActor,
    context::Context,
    directory::Directory,
    error::StoreError,
    messages::{BatchMessage, SupervisorMessage},
    model::{BatchId, Timestamp},
    ports::{Claim, Snapshot},
    schedule::FRESH,
};

/// How often rows that have become due are claimed.
pub const SWEEP: Duration = Duration::from_secs(1);

/// How many batches one claim takes at most: it bounds the size of one answer, not of the work.
const CLAIM_AT_ONCE: usize = 500;

/// See the file's first paragraph.
pub struct Supervisor;

/// A supervisor's memory.
pub struct SupervisorState {
    context: Arc<Context>,
    directory: Arc<Directory>,
    /// Whose actors live, and how often each was claimed anew when its actor began.
    batches: HashMap<ActorId, (BatchId, u32)>,
    /// Batches whose lease is this node's but whose actor is gone, and when they are claimed anew.
    orphans: BTreeMap<BatchId, Timestamp>,
    /// When batches were reconciled, as far as that is fresh.
    reconciled: HashMap<BatchId, Timestamp>,
    renewed_at: Timestamp,
    /// Whether the store failed since the last renewal; told once.
    failing: bool,
    draining: Option<RpcReplyPort<()>>,
}

#[ractor::async_trait]
impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    type Arguments = (Arc<Context>, Arc<Directory>);

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        (context, directory): Self::Arguments,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        let renewed_at = context.now();
        let mut state = SupervisorState {
            context,
            directory,
            batches: HashMap::new(),
            orphans: BTreeMap::new(),
            reconciled: HashMap::new(),
            renewed_at,
            failing: false,
            draining: None,
        };
        state.renew().await;
        state.directory.swept(state.context.now());
        myself.cast(SupervisorMessage::Claim)?;
        myself.send_interval(SWEEP, || SupervisorMessage::Sweep);
        wake_on_account_changes(&state.context, &myself);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::Claim => {
                state.directory.nudged.store(false, Ordering::Release);
                state.claim_due(&myself).await?;
            }
            SupervisorMessage::Sweep => state.sweep(&myself).await?,
            SupervisorMessage::Ensure(batch, reply) => state.ensure(&myself, batch, reply).await?,
            SupervisorMessage::Command(batch, reply) => {
                state.tell(&myself, batch, BatchMessage::Command(Some(reply))).await?;
            }
            SupervisorMessage::Reconcile(batch) => state.reconcile(&myself, batch).await?,
            SupervisorMessage::AccountsChanged => state.tell_all(|| BatchMessage::Wake),
            SupervisorMessage::Drain(reply) => state.drain(&myself, reply).await,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut SupervisorState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                let lost = reason.is_some();
                state.left(&myself, actor.get_id(), lost).await
            }
            SupervisionEvent::ActorFailed(actor, cause) => {
                let batch = state.batches.get(&actor.get_id()).map(|(batch, _)| batch);
                tracing::error!(batch.id = ?batch, %cause, "actor of a batch died");
                state.left(&myself, actor.get_id(), true).await
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

/// Has the supervisor claim what is due, once for all nudges that it has not heard yet.
pub fn nudge(supervisor: &ActorRef<SupervisorMessage>, directory: &Directory) {
    if !directory.nudged.swap(true, Ordering::AcqRel) && supervisor.cast(SupervisorMessage::Claim).is_err() {
        tracing::warn!("the supervisor is gone, what is due waits for the next start");
    }
}

fn wake_on_account_changes(context: &Context, myself: &ActorRef<SupervisorMessage>) {
    let mut changed = context.limiter.changed();
    let myself = myself.clone();
    tokio::spawn(async move {
        while changed.changed().await.is_ok() {
            if myself.cast(SupervisorMessage::AccountsChanged).is_err() {
                return;
            }
        }
    });
}

impl SupervisorState {
    async fn sweep(&mut self, myself: &ActorRef<SupervisorMessage>) -> Result<(), ActorProcessingErr> {
        let now = self.context.now();
        self.directory.swept(now);
        // At the next sweep more than a third of the lease would have passed.
        if now.since(self.renewed_at) + SWEEP > self.context.rules.lease / 3 {
            self.renew().await;
        }
        if self.draining.is_some() {
            return Ok(());
        }
        self.respawn_orphans(myself, now).await?;
        self.claim_due(myself).await
    }

    async fn renew(&mut self) {
        let now = self.context.now();
        let until = now + self.context.rules.lease;
        match self.context.store.renew(&self.context.node, until).await {
            Ok(()) => {
                self.context.lease.renewed(self.context.now(), until);
                self.renewed_at = now;
                self.failing = false;
            }
            Err(error) => self.fails(
                &error,
                "leases cannot be renewed, calls that cannot be undone will wait",
            ),
        }
    }

    fn fails(&mut self, error: &StoreError, what: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "{what}");
        }
    }

    async fn claim_due(&mut self, myself: &ActorRef<SupervisorMessage>) -> Result<(), ActorProcessingErr> {
        let free = self.context.rules.max_batches.saturating_sub(self.directory.len());
        let wanted = free.min(CLAIM_AT_ONCE);
        if wanted == 0 || self.draining.is_some() {
            return Ok(());
        }
        let taken = self.claim(myself, Claim::Due(wanted), BatchMessage::Wake).await?;
        if taken == Some(wanted) {
            myself.cast(SupervisorMessage::Claim)?;
        }
        Ok(())
    }

    /// Claims, and spawns an actor for each batch taken; the first of them hears `first`, the others just begin.
    /// `None` if the store could not be used.
    async fn claim(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        what: Claim,
        first: BatchMessage,
    ) -> Result<Option<usize>, ActorProcessingErr> {
        let now = self.context.now();
        let until = now + self.context.rules.lease;
        match self.context.store.claim(&self.context.node, what, now, until).await {
            Ok(claimed) => {
                let count = claimed.len();
                let mut first = Some(first);
                for snapshot in claimed {
                    self.spawn(myself, snapshot, first.take().unwrap_or(BatchMessage::Wake))
                        .await?;
                }
                Ok(Some(count))
            }
            Err(error) => {
                self.fails(&error, "batches cannot be claimed, trying again at every sweep");
                Ok(None)
            }
        }
    }

    async fn spawn(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        snapshot: Snapshot,
        first: BatchMessage,
    ) -> Result<(), ActorProcessingErr> {
        let (batch, restarts) = (snapshot.batch.id.clone(), snapshot.batch.restarts);
        tracing::debug!(batch.id = %batch, epoch = snapshot.batch.epoch, "batch claimed");
        let arguments = (self.context.clone(), Box::new(snapshot));
        let (actor, _) = Actor::spawn_linked(None, BatchActor, arguments, myself.get_cell()).await?;
        actor.cast(first)?;
        self.batches.insert(actor.get_id(), (batch.clone(), restarts));
        self.directory.enter(batch, actor);
        Ok(())
    }

    /// Passes a message to the batch's actor, which is spawned for it if need be. If the batch cannot be claimed the
    /// message is dropped: what is durable of it is found by whoever has the lease.
    async fn tell(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        batch: BatchId,
        message: BatchMessage,
    ) -> Result<(), ActorProcessingErr> {
        match self.directory.get(&batch) {
            // An actor that just stopped leaves its rows to the next sweep.
            Some(actor) => drop(actor.cast(message)),
            None if self.draining.is_some() => {}
            None if self.orphans.contains_key(&batch) => self.respawn(myself, batch, message).await?,
            None => drop(self.claim(myself, Claim::Named(batch), message).await?),
        }
        Ok(())
    }

    /// However many ask, the network is asked about a batch once in a while.
    async fn reconcile(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        batch: BatchId,
    ) -> Result<(), ActorProcessingErr> {
        let now = self.context.now();
        self.reconciled.retain(|_, at| now.since(*at) < FRESH);
        if self.reconciled.contains_key(&batch) {
            return Ok(());
        }
        self.reconciled.insert(batch.clone(), now);
        self.tell(myself, batch, BatchMessage::Reconcile).await
    }

    async fn ensure(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        batch: BatchId,
        reply: Option<RpcReplyPort<bool>>,
    ) -> Result<(), ActorProcessingErr> {
        self.tell(myself, batch.clone(), BatchMessage::Wake).await?;
        if let Some(reply) = reply {
            // Whoever asked may be gone.
            let _: Result<(), _> = reply.send(self.directory.contains(&batch));
        }
        Ok(())
    }

    fn tell_all(&self, message: impl Fn() -> BatchMessage) {
        self.directory.each(|actor| {
            // An actor that just stopped needs to hear nothing.
            let _: Result<(), _> = actor.cast(message());
        });
    }
}
