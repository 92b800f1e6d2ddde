//! The database.

mod open;
mod view;

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use storyclip_actors::{
    error::StoreError,
    model::{AccountId, BatchId, Command, CommandId, CommandKind, NodeId, PostId, Tenant, Timestamp, UserId},
    ports::{self, Change, Claim, Snapshot},
};

pub use open::{OpenError, Options};
pub use view::{
    AttemptView, BatchView, ClipView, CommitListener, Committed, Created, IdempotencyEntry, NewBatch, NewClip,
    StoredEvent, StreamScope,
};

/// The database; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    #[allow(dead_code)]
    listener: Arc<dyn CommitListener>,
}

fn later<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("not built yet".into()))
}

#[allow(unused_variables, missing_docs)]
impl Store {
    /// Opens (SQLite: creates) the database, brings the schema up to date and starts the committer.
    pub async fn open(options: &Options, listener: Arc<dyn CommitListener>) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Inner { listener })))
    }

    /// Finishes what is queued, then closes the connections.
    pub async fn close(&self) {}

    /// Whether this is SQLite, where one daemon owns the file.
    pub fn is_sqlite(&self) -> bool {
        true
    }

    pub async fn create_batch(&self, new: NewBatch) -> Result<Created, StoreError> {
        later()
    }

    pub async fn command(
        &self,
        batch: &BatchId,
        kind: CommandKind,
        requested_by: &str,
        at: Timestamp,
    ) -> Result<CommandId, StoreError> {
        later()
    }

    pub async fn set_fact(&self, name: &str, value: &str, at: Timestamp) -> Result<(), StoreError> {
        later()
    }

    pub async fn ping(&self) -> Result<(), StoreError> {
        later()
    }

    pub async fn release_dead_leases(&self) -> Result<(), StoreError> {
        later()
    }

    pub async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        later()
    }

    pub async fn batch(&self, tenant: &Tenant, id: &BatchId) -> Result<Option<BatchView>, StoreError> {
        later()
    }

    pub async fn active(&self, tenant: &Tenant, user: Option<&UserId>) -> Result<Vec<BatchView>, StoreError> {
        later()
    }

    pub async fn attempts(&self, tenant: &Tenant, id: &BatchId) -> Result<Option<Vec<AttemptView>>, StoreError> {
        later()
    }

    pub async fn events_after(
        &self,
        scope: &StreamScope,
        after: i64,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        later()
    }

    pub async fn head(&self, scope: &StreamScope) -> Result<i64, StoreError> {
        later()
    }

    pub async fn replay(
        &self,
        tenant: &Tenant,
        route: &str,
        key: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        later()
    }
}

#[allow(unused_variables)]
#[async_trait]
impl ports::Store for Store {
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError> {
        later()
    }

    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError> {
        later()
    }

    async fn release_all(&self, node: &NodeId) -> Result<(), StoreError> {
        later()
    }

    async fn commit(&self, change: Change) -> Result<(), StoreError> {
        later()
    }

    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError> {
        later()
    }

    async fn owned(
        &self,
        account: &AccountId,
        posts: &[PostId],
        except: (&BatchId, u32),
    ) -> Result<HashSet<PostId>, StoreError> {
        later()
    }
}
