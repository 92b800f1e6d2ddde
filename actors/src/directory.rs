//! Which batches have a living actor on this node. The supervisor writes it, whoever has a message for a batch reads it.
//! It outlives a supervisor that dies; with the process it is gone, and leases in the database are what counts.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use dashmap::{DashMap, mapref::multiple::RefMulti};
use ractor::{ActorId, ActorRef, ActorStatus};

use crate::{
    messages::BatchMessage,
    model::{BatchId, Timestamp},
};

/// BatchId -> living actor.
#[derive(Default)]
pub struct Directory {
    actors: DashMap<BatchId, ActorRef<BatchMessage>>,
    /// Whether a nudge to claim is on its way to the supervisor: one is enough for all that is due.
    pub(crate) nudged: AtomicBool,
    swept_at: AtomicI64,
}

impl Directory {
    /// The actor of this batch, if it lives here.
    pub fn get(&self, batch: &BatchId) -> Option<ActorRef<BatchMessage>> {
        self.actors.get(batch).map(|entry| entry.value().clone())
    }

    /// The same, unless it has come to its end, which the supervisor is about to hear of.
    pub(crate) fn living(&self, batch: &BatchId) -> Option<ActorRef<BatchMessage>> {
        self.get(batch).filter(lives)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.actors.is_empty()
    }

    /// The batches that have actors.
    pub fn batches(&self) -> Vec<BatchId> {
        self.actors.iter().map(|entry| entry.key().clone()).collect()
    }

    /// When the supervisor last looked for what is due; the epoch before its first sweep.
    pub fn swept_at(&self) -> Timestamp {
        Timestamp::from_millis(self.swept_at.load(Ordering::Acquire))
    }

    pub(crate) fn swept(&self, now: Timestamp) {
        self.swept_at.store(now.as_millis(), Ordering::Release);
    }

    pub(crate) fn contains(&self, batch: &BatchId) -> bool {
        self.actors.contains_key(batch)
    }

    pub(crate) fn enter(&self, batch: BatchId, actor: ActorRef<BatchMessage>) {
        self.actors.insert(batch, actor);
    }

    /// Takes this actor out, not one that has followed it already.
    pub(crate) fn leave(&self, batch: &BatchId, actor: ActorId) {
        self.actors.remove_if(batch, |_, living| living.get_id() == actor);
    }

    /// All, in the order of their batches' ids: the same history goes on the same way whenever it is played.
    pub(crate) fn entries(&self) -> Vec<(BatchId, ActorRef<BatchMessage>)> {
        let entry = |entry: RefMulti<'_, BatchId, ActorRef<BatchMessage>>| (entry.key().clone(), entry.value().clone());
        let mut actors: Vec<_> = self.actors.iter().map(entry).collect();
        actors.sort_by(|(one, _), (other, _)| one.cmp(other));
        actors
    }
}

/// Whether it has not come to its end.
pub(crate) fn lives(actor: &ActorRef<BatchMessage>) -> bool {
    match actor.get_status() {
        ActorStatus::Unstarted
        | ActorStatus::Starting
        | ActorStatus::Running
        | ActorStatus::Upgrading
        | ActorStatus::Draining => true,
        ActorStatus::Stopping | ActorStatus::Stopped => false,
    }
}
