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

/// Plays this seed to its end.
pub fn simulate(seed: u64) -> Outcome {
    play(Scenario::of(seed), false)
}

/// The same, and tells what happened.
pub fn replay(seed: u64) -> Outcome {
    play(Scenario::of(seed), true)
}

/// Plays a scenario to its end.
pub fn play(scenario: Scenario, keeps_lines: bool) -> Outcome {
    run::play(scenario, keeps_lines)
}

/// Plays a day in which the network cannot be used and nothing else goes wrong: in the end every clip is live, and nobody
/// was asked about any.
pub fn day_of_outage(seed: u64, trouble: Trouble) -> Outcome {
    let scenario = Scenario::day_of_outage(seed, trouble);
    let clips: usize = scenario.batches.iter().map(|batch| batch.urls.len()).sum();
    let mut outcome = play(scenario, false);
    let Counts { live, held, .. } = outcome.counts;
    if live != clips as u64 || held > 0 {
        let what = format!("VIOLATED  an outage loses nothing: {live} of {clips} clips are live, {held} were held");
        outcome.violations.push(what);
    }
    outcome
}
