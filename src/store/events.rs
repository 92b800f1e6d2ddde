//! Numbering: every event of a drain gets its place on its batch's stream and on its user's, without gaps.
//!
//! The drain calls it after the rows that the events tell about. The counter of a batch lies in its row, that of a user
//! in `user_streams`; both are locked until the commit, so numbers appear in commit order.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    events::Event,
    model::{BatchId, Tenant, Timestamp, UserId},
};

use super::{
    decode::Cursor,
    fault::Fault,
    op::Op,
    rows::{Rows, clean},
    sql::{Dialect, Shape, execute, returning, text},
    view::{Committed, Created},
};

/// The users' counters, moved on by how many events they get.
pub const STREAMS: Shape = Shape {
    columns: "tenant u n#",
    statement: "INSERT INTO user_streams (tenant, user_id, last_event) SELECT v.tenant, v.u, v.n FROM v WHERE true \
                ON CONFLICT (tenant, user_id) DO UPDATE SET \
                last_event = user_streams.last_event + excluded.last_event",
    returning: "tenant, user_id, last_event",
};

/// The statements.
pub struct Texts {
    streams: SqlStr,
    events: SqlStr,
    landed: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            streams: dialect.shaped(&STREAMS),
            events: dialect.over(
                "b seq# tenant u user_seq# kind clip# body at",
                "INSERT INTO batch_events (batch_id, batch_seq, tenant, user_id, user_seq, kind, clip_index, body, \
                 created_at) SELECT v.b, v.seq, v.tenant, v.u, v.user_seq, v.kind, v.clip, v.body, v.at FROM v",
            ),
            landed: text(
                "SELECT COUNT(*) FROM batch_events WHERE batch_id = $1 AND batch_seq = $2 AND user_seq = $3 AND body = $4",
            ),
        }
    }
}

/// The events of one operation and where they belong.
pub struct Told<'o> {
    pub batch: &'o BatchId,
    pub tenant: &'o Tenant,
    pub user: &'o UserId,
    pub at: Timestamp,
    pub events: &'o [Event],
}

/// What each operation of the drain tells, in arrival order.
pub fn told<'o>(ops: &'o [Op], replayed: &HashMap<usize, Created>) -> Vec<Told<'o>> {
    let told = ops.iter().enumerate().filter_map(|(place, op)| match op {
        Op::Commit(change, _) => Some(Told {
            batch: &change.batch,
            tenant: &change.tenant,
            user: &change.user,
            at: change.at,
            events: &change.events,
        }),
        Op::Create(new, _) if !replayed.contains_key(&place) => Some(Told {
            batch: &new.id,
            tenant: &new.tenant,
            user: &new.user,
            at: new.created_at,
            events: &new.events,
        }),
        Op::Create(..)
        | Op::Command(..)
        | Op::Fact(..)
        | Op::Take(..)
        | Op::Renew(..)
        | Op::Release(..)
        | Op::GiveBack(..)
        | Op::Close(..) => None,
    });
    told.filter(|told| !told.events.is_empty()).collect()
}

/// The rows of [`STREAMS`], in sorted order so that two nodes cannot lock each other out, and how many events each user
/// gets.
pub fn stream_rows<'o>(told: &[Told<'o>]) -> (Rows, BTreeMap<(&'o str, &'o str), i64>) {
    let mut streams: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for told in told {
        *streams.entry((told.tenant.as_str(), told.user.as_str())).or_default() += told.events.len() as i64;
    }
    let mut rows = Rows::default();
    for ((tenant, user), count) in &streams {
        rows.push(&[tenant, user, count]);
    }
    (rows, streams)
}

/// Stores the events and gives the (batch, user) number of each, in arrival order. `newest` has the batches' counters
/// after this drain; a batch that is not in it is new.
pub async fn store(
    conn: &mut AnyConnection,
    texts: &Texts,
    ops: &[Op],
    newest: &HashMap<String, i64>,
    replayed: &HashMap<usize, Created>,
) -> Result<Vec<(i64, i64)>, Fault> {
    let told = told(ops, replayed);
    let (rows, mut streams) = stream_rows(&told);
    let returned = returning(conn, &texts.streams, rows).await?;
    for row in &returned {
        let mut columns = Cursor::new(row);
        let key = (columns.text()?, columns.text()?);
        let newest = columns.int()?;
        if let Some(count) = streams.get_mut(&key) {
            *count = newest - *count;
        }
    }
    let mut rows = Rows::default();
    let mut numbers = Vec::new();
    for Told {
        batch,
        tenant,
        user,
        at,
        events,
    } in &told
    {
        let count = events.len() as i64;
        let mut batch_seq = newest.get(batch.as_str()).map_or(0, |newest| newest - count);
        let user_seq = streams.entry((tenant.as_str(), user.as_str())).or_default();
        for event in *events {
            batch_seq += 1;
            *user_seq += 1;
            rows.push(&[
                batch,
                &batch_seq,
                tenant,
                user,
                &*user_seq,
                &event.kind,
                &event.clip,
                &event.body,
                at,
            ]);
            numbers.push((batch_seq, *user_seq));
        }
    }
    execute(conn, &texts.events, rows).await?;
    Ok(numbers)
}

/// The events of a drain with their numbers, for those who listen.
pub fn committed(ops: &[Op], replayed: &HashMap<usize, Created>, numbers: Vec<(i64, i64)>) -> Vec<Committed> {
    let mut committed = Vec::with_capacity(numbers.len());
    let mut numbers = numbers.into_iter();
    for told in told(ops, replayed) {
        for (event, (batch_seq, user_seq)) in told.events.iter().zip(&mut numbers) {
            committed.push(Committed {
                batch: told.batch.clone(),
                tenant: told.tenant.clone(),
                user: told.user.clone(),
                batch_seq,
                user_seq,
                kind: event.kind,
                body: Bytes::copy_from_slice(event.body.as_bytes()),
            });
        }
    }
    committed
}

/// Whether the first event of this drain is there with these numbers; `None` when the drain told nothing.
pub async fn landed(
    conn: &mut AnyConnection,
    texts: &Texts,
    ops: &[Op],
    numbers: &[(i64, i64)],
    replayed: &HashMap<usize, Created>,
) -> Result<Option<bool>, Fault> {
    let told = told(ops, replayed);
    let Some((told, (batch_seq, user_seq))) = told.first().zip(numbers.first()) else {
        return Ok(None);
    };
    let query = sqlx::query(texts.landed.clone())
        .bind(told.batch.to_string())
        .bind(*batch_seq)
        .bind(*user_seq);
    let row = query.bind(clean(&told.events[0].body)).fetch_one(conn).await?;
    Ok(Some(Cursor::new(&row).int()? == 1))
}
