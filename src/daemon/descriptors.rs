//! The file descriptors that the system gives this process, and how many of them clients may take.
//!
//! The daemon asks once at its start. Without a limit of its own a crowd of clients would leave none for the database and
//! for calls to the networks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the database, the networks, the log, the lock.
const KEPT: u64 = 256;

/// How many connections of clients there may be, if so many are wanted. Raises the process's limit as far as it may.
pub fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let given = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let most = beside_kept(wanted, given);
    if most < wanted {
        tracing::warn!(
            wanted,
            most,
            "the system gives too few file descriptors for so many connections"
        );
    }
    most
}

/// At most half of few descriptors, and all but [`KEPT`] of many.
fn beside_kept(wanted: usize, given: Option<u64>) -> usize {
    let Some(given) = given else {
        return wanted;
    };
    let left = given.saturating_sub(KEPT).max(given / 2);
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept() {
        assert_eq!(beside_kept(1_000, None), 1_000);
        assert_eq!(beside_kept(1_000, Some(1_000_000)), 1_000);
        assert_eq!(beside_kept(16_384, Some(1_024)), 768);
        assert_eq!(beside_kept(16_384, Some(100)), 50);
    }
}
