//! The usual drain on SQLite, steps of batches and nothing else, as one insert into a view whose trigger does the rest:
//! one trip to the connection's thread where the drain makes seven, and each trip costs as much as twenty rows. A step that
//! is alone goes without JSON, see [`alone`].
//!
//! The committer gathers them and tries this way first. It says only whether all was committed: if anything is out of the
//! ordinary (a guard that missed, a slot that is taken) nothing was, and the drain finds out whose it is. A death before its
//! end leaves nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures_util::StreamExt;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Executor, SqlStr, any::AnyArguments, query::Query};
use storyclip_actors::{
    model::{Tenant, UserId},
    ports::Change,
};

use super::{
    alone,
    attempts::{self, INTENTS, OUTCOMES, POSTS},
    changes::{self, CLIPS, HEADS, LEASES},
    decode::Cursor,
    events::{self, STREAMS, Told},
    fault::Fault,
    op::Op,
    rows::{Rows, Table},
    sql::{Dialect, Shape, returning, text},
};

/// The events, numbered by the counters of their batches, which were just moved on (each knows how many of its batch come
/// after it), and of their users, which are moved on next (each knows which of the drain's it is).
pub const EVENTS: Shape = Shape {
    columns: "b after# user_seq# kind clip# body at",
    statement: "INSERT INTO batch_events (batch_id, batch_seq, tenant, user_id, user_seq, kind, clip_index, body, \
                created_at) SELECT v.b, p.last_event - v.after, p.tenant, p.user_id, \
                COALESCE(s.last_event, 0) + v.user_seq, v.kind, v.clip, v.body, v.at \
                FROM v CROSS JOIN publish_batches p \
                LEFT JOIN user_streams s ON s.tenant = p.tenant AND s.user_id = p.user_id WHERE p.batch_id = v.b",
    returning: "",
};

/// What the columns of the view `drains` are: one JSON text of rows each.
const COLUMNS: &str = "heads, leases, clips, intents, posts, outcomes, events, streams";

