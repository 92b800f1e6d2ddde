//! The committer: the one task that writes. It takes everything queued, commits it as one transaction, tells the
//! listener, then answers everybody (group commit).
//!
//! `Store::open` starts it. If it dies, its queue goes with it and every waiter is told that the database is
//! unavailable; what was answered before is durable, what was not was never promised.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{AnyConnection, Connection};
use storyclip_actors::{error::StoreError, model::Timestamp};
use tokio::sync::mpsc;

use super::{
    drain::{self, Outcome, Texts},
    events,
    express::{self, End, Steps},
    fault::Fault,
    gathering::Gathering,
    health::Health,
    leases::{Returned, Taken},
    op::{Op, Reply, answer, refuse, without},
    open::{self, Source},
    sql::Dialect,
    view::{CommitListener, Created},
};

/// How often a drain is run again because of locks.
const PASSING_MAX: u32 = 8;

/// For how long; each try may itself have waited for a lock.
const PASSING_FOR: Duration = Duration::from_secs(10);

/// How long a server may take over one drain before it counts as gone.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The task's state.
pub struct Committer {
    dialect: Dialect,
    source: Source,
    texts: Texts,
    listener: Arc<dyn CommitListener>,
    queue: mpsc::UnboundedReceiver<Op>,
    /// For leases that come back unread.
    sender: mpsc::WeakUnboundedSender<Op>,
    /// `None` after it was lost.
    conn: Option<AnyConnection>,
    /// What was taken from the queue.
    gathering: Gathering,
    /// Leases to give back before anything else: their takers never heard of them or cannot read their batches, or their
    /// commit is in doubt.
    orphans: Vec<Returned>,
    /// When old idempotency keys were last deleted, in this process.
    swept_at: Option<Timestamp>,
    health: Health,
}

impl Committer {
    /// Starts the task on this connection and gives its queue.
    pub fn start(
        dialect: Dialect,
        source: Source,
        conn: AnyConnection,
        listener: Arc<dyn CommitListener>,
        health: Health,
    ) -> mpsc::UnboundedSender<Op> {
        let (sender, queue) = mpsc::unbounded_channel();
        let committer = Self {
            dialect,
            source,
            texts: Texts::new(dialect),
            listener,
            queue,
            sender: sender.downgrade(),
            conn: Some(conn),
            gathering: Gathering::new(dialect),
            orphans: Vec::new(),
            swept_at: None,
            health,
        };
        tokio::spawn(committer.run());
        sender
    }

