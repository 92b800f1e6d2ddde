//! What HTTP and the stream read: a batch with its clips, the ledger, events, idempotency keys and facts.
//!
//! Readers have connections of their own and never wait for the committer. A batch and its clips are read in one steady
//! view, so totals and clips agree.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::{AnyConnection, SqlStr, any::AnyRow};
use storyclip_actors::model::{BatchId, PostId, Tenant, Timestamp, Totals};

use super::{
    creates::KEY_LIFE,
    decode::Cursor,
    lists::{Listed, Page},
    owned,
    rows::clean,
    sql::{Dialect, text},
    view::{AttemptView, BatchView, ClipView, StoredEvent, StreamScope},
};

pub(super) const BATCH: &str = "batch_id, tenant, job_id, user_id, account_id, network, publish_mode, publish_speed, on_failure, \
                     max_retries, webhook_url, status, total_clips, published_clips, failed_clips, cancelled_clips, \
                     scheduled_for, error_code, error_msg, restarts, last_event, wake_at, created_at, started_at, \
                     completed_at, updated_at";

const CLIP: &str = "batch_id, clip_index, clip_id, clip_url, clip_title, clip_text, status, attempts, retries, \
                    metricool_post_id, post_uuid, facebook_post_id, permalink, error_code, error_msg, \
                    COALESCE(scheduled_at, planned_for), next_attempt_at, uploaded_at, published_at, timed_out_at, late_looks, updated_at";

/// The statements; of one batch a pair, the row and its clips.
pub struct Texts {
    one: [SqlStr; 2],
    version: SqlStr,
    attempts: SqlStr,
    batch_events: SqlStr,
    user_events: SqlStr,
    batch_head: SqlStr,
    user_head: SqlStr,
    replay: SqlStr,
    fact: SqlStr,
    /// See [`owned`].
    pub owned: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            one: pair("WHERE tenant = $1 AND batch_id = $2"),
            version: text("SELECT last_event, updated_at FROM publish_batches WHERE tenant = $1 AND batch_id = $2"),
            attempts: text(
                "SELECT a.clip_index, a.attempt, a.account_id, a.network, a.request, a.slot, a.media, a.intent_at, \
                 a.outcome_at, a.verdict, a.code, a.message, a.http_status, a.request_id, a.post_id, a.post_uuid, \
                 a.permalink FROM publish_batches p LEFT JOIN delivery_attempts a ON a.batch_id = p.batch_id \
                 AND (a.clip_index, a.attempt) > ($3, $4) \
                 WHERE p.tenant = $1 AND p.batch_id = $2 ORDER BY a.clip_index, a.attempt LIMIT $5",
            ),
            batch_events: text(
                "SELECT batch_seq, batch_id, kind, body, created_at FROM batch_events WHERE batch_id = $1 AND batch_seq > $2 \
                 ORDER BY batch_seq LIMIT $3",
            ),
            user_events: text(
                "SELECT user_seq, batch_id, kind, body, created_at FROM batch_events WHERE tenant = $1 AND user_id = $2 \
                 AND user_seq > $3 ORDER BY user_seq LIMIT $4",
            ),
            batch_head: text("SELECT last_event FROM publish_batches WHERE batch_id = $1"),
            user_head: text("SELECT last_event FROM user_streams WHERE tenant = $1 AND user_id = $2"),
            replay: text(
                "SELECT body_hash, answer FROM idempotency_keys \
                 WHERE tenant = $1 AND route = $2 AND key = $3 AND created_at > $4",
            ),
            fact: text("SELECT value FROM provider_facts WHERE name = $1"),
            owned: owned::statement(dialect),
        }
    }
}

/// The texts that read batches and their clips; `which` is the condition and what follows it.
pub(super) fn pair(which: &str) -> [SqlStr; 2] {
    [
        text(format!("SELECT {BATCH} FROM publish_batches {which}")),
        text(format!(
            "SELECT {CLIP} FROM publish_batch_clips WHERE batch_id IN (SELECT batch_id FROM publish_batches {which}) \
             ORDER BY batch_id, clip_index"
        )),
    ]
}

