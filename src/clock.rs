//! The system's clock, for every part that asks what time it is.
//!
//! The daemon hands it to the actors, the providers and the sandbox; tests hand them one of their own. It holds nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use storyclip_actors::{model::Timestamp, ports::Clock};

/// The wall clock, UTC, in whole milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}
