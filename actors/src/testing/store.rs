//! An in-memory store with the rules of the real one: guards, epochs, leases, all or nothing.
//! A [`super::World`] keeps it across crashes, because what was committed is what a death leaves behind.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::rows::{AttemptRow, NewBatch, fresh_clip, merge};
use crate::{
    error::StoreError,
    events::Event,
    model::{
        AccountId, Batch, BatchId, BatchStatus, Clip, Command, Network, NodeId, PostId, PublishMode, Request,
        Timestamp, Totals,
    },
    ports::{Change, Claim, Snapshot, Store},
    schedule::SlotRule,
};

pub(super) struct Row {
    batch: Batch,
    clips: Vec<Clip>,
    owner: Option<NodeId>,
    expires: Timestamp,
    pub(super) commands: Vec<(Command, bool)>,
    events: Vec<Event>,
}

#[derive(Default)]
pub(super) struct Rows {
    pub(super) batches: BTreeMap<BatchId, Row>,
    attempts: BTreeMap<(BatchId, u32, u32), AttemptRow>,
    commits: u64,
}

/// See the file's first paragraph.
pub struct MemoryStore {
    rows: Mutex<Rows>,
    changed: Notify,
    slots: SlotRule,
    answers_take: Mutex<Duration>,
}

impl MemoryStore {
    /// An empty store; slots are compared by this rule's granularity.
    pub fn new(slots: SlotRule) -> Self {
        Self {
            rows: Mutex::default(),
            changed: Notify::new(),
            slots,
            answers_take: Mutex::default(),
        }
    }

    /// From now on a commit is durable at once but answered this much later, as with a real database.
    pub fn set_answers_take(&self, pause: Duration) {
        *self.answers_take.lock().unwrap_or_else(PoisonError::into_inner) = pause;
    }

    pub(super) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves after the next commit.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn insert(&self, new: NewBatch, now: Timestamp) -> BatchId {
        let id = BatchId::from(new.id);
        let clips = new
            .urls
            .iter()
            .zip(1..)
            .map(|(url, index)| fresh_clip(index, url))
            .collect();
        let batch = Batch {
            id: id.clone(),
            tenant: "stories".into(),
            user: "u1".into(),
            account: new.account.into(),
            network: Network::Facebook,
            mode: PublishMode::Now,
            speed: new.speed,
            on_failure: new.on_failure,
            max_retries: new.max_retries,
            status: BatchStatus::Processing,
            error: None,
            restarts: 0,
            epoch: 0,
            wake_at: Some(now),
            created_at: now,
            started_at: None,
            completed_at: None,
        };
        let row = Row {
            batch,
            clips,
            owner: None,
            expires: now,
            commands: Vec::new(),
            events: Vec::new(),
        };
        self.rows().batches.insert(id.clone(), row);
        id
    }

    pub(super) fn release_dead_leases(&self) {
        self.rows().batches.values_mut().for_each(|row| row.owner = None);
    }

    /// A batch and its clips as they are now.
    ///
    /// # Panics
    /// If there is no such batch.
    pub fn read(&self, batch: &BatchId) -> (Batch, Vec<Clip>) {
        let rows = self.rows();
        let Some(row) = rows.batches.get(batch) else {
            panic!("no batch {batch}")
        };
        (row.batch.clone(), row.clips.clone())
    }

    /// The events of a batch, in order.
    pub fn events(&self, batch: &BatchId) -> Vec<Event> {
        self.rows()
            .batches
            .get(batch)
            .map(|row| row.events.clone())
            .unwrap_or_default()
    }

    /// The ledger, in order of batch, clip and attempt.
    pub fn attempts(&self) -> Vec<AttemptRow> {
        self.rows().attempts.values().cloned().collect()
    }

    /// How many changes were committed.
    pub fn commits(&self) -> u64 {
        self.rows().commits
    }

    /// Until when the batch is leased.
    pub fn leased_until(&self, batch: &BatchId) -> Option<Timestamp> {
        self.rows().batches.get(batch).map(|row| row.expires)
    }

    /// Has another node take the batch away, as after a lapsed lease.
    pub fn steal(&self, batch: &BatchId) {
        if let Some(row) = self.rows().batches.get_mut(batch) {
            row.batch.epoch += 1;
            row.owner = Some("thief".into());
            row.expires = Timestamp::from_millis(i64::MAX / 4);
        }
    }

