//! One drain: everything that was queued, written in one transaction of a few statements.
//!
//! The committer begins and ends the transaction around it. An error leaves nothing behind; a death before the commit
//! likewise, and its waiters died with the process.

use std::collections::HashMap;

use sqlx::AnyConnection;
use storyclip_actors::model::Timestamp;

use super::{
    attempts, changes, creates, events, express,
    fault::Fault,
    leases::{self, Lease, Returned},
    notes,
    op::Op,
    sql::Dialect,
    view::Created,
};

/// Every statement that writes.
pub struct Texts {
    changes: changes::Texts,
    attempts: attempts::Texts,
    creates: creates::Texts,
    events: events::Texts,
    notes: notes::Texts,
    leases: leases::Texts,
    pub express: express::Texts,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            changes: changes::Texts::new(dialect),
            attempts: attempts::Texts::new(dialect),
            creates: creates::Texts::new(dialect),
            events: events::Texts::new(dialect),
            notes: notes::Texts::new(dialect),
            leases: leases::Texts::new(dialect),
            express: express::Texts::new(dialect),
        }
    }
}

/// What the operations are to be told, once the transaction is committed.
#[derive(Default)]
pub struct Outcome {
    /// The (batch, user) numbers of all events, in arrival order.
    pub numbers: Vec<(i64, i64)>,
    /// Creations that found their key, by place.
    pub replayed: HashMap<usize, Created>,
    /// What was taken, by place.
    pub taken: HashMap<usize, Vec<Lease>>,
    /// How many leases were cleared, by place.
    pub released: HashMap<usize, u64>,
    /// When old idempotency keys were last deleted.
    pub swept_at: Option<Timestamp>,
}

/// Runs the statements. `orphans` are leases that nobody keeps; `swept_at` is when old keys were last deleted.
pub async fn run(
    conn: &mut AnyConnection,
    texts: &Texts,
    orphans: &[Returned],
    swept_at: Option<Timestamp>,
    ops: &[Op],
) -> Result<Outcome, Fault> {
    leases::give_back(conn, &texts.leases, orphans).await?;
    let newest = changes::heads(conn, &texts.changes, ops).await?;
    changes::clips(conn, &texts.changes, ops).await?;
    attempts::write(conn, &texts.attempts, ops).await?;
    let swept_at = creates::sweep(conn, &texts.creates, ops, swept_at).await?;
    let replayed = creates::create(conn, &texts.creates, ops).await?;
    let numbers = events::store(conn, &texts.events, ops, &newest, &replayed).await?;
    changes::applied(conn, &texts.changes, ops).await?;
    notes::commands(conn, &texts.notes, ops).await?;
    notes::facts(conn, &texts.notes, ops).await?;
    let mut outcome = Outcome {
        numbers,
        replayed,
        swept_at,
        ..Outcome::default()
    };
    for (place, op) in ops.iter().enumerate() {
        match op {
            Op::Take(take, _) => {
                outcome
                    .taken
                    .insert(place, leases::take(conn, &texts.leases, take).await?);
            }
            Op::Renew(node, until, _) => leases::renew(conn, &texts.leases, node, *until).await?,
            Op::Release(node, but, _) => {
                let released = leases::release(conn, &texts.leases, node.as_ref(), but).await?;
                outcome.released.insert(place, released);
            }
            Op::Commit(..) | Op::Create(..) | Op::Command(..) | Op::Fact(..) | Op::GiveBack(..) | Op::Close(..) => {}
        }
    }
    Ok(outcome)
}

/// Whether a drain whose commit was not answered is in the database; `None` when that cannot be seen.
pub async fn landed(
    conn: &mut AnyConnection,
    texts: &Texts,
    ops: &[Op],
    outcome: &Outcome,
) -> Result<Option<bool>, Fault> {
    events::landed(conn, &texts.events, ops, &outcome.numbers, &outcome.replayed).await
}
