//! The time of a test.

use std::sync::atomic::{AtomicI64, Ordering};

use storyclip_actors::{model::Timestamp, ports::Clock};

/// A clock that stands where it was set.
pub struct SetClock(pub AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// 2026-01-01T00:00:00.000Z.
pub const START: i64 = 1_767_225_600_000;
