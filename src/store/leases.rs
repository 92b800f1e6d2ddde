//! Leases: taking batches, prolonging what a node holds, giving back.
//!
//! The drain runs the statements; `Taken` carries what was taken to whoever asked. A lease that nobody came to know of
//! would be prolonged for ever by its own node, so a [`Taken`] that is dropped unread hands its leases back.

use std::collections::HashSet;

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::{
    model::{BatchId, BatchStatus, ClipStatus, NodeId, Timestamp, code},
    ports::Claim,
};
use tokio::sync::mpsc;

use super::{
    decode::Cursor,
    fault::Fault,
    op::{Op, Take},
    rows::Rows,
    sql::{Dialect, execute, text},
};

/// The window in which the restarts of a batch's actor are counted together.
const RESTART_WINDOW: std::time::Duration = std::time::Duration::from_secs(600);

/// How many due batches beyond the limit are looked at, because other nodes may be taking the first ones right now.
const SLACK: i64 = 1_000;

/// How long a batch that cannot be read is left alone.
const UNREADABLE_FOR: std::time::Duration = std::time::Duration::from_secs(600);

/// Who has the lease of a batch that cannot be read; no node's name, so no node prolongs it.
const UNREADABLE: &str = "unreadable";

/// One lease as it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub batch: BatchId,
    pub epoch: i64,
    pub node: NodeId,
}

/// A lease that its node does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    lease: Lease,
    /// Until when nobody is to take it; `None`: it is free.
    closed_until: Option<Timestamp>,
}

impl From<Lease> for Returned {
    fn from(lease: Lease) -> Self {
        Self {
            lease,
            closed_until: None,
        }
    }
}

/// Leases on their way to their taker.
pub struct Taken {
    leases: Vec<Lease>,
    queue: mpsc::WeakUnboundedSender<Op>,
}

impl Taken {
    pub fn new(leases: Vec<Lease>, queue: mpsc::WeakUnboundedSender<Op>) -> Self {
        Self { leases, queue }
    }

    /// What was taken.
    pub fn leases(&self) -> &[Lease] {
        &self.leases
    }

    /// The taker knows of them now, but for those of batches that it cannot read.
    pub fn keep(mut self, unreadable: &HashSet<BatchId>, now: Timestamp) {
        let mut leases = std::mem::take(&mut self.leases);
        leases.retain(|lease| unreadable.contains(&lease.batch));
        let closed_until = Some(now + UNREADABLE_FOR);
        let returned = leases.into_iter().map(|lease| Returned { lease, closed_until });
        self.give_back(returned.collect());
    }

    fn give_back(&self, leases: Vec<Returned>) {
        match self.queue.upgrade() {
            Some(queue) if !leases.is_empty() => drop(queue.send(Op::GiveBack(leases))),
            Some(_) | None => {}
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let leases = std::mem::take(&mut self.leases);
        self.give_back(leases.into_iter().map(Returned::from).collect());
    }
}

/// The statements.
pub struct Texts {
    due: SqlStr,
    named: SqlStr,
    respawn: SqlStr,
    renew: SqlStr,
    release: SqlStr,
    release_all: SqlStr,
    give_back: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        let lock = dialect.lock();
        let free = "(publish_batches.lease_owner IS NULL OR publish_batches.lease_expires_at <= $3)";
        let waiting = "SELECT batch_id FROM batch_commands WHERE applied_at IS NULL";
        let release = |whose: &str| {
            dialect.over(
                "b",
                &format!(
                    "UPDATE publish_batches SET lease_owner = NULL, lease_expires_at = NULL \
                     WHERE lease_owner {whose} AND batch_id NOT IN (SELECT v.b FROM v)"
                ),
            )
        };
        let take = format!(
            "UPDATE publish_batches SET lease_owner = $1, lease_expires_at = $2, lease_epoch = lease_epoch + 1 \
             WHERE batch_id IN (SELECT batch_id FROM c) AND {free} RETURNING batch_id, lease_epoch"
        );
        let finished: Vec<String> = (BatchStatus::ALL.iter().filter(|status| status.is_finished()))
            .map(|status| format!("'{status}'"))
            .collect();
        Self {
            // Without a `wake_at` it is there for a command, and somebody waits; the databases sort nulls each its own way.
            due: text(format!(
                "WITH c AS MATERIALIZED (SELECT batch_id FROM publish_batches WHERE batch_id IN (\
                 SELECT batch_id FROM (SELECT batch_id FROM publish_batches WHERE wake_at <= $3 AND {free} \
                 ORDER BY wake_at, batch_id LIMIT $5) AS due UNION {waiting}) AND {free} \
                 ORDER BY wake_at NULLS FIRST, batch_id LIMIT $4{lock}) {take}"
            )),
            named: text(format!(
                "WITH c AS MATERIALIZED (SELECT batch_id FROM publish_batches WHERE batch_id = $4 AND {free} AND (\
                 status NOT IN ({}) OR wake_at IS NOT NULL OR batch_id IN ({waiting} AND batch_id = $4) \
                 OR EXISTS (SELECT 1 FROM publish_batch_clips p WHERE p.batch_id = $4 AND p.status = '{}' \
                 AND p.error_code = '{}' AND p.metricool_post_id IS NOT NULL)){lock}) {take}",
                finished.join(", "),
                ClipStatus::Failed,
                code::CONFIRMATION_TIMEOUT,
            )),
            respawn: text(
                "UPDATE publish_batches SET lease_expires_at = $2, lease_epoch = lease_epoch + 1, \
                 restarts = CASE WHEN restarted_at > $4 THEN restarts + 1 ELSE 1 END, \
                 restarted_at = CASE WHEN restarted_at > $4 THEN restarted_at ELSE $3 END \
                 WHERE batch_id = $5 AND lease_owner = $1 RETURNING batch_id, lease_epoch",
            ),
            renew: text("UPDATE publish_batches SET lease_expires_at = $2 WHERE lease_owner = $1"),
            release: release("= $2"),
            release_all: release("IS NOT NULL"),
            give_back: dialect.over(
                "b ep# node owner until",
                "UPDATE publish_batches SET lease_owner = v.owner, lease_expires_at = v.until FROM v \
                 WHERE publish_batches.batch_id = v.b AND publish_batches.lease_epoch = v.ep \
                 AND publish_batches.lease_owner = v.node",
            ),
        }
    }
}

