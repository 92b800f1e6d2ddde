//! A store with an ear to it: what the actors make durable is told to the recorder of spans.
//!
//! The daemon puts it between the actors and the store. It changes nothing and waits for nothing: what the queue cannot
//! take is not told.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use storyclip_actors::{
    error::StoreError,
    model::{AccountId, BatchId, Command, Network, NodeId, Timestamp},
    ports::{Candidate, Change, Claim, Owned, Snapshot, Store},
};
use tokio::sync::mpsc;

/// What the recorder hears.
pub enum Told {
    /// This is durable; with the instants of asking and of the answer.
    Committed(Arc<Change>, [SystemTime; 2]),
    /// The batch is another's by now.
    Lost(BatchId),
    /// That is all.
    End,
}

/// See the file's first line.
pub struct ToldStore {
    rows: Arc<dyn Store>,
    told: mpsc::Sender<Told>,
}

impl ToldStore {
    pub fn new(rows: Arc<dyn Store>, told: mpsc::Sender<Told>) -> Self {
        Self { rows, told }
    }

    fn tell(&self, told: Told) {
        if self.told.try_send(told).is_err() {
            tracing::trace!("a change is not traced: the queue is full or closed");
        }
    }
}

#[async_trait]
impl Store for ToldStore {
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError> {
        self.rows.claim(node, what, now, lease_until).await
    }

    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError> {
        self.rows.renew(node, lease_until).await
    }

    async fn release_all(&self, node: &NodeId, but: &[BatchId]) -> Result<(), StoreError> {
        self.rows.release_all(node, but).await
    }

    async fn leased(&self, node: &NodeId) -> Result<Vec<BatchId>, StoreError> {
        self.rows.leased(node).await
    }

    async fn commit(&self, change: Arc<Change>) -> Result<(), StoreError> {
        let asked = SystemTime::now();
        let result = self.rows.commit(change.clone()).await;
        match &result {
            Ok(()) => self.tell(Told::Committed(change, [asked, SystemTime::now()])),
            Err(StoreError::Lost) => self.tell(Told::Lost(change.batch.clone())),
            Err(StoreError::Conflict(_) | StoreError::Unavailable(_)) => {}
        }
        result
    }

    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError> {
        self.rows.commands(batch).await
    }

    async fn taken_slots(
        &self,
        account: &AccountId,
        network: Network,
        media: &str,
        from: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        self.rows.taken_slots(account, network, media, from).await
    }

    async fn owned(
        &self,
        account: &AccountId,
        posts: &[Candidate],
        except: (&BatchId, u32, u32),
    ) -> Result<Owned, StoreError> {
        self.rows.owned(account, posts, except).await
    }
}
