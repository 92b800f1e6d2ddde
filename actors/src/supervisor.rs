//! Supervisor: one per daemon. Claims batches, spawns and respawns their actors, renews leases, passes on commands.
//!
//! The root spawns it and hands it what the daemon says. If it dies the root spawns another: the actors of batches are the
//! root's children and do not notice. A first start and a restart are the same.

mod draining;
mod respawning;
mod taking_over;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort};

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
    /// The parent of the batches' actors.
    root: ActorCell,
    /// Whose actors live, and how often each was claimed anew when its actor began.
    batches: HashMap<ActorId, (BatchId, u32)>,
    /// Batches whose lease is this node's but whose actor is gone, and when they are claimed anew.
    orphans: BTreeMap<BatchId, Timestamp>,
    /// Whether those that an earlier supervisor left are among them.
    knows_orphans: bool,
    /// When batches were reconciled, as far as that is fresh.
    reconciled: HashMap<BatchId, Timestamp>,
    renewed_at: Timestamp,
    /// Whether the store failed since the last renewal; told once.
    failing: bool,
    /// Whether it comes to an orderly end and starts nothing more.
    draining: bool,
}

#[ractor::async_trait]
impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = SupervisorState;
    /// The last says whether an orderly stop is under way.
    type Arguments = (Arc<Context>, Arc<Directory>, ActorCell, bool);

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        (context, directory, root, draining): Self::Arguments,
    ) -> Result<SupervisorState, ActorProcessingErr> {
        let mut state = SupervisorState {
            context,
            directory,
            root,
            batches: HashMap::new(),
            orphans: BTreeMap::new(),
            knows_orphans: false,
            reconciled: HashMap::new(),
            renewed_at: Timestamp::from_millis(0),
            failing: false,
            draining,
        };
        // Before everybody is told to plan: a change after that is heard.
        wake_on_account_changes(&state.context, &myself);
        state.find_the_living();
        if draining {
            myself.cast(SupervisorMessage::Drain(None))?;
        }
        // Nothing that may fail: what a sweep finds overdue it does.
        myself.cast(SupervisorMessage::Sweep)?;
        myself.send_interval(SWEEP, || SupervisorMessage::Sweep);
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
            SupervisorMessage::Ensure(batch, reply) => state.ensure(batch, reply).await?,
            SupervisorMessage::Command(batch, reply) => {
                state.tell(batch, BatchMessage::Command(Some(reply))).await?;
            }
            SupervisorMessage::Reconcile(batch) => state.reconcile(batch).await?,
            SupervisorMessage::AccountsChanged => state.tell_all(|| BatchMessage::Wake),
            SupervisorMessage::Drain(_) => state.drain(&myself).await,
            SupervisorMessage::Left(actor, departure) => state.left(&myself, actor, departure).await?,
        }
        Ok(())
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
        if self.draining {
            return Ok(());
        }
        if !self.knows_orphans {
            self.find_orphans().await;
        }
        self.respawn_orphans(now).await?;
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
        if wanted == 0 || self.draining {
            return Ok(());
        }
        let taken = self.claim(Claim::Due(wanted), BatchMessage::Wake).await?;
        if taken == Some(wanted) {
            myself.cast(SupervisorMessage::Claim)?;
        }
        Ok(())
    }

    /// Claims, and spawns an actor for each batch taken; the first of them hears `first`, the others just begin.
    /// `None` if the store could not be used.
    async fn claim(&mut self, what: Claim, first: BatchMessage) -> Result<Option<usize>, ActorProcessingErr> {
        let now = self.context.now();
        let until = now + self.context.rules.lease;
        match self.context.store.claim(&self.context.node, what, now, until).await {
            Ok(claimed) => {
                let count = claimed.len();
                let mut first = Some(first);
                for snapshot in claimed {
                    self.spawn(snapshot, first.take().unwrap_or(BatchMessage::Wake)).await?;
                }
                Ok(Some(count))
            }
            Err(error) => {
                self.fails(&error, "batches cannot be claimed, trying again at every sweep");
                Ok(None)
            }
        }
    }

    async fn spawn(&mut self, snapshot: Snapshot, first: BatchMessage) -> Result<(), ActorProcessingErr> {
        let (batch, restarts) = (snapshot.batch.id.clone(), snapshot.batch.restarts);
        tracing::debug!(batch.id = %batch, epoch = snapshot.batch.epoch, "batch claimed");
        let arguments = (self.context.clone(), Box::new(snapshot));
        let (actor, _) = Actor::spawn_linked(None, BatchActor, arguments, self.root.clone()).await?;
        actor.cast(first)?;
        self.batches.insert(actor.get_id(), (batch.clone(), restarts));
        self.directory.enter(batch, actor);
        Ok(())
    }

    /// Passes a message to the batch's actor, which is spawned for it if need be. If the batch cannot be claimed the
    /// message is dropped: what is durable of it is found by whoever has the lease.
    async fn tell(&mut self, batch: BatchId, message: BatchMessage) -> Result<(), ActorProcessingErr> {
        match self.directory.living(&batch) {
            // An actor that just stopped leaves its rows to the next sweep.
            Some(actor) => drop(actor.cast(message)),
            None if self.draining => {}
            None if self.orphans.contains_key(&batch) => self.respawn(batch, message).await?,
            None => drop(self.claim(Claim::Named(batch), message).await?),
        }
        Ok(())
    }

    /// However many ask, the network is asked about a batch once in a while.
    async fn reconcile(&mut self, batch: BatchId) -> Result<(), ActorProcessingErr> {
        let now = self.context.now();
        self.reconciled.retain(|_, at| now.since(*at) < FRESH);
        if self.reconciled.contains_key(&batch) {
            return Ok(());
        }
        self.reconciled.insert(batch.clone(), now);
        self.tell(batch, BatchMessage::Reconcile).await
    }

    async fn ensure(&mut self, batch: BatchId, reply: Option<RpcReplyPort<bool>>) -> Result<(), ActorProcessingErr> {
        self.tell(batch.clone(), BatchMessage::Wake).await?;
        if let Some(reply) = reply {
            // Whoever asked may be gone.
            let _: Result<(), _> = reply.send(self.directory.contains(&batch));
        }
        Ok(())
    }

    fn tell_all(&self, message: impl Fn() -> BatchMessage) {
        for (_, actor) in self.directory.entries() {
            // An actor that just stopped needs to hear nothing.
            let _: Result<(), _> = actor.cast(message());
        }
    }
}
