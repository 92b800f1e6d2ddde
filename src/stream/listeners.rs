//! How many subscribers there are and how soon they get what became durable, for `/metrics`.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::metrics::{Histogram, SHORT};

/// See the module.
#[derive(Debug)]
pub struct Listeners {
    count: AtomicU64,
    /// Seconds until a subscriber's connection takes an event that came into being while it listened: from the end of its
    /// commit where that was heard here, else (another node's, or one that a slow reader finds in the table) from its
    /// creation. A reader that is slow waits for nobody but itself.
    pub lag: Histogram,
}

impl Default for Listeners {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            lag: Histogram::new(SHORT),
        }
    }
}

impl Listeners {
    /// How many there are now.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// A place among the listeners, which is left when it is dropped.
pub(super) struct Place(Arc<Listeners>);

impl Place {
    pub(super) fn take(listeners: &Arc<Listeners>) -> Self {
        listeners.count.fetch_add(1, Ordering::Relaxed);
        Self(listeners.clone())
    }
}

impl Deref for Place {
    type Target = Listeners;

    fn deref(&self) -> &Listeners {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}
