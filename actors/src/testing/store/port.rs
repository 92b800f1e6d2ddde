//! The in-memory store as the actors see it: every answer at once, but for commits that a test makes slow.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use async_trait::async_trait;

use super::{MemoryStore, faults::is_next};
use crate::{
    error::StoreError,
    model::{AccountId, BatchId, Command, Network, NodeId, Timestamp},
    ports::{Candidate, Change, Claim, Owned, Snapshot, Store},
};

#[async_trait]
impl Store for MemoryStore {
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let claimed = self.claim_now(node, &what, now, lease_until);
        assert!(!is_next(&self.panics), "a scripted panic in a claim");
        Ok(claimed)
    }

    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError> {
        if self.renewals_fail.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("scripted".into()));
        }
        self.renew_now(node, lease_until);
        assert!(!is_next(&self.renewals_panic), "a scripted panic in a renewal");
        Ok(())
    }

    async fn release_all(&self, node: &NodeId, but: &[BatchId]) -> Result<(), StoreError> {
        self.release_now(node, but);
        Ok(())
    }

    async fn leased(&self, node: &NodeId) -> Result<Vec<BatchId>, StoreError> {
        Ok(self.leased_now(node))
    }

    async fn commit(&self, change: Arc<Change>) -> Result<(), StoreError> {
        self.write(&change)?;
        let pause = *self.answers_take.lock().unwrap_or_else(PoisonError::into_inner);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        match is_next(&self.answers_lost) {
            true => Err(StoreError::Unavailable("scripted loss of the answer".into())),
            false => Ok(()),
        }
    }

    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError> {
        let pause = *self.reads_take.lock().unwrap_or_else(PoisonError::into_inner);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(self.waiting_commands(batch))
    }

    async fn taken_slots(
        &self,
        account: &AccountId,
        network: Network,
        media: &str,
        from: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        Ok(self.taken_slots_now(account, network, media, from))
    }

    async fn owned(
        &self,
        account: &AccountId,
        posts: &[Candidate],
        except: (&BatchId, u32, u32),
    ) -> Result<Owned, StoreError> {
        Ok(self.owned_now(account, posts, except))
    }
}
