//! Whether the database can be written, as the committer last found it, whether its file is still where it was opened, and
//! what there is to count about commits.
//!
//! The committer writes it down around each of its attempts, whoever watches the file beside it; each change is logged once.
//! The daemon reads it, because nothing may be asked of a network whose answer cannot be recorded. A process begins without
//! trouble.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::tally::Tally;

/// A commit that takes longer than this is trouble although it may still succeed: another process holds the file, the
/// disk or the server hangs. An intent that took so long is not acted on anyway.
const SLOW: Duration = storyclip_actors::schedule::LEASE_MARGIN;

/// Shared by the committer and the store; cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    /// Whether there is any trouble.
    away: watch::Sender<bool>,
    troubles: Mutex<Troubles>,
    tried: Mutex<Tried>,
    tally: Tally,
}

/// The last attempt that ended, well or not.
struct Tried {
    at: Instant,
    took: Duration,
}

/// Why nothing can be written, where the database's own words say what is to be put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No room is left on its disk.
    Full,
    /// Its disk takes no writes.
    ReadOnly,
    /// Another process holds it.
    Locked,
    /// There is nobody to ask: a server that is down, a file that cannot be opened.
    Gone,
}

/// What SQLite, PostgreSQL, sqlx and the operating system say of each.
const WORDS: [(Cause, &[&str]); 4] = [
    (Cause::Full, &["disk is full", "No space left"]),
    (
        Cause::ReadOnly,
        &["readonly database", READ_ONLY, "Read-only file system"],
    ),
    (Cause::Locked, &["is locked"]),
    (
        Cause::Gone,
        &[
            "error communicating with database",
            "unable to open database file",
            "terminating connection",
            "the database system is",
        ],
    ),
];

/// What is added to the words of SQLite, which has only one for every error of a disk.
pub const READ_ONLY: &str = "its disk is read-only";

impl Cause {
    fn of(reason: &str) -> Option<Self> {
        let said = |words: &&[&str]| words.iter().any(|words| reason.contains(words));
        let (cause, _) = WORDS.iter().find(|(_, words)| said(words))?;
        Some(*cause)
    }

    /// For a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Full => "its disk is full",
            Self::ReadOnly => READ_ONLY,
            Self::Locked => "another process holds it locked",
            Self::Gone => "it cannot be reached",
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Troubles {
    unwritable: bool,
    /// Of what makes it unwritable.
    cause: Option<Cause>,
    displaced: bool,
}

impl Troubles {
    fn writable(&mut self) {
        (self.unwritable, self.cause) = (false, None);
    }
}

/// What a change of the troubles came to.
#[derive(PartialEq, Eq)]
enum Turn {
    Nothing,
    Away,
    Back,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Inner {
            away: watch::Sender::new(false),
            troubles: Mutex::default(),
            tried: Mutex::new(Tried {
                at: Instant::now(),
                took: Duration::ZERO,
            }),
            tally: Tally::default(),
        }))
    }
}

impl Health {
    /// Whether the database is away, and each change of that.
    pub fn away(&self) -> watch::Receiver<bool> {
        self.0.away.subscribe()
    }

    /// How long ago an attempt ended, well or not.
    pub fn last_tried(&self) -> Duration {
        self.tried().at.elapsed()
    }

    /// What is counted.
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// Counts the attempt that ended last, which committed so many operations.
    pub fn committed(&self, operations: usize) {
        let took = self.tried().took;
        self.0.tally.committed(operations, took);
    }

    fn tried(&self) -> MutexGuard<'_, Tried> {
        self.0.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out an attempt and notices if it takes long.
    pub async fn watch<T>(&self, attempt: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let mut attempt = std::pin::pin!(attempt);
        let result = match tokio::time::timeout(SLOW, &mut attempt).await {
            Ok(result) => result,
            Err(_) => {
                self.fails(&format!("it has not answered for {SLOW:?}"));
                attempt.await
            }
        };
        let at = Instant::now();
        *self.tried() = Tried {
            at,
            took: at.duration_since(begun),
        };
        result
    }

    /// Nothing can be written.
    pub fn fails(&self, reason: &str) {
        let cause = Cause::of(reason);
        let mut is_news = false;
        let turn = self.turn(|troubles| {
            troubles.unwritable = true;
            is_news = cause.is_some() && cause != troubles.cause;
            troubles.cause = cause.or(troubles.cause);
        });
        if turn == Turn::Away {
            tell_away(reason, cause);
        } else if is_news {
            tracing::error!(
                reason,
                cause = cause.map(Cause::words),
                "the database is away for this cause"
            );
        }
    }

    /// Something was written. That says nothing about where.
    pub fn works(&self) {
        if *self.0.away.borrow() && self.turn(Troubles::writable) == Turn::Back {
            tell_back();
        }
    }

    /// What is written goes into a file that nobody will find.
    pub fn displaced(&self, reason: &str) {
        if !self.is_displaced() {
            self.turn(|troubles| troubles.displaced = true);
            tell_away(reason, None);
        }
    }

    /// What is written goes where it belongs.
    pub fn in_place(&self) {
        if self.is_displaced() && self.turn(|troubles| troubles.displaced = false) == Turn::Back {
            tell_back();
        }
    }

    /// Whether the file is not where it was opened.
    pub fn is_displaced(&self) -> bool {
        self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner).displaced
    }

    /// Why nothing can be written, if that is so and the cause is known.
    pub fn cause(&self) -> Option<Cause> {
        self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner).cause
    }

    fn turn(&self, change: impl FnOnce(&mut Troubles)) -> Turn {
        let mut troubles = self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut troubles);
        let away = troubles.unwritable || troubles.displaced;
        match (self.0.away.send_replace(away), away) {
            (false, true) => Turn::Away,
            (true, false) => Turn::Back,
            (false, false) | (true, true) => Turn::Nothing,
        }
    }
}

fn tell_away(reason: &str, cause: Option<Cause>) {
    tracing::error!(
        reason,
        cause = cause.map(Cause::words),
        "database unavailable: the networks are not called until it is back"
    );
}

fn tell_back() {
    tracing::info!("database available again");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_told_from_the_words_of_both_engines() {
        for (reason, cause) in [
            ("(code: 13) database or disk is full", Some(Cause::Full)),
            ("could not extend file: No space left on device", Some(Cause::Full)),
            ("(code: 8) attempt to write a readonly database", Some(Cause::ReadOnly)),
            (
                "(code: 778) disk I/O error: its disk is read-only",
                Some(Cause::ReadOnly),
            ),
            ("(code: 5) database is locked", Some(Cause::Locked)),
            ("(code: 14) unable to open database file", Some(Cause::Gone)),
            (
                "error communicating with database: Connection refused",
                Some(Cause::Gone),
            ),
            ("terminating connection due to administrator command", Some(Cause::Gone)),
            ("(code: 778) disk I/O error", None),
            ("it has not answered for 5s", None),
        ] {
            assert_eq!(Cause::of(reason), cause, "{reason}");
        }
    }

    #[test]
    fn a_cause_goes_with_its_trouble() {
        let health = Health::default();
        health.fails("database or disk is full");
        health.fails("disk I/O error");
        assert_eq!(health.cause(), Some(Cause::Full));
        health.works();
        assert_eq!(health.cause(), None);
    }
}
