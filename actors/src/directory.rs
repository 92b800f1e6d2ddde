//! Which batches have a living actor on this node. The supervisor writes it, whoever has a message for a batch reads it.
//! It is rebuilt from nothing after a death: leases in the database are what counts.

use dashmap::DashMap;
use ractor::ActorRef;

use crate::{batch::BatchMessage, model::BatchId};

/// BatchId -> living actor.
#[derive(Default)]
pub struct Directory(DashMap<BatchId, ActorRef<BatchMessage>>);

impl Directory {
    /// The actor of this batch, if it lives here.
    pub fn get(&self, batch: &BatchId) -> Option<ActorRef<BatchMessage>> {
        self.0.get(batch).map(|entry| entry.value().clone())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, batch: &BatchId) -> bool {
        self.0.contains_key(batch)
    }

    pub(crate) fn enter(&self, batch: BatchId, actor: ActorRef<BatchMessage>) {
        self.0.insert(batch, actor);
    }

    pub(crate) fn leave(&self, batch: &BatchId) {
        self.0.remove(batch);
    }

    pub(crate) fn each(&self, mut visit: impl FnMut(&ActorRef<BatchMessage>)) {
        for entry in &self.0 {
            visit(entry.value());
        }
    }
}
