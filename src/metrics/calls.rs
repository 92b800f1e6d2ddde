//! How long calls to the networks take and how they end, by operation; and what the looks at posts brought.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use storyclip_actors::{
    error::{ProviderError, Verdict},
    ports::Reading,
};

use super::{Histogram, SHORT};

/// What is asked of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the port's methods")]
pub enum Operation {
    Prepare,
    Create,
    Status,
    Find,
    Withdraw,
    Check,
}

impl Operation {
    /// Every one, in order.
    pub const ALL: [Self; 6] = [
        Self::Prepare,
        Self::Create,
        Self::Status,
        Self::Find,
        Self::Withdraw,
        Self::Check,
    ];

    /// The word in the label `operation`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Create => "create",
            Self::Status => "status",
            Self::Find => "find",
            Self::Withdraw => "withdraw",
            Self::Check => "check",
        }
    }
}

/// The words of the label `outcome`: an answer, or the verdict about what came instead.
pub const OUTCOMES: [&str; 6] = [
    "answered",
    "rejected",
    "unavailable",
    "throttled",
    "unauthorized",
    "unknown",
];

const fn outcome(error: Option<&ProviderError>) -> usize {
    match error {
        None => 0,
        Some(error) => match error.verdict {
            Verdict::Rejected => 1,
            Verdict::Unavailable => 2,
            Verdict::Throttled(_) => 3,
            Verdict::Unauthorized(_) => 4,
            Verdict::Unknown => 5,
        },
    }
}

/// The words of the label `reading`: what a look at a post brought.
pub const READINGS: [&str; 5] = ["pending", "published", "failed", "missing", "unanswered"];

const fn reading(result: Result<&Reading, &ProviderError>) -> usize {
    match result {
        Ok(Reading::Pending(_)) => 0,
        Ok(Reading::Published { .. }) => 1,
        Ok(Reading::Failed(_)) => 2,
        Ok(Reading::Missing) => 3,
        Err(_) => 4,
    }
}

/// See the module.
#[derive(Debug)]
pub struct Calls {
    seconds: [Histogram; Operation::ALL.len()],
    ends: [[AtomicU64; OUTCOMES.len()]; Operation::ALL.len()],
    polls: [AtomicU64; READINGS.len()],
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            seconds: std::array::from_fn(|_| Histogram::new(SHORT)),
            ends: Default::default(),
            polls: Default::default(),
        }
    }
}

impl Calls {
    pub(super) fn ended(&self, operation: Operation, took: Duration, error: Option<&ProviderError>) {
        self.seconds[operation as usize].observe_time(took);
        self.ends[operation as usize][outcome(error)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn looked(&self, result: Result<&Reading, &ProviderError>) {
        self.polls[reading(result)].fetch_add(1, Ordering::Relaxed);
    }

    /// How long each took.
    pub fn seconds(&self) -> impl Iterator<Item = (Operation, &Histogram)> {
        Operation::ALL.into_iter().zip(&self.seconds)
    }

    /// How many ended in which way.
    pub fn ends(&self) -> impl Iterator<Item = (Operation, &'static str, u64)> {
        Operation::ALL
            .into_iter()
            .zip(&self.ends)
            .flat_map(|(operation, ends)| {
                let ends = OUTCOMES.into_iter().zip(ends);
                ends.map(move |(outcome, count)| (operation, outcome, count.load(Ordering::Relaxed)))
            })
    }

    /// What looks brought.
    pub fn polls(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let polls = READINGS.into_iter().zip(&self.polls);
        polls.map(|(reading, count)| (reading, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use storyclip_actors::{error::Refused, model::Timestamp};

    use super::*;

    #[test]
    fn the_words_are_those_of_the_verdicts() {
        for verdict in [
            Verdict::Rejected,
            Verdict::Unavailable,
            Verdict::Throttled(Timestamp::from_millis(0)),
            Verdict::Unauthorized(Refused::Token),
            Verdict::Unknown,
        ] {
            let error = ProviderError {
                verdict,
                outage: false,
                code: String::new(),
                message: String::new(),
                http_status: None,
                request_id: None,
            };
            assert_eq!(OUTCOMES[outcome(Some(&error))], verdict.as_str());
        }
        for (place, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, place);
        }
    }
}
