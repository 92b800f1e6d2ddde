//! The store as one node reaches it: slow at times, away for a while, and its answers may be lost.
//!
//! The rows themselves are the [`MemoryStore`]'s, whose rules are those of the real one. A node that dies or stands still
//! between a write and its answer does not hear of it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{SIMULATED_PANIC, invariants, node::Gate, stage::Stage};
use crate::{
    error::StoreError,
    model::{AccountId, BatchId, Command, Network, NodeId, Timestamp},
    ports::{Candidate, Change, Claim, Owned, Snapshot, Store},
    testing::MemoryStore,
};

/// See the file's first paragraph.
pub struct SimulatedStore {
    stage: Arc<Stage>,
    gate: Arc<Gate>,
    /// Leases whose taker did not hear of them: given back with the next write, as the real committer does.
    orphans: Mutex<Vec<(BatchId, i64)>>,
    /// How many supervisors died here.
    supervisors: AtomicU32,
}

/// Who makes a call.
#[derive(Clone, Copy, PartialEq)]
enum Caller {
    Supervisor,
    Batch,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Fine,
    Unavailable,
    AnswerLost,
    CrashBeforeAnswer,
    CrashAfterAnswer,
    PanicBefore,
    PanicAfter,
}

/// How one call goes.
struct Course {
    fate: Fate,
    before: Duration,
    after: Duration,
    /// Whether a node that stands still has sent its request all the same.
    is_sent: bool,
}

impl SimulatedStore {
    /// The store of this node.
    pub fn new(stage: Arc<Stage>, gate: Arc<Gate>) -> Self {
        Self {
            stage,
            gate,
            orphans: Mutex::default(),
            supervisors: AtomicU32::new(0),
        }
    }

