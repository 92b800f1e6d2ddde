//! The store as the actors see it: leases, commits, commands and ownership of posts.
//!
//! The supervisor and the batch actors call it. A claim is one write and three reads; if the reads fail, or the caller
//! is gone before it has its snapshots, the leases go back at once. A batch that cannot be read is left out of the claim.

use std::sync::Arc;

use async_trait::async_trait;
use storyclip_actors::{
    error::StoreError,
    model::{AccountId, BatchId, Command, Network, NodeId, Timestamp},
    ports::{self, Candidate, Change, Claim, Owned, Snapshot},
};

use super::{
    Store,
    decode::Cursor,
    op::{Op, Take},
    owned,
    rows::clean,
    snapshots,
};

#[async_trait]
impl ports::Store for Store {
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError> {
        if what == Claim::Due(0) {
            return Ok(Vec::new());
        }
        let take = Take {
            node: node.clone(),
            what,
            now,
            until: lease_until,
        };
        let taken = self.submit(|reply| Op::Take(take, reply)).await?;
        if taken.leases().is_empty() {
            return Ok(Vec::new());
        }
        let read = async {
            let mut view = self.steady().await?;
            let claimed = snapshots::read(&mut view, &self.0.snapshots, taken.leases()).await?;
            view.commit().await?;
            Ok(claimed)
        };
        let snapshots::Claimed { snapshots, unreadable } = self.reading(read).await?;
        for (batch, error) in &unreadable {
            tracing::error!(batch.id = %batch, %error, "batch cannot be read, leaving it alone for ten minutes");
        }
        taken.keep(&unreadable.into_keys().collect(), now);
        Ok(snapshots)
    }

    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError> {
        self.submit(|reply| Op::Renew(node.clone(), lease_until, reply)).await
    }

    async fn release_all(&self, node: &NodeId, but: &[BatchId]) -> Result<(), StoreError> {
        self.submit(|reply| Op::Release(Some(node.clone()), but.to_vec(), reply))
            .await?;
        Ok(())
    }

    async fn leased(&self, node: &NodeId) -> Result<Vec<BatchId>, StoreError> {
        self.reading(async { snapshots::leased(&mut *self.reader().await?, &self.0.snapshots, node).await })
            .await
    }

    async fn commit(&self, change: Arc<Change>) -> Result<(), StoreError> {
        let committed = change.clone();
        self.submit(|reply| Op::Commit(change, reply)).await?;
        self.tally().changed(&committed);
        Ok(())
    }

    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError> {
        self.reading(async { snapshots::commands(&mut *self.reader().await?, &self.0.snapshots, batch).await })
            .await
    }

    async fn taken_slots(
        &self,
        account: &AccountId,
        network: Network,
        media: &str,
        from: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let query = sqlx::query(owned::taken_slots())
            .bind(clean(account.as_str()))
            .bind(network.as_str())
            .bind(from.to_string())
            .bind(clean(media));
        self.reading(async {
            let rows = query.fetch_all(&mut *self.reader().await?).await?;
            rows.iter().map(|row| Cursor::new(row).parsed()).collect()
        })
        .await
    }

    async fn owned(
        &self,
        account: &AccountId,
        posts: &[Candidate],
        except: (&BatchId, u32, u32),
    ) -> Result<Owned, StoreError> {
        if posts.is_empty() {
            return Ok(Owned::default());
        }
        self.reading(async {
            owned::owned(&mut *self.reader().await?, &self.0.reads.owned, account, posts, except).await
        })
        .await
    }
}
