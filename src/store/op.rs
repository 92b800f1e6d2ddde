//! What waits in the committer's queue: one operation, and the one who waits for its end.
//!
//! `Store` and the actors' port put them in, the committer takes them out. An operation that is dropped unanswered (the
//! committer died, the process stops) tells its waiter that the database is unavailable.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use storyclip_actors::{
    error::StoreError,
    model::{BatchId, CommandId, CommandKind, NodeId, Tenant, Timestamp},
    ports::{Change, Claim},
};
use tokio::sync::oneshot;

use super::{
    leases::{Returned, Taken},
    view::{Created, NewBatch},
};

/// Where an answer goes. A waiter that has gone away is nobody's loss.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A command that becomes a row.
#[derive(Clone, Debug)]
pub struct NewCommand {
    pub id: CommandId,
    pub batch: BatchId,
    pub kind: CommandKind,
    pub detail: Option<String>,
    pub requested_by: String,
    pub at: Timestamp,
}

/// A fact that becomes a row, or a newer value of one.
#[derive(Clone, Debug)]
pub struct Fact {
    pub name: String,
    pub value: String,
    pub at: Timestamp,
}

/// Who takes what, until when.
#[derive(Clone, Debug)]
pub struct Take {
    pub node: NodeId,
    pub what: Claim,
    pub now: Timestamp,
    pub until: Timestamp,
}

/// One operation.
pub enum Op {
    Commit(Arc<Change>, Reply<()>),
    Create(Box<NewBatch>, Reply<Created>),
    Command(NewCommand, Reply<()>),
    Fact(Fact, Reply<()>),
    Take(Take, Reply<Taken>),
    /// Prolongs every lease of the node.
    Renew(NodeId, Timestamp, Reply<()>),
    /// Clears every lease of the node, or of everybody, but those of some batches; answered with how many there were.
    Release(Option<NodeId>, Vec<BatchId>, Reply<u64>),
    /// Leases that were taken but whose taker never heard of it, or cannot read their batches.
    GiveBack(Vec<Returned>),
    /// Nothing may follow; answered when everything before it is done.
    Close(Reply<()>),
}

/// What may be touched once per drain only.
#[derive(PartialEq, Eq, Hash)]
pub enum Key {
    Batch(BatchId),
    Replay(Tenant, String, String),
}

impl Op {
    /// Whether this fits into a drain that already touches `seen`; notes what it touches itself.
    pub fn fits(&self, seen: &mut HashSet<Key>) -> bool {
        match self {
            Self::Commit(change, _) => seen.insert(Key::Batch(change.batch.clone())),
            Self::Create(new, _) => {
                let replay = new.idempotency.as_ref();
                let key = replay.map(|entry| Key::Replay(entry.tenant.clone(), entry.route.clone(), entry.key.clone()));
                seen.insert(Key::Batch(new.id.clone())) && key.is_none_or(|key| seen.insert(key))
            }
            Self::Command(..)
            | Self::Fact(..)
            | Self::Take(..)
            | Self::Renew(..)
            | Self::Release(..)
            | Self::GiveBack(..)
            | Self::Close(..) => true,
        }
    }

    /// Whether everything queued before it must be done before it.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Release(..) | Self::Close(..) => true,
            Self::Commit(..)
            | Self::Create(..)
            | Self::Command(..)
            | Self::Fact(..)
            | Self::Take(..)
            | Self::Renew(..)
            | Self::GiveBack(..) => false,
        }
    }

    /// Whether it leaves a row behind, whatever is in the database.
    pub fn writes(&self) -> bool {
        match self {
            Self::Commit(..) | Self::Create(..) | Self::Command(..) | Self::Fact(..) => true,
            Self::Take(..) | Self::Renew(..) | Self::Release(..) | Self::GiveBack(..) | Self::Close(..) => false,
        }
    }

    /// Tells the waiter that nothing of it was written.
    pub fn refuse(self, error: StoreError) {
        match self {
            Self::Commit(_, reply)
            | Self::Command(_, reply)
            | Self::Fact(_, reply)
            | Self::Renew(_, _, reply)
            | Self::Close(reply) => answer(reply, Err(error)),
            Self::Create(_, reply) => answer(reply, Err(error)),
            Self::Take(_, reply) => answer(reply, Err(error)),
            Self::Release(_, _, reply) => answer(reply, Err(error)),
            Self::GiveBack(_) => {}
        }
    }
}

/// Answers; what a vanished waiter does not take is dropped, and [`Taken`] hands its leases back then.
pub fn answer<T>(reply: Reply<T>, result: Result<T, StoreError>) {
    drop(reply.send(result));
}

/// Answers the operations at these places with their errors and gives the others.
pub fn without(ops: Vec<Op>, places: Vec<(usize, StoreError)>) -> Vec<Op> {
    let mut missed: HashMap<usize, StoreError> = places.into_iter().collect();
    let mut others = Vec::with_capacity(ops.len());
    for (place, op) in ops.into_iter().enumerate() {
        match missed.remove(&place) {
            Some(error) => op.refuse(error),
            None => others.push(op),
        }
    }
    others
}

/// Refuses all of them.
pub fn refuse(ops: Vec<Op>, error: &StoreError) {
    ops.into_iter().for_each(|op| op.refuse(error.clone()));
}