    /// Works until the store is closed or dropped.
    async fn run(mut self) {
        let mut closing: Vec<Reply<()>> = Vec::new();
        while let Some((mut ops, steps)) = self.next_drain().await {
            if let Some(Op::Close(reply)) = ops.pop_if(|op| matches!(op, Op::Close(_))) {
                self.queue.close();
                closing.push(reply);
            }
            for op in ops.extract_if(.., |op| matches!(op, Op::GiveBack(_))) {
                if let Op::GiveBack(leases) = op {
                    self.orphans.extend(leases);
                }
            }
            match (steps, self.conn.take()) {
                (Some(steps), Some(conn)) if self.orphans.is_empty() => self.write_steps(conn, ops, steps).await,
                (_, conn) => {
                    self.conn = conn;
                    self.settle(ops).await;
                }
            }
        }
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "store connection did not close cleanly");
        }
        for reply in closing {
            answer(reply, Ok(()));
        }
    }

    /// Waits for work and takes all of it that fits into one transaction, in the order of arrival.
    async fn next_drain(&mut self) -> Option<(Vec<Op>, Option<Steps>)> {
        if self.gathering.is_empty() {
            self.gathering.add(self.queue.recv().await?);
        }
        while self.gathering.has_room()
            && let Ok(op) = self.queue.try_recv()
        {
            self.gathering.add(op);
        }
        Some(self.gathering.take())
    }

    /// Writes a drain of steps and gathers the next one meanwhile; if they do not go together, they go the long way.
    async fn write_steps(&mut self, mut conn: AnyConnection, ops: Vec<Op>, steps: Steps) {
        let end = {
            let mut writing = pin!(self.health.watch(steps.write(&mut conn, &self.texts.express)));
            loop {
                tokio::select! {
                    biased;
                    end = &mut writing => break end,
                    Some(op) = self.queue.recv(), if self.gathering.has_room() => self.gathering.add(op),
                }
            }
        };
        match end {
            End::Done => {
                self.health.works();
                let outcome = self.steps_written(conn, &ops).await;
                self.answer(ops, outcome);
            }
            End::Nothing => {
                self.conn = Some(conn);
                self.settle(ops).await;
            }
            End::InDoubt(reason) => {
                drop(conn);
                self.give_up(ops, reason).await;
            }
        }
    }

    /// Brings every operation to its end: together where possible, halved where somebody's rows are refused.
    async fn settle(&mut self, ops: Vec<Op>) {
        let mut groups = vec![ops];
        let (mut passing, mut reconnected) = (0, self.conn.is_none());
        let (health, begun) = (self.health.clone(), Instant::now());
        while let Some(mut ops) = groups.pop() {
            if ops.is_empty() && self.orphans.is_empty() {
                continue;
            }
            match health.watch(self.attempt(&ops)).await {
                Ok(outcome) => {
                    // Taking nothing and prolonging nothing need no room on a disk.
                    if ops.iter().any(Op::writes) {
                        health.works();
                    }
                    self.answer(ops, outcome);
                }
                Err(Fault::Missed(places)) => groups.push(without(ops, places)),
                Err(Fault::Refused(error)) if ops.len() < 2 => refuse(ops, &error),
                Err(Fault::Refused(_)) => {
                    let rest = ops.split_off(ops.len() / 2);
                    groups.extend([rest, ops]);
                }
                Err(Fault::Passing(reason)) if passing < PASSING_MAX && begun.elapsed() < PASSING_FOR => {
                    passing += 1;
                    tracing::debug!(%reason, "drain runs again");
                    tokio::time::sleep(Duration::from_millis(2 << passing)).await;
                    groups.push(ops);
                }
                Err(Fault::Gone(reason)) if !reconnected => {
                    reconnected = true;
                    tracing::debug!(%reason, "drain runs again on a new connection");
                    groups.push(ops);
                }
                Err(Fault::Passing(reason) | Fault::Gone(reason) | Fault::InDoubt(reason)) => {
                    ops.extend(groups.drain(..).flatten());
                    self.give_up(ops, reason).await;
                }
            }
        }
    }

    /// Tells everybody that the database is unavailable.
    async fn give_up(&mut self, ops: Vec<Op>, reason: String) {
        let reason = self.source.explained(reason).await;
        self.health.fails(&reason);
        refuse(ops, &StoreError::Unavailable(reason));
    }

    /// One transaction. A connection that is not fit for another one is dropped.
    async fn attempt(&mut self, ops: &[Op]) -> Result<Outcome, Fault> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => open::reconnect(self.dialect, &self.source).await?,
        };
        let mut written = None;
        let transaction = transact(&mut conn, &self.texts, &self.orphans, self.swept_at, ops, &mut written);
        let result = match (in_time(self.dialect, transaction).await, written) {
            (Ok(()), Some(outcome)) => Ok(outcome),
            (Ok(()), None) => Err(Fault::Gone("a transaction without an outcome".into())),
            (Err(Fault::InDoubt(reason)), Some(outcome)) => {
                drop(conn);
                return self.clear_doubt(ops, outcome, reason).await;
            }
            (Err(fault), _) => Err(fault),
        };
        match &result {
            Ok(_) => self.committed(conn),
            Err(Fault::Missed(_) | Fault::Refused(_) | Fault::Passing(_)) => self.conn = Some(conn),
            Err(Fault::Gone(_) | Fault::InDoubt(_)) => {}
        }
        result
    }

    /// The numbers of the events are looked up only if somebody listens.
    async fn steps_written(&mut self, mut conn: AnyConnection, ops: &[Op]) -> Outcome {
        let mut outcome = Outcome::default();
        if self.listener.listens() {
            match express::numbers(&mut conn, &self.texts.express, ops).await {
                Ok(numbers) => outcome.numbers = numbers,
                Err(error) => tracing::warn!(%error, "listeners hear of a commit with the next one"),
            }
        }
        self.committed(conn);
        outcome
    }

    /// The answer of a COMMIT was lost: a new connection shows whether the events of the drain are there.
    async fn clear_doubt(&mut self, ops: &[Op], outcome: Outcome, reason: String) -> Result<Outcome, Fault> {
        let look = async {
            let mut conn = open::reconnect(self.dialect, &self.source).await?;
            let landed = drain::landed(&mut conn, &self.texts, ops, &outcome).await?;
            Ok((conn, landed))
        };
        match in_time(self.dialect, look).await {
            Ok((conn, Some(true))) => {
                tracing::info!(%reason, "answer of a commit was lost, it is durable");
                self.committed(conn);
                Ok(outcome)
            }
            Ok((conn, Some(false))) => {
                self.conn = Some(conn);
                Err(Fault::Gone(reason))
            }
            Ok((_, None)) | Err(_) => {
                self.orphans
                    .extend(outcome.taken.into_values().flatten().map(Returned::from));
                Err(Fault::InDoubt(reason))
            }
        }
    }

    fn committed(&mut self, conn: AnyConnection) {
        #[cfg(feature = "crash-points")]
        crate::crash_points::committed();
        self.conn = Some(conn);
        self.orphans.clear();
    }

    /// After the commit: the listener first, then the waiters.
    fn answer(&mut self, ops: Vec<Op>, mut outcome: Outcome) {
        self.health.committed(ops.len());
        self.swept_at = outcome.swept_at.or(self.swept_at);
        if self.listener.listens() {
            let numbers = std::mem::take(&mut outcome.numbers);
            let committed = events::committed(&ops, &outcome.replayed, numbers);
            if !committed.is_empty() {
                self.listener.committed(&committed);
            }
        }
        for (place, op) in ops.into_iter().enumerate() {
            match op {
                Op::Commit(_, reply) | Op::Command(_, reply) | Op::Fact(_, reply) | Op::Renew(_, _, reply) => {
                    answer(reply, Ok(()));
                }
                Op::Create(_, reply) => {
                    let replayed = outcome.replayed.remove(&place);
                    answer(reply, Ok(replayed.unwrap_or(Created::New)));
                }
                Op::Take(_, reply) => {
                    let leases = outcome.taken.remove(&place).unwrap_or_default();
                    answer(reply, Ok(Taken::new(leases, self.sender.clone())));
                }
                Op::Release(_, _, reply) => answer(reply, Ok(outcome.released.remove(&place).unwrap_or_default())),
                Op::GiveBack(_) | Op::Close(_) => {}
            }
        }
    }
}

/// Waits for a server only so long; a file is always answered.
async fn in_time<T>(dialect: Dialect, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match dialect {
        Dialect::Sqlite => work.await,
        Dialect::Postgres => match tokio::time::timeout(DRAIN_TIMEOUT, work).await {
            Ok(result) => result,
            Err(_) => Err(Fault::InDoubt("the server did not answer in time".into())),
        },
    }
}

/// The outcome is in `written` before the COMMIT is sent.
async fn transact(
    conn: &mut AnyConnection,
    texts: &Texts,
    orphans: &[Returned],
    swept_at: Option<Timestamp>,
    ops: &[Op],
    written: &mut Option<Outcome>,
) -> Result<(), Fault> {
    let mut tx = conn.begin().await?;
    match drain::run(&mut tx, texts, orphans, swept_at, ops).await {
        Ok(outcome) => {
            *written = Some(outcome);
            tx.commit().await.map_err(|error| Fault::InDoubt(error.to_string()))
        }
        Err(fault) => {
            tx.rollback().await.map_err(|error| Fault::Gone(error.to_string()))?;
            Err(fault)
        }
    }
}
