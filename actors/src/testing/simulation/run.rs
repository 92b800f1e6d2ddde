//! One run: starts the nodes, lets happen what the scenario says, buries the dead, and waits until everybody rests.
//!
//! [`super::play`] calls it. Everything runs on one thread and on paused time, so the same scenario gives the same run.

mod happening;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{self, Instant},
};

use super::{
    Outcome, invariants, log,
    node::{Gate, Node},
    scenario::{Happening, Scenario},
    stage::{Death, Stage},
};
use crate::{
    limiter::{CREDENTIAL_CHECK, Priority},
    model::{BatchId, Timestamp},
    schedule::RETRY_AFTER_MAX,
};

/// Within how much time after all trouble everybody must have come to rest: an hour of late looks, and every clip of
/// every batch at its slowest.
const BOUND: Duration = Duration::from_secs(12 * 3_600);

/// How often it is seen whether everybody rests although nothing was written: leases lapse silently.
const GLANCE: Duration = Duration::from_secs(20);

/// Plays a scenario to its end.
pub fn play(scenario: Scenario, keeps_lines: bool) -> Outcome {
    let seed = scenario.seed;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    };
    let stage = runtime.block_on(async {
        let (stage, died) = Stage::new(scenario, keeps_lines);
        let listening = log::listen(&stage);
        Run::new(stage.clone(), died).play_out().await;
        drop(listening);
        stage
    });
    drop(runtime);
    let mut record = stage.record();
    record.violations.extend(log::panics());
    Outcome {
        seed,
        violations: std::mem::take(&mut record.violations),
        history: std::mem::take(&mut record.lines),
        counts: record.counts.clone(),
    }
}

enum Next {
    Happening(Happening),
    Start(usize),
}

struct Run {
    stage: Arc<Stage>,
    died: mpsc::UnboundedReceiver<Death>,
    started: mpsc::UnboundedReceiver<Node>,
    start: mpsc::UnboundedSender<Node>,
    /// By its place in the scenario; `None` while it is dead or starts.
    nodes: Vec<Option<Node>>,
    lives: Vec<u32>,
    agenda: BTreeMap<(Timestamp, u64), Next>,
    entries: u64,
    /// How often people will still look after each batch.
    patience: BTreeMap<BatchId, u32>,
}

impl Run {
    fn new(stage: Arc<Stage>, died: mpsc::UnboundedReceiver<Death>) -> Self {
        let (start, started) = mpsc::unbounded_channel();
        let count = stage.scenario.nodes;
        let mut run = Self {
            died,
            started,
            start,
            nodes: (0..count).map(|_| None).collect(),
            lives: vec![0; count],
            agenda: BTreeMap::new(),
            entries: 0,
            patience: BTreeMap::new(),
            stage,
        };
        for node in 0..count {
            run.plan(Duration::ZERO, Next::Start(node));
        }
        let happenings = run.stage.scenario.happenings.clone();
        for (after, happening) in happenings {
            run.plan(after, Next::Happening(happening));
        }
        run
    }

    fn plan(&mut self, after: Duration, next: Next) {
        self.entries += 1;
        self.agenda.insert((self.stage.now() + after, self.entries), next);
    }

    async fn play_out(mut self) {
        let end = Instant::now() + self.stage.scenario.calm_after + BOUND;
        while !self.is_over() || self.people_look_after_it() {
            if !invariants::work_goes_on(&self.stage) {
                return;
            }
            let due = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let wait = due.map_or(BOUND, |due| due.since(self.stage.now()));
            tokio::select! {
                biased;
                Some(death) = self.died.recv() => self.bury(&death),
                Some(node) = self.started.recv() => self.settle_in(node),
                () = time::sleep(wait), if due.is_some() => self.go_on(),
                () = self.stage.rows.changed() => {}
                () = time::sleep(GLANCE) => {}
                () = time::sleep_until(end) => {
                    invariants::somebody_does_not_rest(&self.stage);
                    return;
                }
            }
        }
        self.stage.end();
        self.limiters_are_empty().await;
        invariants::everybody_rests(&self.stage);
    }

    fn is_over(&self) -> bool {
        self.agenda.is_empty()
            && self.died.is_empty()
            && self.nodes.iter().all(Option::is_some)
            && self.stage.rows.is_at_rest(self.stage.now())
    }

    fn go_on(&mut self) {
        let Some((_, next)) = self.agenda.pop_first() else {
            return;
        };
        match next {
            Next::Start(node) => self.begin_life(node),
            Next::Happening(happening) => self.happen(happening),
        }
    }

    fn begin_life(&mut self, node: usize) {
        self.lives[node] += 1;
        let gate = Gate::new(node, self.lives[node], self.stage.scenario.skews[node]);
        if self.nodes.len() == 1 {
            self.stage.rows.release_dead_leases();
        }
        self.stage.tell(gate.name.as_str(), || "starts".into());
        let (stage, start) = (self.stage.clone(), self.start.clone());
        tokio::spawn(async move {
            if let Some(node) = Node::start(&stage, gate).await {
                // The run may be over.
                let _: Result<(), _> = start.send(node);
            }
        });
    }

    /// A node that died while it started is dead all the same.
    fn settle_in(&mut self, node: Node) {
        if node.gate.is_dead() {
            node.bury();
        } else {
            let place = node.gate.node;
            self.nodes[place] = Some(node);
        }
    }

    fn bury(&mut self, death: &Death) {
        let place = death.gate.node;
        if let Some(node) = self.nodes[place].take_if(|node| Arc::ptr_eq(&node.gate, &death.gate)) {
            node.bury();
        }
        invariants::a_node_died(&self.stage, &death.gate);
        let pause = match self.stage.is_calm() {
            true => Duration::from_secs(1),
            false => self.stage.dice().mostly_short(40),
        };
        self.plan(pause, Next::Start(place));
    }

    /// Whatever held calls back is over after a while; then every place is free.
    async fn limiters_are_empty(&self) {
        for node in self.nodes.iter().flatten() {
            let end = Instant::now() + RETRY_AFTER_MAX + CREDENTIAL_CHECK * 3;
            let mut permits = Vec::new();
            while permits.len() < self.stage.scenario.max_in_flight && Instant::now() < end {
                let permit = node.limiter.try_acquire(&"77".into(), Priority::Withdraw);
                if permit.is_none() {
                    time::sleep(Duration::from_secs(5)).await;
                }
                permits.extend(permit);
            }
            invariants::places_are_free(&self.stage, &node.gate, permits.len());
        }
    }
}
