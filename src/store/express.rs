//! The usual drain on SQLite, steps of batches and nothing else, as one insert into a view whose trigger does the rest:
//! one trip to the connection's thread where the drain makes seven, and each trip costs as much as twenty rows.
//!
//! The committer tries it first. It says only whether all was committed: if anything is out of the ordinary (a guard
//! that missed, a slot that is taken) nothing was, and the drain finds out whose it is. A death before its end leaves nothing.

use std::collections::{BTreeMap, HashMap};

use sqlx::{AnyConnection, AssertSqlSafe, SqlStr};

use super::{
    attempts::{self, ATTEMPTS, OUTCOMES},
    changes::{self, CLIPS, HEADS, LEASES},
    decode::Cursor,
    events::{self, STREAMS, Told},
    fault::Fault,
    op::Op,
    rows::Rows,
    sql::{Dialect, Shape, returning, text},
};

/// The events, numbered by the counters that were just moved on: each knows how many of its batch and of its user come
/// after it.
const EVENTS: Shape = Shape {
    columns: "b after# tenant u user_after# kind clip# body at",
    statement: "INSERT INTO batch_events (batch_id, batch_seq, tenant, user_id, user_seq, kind, clip_index, body, \
                created_at) SELECT v.b, p.last_event - v.after, v.tenant, v.u, s.last_event - v.user_after, v.kind, \
                v.clip, v.body, v.at FROM v CROSS JOIN publish_batches p CROSS JOIN user_streams s \
                WHERE p.batch_id = v.b AND s.tenant = v.tenant AND s.user_id = v.u",
    returning: "",
};

/// What the columns of the view `drains` are: one JSON text of rows each.
const COLUMNS: &str = "heads, leases, clips, attempts, outcomes, streams, events";

/// The statements.
pub struct Texts {
    write: SqlStr,
    numbers: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            write: text(format!(
                "INSERT INTO temp.drains ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"
            )),
            numbers: dialect.over(
                "b n#",
                "SELECT e.batch_id, e.batch_seq, e.user_seq FROM v CROSS JOIN publish_batches p \
                 CROSS JOIN batch_events e WHERE p.batch_id = v.b AND e.batch_id = v.b \
                 AND e.batch_seq > p.last_event - v.n ORDER BY e.batch_id, e.batch_seq",
            ),
        }
    }
}

/// Makes the view and the trigger that carries out what is inserted into it. They are this connection's own.
pub async fn prepare(conn: &mut AnyConnection) -> sqlx::Result<()> {
    let dialect = Dialect::Sqlite;
    let hit_all = |rows| format!("SELECT RAISE(ABORT, 'a guard missed') WHERE changes() <> json_array_length({rows})");
    let statements = [
        dialect.part(&HEADS, "NEW.heads"),
        hit_all("NEW.heads"),
        dialect.part(&LEASES, "NEW.leases"),
        dialect.part(&CLIPS, "NEW.clips"),
        hit_all("NEW.clips"),
        dialect.part(&ATTEMPTS, "NEW.attempts"),
        dialect.part(&OUTCOMES, "NEW.outcomes"),
        dialect.part(&STREAMS, "NEW.streams"),
        dialect.part(&EVENTS, "NEW.events"),
    ];
    let made = format!(
        "CREATE TEMP VIEW drains ({COLUMNS}) AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE false; \
         CREATE TEMP TRIGGER drain INSTEAD OF INSERT ON temp.drains BEGIN {}; END",
        statements.join("; ")
    );
    sqlx::raw_sql(AssertSqlSafe(made)).execute(conn).await.map(drop)
}

/// What became of a drain.
pub enum End {
    /// All of it is durable.
    Done,
    /// Nothing is; the reason is for the drain to find out.
    Nothing,
}

/// Whether this way is open to these operations.
pub fn carries(dialect: Dialect, ops: &[Op]) -> bool {
    let plain = |op: &Op| match op {
        Op::Commit(change, _) => changes::in_one_round(change),
        Op::Create(..)
        | Op::Command(..)
        | Op::Fact(..)
        | Op::Take(..)
        | Op::Renew(..)
        | Op::Release(..)
        | Op::GiveBack(..)
        | Op::Close(..) => false,
    };
    dialect == Dialect::Sqlite && !ops.is_empty() && ops.iter().all(plain)
}

/// Writes and commits them: a statement outside a transaction is one.
///
/// # Errors
/// `InDoubt` if it cannot be told whether they are committed.
pub async fn run(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> Result<End, Fault> {
    let told = events::told(ops, &HashMap::new());
    let (outcomes, attempts) = attempts::parted(ops)?;
    let query = sqlx::query(texts.write.clone())
        .bind(changes::head_rows(ops).into_json())
        .bind(changes::lease_rows(ops).into_json())
        .bind(changes::clip_rows(ops, 0).0.into_json())
        .bind(attempts.into_json())
        .bind(outcomes.into_json())
        .bind(events::stream_rows(&told).0.into_json())
        .bind(event_rows(&told).into_json());
    let Err(error) = query.execute(conn).await else {
        return Ok(End::Done);
    };
    match Fault::from(error) {
        Fault::Refused(reason) => {
            tracing::debug!(%reason, "steps do not go together, finding out whose fault it is");
            Ok(End::Nothing)
        }
        Fault::Passing(_) => Ok(End::Nothing),
        Fault::Gone(reason) | Fault::InDoubt(reason) => Err(Fault::InDoubt(reason)),
        missed @ Fault::Missed(_) => Err(missed),
    }
}

/// The (batch, user) numbers of all events that were just committed, in arrival order; nobody has written since.
pub async fn numbers(conn: &mut AnyConnection, texts: &Texts, ops: &[Op]) -> sqlx::Result<Vec<(i64, i64)>> {
    let told = events::told(ops, &HashMap::new());
    let mut rows = Rows::default();
    for told in &told {
        rows.push(&[told.batch, &told.events.len()]);
    }
    let returned = returning(conn, &texts.numbers, rows).await?;
    let mut numbers: HashMap<&str, Vec<(i64, i64)>> = HashMap::with_capacity(told.len());
    for row in &returned {
        let mut columns = Cursor::new(row);
        let batch = columns.text()?;
        numbers.entry(batch).or_default().push((columns.int()?, columns.int()?));
    }
    let of = |told: &Told<'_>| numbers.remove(told.batch.as_str()).unwrap_or_default();
    Ok(told.iter().flat_map(of).collect())
}

/// The rows of [`EVENTS`]. A batch has one step in a drain, a user may have several.
fn event_rows(told: &[Told<'_>]) -> Rows {
    let (_, mut of_user) = events::stream_rows(told);
    let mut rows = Rows::default();
    for told in told {
        let mut of_batch = told.events.len() as i64;
        for event in told.events {
            of_batch -= 1;
            let user_after = count_down(&mut of_user, (told.tenant.as_str(), told.user.as_str()));
            rows.push(&[
                told.batch,
                &of_batch,
                told.tenant,
                told.user,
                &user_after,
                &event.kind,
                &event.clip,
                &event.body,
                &told.at,
            ]);
        }
    }
    rows
}

fn count_down<'o>(left: &mut BTreeMap<(&'o str, &'o str), i64>, user: (&'o str, &'o str)) -> i64 {
    let left = left.entry(user).or_default();
    *left -= 1;
    *left
}