/// The rows of a query with these texts bound.
pub async fn fetch(conn: &mut AnyConnection, sql: &SqlStr, binds: &[&str]) -> sqlx::Result<Vec<AnyRow>> {
    let query = binds
        .iter()
        .fold(sqlx::query(sql.clone()), |query, bind| query.bind(clean(bind)));
    query.fetch_all(conn).await
}

/// Batches with those of these clips that are theirs.
pub(super) fn together(rows: &[AnyRow], clip_rows: &[AnyRow]) -> sqlx::Result<Vec<BatchView>> {
    let mut clips: HashMap<String, Vec<ClipView>> = HashMap::new();
    for row in clip_rows {
        let mut columns = Cursor::new(row);
        clips
            .entry(columns.text()?.to_owned())
            .or_default()
            .push(clip(&mut columns)?);
    }
    let mut batches = Vec::with_capacity(rows.len());
    for row in rows {
        let mut view = batch_row(&mut Cursor::new(row))?;
        view.clips = clips.remove(view.id.as_str()).unwrap_or_default();
        batches.push(view);
    }
    Ok(batches)
}

/// The caller has begun a steady view.
pub async fn batch(
    conn: &mut AnyConnection,
    texts: &Texts,
    tenant: &Tenant,
    id: &BatchId,
) -> sqlx::Result<Option<BatchView>> {
    let binds = [tenant.as_str(), id.as_str()];
    let rows = fetch(conn, &texts.one[0], &binds).await?;
    let clips = fetch(conn, &texts.one[1], &binds).await?;
    Ok(together(&rows, &clips)?.pop())
}

