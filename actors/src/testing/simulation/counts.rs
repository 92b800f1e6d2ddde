//! What a run did, in numbers. A run counts while it is played; tests and `examples/simulate.rs` add runs up and print them.

use std::{collections::BTreeMap, fmt};

/// See the file's first paragraph.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Counts {
    /// Deaths of processes, by the status of the clip that was at work.
    pub crashes: BTreeMap<&'static str, u64>,
    pub panics: u64,
    pub standstills: u64,
    pub takeovers: u64,
    pub commands: BTreeMap<&'static str, u64>,
    pub calls: u64,
    /// Those of the calls that only ask whether calls may go again.
    pub probes: u64,
    pub commits: u64,
    pub clips: u64,
    /// Clips that have a live post in the end.
    pub live: u64,
    pub duplicates: u64,
    pub lost: u64,
    /// How often a clip was held for a person.
    pub held: u64,
    /// Those that still are in the end.
    pub held_at_the_end: u64,
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        for (status, count) in &other.crashes {
            *self.crashes.entry(status).or_default() += count;
        }
        for (command, count) in &other.commands {
            *self.commands.entry(command).or_default() += count;
        }
        self.panics += other.panics;
        self.standstills += other.standstills;
        self.takeovers += other.takeovers;
        self.calls += other.calls;
        self.probes += other.probes;
        self.commits += other.commits;
        self.clips += other.clips;
        self.live += other.live;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.held += other.held;
        self.held_at_the_end += other.held_at_the_end;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (crashes, commands): (u64, u64) = (self.crashes.values().sum(), self.commands.values().sum());
        write!(
            f,
            "crashes {crashes}, panics {}, standstills {}, takeovers {}, commands {commands}, calls {} ({} of them probes), \
             clips {}, live posts {}, duplicates {}, lost {}, held {} ({} at the end)",
            self.panics,
            self.standstills,
            self.takeovers,
            self.calls,
            self.probes,
            self.clips,
            self.live,
            self.duplicates,
            self.lost,
            self.held,
            self.held_at_the_end
        )
    }
}
