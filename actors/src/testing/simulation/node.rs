//! A daemon's life: the gate through which everything it does to the world passes, its clock, and its start.
//!
//! A dead node's calls never return. A node that stands still does nothing until that is over; whatever its code does
//! meanwhile sees the time at which it is over, as code that runs after a freeze does.

use std::{
    future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
};

use ractor::{Actor, ActorRef};
use tokio::task::JoinHandle;

use super::{network::SimulatedNetwork, stage::Stage, store::SimulatedStore};
use crate::{
    context::{Context, LeaseClock},
    directory::Directory,
    limiter::Limiter,
    messages::SupervisorMessage,
    model::{Batch, NodeId, Timestamp},
    ports::{Bell, Clock},
    root::Root,
    testing::TokioClock,
};

/// See the file's first paragraph.
pub struct Gate {
    /// Which of the scenario's nodes this is a life of.
    pub node: usize,
    /// Who it is in leases.
    pub name: NodeId,
    /// By how many milliseconds its clock is ahead.
    skew: i64,
    /// Calls to the network, but for probes.
    pub calls_under_way: AtomicUsize,
    dead: AtomicBool,
    stopping: AtomicBool,
    still_until: AtomicI64,
    told_at: AtomicI64,
    told_to_wait_until: AtomicI64,
    calls_since_told: AtomicUsize,
}

impl Gate {
    /// Open.
    pub fn new(node: usize, life: u32, skew: i64) -> Arc<Self> {
        Arc::new(Self {
            node,
            name: NodeId::from(format!("n{}.{life}", node + 1)),
            skew,
            calls_under_way: AtomicUsize::new(0),
            dead: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            still_until: AtomicI64::new(0),
            told_at: AtomicI64::new(0),
            told_to_wait_until: AtomicI64::new(0),
            calls_since_told: AtomicUsize::new(0),
        })
    }

    /// Closes for ever; false if it was closed.
    pub fn die(&self) -> bool {
        !self.dead.swap(true, Ordering::Relaxed)
    }

    /// Whether it is closed for ever.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// The network asked it for a pause.
    pub fn is_told_to_wait(&self, now: Timestamp, until: Timestamp) {
        if self.told_to_wait_until() <= now {
            self.told_at.store(now.as_millis(), Ordering::Relaxed);
            self.calls_since_told.store(0, Ordering::Relaxed);
        }
        self.told_to_wait_until.fetch_max(until.as_millis(), Ordering::Relaxed);
    }

    /// Since when it has known that the network wants a pause.
    pub fn told_at(&self) -> Timestamp {
        Timestamp::from_millis(self.told_at.load(Ordering::Relaxed))
    }

    /// Until when the network asked it for a pause.
    pub fn told_to_wait_until(&self) -> Timestamp {
        Timestamp::from_millis(self.told_to_wait_until.load(Ordering::Relaxed))
    }

    /// A call leaves although a pause is wanted; how many did by now.
    pub fn calls_although_told(&self) -> usize {
        self.calls_since_told.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// From now on its end is no accident.
    pub fn stops(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether its end is no accident.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Closes until this instant.
    pub fn stand_still(&self, until: Timestamp) {
        self.still_until.fetch_max(until.as_millis(), Ordering::Relaxed);
    }

    /// Until when it is closed.
    pub fn still_until(&self) -> Timestamp {
        Timestamp::from_millis(self.still_until.load(Ordering::Relaxed))
    }

    /// Whether it stood still at or after this instant of its time.
    pub fn stood_still_since(&self, instant: Timestamp) -> bool {
        self.still_until().as_millis() + self.skew >= instant.as_millis()
    }

    /// The time as the node sees it.
    pub fn time(&self, clock: &TokioClock) -> Timestamp {
        let now = clock.now().max(self.still_until());
        Timestamp::from_millis(now.as_millis() + self.skew)
    }

    /// Waits until it is open; for ever if it is closed for ever.
    pub async fn pass(&self, clock: &TokioClock) {
        loop {
            if self.is_dead() {
                future::pending::<()>().await;
            }
            let wait = self.still_until().since(clock.now());
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait).await;
        }
    }
}

/// The time as a node sees it.
struct NodeClock {
    clock: Arc<TokioClock>,
    gate: Arc<Gate>,
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        self.gate.time(&self.clock)
    }
}

/// A daemon that runs.
pub struct Node {
    /// Its gate.
    pub gate: Arc<Gate>,
    /// Its supervisor.
    pub supervisor: ActorRef<SupervisorMessage>,
    /// Its limiter.
    pub limiter: Limiter,
}

/// Nobody listens.
struct NobodyListens;

impl Bell for NobodyListens {
    fn heard(&self, _batch: &Batch) -> bool {
        false
    }

    fn tick(&self, _batch: &Batch, _body: String) {}
}

impl Node {
    /// Starts a daemon. It never answers if the daemon dies while it starts.
    pub async fn start(stage: &Arc<Stage>, gate: Arc<Gate>) -> Option<Self> {
        let network = Arc::new(SimulatedNetwork::new(stage.clone(), gate.clone()));
        let clock = Arc::new(NodeClock {
            clock: stage.clock.clone(),
            gate: gate.clone(),
        });
        let limiter = Limiter::new(stage.scenario.max_in_flight, network.clone(), clock.clone());
        let context = Context {
            node: gate.name.clone(),
            store: Arc::new(SimulatedStore::new(stage.clone(), gate.clone())),
            provider: network,
            limiter: limiter.clone(),
            clock,
            bell: Arc::new(NobodyListens),
            rules: stage.scenario.rules.clone(),
            lease: LeaseClock::default(),
        };
        let arguments = (Arc::new(context), Arc::new(Directory::default()));
        let (supervisor, ended) = Actor::spawn(None, Root, arguments).await.ok()?;
        watch_over(stage.clone(), gate.clone(), ended);
        Some(Self {
            gate,
            supervisor,
            limiter,
        })
    }

    /// The process is gone: nothing is said to anybody.
    pub fn bury(&self) {
        self.supervisor.kill();
    }
}

/// A daemon ends with its supervisor.
fn watch_over(stage: Arc<Stage>, gate: Arc<Gate>, ended: JoinHandle<()>) {
    tokio::spawn(async move {
        // How it ended does not matter: a supervisor ends when it is told to, or with its process.
        let _: Result<(), _> = ended.await;
        if !gate.is_dead() && !gate.is_stopping() {
            stage.violate("no actor dies by itself", "the supervisor ended");
        }
        stage.kill(&gate, "its supervisor has ended");
    });
}