    fn may_kill_a_supervisor(&self) -> bool {
        let most = self.stage.scenario.rules.max_restarts;
        let more = |died: u32| (died < most).then_some(died + 1);
        (self.supervisors)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    fn course(&self, caller: Caller) -> Course {
        let mut dice = self.stage.dice();
        if self.stage.is_calm() {
            return Course {
                fate: Fate::Fine,
                before: Duration::ZERO,
                after: Duration::from_millis(dice.within(0, 1)),
                is_sent: true,
            };
        }
        let faults = &self.stage.scenario.store;
        let fate = dice.fall(&[
            (faults.unavailable, Fate::Unavailable),
            (faults.lost_answer, Fate::AnswerLost),
            (faults.crash_before_answer, Fate::CrashBeforeAnswer),
            (faults.crash_after_answer, Fate::CrashAfterAnswer),
            (faults.panic / 2, Fate::PanicBefore),
            (faults.panic / 2, Fate::PanicAfter),
        ]);
        let slow = dice.chance(faults.slow);
        let mut takes = || match slow {
            true => dice.mostly_short(12),
            false => dice.pick(&[0, 0, 0, 1, 3]).into_millis(),
        };
        let (before, after) = (takes(), takes());
        Course {
            fate: match (fate.unwrap_or(Fate::Fine), caller) {
                // More of them within the window end the daemon, as they should.
                (Fate::PanicBefore | Fate::PanicAfter, Caller::Supervisor) if !self.may_kill_a_supervisor() => {
                    Fate::Fine
                }
                (fate, _) => fate,
            },
            before,
            after,
            is_sent: dice.chance(500),
        }
    }

    async fn call<T>(
        &self,
        caller: Caller,
        what: &str,
        effect: impl FnOnce(&MemoryStore) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let (stage, gate) = (&self.stage, &self.gate);
        gate.pass(&stage.clock).await;
        let course = self.course(caller);
        sleep(course.before).await;
        if !course.is_sent || gate.is_dead() {
            gate.pass(&stage.clock).await;
        }
        if stage.store_is_down() || course.fate == Fate::Unavailable {
            self.tell(|| format!("{what} -> unavailable"));
            sleep(course.after).await;
            gate.pass(&stage.clock).await;
            return Err(StoreError::Unavailable("simulated".into()));
        }
        if course.fate == Fate::PanicBefore {
            self.panic(what);
        }
        self.give_back();
        let result = effect(&stage.rows);
        match course.fate {
            Fate::PanicAfter => self.panic(what),
            Fate::CrashBeforeAnswer => {
                stage.kill(gate, &format!("between {what} and its answer"));
                gate.pass(&stage.clock).await;
            }
            Fate::CrashAfterAnswer => {
                let (stage, gate, what) = (stage.clone(), gate.clone(), what.to_owned());
                let soon = course.after + stage.dice().pick(&[0, 0, 1, 50]).into_millis();
                tokio::spawn(async move {
                    sleep(soon).await;
                    stage.kill(&gate, &format!("after {what}"));
                });
            }
            Fate::Fine | Fate::Unavailable | Fate::AnswerLost | Fate::PanicBefore => {}
        }
        sleep(course.after).await;
        gate.pass(&stage.clock).await;
        if course.fate == Fate::AnswerLost {
            self.tell(|| format!("{what}: its answer is lost"));
            return Err(StoreError::Unavailable("simulated loss of the answer".into()));
        }
        result
    }

    fn panic(&self, what: &str) {
        self.tell(|| format!("{what}: PANIC"));
        self.stage.record().counts.panics += 1;
        panic!("{SIMULATED_PANIC}");
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        self.stage.tell(self.gate.name.as_str(), what);
    }

    fn give_back(&self) {
        let mut orphans = self.orphans.lock().unwrap_or_else(PoisonError::into_inner);
        for (batch, epoch) in orphans.drain(..) {
            self.stage.rows.give_back(&batch, &self.gate.name, epoch);
        }
    }
}

async fn sleep(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

trait IntoMillis {
    fn into_millis(self) -> Duration;
}

impl IntoMillis for u64 {
    fn into_millis(self) -> Duration {
        Duration::from_millis(self)
    }
}

#[async_trait]
impl Store for SimulatedStore {
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let mut taken = Vec::new();
        let effect = |rows: &MemoryStore| {
            let claimed = rows.claim_now(node, &what, now, lease_until);
            taken.extend(
                claimed
                    .iter()
                    .map(|claimed| (claimed.batch.id.clone(), claimed.batch.epoch)),
            );
            invariants::batches_are_claimed(&self.stage, &self.gate, &what, &claimed);
            Ok(claimed)
        };
        let result = self.call(Caller::Supervisor, "claim", effect).await;
        if result.is_err() {
            self.orphans
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(taken);
        }
        result
    }

    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError> {
        let effect = |rows: &MemoryStore| {
            rows.renew_now(node, lease_until);
            Ok(())
        };
        self.call(Caller::Supervisor, "renew", effect).await
    }

    async fn release_all(&self, node: &NodeId, but: &[BatchId]) -> Result<(), StoreError> {
        let effect = |rows: &MemoryStore| {
            rows.release_now(node, but);
            Ok(())
        };
        self.call(Caller::Supervisor, "release", effect).await
    }

    async fn leased(&self, node: &NodeId) -> Result<Vec<BatchId>, StoreError> {
        self.call(Caller::Supervisor, "leased", |rows| Ok(rows.leased_now(node)))
            .await
    }

    async fn commit(&self, change: Arc<Change>) -> Result<(), StoreError> {
        let effect = |rows: &MemoryStore| {
            let before = rows.row(&change.batch);
            let result = rows.write(&change);
            invariants::a_change_was_written(&self.stage, &self.gate, &change, &before, &result);
            result
        };
        self.call(Caller::Batch, "commit", effect).await
    }

    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError> {
        let effect = |rows: &MemoryStore| Ok(rows.waiting_commands(batch));
        self.call(Caller::Batch, "commands", effect).await
    }

    async fn taken_slots(
        &self,
        account: &AccountId,
        network: Network,
        media: &str,
        from: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let effect = |rows: &MemoryStore| Ok(rows.taken_slots_now(account, network, media, from));
        self.call(Caller::Batch, "taken slots", effect).await
    }

    async fn owned(
        &self,
        account: &AccountId,
        posts: &[Candidate],
        except: (&BatchId, u32, u32),
    ) -> Result<Owned, StoreError> {
        let effect = |rows: &MemoryStore| Ok(rows.owned_now(account, posts, except));
        self.call(Caller::Batch, "owned", effect).await
    }
}
