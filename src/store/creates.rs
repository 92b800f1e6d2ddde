//! New batches with their clips and idempotency keys, set-based.
//!
//! The drain calls it. The key row comes first and decides: a creation whose key exists already writes nothing and is
//! answered with the first answer, also when the first was created a moment ago by another node.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    error::StoreError,
    model::{ClipStatus, Timestamp},
};

use super::{
    decode::Cursor,
    fault::Fault,
    op::Op,
    rows::Rows,
    sql::{Dialect, execute, returning, text},
    view::{Created, IdempotencyEntry, NewBatch},
};

/// How long a key gives the first answer again (API.md).
pub const KEY_LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long keys that are older than that may stay.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// The statements.
pub struct Texts {
    sweep: SqlStr,
    keys: SqlStr,
    answers: SqlStr,
    batches: SqlStr,
    clips: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            sweep: text("DELETE FROM idempotency_keys WHERE created_at <= $1"),
            keys: dialect.over(
                "tenant route key hash answer at stale",
                "INSERT INTO idempotency_keys (tenant, route, key, body_hash, answer, created_at) \
                 SELECT v.tenant, v.route, v.key, v.hash, v.answer, v.at FROM v WHERE true \
                 ON CONFLICT (tenant, route, key) DO UPDATE SET body_hash = excluded.body_hash, \
                 answer = excluded.answer, created_at = excluded.created_at \
                 WHERE idempotency_keys.created_at <= (SELECT MIN(v.stale) FROM v) \
                 RETURNING tenant, route, key",
            ),
            answers: dialect.over(
                "tenant route key",
                "SELECT k.tenant, k.route, k.key, k.body_hash, k.answer FROM v JOIN idempotency_keys k \
                 ON k.tenant = v.tenant AND k.route = v.route AND k.key = v.key",
            ),
            batches: dialect.over(
                "b tenant job u account network mode speed on_failure retries# hook status total# scheduled at \
                 started n# trace",
                "INSERT INTO publish_batches (batch_id, tenant, job_id, user_id, account_id, network, publish_mode, \
                 publish_speed, on_failure, max_retries, webhook_url, status, total_clips, scheduled_for, created_at, \
                 updated_at, wake_at, started_at, last_event, trace_parent) SELECT v.b, v.tenant, v.job, v.u, v.account, v.network, \
                 v.mode, v.speed, v.on_failure, v.retries, v.hook, v.status, v.total, v.scheduled, v.at, v.at, v.at, \
                 v.started, v.n, v.trace FROM v WHERE true ON CONFLICT (batch_id) DO NOTHING RETURNING batch_id",
            ),
            clips: dialect.over(
                "b i# id url title txt planned status at",
                "INSERT INTO publish_batch_clips (batch_id, clip_index, clip_id, clip_url, clip_title, clip_text, \
                 planned_for, status, updated_at) \
                 SELECT v.b, v.i, v.id, v.url, v.title, v.txt, v.planned, v.status, v.at FROM v",
            ),
        }
    }
}

/// The creations of a drain with their places in it.
pub fn creates(ops: &[Op]) -> impl Iterator<Item = (usize, &NewBatch)> {
    ops.iter().enumerate().filter_map(|(place, op)| match op {
        Op::Create(new, _) => Some((place, &**new)),
        Op::Commit(..)
        | Op::Command(..)
        | Op::Fact(..)
        | Op::Take(..)
        | Op::Renew(..)
        | Op::Release(..)
        | Op::GiveBack(..)
        | Op::Close(..) => None,
    })
}

/// Deletes keys that nobody is answered from any more, at most once an hour; gives when it was last done. The creations'
/// own time decides, as it does for their keys.
pub async fn sweep(
    conn: &mut AnyConnection,
    texts: &Texts,
    ops: &[Op],
    swept_at: Option<Timestamp>,
) -> Result<Option<Timestamp>, Fault> {
    let Some(now) = creates(ops).map(|(_, new)| new.created_at).min() else {
        return Ok(swept_at);
    };
    if swept_at.is_some_and(|at| now < at + SWEEP_EVERY) {
        return Ok(swept_at);
    }
    let stale = (now - KEY_LIFE).to_string();
    sqlx::query(texts.sweep.clone()).bind(stale).execute(conn).await?;
    Ok(Some(now))
}

