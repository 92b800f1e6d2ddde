//! What all parts of one run share: the scenario, the time, the rows, the ledger, the dice and the record.
//!
//! The simulated stores and networks of every node hold it; it outlives all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    counts::Counts,
    dice::Dice,
    ledger::{Attempt, Ledger},
    node::Gate,
    scenario::{Scenario, Spell, Trouble},
};
use crate::{
    model::{AccountId, BatchId, NodeId, PostId, Speed, Timestamp},
    ports::Clock,
    testing::{MemoryStore, TokioClock},
};

/// One call of a node to the network, as far as it matters for how often a network that is away is asked.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct CallInSpell {
    pub node: NodeId,
    /// Whether it only asks whether calls may go again: about this brand, or about the token.
    pub probes: bool,
    pub account: Option<AccountId>,
    pub spell: usize,
    pub at: Timestamp,
}

/// What was seen while the run went on.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Record {
    /// Whether lines are kept.
    pub keeps_lines: bool,
    pub lines: Vec<String>,
    /// What must not happen and did.
    pub violations: Vec<String>,
    pub counts: Counts,
    /// Under which epoch each intent became durable.
    pub intents: BTreeMap<Attempt, i64>,
    pub calls_in_spells: Vec<CallInSpell>,
    /// How often each clip that had failed was opened again.
    pub reopened: BTreeMap<(BatchId, u32), u32>,
    /// Clips whose withdrawal was sent and whose answer was lost.
    pub withdrawals_in_doubt: BTreeSet<(BatchId, u32)>,
    /// When something was last done about each batch.
    pub at_work: BTreeMap<BatchId, Timestamp>,
    /// Who had each batch last.
    pub owners: BTreeMap<BatchId, NodeId>,
    /// What people wished, and how often.
    pub wishes: BTreeMap<(BatchId, &'static str), u32>,
}

/// A process that ended, and what of: it is buried by the run.
pub struct Death {
    /// Whose.
    pub gate: Arc<Gate>,
}

/// See the file's first paragraph.
pub struct Stage {
    /// What the seed decided.
    pub scenario: Scenario,
    /// The time.
    pub clock: Arc<TokioClock>,
    /// When it began.
    pub began: Timestamp,
    /// What is durable.
    pub rows: Arc<MemoryStore>,
    dice: Mutex<Dice>,
    ledger: Mutex<Ledger>,
    record: Mutex<Record>,
    deaths: mpsc::UnboundedSender<Death>,
    over: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    /// A stage where nothing has happened yet, and where it will be told who died.
    pub fn new(scenario: Scenario, keeps_lines: bool) -> (Arc<Self>, mpsc::UnboundedReceiver<Death>) {
        let clock = Arc::new(TokioClock::start());
        let (deaths, died) = mpsc::unbounded_channel();
        let stage = Self {
            began: clock.now(),
            clock,
            rows: Arc::new(MemoryStore::new(scenario.rules.slots)),
            dice: Mutex::new(Dice::new(!scenario.seed)),
            scenario,
            ledger: Mutex::default(),
            record: Mutex::new(Record {
                keeps_lines,
                ..Record::default()
            }),
            deaths,
            over: AtomicBool::new(false),
        };
        (Arc::new(stage), died)
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// From when nothing goes wrong any more.
    pub fn calm_from(&self) -> Timestamp {
        self.began + self.scenario.calm_after
    }

    /// Whether nothing goes wrong any more.
    pub fn is_calm(&self) -> bool {
        self.now() >= self.calm_from() || self.is_over()
    }

    /// Everybody rests: from here on nothing goes wrong any more.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The dice.
    pub fn dice(&self) -> MutexGuard<'_, Dice> {
        lock(&self.dice)
    }

    /// The network's ledger.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// The record.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    /// What is wrong now, with the places in the scenario's list.
    pub fn troubles(&self, now: Timestamp) -> impl Iterator<Item = (usize, &Spell)> {
        let since = now.since(self.began);
        self.scenario
            .spells
            .iter()
            .enumerate()
            .filter(move |(_, spell)| !self.is_over() && (spell.from..spell.to).contains(&since))
    }

    /// How long a confirmation is waited for in this batch.
    pub fn timeout_of(&self, batch: &BatchId) -> Duration {
        let submitted = self.scenario.batches.iter().find(|new| new.id == batch.as_str());
        let speed = submitted.map_or(Speed::Fast, |new| new.speed);
        self.scenario.rules.timeouts.of(speed)
    }

    /// How often people wished this of the batch.
    pub fn wishes(&self, batch: &BatchId, wish: &'static str) -> u32 {
        self.record()
            .wishes
            .get(&(batch.clone(), wish))
            .copied()
            .unwrap_or_default()
    }

    /// Something is done about this batch.
    pub fn is_at_work(&self, batch: &BatchId) {
        let now = self.now();
        self.record().at_work.insert(batch.clone(), now);
    }

    /// A post was deleted and its caller did not hear of it: from here on it is as if a person had done it.
    pub fn withdrawal_is_in_doubt(&self, post: &PostId) {
        let of = self.ledger().with_id(post).and_then(|post| post.of.clone());
        if let Some(of) = of {
            self.record().withdrawals_in_doubt.insert((of.batch, of.clip));
        }
    }

    /// Whether the database is away now.
    pub fn store_is_down(&self) -> bool {
        self.troubles(self.now())
            .any(|(_, spell)| spell.trouble == Trouble::StoreDown)
    }

    /// Writes a line of the history, if it is kept.
    pub fn tell(&self, who: &str, what: impl FnOnce() -> String) {
        let mut record = self.record();
        if record.keeps_lines {
            let at = self.now().since(self.began);
            record
                .lines
                .push(format!("{:>10.3}  {who:<8} {}", at.as_secs_f64(), what()));
        }
    }

    /// Something happened that must not.
    pub fn violate(&self, rule: &str, what: impl AsRef<str>) {
        let at = self.now().since(self.began).as_secs_f64();
        let line = format!("VIOLATED  {rule}: {}", what.as_ref());
        self.tell("", || line.clone());
        self.record().violations.push(format!("{at:.3} {line}"));
    }

    /// The process behind this gate is dead from now on.
    pub fn kill(&self, gate: &Arc<Gate>, why: &str) {
        if !self.is_over() && gate.die() {
            self.tell(gate.name.as_str(), || format!("DIES: {why}"));
            // Whoever buries the dead ends with the run.
            let _: Result<(), _> = self.deaths.send(Death { gate: gate.clone() });
        }
    }
}
