//! Leases in memory: who may take a batch, and what a taking changes. The same rules as the real store's statements.

use std::time::Duration;

use super::{Attempts, MemoryStore, Row, Rows};
use crate::{
    model::{BatchId, Clip, NodeId, Timestamp},
    ports::{Claim, Snapshot},
};

/// The window in which the restarts of a batch's actor are counted together.
const RESTART_WINDOW: Duration = Duration::from_secs(600);

impl MemoryStore {
    pub(in crate::testing) fn claim_now(
        &self,
        node: &NodeId,
        what: &Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Vec<Snapshot> {
        let mut rows = self.rows();
        let Rows { batches, attempts, .. } = &mut *rows;
        let mut due: Vec<&mut Row> = batches
            .values_mut()
            .filter(|row| may_take(row, node, what, now))
            .collect();
        due.sort_by_key(|row| row.batch.wake_at);
        let limit = match what {
            Claim::Due(limit) => *limit,
            Claim::Named(_) | Claim::Respawn(_) => 1,
        };
        due.into_iter()
            .take(limit)
            .map(|row| {
                let mut snapshot = take(row, node, what, now, lease_until);
                read_intents(&mut snapshot, attempts);
                snapshot
            })
            .collect()
    }

    pub(in crate::testing) fn renew_now(&self, node: &NodeId, lease_until: Timestamp) {
        for row in self.rows().batches.values_mut() {
            if row.owner.as_ref() == Some(node) {
                row.expires = lease_until;
            }
        }
    }

    pub(in crate::testing) fn leased_now(&self, node: &NodeId) -> Vec<BatchId> {
        let rows = self.rows();
        let own = rows.batches.iter().filter(|(_, row)| row.owner.as_ref() == Some(node));
        own.map(|(batch, _)| batch.clone()).collect()
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

    pub(in crate::testing) fn release_now(&self, node: &NodeId, but: &[BatchId]) {
        for (batch, row) in &mut self.rows().batches {
            if row.owner.as_ref() == Some(node) && !but.contains(batch) {
                row.owner = None;
            }
        }
    }

    /// Whether no node has the batch.
    pub fn leased_by_nobody(&self, batch: &BatchId) -> bool {
        self.row(batch).owner.is_none()
    }

    /// Frees a lease that its taker never heard of, if it still stands as it was taken.
    pub(in crate::testing) fn give_back(&self, batch: &BatchId, node: &NodeId, epoch: i64) {
        if let Some(row) = self.rows().batches.get_mut(batch)
            && row.batch.epoch == epoch
            && row.owner.as_ref() == Some(node)
        {
            row.owner = None;
        }
    }

    /// What the start of the only node of a store does: nobody else can hold a lease.
    pub(in crate::testing) fn release_dead_leases(&self) {
        self.rows().batches.values_mut().for_each(|row| row.owner = None);
    }
}

fn may_take(row: &Row, node: &NodeId, what: &Claim, now: Timestamp) -> bool {
    let free = row.owner.is_none() || row.expires <= now;
    let waiting = row.commands.iter().any(|(_, applied)| !applied);
    let due = row.batch.wake_at.is_some_and(|at| at <= now) || waiting;
    let open = row.batch.wake_at.is_some() || waiting || row.clips.iter().any(Clip::timed_out);
    match what {
        Claim::Due(_) => free && due,
        Claim::Named(id) => *id == row.batch.id && free && (open || !row.batch.status.is_finished()),
        Claim::Respawn(id) => *id == row.batch.id && row.owner.as_ref() == Some(node),
    }
}

fn take(row: &mut Row, node: &NodeId, what: &Claim, now: Timestamp, lease_until: Timestamp) -> Snapshot {
    if matches!(what, Claim::Respawn(_)) {
        if row.restarted_at.is_some_and(|at| at > now - RESTART_WINDOW) {
            row.batch.restarts += 1;
        } else {
            row.batch.restarts = 1;
            row.restarted_at = Some(now);
        }
    }
    row.batch.epoch += 1;
    row.owner = Some(node.clone());
    row.expires = lease_until;
    let waiting = row.commands.iter().filter(|(_, applied)| !applied);
    Snapshot {
        batch: row.batch.clone(),
        clips: row.clips.clone(),
        commands: waiting.map(|(command, _)| command.clone()).collect(),
    }
}

/// The intents are the ledger's, as in the real store: of a clip's row only the slot counts, which may be another by now.
fn read_intents(snapshot: &mut Snapshot, attempts: &Attempts) {
    for clip in &mut snapshot.clips {
        let attempt = attempts.get(&(snapshot.batch.id.clone(), clip.index, clip.attempt));
        let slot = clip.slot();
        let current = attempt.filter(|_| slot.is_some());
        clip.request = current.and_then(|row| row.write.request.clone());
        if let (Some(request), Some(slot)) = (&mut clip.request, slot) {
            request.slot = slot;
        }
        clip.intent_at = current.and_then(|row| row.write.intent_at);
    }
}
