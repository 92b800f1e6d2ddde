//! What every actor of one daemon shares: the ports, the rules and the node's lease.
//!
//! Built once by the supervisor's caller. Nothing in it outlives the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::{
    limiter::Limiter,
    model::{NodeId, Timestamp},
    ports::{Bell, Clock, Provider, Store},
    schedule::{LEASE_MARGIN, LookRule, SlotRule, Timeouts},
};

/// The numbers that an operator may set.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which slot a create call asks for.
    pub slots: SlotRule,
    /// How long a confirmation is waited for.
    pub timeouts: Timeouts,
    /// When a post is looked at.
    pub looks: LookRule,
    /// How long after the intent (or a restart) absence is believed at the earliest.
    pub find_settle: Duration,
    /// How many batches have actors at once.
    pub max_batches: usize,
    /// How long a lease lasts; renewed three times within it.
    pub lease: Duration,
    /// How many deaths of a batch's actor within the window pause the batch.
    pub max_restarts: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            slots: SlotRule {
                lead: Duration::from_secs(60),
                granularity: Duration::from_secs(60),
            },
            timeouts: Timeouts::default(),
            looks: LookRule::default(),
            find_settle: Duration::from_secs(60),
            max_batches: 10_000,
            lease: Duration::from_secs(15),
            max_restarts: 5,
        }
    }
}

/// The ports and rules of one daemon.
pub struct Context {
    /// Who this daemon is in leases.
    pub node: NodeId,
    /// Where batches live.
    pub store: Arc<dyn Store>,
    /// The network's API.
    pub provider: Arc<dyn Provider>,
    /// How many calls of one token are under way, and whether any may be.
    pub limiter: Limiter,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tells subscribers what is not stored.
    pub bell: Arc<dyn Bell>,
    /// What an operator may set.
    pub rules: Rules,
    /// How long this node's leases certainly last.
    pub lease: LeaseClock,
}

impl Context {
    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Until when this node's leases certainly last; set after each durable renewal.
#[derive(Debug, Default)]
pub struct LeaseClock(AtomicI64);

impl LeaseClock {
    /// Notes a durable renewal.
    pub fn renewed(&self, until: Timestamp) {
        self.0.store(until.as_millis(), Ordering::Release);
    }

    /// Whether enough is left for a call that cannot be undone.
    pub fn allows_calls(&self, now: Timestamp) -> bool {
        now + LEASE_MARGIN <= Timestamp::from_millis(self.0.load(Ordering::Acquire))
    }
}
