//! A simulation: the real actors over an in-memory store and a simulated network, on paused time, where one seed decides
//! everything that happens. `examples/simulate.rs` runs many seeds, a test of this crate a hundred.
//!
//! [`simulate`] plays one seed until everybody has come to rest, and gives what must not have happened and did: see
//! [`invariants`], which is the specification. The same seed plays the same history, on every machine.
//!
//! What is not played: a node that stands still between the last look at its lease and the sending of a create call, the
//! one hole that no client can close; a network that publishes what it said had failed; a person who moves a post whose media
//! the host renamed to another slot before any row knows its id.

pub mod counts;
pub mod dice;
pub mod invariants;
pub mod ledger;
mod log;
mod network;
mod node;
mod persons;
mod run;
pub mod scenario;
pub mod stage;
mod store;

use self::{
    counts::Counts,
    scenario::{Scenario, Trouble},
};

/// What the panics say that a simulation causes.
const SIMULATED_PANIC: &str = "simulated panic";

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Of this seed.
    pub seed: u64,
    /// What must not happen and did; empty if all is well.
    pub violations: Vec<String>,
    /// What happened, line by line, if that was asked for.
    pub history: Vec<String>,
    /// The same in numbers.
    pub counts: Counts,
}

/// What a seed is the seed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything may go wrong.
    Anything,
    /// The network's list lags behind longer than absence takes.
    LaggingList,
    /// Nothing goes wrong but this, for a day.
    Outage(Trouble),
}

impl Kind {
    /// Plays this seed to its end, and tells what happened if that is wanted.
    pub fn play(&self, seed: u64, keeps_lines: bool) -> Outcome {
        match self {
            Self::Anything => run::play(Scenario::of(seed), keeps_lines),
            Self::LaggingList => run::play(Scenario::lagging_list(seed), keeps_lines),
            Self::Outage(trouble) => day_of_outage(seed, trouble.clone(), keeps_lines),
        }
    }

    /// What replays this seed, behind the name of the example `simulate`.
    pub fn replayed_by(&self, seed: u64) -> String {
        match self {
            Self::Anything => format!("--seed {seed}"),
            Self::LaggingList => format!("--seed {seed} --of lagging-list"),
            Self::Outage(trouble) => format!("--seed {seed} --of {}", trouble.word()),
        }
    }

    /// The kind that is called so there.
    pub fn called(word: &str) -> Option<Self> {
        if word == "lagging-list" {
            return Some(Self::LaggingList);
        }
        let outage = Trouble::outages().into_iter().find(|trouble| trouble.word() == word);
        outage.map(Self::Outage)
    }
}

/// Plays this seed of histories in which anything may go wrong.
pub fn simulate(seed: u64) -> Outcome {
    Kind::Anything.play(seed, false)
}

/// Plays a day in which the network cannot be used and nothing else goes wrong: in the end every clip is live, and nobody
/// was asked about any.
fn day_of_outage(seed: u64, trouble: Trouble, keeps_lines: bool) -> Outcome {
    let scenario = Scenario::day_of_outage(seed, trouble);
    let clips: usize = scenario.batches.iter().map(|batch| batch.urls.len()).sum();
    let mut outcome = run::play(scenario, keeps_lines);
    let Counts { live, held, .. } = outcome.counts;
    if live != clips as u64 || held > 0 {
        let what = format!("VIOLATED  an outage loses nothing: {live} of {clips} clips are live, {held} were held");
        outcome.violations.push(what);
    }
    outcome
}
