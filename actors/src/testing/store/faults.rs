//! What tests have go wrong in the store: answers that come late or never, renewals that fail, and callers that die in a call.
//!
//! The port asks before it answers. What was written stays written, as with a real database.

use std::{
    sync::{
        PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::MemoryStore;

impl MemoryStore {
    /// From now on a commit is durable at once but answered this much later, as with a real database.
    pub fn set_answers_take(&self, pause: Duration) {
        *self.answers_take.lock().unwrap_or_else(PoisonError::into_inner) = pause;
    }

    /// The next commits are durable, but whoever asked for them hears that the store is unavailable.
    pub fn lose_answers(&self, commits: u32) {
        self.answers_lost.store(commits, Ordering::Relaxed);
    }

    /// Whoever claims next, so many times, has the leases and dies before it knows.
    pub fn panic_in_claim(&self, times: u32) {
        self.panics.store(times, Ordering::Relaxed);
    }

    /// How many such deaths are still to come.
    pub fn panics_left(&self) -> u32 {
        self.panics.load(Ordering::Relaxed)
    }

    /// From now on reading waiting commands takes this long.
    pub fn set_reads_take(&self, pause: Duration) {
        *self.reads_take.lock().unwrap_or_else(PoisonError::into_inner) = pause;
    }

    /// From now on leases are not prolonged, or are again, while everything else goes on.
    pub fn set_renewals_fail(&self, fail: bool) {
        self.renewals_fail.store(fail, Ordering::Relaxed);
    }

    /// So many of the next renewals panic once they are durable: whoever asked for them dies.
    pub fn panic_in_renewal(&self, times: u32) {
        self.renewals_panic.store(times, Ordering::Relaxed);
    }

    /// How many such panics are still to come.
    pub fn renewal_panics_left(&self) -> u32 {
        self.renewals_panic.load(Ordering::Relaxed)
    }
}

/// Whether this is one of so many that are to go wrong; it is counted.
pub(super) fn is_next(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
}
