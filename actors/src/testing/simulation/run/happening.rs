//! What the scenario lets happen to nodes, batches and posts, and what people do when everybody rests.
//!
//! The run calls it when the time has come.

use std::{sync::Arc, time::Duration};

use ractor::rpc::CallResult;

use super::Run;
use crate::{
    messages::SupervisorMessage,
    model::{BatchId, Wish},
    testing::simulation::{invariants, node::Node, persons, scenario::Happening, stage::Stage},
};

/// How often people look after a batch that waits for them.
const PATIENCE: u32 = 3;

/// How long an orderly stop may take before the process is killed.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(25);

impl Run {
    pub(super) fn happen(&mut self, happening: Happening) {
        let stage = self.stage.clone();
        match happening {
            Happening::Submit(batch) => self.submit(batch),
            Happening::Crash(node) => self.with(node, |node| stage.kill(&node.gate, "killed")),
            Happening::StandStill(node, lasts) => self.with(node, |node| {
                stage.tell(node.gate.name.as_str(), || format!("STANDS STILL for {lasts:?}"));
                stage.record().counts.standstills += 1;
                node.gate.stand_still(stage.now() + lasts);
            }),
            Happening::Restart(node) => self.with(node, |node| stop(&stage, node)),
            Happening::Reconcile(batch) => {
                let batch = self.batch(batch);
                self.with_any(|node| {
                    let _: Result<(), _> = node.supervisor.cast(SupervisorMessage::Reconcile(batch));
                });
            }
            Happening::Cancel(batch) => self.command(self.batch(batch), Wish::Cancel),
            Happening::Pause(batch) => self.command(self.batch(batch), Wish::Pause),
            Happening::Resume(batch) => self.command(self.batch(batch), Wish::Resume),
            Happening::RetryFailed(batch) => {
                let wish = persons::retry_failed(&stage);
                self.command(self.batch(batch), wish);
            }
            Happening::Resolve(batch) => {
                let batch = self.batch(batch);
                if let Some(wish) = persons::resolve(&stage, &batch) {
                    self.command(batch, wish);
                }
            }
            Happening::Edit => persons::edit(&stage),
            Happening::Delete => persons::delete(&stage),
            Happening::PostByHand => persons::post_by_hand(&stage),
        }
    }

    fn batch(&self, place: usize) -> BatchId {
        BatchId::from(self.stage.scenario.batches[place].id)
    }

    fn submit(&mut self, place: usize) {
        let new = self.stage.scenario.batches[place].clone();
        self.stage.tell(new.id, || {
            format!(
                "SUBMITTED: {} clips of {}, {}, {}, {} retries",
                new.urls.len(),
                new.account,
                new.speed,
                new.on_failure,
                new.max_retries
            )
        });
        self.stage.record().counts.clips += new.urls.len() as u64;
        self.stage.rows.insert(new, self.stage.now());
        self.with_any(|node| {
            let _: Result<(), _> = node.supervisor.cast(SupervisorMessage::Claim);
        });
    }

    /// The row is durable before anybody is told, and it may be that nobody is.
    fn command(&self, batch: BatchId, wish: Wish) {
        if !self.stage.rows.has(&batch) {
            return;
        }
        self.stage.tell(batch.as_str(), || format!("COMMANDED: {wish:?}"));
        invariants::a_command_is_durable(&self.stage, &batch, &wish);
        self.stage.rows.insert_command(&batch, wish, self.stage.now());
        if self.stage.dice().chance(50) {
            return;
        }
        // One node wrote the row and the others are notified.
        for node in self.nodes.iter().flatten() {
            let (supervisor, batch) = (node.supervisor.clone(), batch.clone());
            tokio::spawn(async move {
                let asked = supervisor.call(
                    |reply| SupervisorMessage::Command(batch, reply),
                    Some(Duration::from_secs(5)),
                );
                // Whoever asked sees the rows later.
                let _: Result<CallResult<_>, _> = asked.await;
            });
        }
    }

    /// Everybody rests, and people look after what waits for them, as long as they have the patience. Whether they did
    /// anything.
    pub(super) fn people_look_after_it(&mut self) -> bool {
        let mut did = false;
        for batch in self.stage.rows.batches() {
            let patience = self.patience.entry(batch.clone()).or_insert(PATIENCE);
            let wish = patience.checked_sub(1).and_then(|left| {
                *patience = left;
                persons::look_after(&self.stage, &batch)
            });
            if let Some(wish) = wish {
                self.command(batch, wish);
                did = true;
            }
        }
        did
    }

    fn with(&self, place: usize, then: impl FnOnce(&Node)) {
        if let Some(node) = &self.nodes[place] {
            then(node);
        }
    }

    fn with_any(&self, then: impl FnOnce(&Node)) {
        let first = self.stage.dice().within(0, self.nodes.len() as u64 - 1) as usize;
        let alive = self
            .nodes
            .iter()
            .cycle()
            .skip(first)
            .take(self.nodes.len())
            .flatten()
            .next();
        if let Some(node) = alive {
            then(node);
        }
    }
}

/// SIGTERM, and SIGKILL when that takes too long.
fn stop(stage: &Arc<Stage>, node: &Node) {
    stage.tell(node.gate.name.as_str(), || "IS TOLD TO STOP".into());
    let (stage, gate, supervisor) = (stage.clone(), node.gate.clone(), node.supervisor.clone());
    gate.stops();
    tokio::spawn(async move {
        let asked = supervisor.call(|reply| SupervisorMessage::Drain(Some(reply)), Some(SHUTDOWN_GRACE));
        let drained = matches!(asked.await, Ok(CallResult::Success(())));
        stage.kill(
            &gate,
            if drained {
                "stopped as told"
            } else {
                "did not stop in time"
            },
        );
    });
}