/// Creates what is new, and gives what was replayed by its place in the drain.
pub async fn create(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<HashMap<usize, Created>, Fault> {
    if creates(ops).next().is_none() {
        return Ok(HashMap::new());
    }
    let replayed = keys(conn, texts, ops).await?;
    let (mut batches, mut clips) = (Rows::default(), Rows::default());
    let new = || creates(ops).filter(|(place, _)| !replayed.contains_key(place));
    for (_, new) in new() {
        push(&mut batches, &mut clips, new);
    }
    let returned = returning(conn, &texts.batches, batches).await?;
    let mut inserted = HashSet::new();
    for row in &returned {
        inserted.insert(Cursor::new(row).text()?);
    }
    let taken: Vec<_> = new()
        .filter(|(_, new)| !inserted.contains(new.id.as_str()))
        .map(|(place, new)| (place, StoreError::Conflict(format!("batch {} exists already", new.id))))
        .collect();
    if !taken.is_empty() {
        return Err(Fault::Missed(taken));
    }
    execute(conn, &texts.clips, clips).await?;
    Ok(replayed)
}

fn push(batches: &mut Rows, clips: &mut Rows, new: &NewBatch) {
    batches.push(&[
        &new.id,
        &new.tenant,
        &new.job_id,
        &new.user,
        &new.account,
        &new.network,
        &new.mode,
        &new.speed,
        &new.on_failure,
        &new.max_retries,
        &new.webhook_url,
        &new.status,
        &new.clips.len(),
        &new.scheduled_for,
        &new.created_at,
        &new.started_at,
        &new.events.len(),
        &new.trace_parent,
    ]);
    for (before, clip) in new.clips.iter().enumerate() {
        clips.push(&[
            &new.id,
            &(before + 1),
            &clip.id,
            &clip.url,
            &clip.title,
            &clip.text,
            &clip.planned_for,
            &ClipStatus::Pending,
            &new.created_at,
        ]);
    }
}

/// Writes the key rows; those that stood already give the replays.
async fn keys(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<HashMap<usize, Created>, Fault> {
    let keyed = || creates(ops).filter_map(|(place, new)| Some((place, new, new.idempotency.as_ref()?)));
    let mut rows = Rows::default();
    for (_, new, entry) in keyed() {
        let stale = new.created_at - KEY_LIFE;
        let IdempotencyEntry {
            tenant,
            route,
            key,
            body_hash,
            answer,
        } = entry;
        rows.push(&[tenant, route, key, body_hash, answer, &new.created_at, &stale]);
    }
    let returned = returning(conn, &texts.keys, rows).await?;
    let mut won = HashSet::new();
    for row in &returned {
        let mut columns = Cursor::new(row);
        won.insert((columns.text()?, columns.text()?, columns.text()?));
    }
    let lost = || keyed().filter(|(_, _, entry)| !won.contains(&identity(entry)));
    let mut rows = Rows::default();
    for (_, _, entry) in lost() {
        rows.push(&[&entry.tenant, &entry.route, &entry.key]);
    }
    let returned = returning(conn, &texts.answers, rows).await?;
    let mut answers = HashMap::new();
    for row in &returned {
        let mut columns = Cursor::new(row);
        let key = (columns.text()?, columns.text()?, columns.text()?);
        answers.insert(key, (columns.text()?, columns.text()?));
    }
    let mut replayed = HashMap::new();
    for (place, _, entry) in lost() {
        let Some((body_hash, answer)) = answers.get(&identity(entry)) else {
            return Err(Fault::Passing("an idempotency key vanished while it was read".into()));
        };
        let (body_hash, answer) = ((*body_hash).to_owned(), (*answer).to_owned());
        replayed.insert(place, Created::Replayed { body_hash, answer });
    }
    Ok(replayed)
}

fn identity(entry: &IdempotencyEntry) -> (&str, &str, &str) {
    (entry.tenant.as_str(), &entry.route, &entry.key)
}
