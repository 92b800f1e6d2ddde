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
    /// How many deaths of a batch's actor, or of the supervisor, are borne within the window: one more pauses the batch, or
    /// ends the daemon.
    pub max_restarts: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            slots: SlotRule::default(),
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

/// Until when this node's leases certainly last, and since when they did without a gap; set after each durable renewal.
#[derive(Debug, Default)]
pub struct LeaseClock {
    until: AtomicI64,
    unbroken_since: AtomicI64,
}

impl LeaseClock {
    /// Notes a renewal that is durable now. One that comes when the lease was all but over leaves a gap: by the clock of
    /// another node it may have been over.
    pub fn renewed(&self, now: Timestamp, until: Timestamp) {
        if now + LEASE_MARGIN > self.until() {
            self.unbroken_since.store(now.as_millis(), Ordering::Release);
        }
        self.until.store(until.as_millis(), Ordering::Release);
    }

    /// Until when they last; the epoch before the first renewal.
    pub fn until(&self) -> Timestamp {
        Timestamp::from_millis(self.until.load(Ordering::Acquire))
    }

    /// Whether the lease under which something became durable then still holds, with enough left for a call that cannot be
    /// undone. After a gap another node may have the batch, so an older intent counts for nothing.
    pub fn allows_calls(&self, durable_at: Timestamp, now: Timestamp) -> bool {
        let until = Timestamp::from_millis(self.until.load(Ordering::Acquire));
        let unbroken_since = Timestamp::from_millis(self.unbroken_since.load(Ordering::Acquire));
        now + LEASE_MARGIN <= until && unbroken_since <= durable_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn five_seconds_must_be_left_and_no_gap_may_lie_between() {
        let lease = LeaseClock::default();
        assert!(!lease.allows_calls(at(1), at(1)), "nothing was ever renewed");
        lease.renewed(at(1), at(16));
        assert!(lease.allows_calls(at(1), at(11)));
        assert!(!lease.allows_calls(at(1), at(12)));
        lease.renewed(at(11), at(26));
        assert!(lease.allows_calls(at(1), at(13)), "no gap");
        lease.renewed(at(22), at(37));
        assert!(
            !lease.allows_calls(at(13), at(23)),
            "another node, whose clock is ahead, may have had the batch meanwhile"
        );
        assert!(lease.allows_calls(at(22), at(23)));
    }
}