    fn write(&self, change: &Change) -> Result<(), StoreError> {
        let mut rows = self.rows();
        self.guard(&rows, change)?;
        rows.commits += 1;
        for write in &change.attempts {
            let key = (change.batch.clone(), write.clip, write.attempt);
            let row = rows.attempts.entry(key).or_default();
            row.batch = change.batch.to_string();
            row.account = change.account.to_string();
            merge(&mut row.write, write);
        }
        let Some(row) = rows.batches.get_mut(&change.batch) else {
            return Err(StoreError::Lost);
        };
        for write in &change.clips {
            row.clips[write.clip.index as usize - 1] = write.clip.clone();
        }
        assert_eq!(
            Totals::of(&row.clips),
            change.head.totals,
            "totals change with the clip they count"
        );
        row.batch.status = change.head.status;
        row.batch.error = change.head.error.clone();
        row.batch.wake_at = change.head.wake_at;
        row.batch.started_at = change.head.started_at;
        row.batch.completed_at = change.head.completed_at;
        row.batch.restarts = change.head.restarts;
        if change.head.release {
            row.owner = None;
        }
        row.events.extend(change.events.iter().cloned());
        for (command, applied) in &mut row.commands {
            *applied |= change.applied.contains(&command.id);
        }
        drop(rows);
        self.changed.notify_waiters();
        Ok(())
    }

    fn guard(&self, rows: &Rows, change: &Change) -> Result<(), StoreError> {
        let row = rows.batches.get(&change.batch).ok_or(StoreError::Lost)?;
        let stale = |write: &crate::ports::ClipWrite| row.clips[write.clip.index as usize - 1].status != write.expected;
        if row.batch.epoch != change.epoch || row.owner.is_none() || change.clips.iter().any(stale) {
            return Err(StoreError::Lost);
        }
        for write in &change.attempts {
            let key = (change.batch.clone(), write.clip, write.attempt);
            let others = || {
                rows.attempts
                    .iter()
                    .filter(|(other, row)| **other != key && row.account == change.account.as_str())
            };
            if let Some(post) = &write.post
                && others().any(|(_, row)| row.write.post.as_ref().is_some_and(|owned| owned.id == post.id))
            {
                return Err(StoreError::Conflict("post".into()));
            }
            if let Some(Request { slot, media, .. }) = &write.request {
                let same = |other: &Request| self.slots.same(other.slot, *slot) && other.media == *media;
                if others().any(|(_, row)| row.write.request.as_ref().is_some_and(same)) {
                    return Err(StoreError::Conflict("slot".into()));
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let mut claimed = Vec::new();
        for row in self.rows().batches.values_mut() {
            let free = row.owner.is_none() || row.expires <= now;
            let waiting = row.commands.iter().any(|(_, applied)| !applied);
            let due = row.batch.wake_at.is_some_and(|at| at <= now) || waiting;
            let open = row.batch.wake_at.is_some() || waiting || row.clips.iter().any(Clip::timed_out);
            let taken = match &what {
                Claim::Due(limit) => free && due && claimed.len() < *limit,
                Claim::Named(id) => *id == row.batch.id && free && (open || !row.batch.status.is_finished()),
                Claim::Respawn(id) => *id == row.batch.id && row.owner.as_ref() == Some(node),
            };
            if !taken {
                continue;
            }
            row.batch.restarts += u32::from(matches!(what, Claim::Respawn(_)));
            row.batch.epoch += 1;
            row.owner = Some(node.clone());
            row.expires = lease_until;
            let commands = row
                .commands
                .iter()
                .filter(|(_, applied)| !applied)
                .map(|(command, _)| command.clone());
            claimed.push(Snapshot {
                batch: row.batch.clone(),
                clips: row.clips.clone(),
                commands: commands.collect(),
            });
        }
        Ok(claimed)
    }

    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError> {
        for row in self
            .rows()
            .batches
            .values_mut()
            .filter(|row| row.owner.as_ref() == Some(node))
        {
            row.expires = lease_until;
        }
        Ok(())
    }

    async fn release_all(&self, node: &NodeId) -> Result<(), StoreError> {
        for row in self
            .rows()
            .batches
            .values_mut()
            .filter(|row| row.owner.as_ref() == Some(node))
        {
            row.owner = None;
        }
        Ok(())
    }

    async fn commit(&self, change: Arc<Change>) -> Result<(), StoreError> {
        self.write(&change)?;
        let pause = *self.answers_take.lock().unwrap_or_else(PoisonError::into_inner);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError> {
        let rows = self.rows();
        let waiting = rows
            .batches
            .get(batch)
            .into_iter()
            .flat_map(|row| &row.commands)
            .filter(|(_, applied)| !applied);
        Ok(waiting.map(|(command, _)| command.clone()).collect())
    }

    async fn owned(
        &self,
        account: &AccountId,
        posts: &[PostId],
        except: (&BatchId, u32),
    ) -> Result<HashSet<PostId>, StoreError> {
        let rows = self.rows();
        let others = rows
            .attempts
            .iter()
            .filter(|((batch, clip, _), row)| row.account == account.as_str() && (batch, *clip) != except);
        let ids = others.filter_map(|(_, row)| row.write.post.as_ref().map(|post| post.id.clone()));
        Ok(ids.filter(|id| posts.contains(id)).collect())
    }
}