/// Takes leases; what is returned is not durable yet.
pub async fn take(conn: &mut AnyConnection, texts: &Texts, take: &Take) -> Result<Vec<Lease>, Fault> {
    let Take { node, what, now, until } = take;
    let (sql, limit) = match what {
        Claim::Due(limit) => (&texts.due, i64::try_from(*limit).unwrap_or(i64::MAX - SLACK)),
        Claim::Named(_) => (&texts.named, 1),
        Claim::Respawn(_) => (&texts.respawn, 1),
    };
    let bound = sqlx::query(sql.clone())
        .bind(node.to_string())
        .bind(until.to_string())
        .bind(now.to_string());
    let bound = match what {
        Claim::Due(_) => bound.bind(limit).bind(limit + SLACK),
        Claim::Named(batch) => bound.bind(batch.to_string()),
        Claim::Respawn(batch) => bound.bind((*now - RESTART_WINDOW).to_string()).bind(batch.to_string()),
    };
    let mut leases = Vec::new();
    for row in bound.fetch_all(conn).await? {
        let mut columns = Cursor::new(&row);
        leases.push(Lease {
            batch: columns.text()?.into(),
            epoch: columns.int()?,
            node: node.clone(),
        });
    }
    Ok(leases)
}

/// Prolongs every lease of the node.
pub async fn renew(conn: &mut AnyConnection, texts: &Texts, node: &NodeId, until: Timestamp) -> Result<(), Fault> {
    sqlx::query(texts.renew.clone())
        .bind(node.to_string())
        .bind(until.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Clears the leases of one node or of all, but those of some batches, and gives their number.
pub async fn release(
    conn: &mut AnyConnection,
    texts: &Texts,
    node: Option<&NodeId>,
    but: &[BatchId],
) -> Result<u64, Fault> {
    let mut rows = Rows::default();
    for batch in but {
        rows.push(&[batch]);
    }
    let text = match node {
        Some(_) => &texts.release,
        None => &texts.release_all,
    };
    let mut query = sqlx::query(text.clone()).bind(rows.into_json());
    if let Some(node) = node {
        query = query.bind(node.to_string());
    }
    Ok(query.execute(conn).await?.rows_affected())
}

/// Frees or closes leases that their node does not keep, where they still stand as they were taken.
pub async fn give_back(conn: &mut AnyConnection, texts: &Texts, leases: &[Returned]) -> Result<(), Fault> {
    let mut rows = Rows::default();
    for Returned { lease, closed_until } in leases {
        let owner = closed_until.map(|_| UNREADABLE);
        rows.push(&[&lease.batch, &lease.epoch, &lease.node, &owner, closed_until]);
    }
    Ok(execute(conn, &texts.give_back, rows).await?)
}
