//! The steps of batches: heads, clips and applied commands, each one statement over all changes of a drain.
//!
//! The drain calls them in this order. The batch comes first: its guard is the lease epoch, and once its row is written
//! it is locked, so the epoch cannot move before the commit. A guard that missed names its change, and nobody else's.

use std::collections::{HashMap, HashSet};

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    error::StoreError,
    ports::{Change, ClipWrite},
};

use super::{
    attempts,
    decode::Cursor,
    fault::Fault,
    op::Op,
    rows::{Rows, Table},
    sql::{Dialect, Shape, execute, returning},
};

/// The batches' own rows, under their epochs and each under the status in which it is expected.
pub const HEADS: Shape = Shape {
    columns: "b ep# expected status code msg published# failed# cancelled# started completed restarts# at n#",
    statement: "UPDATE publish_batches SET status = v.status, error_code = v.code, error_msg = v.msg, \
                published_clips = v.published, failed_clips = v.failed, cancelled_clips = v.cancelled, \
                current_clip_index = v.published + v.failed + v.cancelled, started_at = v.started, \
                completed_at = v.completed, restarts = v.restarts, updated_at = v.at, \
                last_event = publish_batches.last_event + v.n \
                FROM v WHERE publish_batches.batch_id = v.b AND publish_batches.lease_epoch = v.ep \
                AND publish_batches.status = v.expected AND publish_batches.lease_owner IS NOT NULL",
    returning: "publish_batches.batch_id, publish_batches.last_event",
};

/// When the batches are to be claimed again, and whether their leases go back. Both are indexed, and SQLite writes the
/// index anew even for an equal value: only rows that are to differ are sent. Their guard was that of [`HEADS`].
pub const LEASES: Shape = Shape {
    columns: "b wake gives_back#",
    statement: "UPDATE publish_batches SET wake_at = v.wake, \
                lease_owner = CASE WHEN v.gives_back = 1 THEN NULL ELSE publish_batches.lease_owner END, \
                lease_expires_at = CASE WHEN v.gives_back = 1 THEN NULL ELSE publish_batches.lease_expires_at END \
                FROM v WHERE publish_batches.batch_id = v.b",
    returning: "",
};

/// The clips, each under the status in which it is expected.
pub const CLIPS: Shape = Shape {
    columns: "b i# expected status attempt# retries# post uuid network_post permalink code msg slot next uploaded \
              published timed_out looks# ruling at",
    statement: "UPDATE publish_batch_clips SET status = v.status, attempts = v.attempt, retries = v.retries, \
                metricool_post_id = v.post, post_uuid = v.uuid, facebook_post_id = v.network_post, \
                permalink = v.permalink, error_code = v.code, error_msg = v.msg, scheduled_at = v.slot, \
                next_attempt_at = v.next, uploaded_at = v.uploaded, published_at = v.published, \
                timed_out_at = v.timed_out, late_looks = v.looks, ruling = v.ruling, updated_at = v.at \
                FROM v WHERE publish_batch_clips.batch_id = v.b AND publish_batch_clips.clip_index = v.i \
                AND publish_batch_clips.status = v.expected",
    returning: "publish_batch_clips.batch_id, publish_batch_clips.clip_index",
};

/// The statements.
pub struct Texts {
    heads: SqlStr,
    leases: SqlStr,
    clips: SqlStr,
    applied: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            heads: dialect.shaped(&HEADS),
            leases: dialect.shaped(&LEASES),
            clips: dialect.shaped(&CLIPS),
            applied: dialect.over(
                "id at",
                "UPDATE batch_commands SET applied_at = v.at FROM v \
                 WHERE batch_commands.command_id = v.id AND batch_commands.applied_at IS NULL",
            ),
        }
    }
}

/// The changes of a drain with their places in it.
pub fn changes(ops: &[Op]) -> impl Iterator<Item = (usize, &Change)> {
    ops.iter().enumerate().filter_map(|(place, op)| match op {
        Op::Commit(change, _) => Some((place, &**change)),
        Op::Create(..)
        | Op::Command(..)
        | Op::Fact(..)
        | Op::Take(..)
        | Op::Renew(..)
        | Op::Release(..)
        | Op::GiveBack(..)
        | Op::Close(..) => None,
    })
}

/// A row of [`HEADS`].
pub fn push_head(rows: &mut impl Table, change: &Change) {
    let head = &change.head;
    rows.row(&[
        &change.batch,
        &change.epoch,
        &head.expected,
        &head.status,
        &head.error.as_ref().map(|error| &*error.code),
        &head.error.as_ref().map(|error| &*error.message),
        &head.totals.published,
        &head.totals.failed,
        &head.totals.cancelled,
        &head.started_at,
        &head.completed_at,
        &head.restarts,
        &change.at,
        &change.events.len(),
    ]);
}