pub async fn version(
    conn: &mut AnyConnection,
    texts: &Texts,
    tenant: &Tenant,
    id: &BatchId,
) -> sqlx::Result<Option<(i64, Timestamp)>> {
    let rows = fetch(conn, &texts.version, &[tenant.as_str(), id.as_str()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut columns = Cursor::new(row);
    Ok(Some((columns.int()?, columns.parsed()?)))
}

pub async fn attempts(
    conn: &mut AnyConnection,
    texts: &Texts,
    tenant: &Tenant,
    id: &BatchId,
    page: &Page<(u32, u32)>,
) -> sqlx::Result<Option<Listed<AttemptView>>> {
    let (clip, attempt_number) = page.after.unwrap_or_default();
    let query = sqlx::query(texts.attempts.clone())
        .bind(clean(tenant.as_str()))
        .bind(clean(id.as_str()));
    let query = query
        .bind(i64::from(clip))
        .bind(i64::from(attempt_number))
        .bind(page.rows());
    let rows = query.fetch_all(conn).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut attempts = Vec::with_capacity(rows.len());
    for row in &rows {
        attempts.extend(attempt(&mut Cursor::new(row))?);
    }
    Ok(Some(Listed::cut(attempts, page)))
}

pub async fn events_after(
    conn: &mut AnyConnection,
    texts: &Texts,
    scope: &StreamScope,
    after: i64,
    limit: i64,
) -> sqlx::Result<Vec<StoredEvent>> {
    let query = match scope {
        StreamScope::Batch(batch) => sqlx::query(texts.batch_events.clone()).bind(clean(batch.as_str())),
        StreamScope::User(tenant, user) => {
            (sqlx::query(texts.user_events.clone()).bind(clean(tenant.as_str()))).bind(clean(user.as_str()))
        }
    };
    let rows = query.bind(after).bind(limit).fetch_all(conn).await?;
    let event = |row| {
        let mut columns = Cursor::new(row);
        Ok(StoredEvent {
            seq: columns.int()?,
            batch: columns.text()?.into(),
            kind: columns.event_kind()?,
            body: Bytes::copy_from_slice(columns.text()?.as_bytes()),
            created_at: columns.parsed()?,
        })
    };
    rows.iter().map(event).collect()
}

pub async fn head(conn: &mut AnyConnection, texts: &Texts, scope: &StreamScope) -> sqlx::Result<i64> {
    let rows = match scope {
        StreamScope::Batch(batch) => fetch(conn, &texts.batch_head, &[batch.as_str()]).await?,
        StreamScope::User(tenant, user) => fetch(conn, &texts.user_head, &[tenant.as_str(), user.as_str()]).await?,
    };
    rows.first().map_or(Ok(0), |row| Cursor::new(row).int())
}

pub async fn replay(
    conn: &mut AnyConnection,
    texts: &Texts,
    tenant: &Tenant,
    route: &str,
    key: &str,
    now: Timestamp,
) -> sqlx::Result<Option<(String, String)>> {
    let oldest = (now - KEY_LIFE).to_string();
    let rows = fetch(conn, &texts.replay, &[tenant.as_str(), route, key, &oldest]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut columns = Cursor::new(row);
    Ok(Some((columns.text()?.to_owned(), columns.text()?.to_owned())))
}

pub async fn fact(conn: &mut AnyConnection, texts: &Texts, name: &str) -> sqlx::Result<Option<String>> {
    let rows = fetch(conn, &texts.fact, &[name]).await?;
    rows.first()
        .map(|row| Ok(Cursor::new(row).text()?.to_owned()))
        .transpose()
}

fn batch_row(columns: &mut Cursor<'_>) -> sqlx::Result<BatchView> {
    Ok(BatchView {
        id: columns.text()?.into(),
        tenant: columns.text()?.into(),
        job_id: columns.maybe_owned()?,
        user: columns.text()?.into(),
        account: columns.text()?.into(),
        network: columns.parsed()?,
        mode: columns.parsed()?,
        speed: columns.parsed()?,
        on_failure: columns.parsed()?,
        max_retries: columns.count()?,
        webhook_url: columns.maybe_owned()?,
        status: columns.parsed()?,
        totals: Totals {
            total: columns.count()?,
            published: columns.count()?,
            failed: columns.count()?,
            cancelled: columns.count()?,
        },
        scheduled_for: columns.maybe_time()?,
        error: columns.trouble()?,
        restarts: columns.count()?,
        last_event: columns.int()?,
        wake_at: columns.maybe_time()?,
        created_at: columns.parsed()?,
        started_at: columns.maybe_time()?,
        completed_at: columns.maybe_time()?,
        updated_at: columns.parsed()?,
        clips: Vec::new(),
    })
}

fn clip(columns: &mut Cursor<'_>) -> sqlx::Result<ClipView> {
    Ok(ClipView {
        index: columns.count()?,
        id: columns.text()?.to_owned(),
        url: columns.text()?.to_owned(),
        title: columns.maybe_owned()?,
        text: columns.text()?.to_owned(),
        status: columns.parsed()?,
        attempts: columns.count()?,
        retries: columns.count()?,
        post_id: columns.maybe()?.map(PostId::from),
        post_uuid: columns.maybe_owned()?,
        network_post_id: columns.maybe_owned()?,
        permalink: columns.maybe_owned()?,
        error: columns.trouble()?,
        scheduled_at: columns.maybe_time()?,
        next_attempt_at: columns.maybe_time()?,
        uploaded_at: columns.maybe_time()?,
        published_at: columns.maybe_time()?,
        timed_out_at: columns.maybe_time()?,
        late_looks: columns.count()?,
        updated_at: columns.parsed()?,
    })
}

/// `None` for the empty row of a batch without attempts.
fn attempt(columns: &mut Cursor<'_>) -> sqlx::Result<Option<AttemptView>> {
    let Some(clip_index) = columns.maybe_count()? else {
        return Ok(None);
    };
    Ok(Some(AttemptView {
        clip_index,
        attempt: columns.count()?,
        account: columns.text()?.into(),
        network: columns.parsed()?,
        request: columns.maybe_owned()?,
        slot: columns.maybe_time()?,
        media: columns.maybe_owned()?,
        intent_at: columns.maybe_time()?,
        outcome_at: columns.maybe_time()?,
        verdict: columns.maybe_owned()?,
        code: columns.maybe_owned()?,
        message: columns.maybe_owned()?,
        http_status: columns.maybe_small()?,
        request_id: columns.maybe_owned()?,
        post_id: columns.maybe()?.map(PostId::from),
        post_uuid: columns.maybe_owned()?,
        permalink: columns.maybe_owned()?,
    }))
}
