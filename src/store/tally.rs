//! What the store counts about itself and about what was committed, for `/metrics`.
//!
//! The port counts attempts and lateness once a change is durable, the committer its transactions. Nothing waits for it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use storyclip_actors::{
    error::Verdict,
    model::{ClipStatus, Network},
    ports::{AttemptVerdict, Change},
};

use crate::metrics::{Histogram, LONG, SHORT, SIZES};

const NETWORKS: usize = Network::ALL.len();

/// The words of the label `verdict`, as in the ledger.
const VERDICTS: [&str; 14] = [
    "created",
    "found",
    "adopted",
    "absent",
    "cannot_tell",
    "published",
    "errored",
    "timed_out",
    "withdrawn",
    "rejected",
    "unavailable",
    "throttled",
    "unauthorized",
    "unknown",
];

const fn place(verdict: AttemptVerdict) -> usize {
    match verdict {
        AttemptVerdict::Created => 0,
        AttemptVerdict::Found => 1,
        AttemptVerdict::Adopted => 2,
        AttemptVerdict::Absent => 3,
        AttemptVerdict::CannotTell => 4,
        AttemptVerdict::Published => 5,
        AttemptVerdict::Errored => 6,
        AttemptVerdict::TimedOut => 7,
        AttemptVerdict::Withdrawn => 8,
        AttemptVerdict::Refused(Verdict::Rejected) => 9,
        AttemptVerdict::Refused(Verdict::Unavailable) => 10,
        AttemptVerdict::Refused(Verdict::Throttled(_)) => 11,
        AttemptVerdict::Refused(Verdict::Unauthorized(_)) => 12,
        AttemptVerdict::Refused(Verdict::Unknown) => 13,
    }
}

/// See the module.
#[derive(Debug)]
pub struct Tally {
    attempts: [[AtomicU64; VERDICTS.len()]; NETWORKS],
    lateness: [Histogram; NETWORKS],
    /// How long transactions took, from BEGIN to COMMIT.
    pub commit_seconds: Histogram,
    /// How many operations each held.
    pub commit_operations: Histogram,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            attempts: Default::default(),
            lateness: std::array::from_fn(|_| Histogram::new(LONG)),
            commit_seconds: Histogram::new(SHORT),
            commit_operations: Histogram::new(SIZES),
        }
    }
}

impl Tally {
    /// A change is durable.
    pub(super) fn changed(&self, change: &Change) {
        let network = change.network as usize;
        for verdict in change.attempts.iter().filter_map(|attempt| attempt.verdict) {
            self.attempts[network][place(verdict)].fetch_add(1, Ordering::Relaxed);
        }
        for write in &change.clips {
            let went_live = write.clip.status == ClipStatus::Published && write.expected != ClipStatus::Published;
            if let (true, Some(due)) = (went_live, write.clip.slot()) {
                let done = write.clip.published_at.unwrap_or(change.at);
                self.lateness[network].observe_time(done.since(due));
            }
        }
    }

    /// A transaction of so many operations was committed.
    pub(super) fn committed(&self, operations: usize, took: Duration) {
        self.commit_seconds.observe_time(took);
        self.commit_operations.observe(operations as f64);
    }

    /// How many attempts came to which verdict.
    pub fn attempts(&self) -> impl Iterator<Item = (Network, &'static str, u64)> {
        Network::ALL.iter().zip(&self.attempts).flat_map(|(network, counts)| {
            let counts = VERDICTS.into_iter().zip(counts);
            counts.map(move |(verdict, count)| (*network, verdict, count.load(Ordering::Relaxed)))
        })
    }

    /// Seconds from the instant at which a clip was to go live to the one at which that was known.
    pub fn lateness(&self) -> impl Iterator<Item = (Network, &Histogram)> {
        Network::ALL.iter().copied().zip(&self.lateness)
    }
}

#[cfg(test)]
mod tests {
    use storyclip_actors::{error::Refused, model::Timestamp};

    use super::*;

    #[test]
    fn the_words_are_those_of_the_ledger() {
        for verdict in [
            AttemptVerdict::Created,
            AttemptVerdict::Found,
            AttemptVerdict::Adopted,
            AttemptVerdict::Absent,
            AttemptVerdict::CannotTell,
            AttemptVerdict::Published,
            AttemptVerdict::Errored,
            AttemptVerdict::TimedOut,
            AttemptVerdict::Withdrawn,
            AttemptVerdict::Refused(Verdict::Rejected),
            AttemptVerdict::Refused(Verdict::Unavailable),
            AttemptVerdict::Refused(Verdict::Throttled(Timestamp::from_millis(0))),
            AttemptVerdict::Refused(Verdict::Unauthorized(Refused::Token)),
            AttemptVerdict::Refused(Verdict::Unknown),
        ] {
            assert_eq!(VERDICTS[place(verdict)], verdict.as_str());
        }
        for (place, network) in Network::ALL.iter().enumerate() {
            assert_eq!(*network as usize, place);
        }
    }
}
