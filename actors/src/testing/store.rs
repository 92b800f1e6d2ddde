//! An in-memory store with the rules of the real one: guards, epochs, leases, all or nothing.
//! A [`super::World`] keeps it across crashes, because what was committed is what a death leaves behind.

mod commands;
mod faults;
mod leases;
mod owned;
mod port;
mod writing;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::rows::{AttemptRow, NewBatch, fresh_clip};
use crate::{
    events::Event,
    model::{AccountId, Batch, BatchId, BatchStatus, Clip, Command, Network, NodeId, PublishMode, Request, Timestamp},
    schedule::{SlotRule, planned_slots},
};

struct Row {
    batch: Batch,
    clips: Vec<Clip>,
    owner: Option<NodeId>,
    expires: Timestamp,
    commands: Vec<(Command, bool)>,
    events: Vec<Event>,
    restarted_at: Option<Timestamp>,
}

/// A batch as it is durable, with its lease.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct RowView {
    pub batch: Batch,
    pub clips: Vec<Clip>,
    pub owner: Option<NodeId>,
    pub expires: Timestamp,
}

/// The ledger, by batch, clip and attempt.
type Attempts = BTreeMap<(BatchId, u32, u32), AttemptRow>;

#[derive(Default)]
struct Rows {
    batches: BTreeMap<BatchId, Row>,
    attempts: Attempts,
    commits: u64,
}

/// See the file's first paragraph.
pub struct MemoryStore {
    rows: Mutex<Rows>,
    changed: Notify,
    slots: SlotRule,
    answers_take: Mutex<Duration>,
    reads_take: Mutex<Duration>,
    renewals_fail: AtomicBool,
    answers_lost: AtomicU32,
    panics: AtomicU32,
    renewals_panic: AtomicU32,
}

impl MemoryStore {
    /// An empty store; the slots of batches that are made in it follow this rule.
    pub fn new(slots: SlotRule) -> Self {
        Self {
            rows: Mutex::default(),
            changed: Notify::new(),
            slots,
            answers_take: Mutex::default(),
            reads_take: Mutex::default(),
            renewals_fail: AtomicBool::new(false),
            answers_lost: AtomicU32::new(0),
            panics: AtomicU32::new(0),
            renewals_panic: AtomicU32::new(0),
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves after the next commit.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn insert(&self, new: NewBatch, now: Timestamp) -> BatchId {
        let wanted = new
            .scheduled
            .into_iter()
            .flat_map(|(ahead, apart)| (0..new.urls.len() as u32).map(move |before| now + ahead + apart * before));
        let slots = planned_slots(&self.slots, wanted, now);
        let clips = new
            .urls
            .iter()
            .zip(1..)
            .map(|(url, index)| Clip {
                planned_for: slots.get(index as usize - 1).copied(),
                ..fresh_clip(index, url)
            })
            .collect();
        let batch = Batch {
            id: new.id.into(),
            tenant: "stories".into(),
            user: "u1".into(),
            account: new.account.into(),
            network: Network::Facebook,
            mode: new.scheduled.map_or(PublishMode::Now, |_| PublishMode::Scheduled),
            speed: new.speed,
            on_failure: new.on_failure,
            max_retries: new.max_retries,
            status: new
                .scheduled
                .map_or(BatchStatus::Processing, |_| BatchStatus::Scheduled),
            error: None,
            restarts: 0,
            epoch: 0,
            wake_at: Some(now),
            created_at: now,
            started_at: None,
            completed_at: None,
        };
        self.put(batch, clips)
    }

    /// Puts a batch into the store as it is given, with a lease of nobody.
    pub fn put(&self, batch: Batch, clips: Vec<Clip>) -> BatchId {
        let id = batch.id.clone();
        let row = Row {
            expires: batch.created_at,
            batch,
            clips,
            owner: None,
            commands: Vec::new(),
            events: Vec::new(),
            restarted_at: None,
        };
        self.rows().batches.insert(id.clone(), row);
        id
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

    /// The same with its lease.
    ///
    /// # Panics
    /// If there is no such batch.
    pub fn row(&self, batch: &BatchId) -> RowView {
        let rows = self.rows();
        let Some(row) = rows.batches.get(batch) else {
            panic!("no batch {batch}")
        };
        RowView {
            batch: row.batch.clone(),
            clips: row.clips.clone(),
            owner: row.owner.clone(),
            expires: row.expires,
        }
    }

    /// Whether there is such a batch.
    pub fn has(&self, batch: &BatchId) -> bool {
        self.rows().batches.contains_key(batch)
    }

    /// Every batch.
    pub fn batches(&self) -> Vec<BatchId> {
        self.rows().batches.keys().cloned().collect()
    }

    /// Whether nobody has anything to do, now or later. A lease that lapsed with its node's death is nobody's.
    pub fn is_at_rest(&self, now: Timestamp) -> bool {
        self.rows().batches.values().all(|row| {
            (row.owner.is_none() || row.expires <= now)
                && row.batch.wake_at.is_none()
                && row.commands.iter().all(|(_, applied)| *applied)
        })
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

    /// The attempt whose stored intent is exactly this request.
    pub fn intent(&self, account: &AccountId, request: &Request) -> Option<(BatchId, u32, u32)> {
        let rows = self.rows();
        let intended = rows
            .attempts
            .iter()
            .find(|(_, row)| row.account == account.as_str() && row.write.request.as_ref() == Some(request));
        intended.map(|(key, _)| key.clone())
    }

    /// What the ledger says about this attempt.
    pub fn attempt(&self, batch: &BatchId, clip: u32, attempt: u32) -> Option<AttemptRow> {
        self.rows().attempts.get(&(batch.clone(), clip, attempt)).cloned()
    }

    /// How many changes were committed.
    pub fn commits(&self) -> u64 {
        self.rows().commits
    }

    pub(super) fn waiting_commands(&self, batch: &BatchId) -> Vec<Command> {
        let rows = self.rows();
        let commands = rows.batches.get(batch).into_iter().flat_map(|row| &row.commands);
        let waiting = commands.filter(|(_, applied)| !applied);
        waiting.map(|(command, _)| command.clone()).collect()
    }
}
