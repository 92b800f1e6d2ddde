//! Steps in memory: all of a change or nothing, under the guards of the real store's statements.
//!
//! What a change writes to one row it writes in its order, so that a later write of it is guarded by the earlier one.

use super::{Attempts, MemoryStore, Row, Rows};
use crate::{
    error::StoreError,
    model::{Clip, Request, Totals},
    ports::{AttemptWrite, Change},
    testing::rows::merge,
};

impl MemoryStore {
    pub(in crate::testing) fn write(&self, change: &Change) -> Result<(), StoreError> {
        let mut rows = self.rows();
        let row = rows.batches.get(&change.batch).ok_or(StoreError::Lost)?;
        guard(row, change)?;
        let clips = clips(row, change)?;
        let attempts = attempts(&rows, change)?;
        assert_eq!(
            Totals::of(&clips),
            change.head.totals,
            "totals change with the clip they count"
        );
        rows.commits += 1;
        rows.attempts.extend(attempts);
        let row = rows.batches.get_mut(&change.batch).ok_or(StoreError::Lost)?;
        row.clips = clips;
        head(row, change);
        row.events.extend(change.events.iter().cloned());
        for (command, applied) in &mut row.commands {
            *applied |= change.applied.contains(&command.id);
        }
        drop(rows);
        self.changed.notify_waiters();
        Ok(())
    }
}

fn guard(row: &Row, change: &Change) -> Result<(), StoreError> {
    let is_owner = row.batch.epoch == change.epoch && row.owner.is_some();
    match (is_owner || cfg!(feature = "without-epoch-guard")) && row.batch.status == change.head.expected {
        true => Ok(()),
        false => Err(StoreError::Lost),
    }
}

fn head(row: &mut Row, change: &Change) {
    let (batch, head) = (&mut row.batch, &change.head);
    batch.status = head.status;
    batch.error = head.error.clone();
    batch.started_at = head.started_at;
    batch.completed_at = head.completed_at;
    batch.restarts = head.restarts;
    // The real store sends no row to the statement that writes these two.
    if head.wake_stays {
        return;
    }
    batch.wake_at = head.wake_at;
    if head.release {
        row.owner = None;
    }
}

/// The clips after the change. What a clip was born with is written once.
fn clips(row: &Row, change: &Change) -> Result<Vec<Clip>, StoreError> {
    let mut clips = row.clips.clone();
    for write in &change.clips {
        let found = clips.iter_mut().find(|clip| clip.index == write.clip.index);
        let clip = found
            .filter(|clip| clip.status == write.expected)
            .ok_or(StoreError::Lost)?;
        *clip = Clip {
            id: clip.id.clone(),
            url: clip.url.clone(),
            planned_for: clip.planned_for,
            ..write.clip.clone()
        };
    }
    Ok(clips)
}

/// The rows of the ledger that the change leaves behind.
fn attempts(rows: &Rows, change: &Change) -> Result<Attempts, StoreError> {
    let mut written = Attempts::new();
    for write in &change.attempts {
        let key = (change.batch.clone(), write.clip, write.attempt);
        if let Some(taken) = taken(rows, &written, change, write) {
            return Err(StoreError::Conflict(taken.into()));
        }
        let stored = || rows.attempts.get(&key).cloned().unwrap_or_default();
        let row = written.entry(key.clone()).or_insert_with(stored);
        row.batch = change.batch.to_string();
        row.account = change.account.to_string();
        merge(&mut row.write, write);
    }
    Ok(written)
}

/// What this write claims although another attempt of the account has it.
fn taken(rows: &Rows, written: &Attempts, change: &Change, write: &AttemptWrite) -> Option<&'static str> {
    let key = (change.batch.clone(), write.clip, write.attempt);
    let stored = rows.attempts.iter().filter(|(other, _)| !written.contains_key(*other));
    let others: Vec<&AttemptWrite> = (stored.chain(written))
        .filter(|(other, row)| **other != key && row.account == change.account.as_str())
        .map(|(_, row)| &row.write)
        .collect();
    let has_post = |other: &&AttemptWrite| match (&other.post, &write.post) {
        (Some(other), Some(post)) => other.id == post.id,
        (None, _) | (_, None) => false,
    };
    let place = |request: &Request| (request.network, request.slot, request.media.clone());
    let has_place = |other: &&AttemptWrite| match (held_place(other), &write.request) {
        (Some(other), Some(request)) => place(other) == place(request),
        (None, _) | (_, None) => false,
    };
    if others.iter().any(has_post) {
        return Some("post");
    }
    others.iter().any(has_place).then_some("slot")
}

/// What was asked for, unless its slot is free again.
pub(super) fn held_place(attempt: &AttemptWrite) -> Option<&Request> {
    attempt.request.as_ref().filter(|_| !attempt.vacates)
}