/// The statements.
pub struct Texts {
    alone: alone::Texts,
    write: SqlStr,
    numbers: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            alone: alone::Texts::new(),
            write: text(format!(
                "INSERT OR ROLLBACK INTO temp.drains ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
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

/// A part of a trigger that takes everything back unless the one before it wrote this many rows.
pub fn guard(rows: &str) -> String {
    format!("SELECT RAISE(ROLLBACK, 'a guard missed') WHERE changes() <> {rows}")
}

/// Makes the views and the triggers that carry out what is inserted into them. They are this connection's own. What goes wrong
/// rolls the whole of it back, which spares SQLite a copy of every page for taking back a part.
pub async fn prepare(conn: &mut AnyConnection) -> sqlx::Result<()> {
    let dialect = Dialect::Sqlite;
    let hit_all = |rows| guard(&format!("json_array_length({rows})"));
    let statements = [
        dialect.part(&HEADS, "NEW.heads"),
        hit_all("NEW.heads"),
        dialect.part(&LEASES, "NEW.leases"),
        dialect.part(&CLIPS, "NEW.clips"),
        hit_all("NEW.clips"),
        dialect.part(&INTENTS, "NEW.intents"),
        dialect.part(&POSTS, "NEW.posts"),
        dialect.part(&OUTCOMES, "NEW.outcomes"),
        dialect.part(&EVENTS, "NEW.events"),
        dialect.part(&STREAMS, "NEW.streams"),
    ];
    let made = format!(
        "CREATE TEMP VIEW drains ({COLUMNS}) AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE false; \
         CREATE TEMP TRIGGER drain INSTEAD OF INSERT ON temp.drains BEGIN {}; END",
        statements.join("; ")
    );
    let made = format!("{made}; {}", alone::made(dialect));
    sqlx::raw_sql(AssertSqlSafe(made)).execute(conn).await.map(drop)
}

/// What became of a drain.
pub enum End {
    /// All of it is durable.
    Done,
    /// Nothing is; the reason is for the drain to find out.
    Nothing,
    /// It cannot be told; the connection is not fit for another.
    InDoubt(String),
}

/// Steps of batches on their way into one drain, each made into rows as it comes: while one drain is written the next is
/// made ready. The first waits whether it stays alone.
#[derive(Default)]
pub struct Steps {
    first: Option<Arc<Change>>,
    heads: Rows,
    leases: Rows,
    clips: Rows,
    attempts: attempts::Parts<Rows>,
    events: Rows,
    /// How many events each user gets.
    streams: BTreeMap<(Tenant, UserId), i64>,
}

impl Steps {
    /// Adds a step; false, and all of them have to go the long way, if this one does not go the short one.
    pub fn add(&mut self, change: &Arc<Change>) -> bool {
        if !changes::in_one_round(change) {
            return false;
        }
        match self.first.take() {
            Some(first) => self.push(&first) && self.push(change),
            None if self.heads.is_empty() => {
                self.first = Some(change.clone());
                true
            }
            None => self.push(change),
        }
    }

    /// Makes a step into rows.
    fn push(&mut self, change: &Change) -> bool {
        changes::push_head(&mut self.heads, change);
        changes::push_lease(&mut self.leases, change);
        for write in &change.clips {
            changes::push_clip(&mut self.clips, change, write);
        }
        if !change.attempts.iter().all(|write| self.attempts.push(change, write)) {
            return false;
        }
        if change.events.is_empty() {
            return true;
        }
        let user = self.streams.entry((change.tenant.clone(), change.user.clone()));
        let user_seq = user.or_default();
        for place in 0..change.events.len() {
            *user_seq += 1;
            push_event(&mut self.events, change, place, *user_seq);
        }
        true
    }

    /// Writes and commits them: a statement outside a transaction is one.
    pub async fn write(mut self, conn: &mut AnyConnection, texts: &Texts) -> End {
        if let Some(first) = self.first.take() {
            if let Some(query) = texts.alone.bound(&first) {
                return run(conn, query).await;
            }
            if !self.push(&first) {
                return End::Nothing;
            }
        }
        let mut streams = Rows::default();
        for ((tenant, user), count) in &self.streams {
            streams.push(&[tenant, user, count]);
        }
        let query = sqlx::query(texts.write.clone())
            .bind(self.heads.into_json())
            .bind(self.leases.into_json())
            .bind(self.clips.into_json())
            .bind(self.attempts.intents.into_json())
            .bind(self.attempts.posts.into_json())
            .bind(self.attempts.outcomes.into_json())
            .bind(self.events.into_json())
            .bind(streams.into_json());
        run(conn, query).await
    }
}

/// A row of [`EVENTS`]: the event at this place of the change, which is this one of its user's in the drain.
pub fn push_event(rows: &mut impl Table, change: &Change, place: usize, user_seq: i64) {
    let event = &change.events[place];
    rows.row(&[
        &change.batch,
        &(change.events.len() - place - 1),
        &user_seq,
        &event.kind,
        &event.clip,
        &event.body,
        &change.at,
    ]);
}

/// Runs the one statement.
async fn run(conn: &mut AnyConnection, query: Query<'_, Any, AnyArguments>) -> End {
    // The first that comes is the end of the one statement; the end of the stream, another waking later, says nothing.
    let error = match conn.fetch_many(query).next().await {
        Some(Ok(_)) => return End::Done,
        Some(Err(error)) => error,
        None => return End::InDoubt("the connection gave no answer".into()),
    };
    match Fault::from(error) {
        Fault::Refused(reason) => {
            tracing::debug!(%reason, "steps do not go together, finding out whose fault it is");
            End::Nothing
        }
        Fault::Missed(_) | Fault::Passing(_) => End::Nothing,
        Fault::Gone(reason) | Fault::InDoubt(reason) => End::InDoubt(reason),
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
