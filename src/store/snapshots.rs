//! What an actor needs of a batch that was just taken: its row, its clips with their intents, its waiting commands.
//!
//! Three statements, whatever the number of batches. The rows cannot move meanwhile: their only writer is the node that
//! holds the lease, and it is reading them here.

use std::collections::HashMap;

use sqlx::{AnyConnection, SqlStr, any::AnyRow};
use storyclip_actors::{
    model::{Batch, BatchId, Clip, Command, CommandId, NodeId, Request, Wish},
    ports::Snapshot,
};

use super::{
    decode::Cursor,
    leases::Lease,
    rows::Rows,
    sql::{Dialect, returning, text},
};

/// The statements.
pub struct Texts {
    batches: SqlStr,
    clips: SqlStr,
    commands: SqlStr,
    commands_of: SqlStr,
    leased: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        // A clip without a slot has no intent: its latest attempt is over, and the next one's media is being prepared.
        let clip = dialect.pack(
            "c.clip_index, c.clip_id, c.clip_url, c.status, c.attempts, c.retries, c.metricool_post_id, c.post_uuid, \
             c.facebook_post_id, c.permalink, c.error_code, c.error_msg, c.next_attempt_at, c.uploaded_at, \
             c.published_at, c.timed_out_at, c.late_looks, c.ruling, c.planned_for, a.request, c.scheduled_at, \
             a.intent_at",
        );
        let batch = dialect.pack(
            "p.batch_id, p.tenant, p.user_id, p.account_id, p.network, p.publish_mode, p.publish_speed, p.on_failure, \
             p.max_retries, p.status, p.error_code, p.error_msg, p.restarts, p.lease_epoch, p.wake_at, p.created_at, \
             p.started_at, p.completed_at",
        );
        Self {
            batches: dialect.over(
                "b ep#",
                &format!(
                    "SELECT p.batch_id, {batch} FROM v CROSS JOIN publish_batches p \
                     WHERE p.batch_id = v.b AND p.lease_epoch = v.ep ORDER BY p.wake_at NULLS FIRST, p.batch_id"
                ),
            ),
            // Sorted when they are read: each batch's few come in order by themselves nearly always.
            clips: dialect.over(
                "b ep#",
                &format!(
                    "SELECT c.batch_id, {clip} FROM v CROSS JOIN publish_batch_clips c LEFT JOIN delivery_attempts a \
                     ON a.batch_id = c.batch_id AND a.clip_index = c.clip_index AND a.attempt = c.attempts \
                     AND c.scheduled_at IS NOT NULL WHERE c.batch_id = v.b"
                ),
            ),
            commands: dialect.over(
                "b ep#",
                "SELECT m.batch_id, m.command_id, m.kind, m.detail FROM v CROSS JOIN batch_commands m \
                 WHERE m.batch_id = v.b AND m.applied_at IS NULL ORDER BY m.batch_id, m.created_at, m.command_id",
            ),
            commands_of: text(
                "SELECT command_id, kind, detail FROM batch_commands WHERE batch_id = $1 AND applied_at IS NULL \
                 ORDER BY created_at, command_id",
            ),
            leased: text("SELECT batch_id FROM publish_batches WHERE lease_owner = $1 ORDER BY batch_id"),
        }
    }
}

/// What a claim took.
pub struct Claimed {
    pub snapshots: Vec<Snapshot>,
    /// Batches of which a row has a word or a text that this program does not know, with the first reason.
    pub unreadable: HashMap<BatchId, sqlx::Error>,
}

/// Reads what these leases cover; a lease that has moved on since is left out.
pub async fn read(conn: &mut AnyConnection, texts: &Texts, leases: &[Lease]) -> sqlx::Result<Claimed> {
    let rows = || {
        let mut rows = Rows::default();
        leases.iter().for_each(|lease| rows.push(&[&lease.batch, &lease.epoch]));
        rows
    };
    let mut unreadable = HashMap::new();
    let read = returning(conn, &texts.clips, rows()).await?;
    let mut clips = by_batch(&read, leases.len(), &mut unreadable, |columns| columns.unpack(clip))?;
    let read = returning(conn, &texts.commands, rows()).await?;
    let mut commands = by_batch(&read, 0, &mut unreadable, command)?;
    let mut snapshots = Vec::with_capacity(leases.len());
    for row in returning(conn, &texts.batches, rows()).await? {
        let mut columns = Cursor::new(&row);
        let id = BatchId::from(columns.text()?);
        match columns.unpack(batch) {
            Ok(_) if unreadable.contains_key(&id) => {}
            Ok(batch) => {
                let mut clips = clips.remove(&id).unwrap_or_default();
                clips.sort_unstable_by_key(|clip| clip.index);
                // They stay as many as they are for the life of the batch.
                clips.shrink_to_fit();
                snapshots.push(Snapshot {
                    clips,
                    commands: commands.remove(&id).unwrap_or_default(),
                    batch,
                });
            }
            Err(error) => drop(unreadable.insert(id, error)),
        }
    }
    Ok(Claimed { snapshots, unreadable })
}

