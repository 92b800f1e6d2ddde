//! A world for tests: an in-memory store with the real durability rules, a scripted network with its own ledger, and a
//! clock that follows tokio's, so that with paused time minutes take microseconds.
//!
//! Tests of this crate and of its users build a [`World`]. [`World::crash`] is a death: actors are gone, rows are not.

mod elsewhere;
mod network;
mod rows;
mod script;
pub mod simulation;
mod store;

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorRef};
use tokio::time::Instant;

use crate::{
    context::{Context, LeaseClock, Rules},
    directory::Directory,
    limiter::Limiter,
    messages::SupervisorMessage,
    model::{Batch, BatchId, BatchStatus, Clip, ClipStatus, NodeId, Timestamp, Wish},
    ports::{Bell, Clock},
    root::Root,
    supervisor::nudge,
};

pub use network::{Network, Post};
pub use rows::{AttemptRow, NewBatch, fresh_clip};
pub use script::{Fault, Script};
pub use store::{MemoryStore, RowView};

/// Calls that are under way at once; the default of the real daemon.
const MAX_IN_FLIGHT: usize = 5;

/// Follows tokio's time from a fixed instant.
pub struct TokioClock(Instant);

impl TokioClock {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_900_000_020_000) + self.0.elapsed()
    }
}

/// Hears everything and keeps the ticks.
#[derive(Default)]
pub struct Listener(std::sync::Mutex<Vec<String>>);

impl Listener {
    /// The ticks so far.
    pub fn ticks(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Bell for Listener {
    fn heard(&self, _batch: &Batch) -> bool {
        true
    }

    fn tick(&self, _batch: &Batch, body: String) {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(body);
    }
}

/// One daemon's worth of actors over a store and a network that outlive it.
pub struct World {
    /// The rows.
    pub store: Arc<MemoryStore>,
    /// The network and what is live on it.
    pub network: Arc<Network>,
    /// The time.
    pub clock: Arc<TokioClock>,
    /// What subscribers would have heard beside the rows.
    pub listener: Arc<Listener>,
    /// Who has a living actor.
    pub directory: Arc<Directory>,
    /// The supervisor of the present life.
    pub supervisor: ActorRef<SupervisorMessage>,
    /// The limiter of the present life.
    pub limiter: Limiter,
    rules: Rules,
    lives: u32,
}

impl World {
    /// A world with these rules; its network publishes at the slot and confirms a second later unless told otherwise.
    pub async fn new(rules: Rules) -> Self {
        let clock = Arc::new(TokioClock::start());
        let store = Arc::new(MemoryStore::new(rules.slots));
        let network = Arc::new(Network::new(clock.clone()));
        let listener = Arc::new(Listener::default());
        let directory = Arc::new(Directory::default());
        let limiter = Limiter::new(MAX_IN_FLIGHT, network.clone(), clock.clone());
        let supervisor = start(&store, &network, &clock, &listener, &directory, &rules, &limiter, 0).await;
        Self {
            store,
            network,
            clock,
            listener,
            directory,
            supervisor,
            limiter,
            rules,
            lives: 1,
        }
    }

    /// Rules without lead and granularity, as the demo has them.
    pub fn instant_rules() -> Rules {
        let slots = crate::schedule::SlotRule {
            lead: Duration::ZERO,
            granularity: Duration::ZERO,
        };
        Rules {
            slots,
            ..Rules::default()
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Puts a batch into the store as the HTTP route does, and nudges the supervisor.
    pub fn submit(&self, batch: NewBatch) -> BatchId {
        let id = self.store.insert(batch, self.now());
        nudge(&self.supervisor, &self.directory);
        id
    }

    /// Writes the command's row as the HTTP route does, and waits for the actor's word.
    pub async fn command(&self, batch: &BatchId, wish: Wish) -> Option<BatchStatus> {
        self.store.insert_command(batch, wish, self.now());
        let asked = self.supervisor.call(
            |reply| SupervisorMessage::Command(batch.clone(), reply),
            Some(Duration::from_secs(5)),
        );
        match asked.await {
            Ok(ractor::rpc::CallResult::Success(status)) => Some(status),
            Ok(_) | Err(_) => None,
        }
    }

    /// Sends the supervisor a message.
    pub fn nudge(&self, message: SupervisorMessage) {
        // A supervisor that crashed hears nothing, like the real one.
        let _: Result<(), _> = self.supervisor.cast(message);
    }

    /// Lets time pass until the batch satisfies `done`, at most `limit`.
    ///
    /// # Panics
    /// If it does not come to that.
    pub async fn wait(&self, batch: &BatchId, limit: Duration, done: impl Fn(&Batch, &[Clip]) -> bool) {
        let end = Instant::now() + limit;
        loop {
            let (row, clips) = self.store.read(batch);
            if done(&row, &clips) {
                return;
            }
            let changed = tokio::time::timeout_at(end, self.store.changed()).await;
            assert!(
                changed.is_ok(),
                "batch did not get there in {limit:?}: {row:#?} {clips:#?}"
            );
        }
    }

    /// Lets time pass until the batch has this status.
    pub async fn wait_status(&self, batch: &BatchId, limit: Duration, status: BatchStatus) {
        self.wait(batch, limit, |row, _| row.status == status).await;
    }

    /// Lets time pass until this clip has this status.
    pub async fn wait_clip(&self, batch: &BatchId, limit: Duration, index: u32, status: ClipStatus) {
        self.wait(batch, limit, |_, clips| clips[index as usize - 1].status == status)
            .await;
    }

    /// kill -9: every actor is gone at once, nothing is said to anybody, and a new life begins after `pause`.
    pub async fn crash(&mut self, pause: Duration) {
        self.supervisor.kill();
        let dead = self.supervisor.clone();
        // The old life's actors are linked to it; they are gone when it is.
        let _: Result<_, _> = dead.wait(None).await;
        self.directory = Arc::new(Directory::default());
        tokio::time::sleep(pause).await;
        self.store.release_dead_leases();
        self.limiter = Limiter::new(MAX_IN_FLIGHT, self.network.clone(), self.clock.clone());
        self.supervisor = start(
            &self.store,
            &self.network,
            &self.clock,
            &self.listener,
            &self.directory,
            &self.rules,
            &self.limiter,
            self.lives,
        )
        .await;
        self.lives += 1;
    }
}

impl Drop for World {
    /// Its actors would go on in the test's runtime: sweep after sweep in the time of whatever world comes next.
    fn drop(&mut self) {
        self.supervisor.kill();
    }
}

#[allow(clippy::too_many_arguments, reason = "the parts of a world")]
async fn start(
    store: &Arc<MemoryStore>,
    network: &Arc<Network>,
    clock: &Arc<TokioClock>,
    listener: &Arc<Listener>,
    directory: &Arc<Directory>,
    rules: &Rules,
    limiter: &Limiter,
    life: u32,
) -> ActorRef<SupervisorMessage> {
    let context = Arc::new(Context {
        node: NodeId::from(format!("node-{life}")),
        store: store.clone(),
        provider: network.clone(),
        limiter: limiter.clone(),
        clock: clock.clone(),
        bell: listener.clone(),
        rules: rules.clone(),
        lease: LeaseClock::default(),
    });
    match Actor::spawn(None, Root, (context, directory.clone())).await {
        Ok((supervisor, _)) => supervisor,
        Err(error) => panic!("the supervisor does not start: {error}"),
    }
}