/// The row of [`LEASES`], if it is to differ.
pub fn push_lease(rows: &mut impl Table, change: &Change) {
    if !change.head.wake_stays {
        rows.row(&[&change.batch, &change.head.wake_at, &change.head.release]);
    }
}

/// Writes the batches' own rows under their epochs and gives the newest event number of each.
pub async fn heads(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<HashMap<String, i64>, Fault> {
    let mut rows = Rows::default();
    changes(ops).for_each(|(_, change)| push_head(&mut rows, change));
    let mut newest = HashMap::new();
    for row in returning(conn, &texts.heads, rows).await? {
        let mut columns = Cursor::new(&row);
        newest.insert(columns.text()?.to_owned(), columns.int()?);
    }
    missed(changes(ops).filter(|(_, change)| !newest.contains_key(change.batch.as_str())))?;
    let mut leases = Rows::default();
    changes(ops).for_each(|(_, change)| push_lease(&mut leases, change));
    execute(conn, &texts.leases, leases).await?;
    Ok(newest)
}

/// The rows of [`CLIPS`] that go to this round, and whose they are.
fn clip_rows(ops: &[Op], round: usize) -> (Rows, Vec<(usize, &Change, i64)>) {
    let mut rows = Rows::default();
    let mut sent = Vec::new();
    for (place, change) in changes(ops) {
        for write in of_round(&change.clips, round, |write| write.clip.index) {
            push_clip(&mut rows, change, write);
            sent.push((place, change, i64::from(write.clip.index)));
        }
    }
    (rows, sent)
}

/// A row of [`CLIPS`].
pub fn push_clip(rows: &mut impl Table, change: &Change, write: &ClipWrite) {
    let clip = &write.clip;
    let (error, post) = (clip.error.as_ref(), clip.post.as_ref());
    rows.row(&[
        &change.batch,
        &clip.index,
        &write.expected,
        &clip.status,
        &clip.attempt,
        &clip.retries,
        &post.map(|post| &post.id),
        &post.and_then(|post| post.uuid.as_deref()),
        &clip.network_post_id,
        &clip.permalink,
        &error.map(|error| &*error.code),
        &error.map(|error| &*error.message),
        &clip.slot(),
        &clip.next_attempt_at,
        &clip.uploaded_at,
        &clip.published_at,
        &clip.timed_out_at,
        &clip.late_looks,
        &clip.ruling,
        &change.at,
    ]);
}

/// Writes the clips, each under the status in which it is expected.
pub async fn clips(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<(), Fault> {
    for round in 0.. {
        let (rows, mut sent) = clip_rows(ops, round);
        if sent.is_empty() {
            return Ok(());
        }
        let returned = returning(conn, &texts.clips, rows).await?;
        if returned.len() < sent.len() {
            let mut hit = HashSet::new();
            for row in &returned {
                let mut columns = Cursor::new(row);
                hit.insert((columns.text()?, columns.int()?));
            }
            sent.retain(|(_, change, index)| !hit.contains(&(change.batch.as_str(), *index)));
            missed(sent.into_iter().map(|(place, change, _)| (place, change)))?;
        }
    }
    Ok(())
}

/// Marks the commands that these changes carried out.
pub async fn applied(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<(), Fault> {
    let mut rows = Rows::default();
    for (_, change) in changes(ops) {
        for command in &change.applied {
            rows.push(&[command, &change.at]);
        }
    }
    Ok(execute(conn, &texts.applied, rows).await?)
}

/// Whether no row is written twice and no command is applied: one round does it all.
pub fn in_one_round(change: &Change) -> bool {
    let second_clip = of_round(&change.clips, 1, |write| write.clip.index).next();
    change.applied.is_empty() && second_clip.is_none() && attempts::in_one_round(change)
}

/// Of several writes to one row the k-th goes to round k, because a statement writes each row once.
pub fn of_round<T, K: PartialEq>(writes: &[T], round: usize, key: impl Fn(&T) -> K) -> impl Iterator<Item = &T> {
    writes.iter().enumerate().filter_map(move |(place, write)| {
        let earlier = writes[..place].iter().filter(|other| key(other) == key(write)).count();
        (earlier == round).then_some(write)
    })
}

fn missed<'c>(changes: impl Iterator<Item = (usize, &'c Change)>) -> Result<(), Fault> {
    let mut places: Vec<_> = changes.map(|(place, _)| (place, StoreError::Lost)).collect();
    places.dedup_by_key(|(place, _)| *place);
    match places.is_empty() {
        true => Ok(()),
        false => Err(Fault::Missed(places)),
    }
}