/// The rows by the batch that their first column names; a batch with one that cannot be read is noted.
fn by_batch<T>(
    rows: &[AnyRow],
    batches: usize,
    unreadable: &mut HashMap<BatchId, sqlx::Error>,
    decode: impl Fn(&mut Cursor<'_>) -> sqlx::Result<T>,
) -> sqlx::Result<HashMap<BatchId, Vec<T>>> {
    let mut read: HashMap<BatchId, Vec<T>> = HashMap::with_capacity(batches);
    for row in rows {
        let mut columns = Cursor::new(row);
        let id = BatchId::from(columns.text()?);
        match decode(&mut columns) {
            Ok(value) => read.entry(id).or_default().push(value),
            Err(error) => drop(unreadable.entry(id).or_insert(error)),
        }
    }
    Ok(read)
}

/// The batches whose lease is this node's.
pub async fn leased(conn: &mut AnyConnection, texts: &Texts, node: &NodeId) -> sqlx::Result<Vec<BatchId>> {
    let rows = sqlx::query(texts.leased.clone())
        .bind(node.to_string())
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| Ok(Cursor::new(row).text()?.into())).collect()
}

/// Commands of one batch that are not applied yet, oldest first. One of a kind that this program does not know waits for
/// a program that does.
pub async fn commands(conn: &mut AnyConnection, texts: &Texts, batch: &BatchId) -> sqlx::Result<Vec<Command>> {
    let rows = sqlx::query(texts.commands_of.clone())
        .bind(batch.to_string())
        .fetch_all(conn)
        .await?;
    let mut commands = Vec::with_capacity(rows.len());
    for row in &rows {
        match command(&mut Cursor::new(row)) {
            Ok(command) => commands.push(command),
            Err(error @ sqlx::Error::ColumnDecode { .. }) => {
                tracing::error!(batch.id = %batch, %error, "command of an unknown kind is left alone");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(commands)
}

fn batch(columns: &mut Cursor<'_>) -> sqlx::Result<Batch> {
    Ok(Batch {
        id: columns.text()?.into(),
        tenant: columns.text()?.into(),
        user: columns.text()?.into(),
        account: columns.text()?.into(),
        network: columns.parsed()?,
        mode: columns.parsed()?,
        speed: columns.parsed()?,
        on_failure: columns.parsed()?,
        max_retries: columns.count()?,
        status: columns.parsed()?,
        error: columns.trouble()?,
        restarts: columns.count()?,
        epoch: columns.int()?,
        wake_at: columns.maybe_time()?,
        created_at: columns.parsed()?,
        started_at: columns.maybe_time()?,
        completed_at: columns.maybe_time()?,
    })
}

fn clip(columns: &mut Cursor<'_>) -> sqlx::Result<Clip> {
    Ok(Clip {
        index: columns.count()?,
        id: columns.text()?.into(),
        url: columns.text()?.into(),
        status: columns.parsed()?,
        attempt: columns.count()?,
        retries: columns.count()?,
        post: columns.post()?,
        network_post_id: columns.maybe_shared()?,
        permalink: columns.maybe_shared()?,
        error: columns.trouble()?,
        next_attempt_at: columns.maybe_time()?,
        uploaded_at: columns.maybe_time()?,
        published_at: columns.maybe_time()?,
        timed_out_at: columns.maybe_time()?,
        late_looks: columns.count()?,
        ruling: columns.maybe_parsed()?,
        planned_for: columns.maybe_time()?,
        request: request(columns)?,
        intent_at: columns.maybe_time()?,
    })
}

/// What was asked for, at the slot where the post is now: the list may have told of another than the intent did.
fn request(columns: &mut Cursor<'_>) -> sqlx::Result<Option<Request>> {
    let request: Option<Request> = columns.maybe_json()?;
    let slot = columns.maybe_time()?;
    Ok(request.map(|request| Request {
        slot: slot.unwrap_or(request.slot),
        ..request
    }))
}

/// A kind that nobody here knows is an error, because a newer program can carry it out; a detail that does not fit its kind
/// is no program's to understand and must hold up nobody.
fn command(columns: &mut Cursor<'_>) -> sqlx::Result<Command> {
    let id = CommandId::from(columns.text()?);
    let kind = columns.parsed()?;
    let wish = Wish::read(kind, columns.maybe()?);
    if let Err(error) = &wish {
        tracing::error!(command.id = %id, %error, "command cannot be read and will change nothing");
    }
    Ok(Command { id, wish: wish.ok() })
}
