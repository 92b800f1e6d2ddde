//! One death on purpose, as an environment names it: `abort:commit:17`, `panic:poller:3`, `panic:poller:2+@5372118` (from
//! the second on, of this account only), `abort:answer:1~create https://cdn.example/clip_2.mp4` (the first of which this is
//! said).
//!
//! Each passing of its point is told on standard error, so that a test sees how many there were.

use std::{
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use storyclip_actors::model::AccountId;

/// Where it is named.
pub const VARIABLE: &str = "STORYCLIP_TEST_CRASH";

/// What this process was told, if anything.
pub static CRASH: LazyLock<Option<Crash>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).ok()?;
    match text.parse() {
        Ok(crash) => Some(crash),
        Err(reason) => panic!("{VARIABLE}={text}: {reason}"),
    }
});

/// A step at which a process may be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A statement of a migration was executed, or a migration is durable.
    Migration,
    /// A transaction of the store is durable; nobody was told.
    Commit,
    /// A call to the network is under way.
    Call,
    /// A call to the network has its answer; nobody was told.
    Answer,
    /// The root has passed on a message, or heard of an actor below it.
    Root,
    /// The supervisor has used the store.
    Supervisor,
    /// A batch's actor has used the store.
    Batch,
    /// A publisher has its answer, but for media.
    Publisher,
    /// The task that prepares media has its answer.
    Media,
    /// A poller has its answer.
    Poller,
    /// A task beside the actors goes on.
    Task,
}

/// How it dies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The whole process, at once, with nothing flushed.
    Abort,
    /// Whoever is there.
    Panic,
    /// Whoever is there stays there; not at `commit`, `call` and `task`.
    Hang,
}

/// See the file's first paragraph.
#[derive(Debug)]
pub struct Crash {
    death: Death,
    point: Point,
    /// The first time that counts, from 1.
    nth: u64,
    /// Whether every later time counts, too.
    onwards: bool,
    /// Only what concerns this account counts.
    account: Option<AccountId>,
    /// Only that of which this is said counts.
    what: String,
    passed: AtomicU64,
}

impl FromStr for Crash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (text, what) = text.split_once('~').unwrap_or((text, ""));
        let (text, account) = match text.split_once('@') {
            Some((text, account)) => (text, Some(account.into())),
            None => (text, None),
        };
        let mut words = text.split(':');
        let death = match words.next() {
            Some("abort") => Death::Abort,
            Some("panic") => Death::Panic,
            Some("hang") => Death::Hang,
            Some(_) | None => return Err("begins with abort, panic or hang"),
        };
        let point = match words.next() {
            Some("migration") => Point::Migration,
            Some("commit") => Point::Commit,
            Some("call") => Point::Call,
            Some("answer") => Point::Answer,
            Some("root") => Point::Root,
            Some("supervisor") => Point::Supervisor,
            Some("batch") => Point::Batch,
            Some("publisher") => Point::Publisher,
            Some("media") => Point::Media,
            Some("poller") => Point::Poller,
            Some("task") => Point::Task,
            Some(_) | None => return Err("names no point"),
        };
        let (Some(nth), None) = (words.next(), words.next()) else {
            return Err("has three parts");
        };
        Ok(Self {
            death,
            point,
            nth: nth.trim_end_matches('+').parse().map_err(|_| "ends with a number")?,
            onwards: nth.ends_with('+'),
            account,
            what: what.into(),
            passed: AtomicU64::new(0),
        })
    }
}

impl Crash {
    /// Whether it waits at this point.
    pub fn is_at(&self, point: Point) -> bool {
        self.point == point
    }

    /// Counts a passing of this point; true if it is the one.
    pub fn is_due(&self, point: Point, account: Option<&AccountId>, what: &str) -> bool {
        let another = point != self.point || !what.contains(&self.what);
        if another || (self.account.is_some() && account != self.account.as_ref()) {
            return false;
        }
        let now = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        eprintln!("passes {point:?} {now}: {what}");
        now == self.nth || (self.onwards && now > self.nth)
    }

    /// The death.
    pub fn die(&self) -> ! {
        // Standard error is not buffered: the line is out before the end.
        eprintln!("dies on purpose: {:?} at {:?} {}", self.death, self.point, self.nth);
        match self.death {
            Death::Abort => std::process::abort(),
            Death::Panic | Death::Hang => panic!("{VARIABLE}"),
        }
    }
}

/// Somebody comes by this point.
pub async fn pass(point: Point, account: Option<&AccountId>, what: &str) {
    match CRASH.as_ref().filter(|crash| crash.is_due(point, account, what)) {
        Some(crash) if crash.death == Death::Hang => std::future::pending().await,
        Some(crash) => crash.die(),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_named_counted_and_kept_to_its_account() {
        let crash: Crash = "panic:poller:2+@77".parse().unwrap();
        let (own, other) = (AccountId::from("77"), AccountId::from("88"));
        assert!(!crash.is_due(Point::Poller, Some(&own), "status"));
        assert!(!crash.is_due(Point::Poller, Some(&other), "status"));
        assert!(!crash.is_due(Point::Publisher, Some(&own), "create"));
        assert!(crash.is_due(Point::Poller, Some(&own), "status"));
        assert!(crash.is_due(Point::Poller, Some(&own), "status"));
        let once: Crash = "abort:commit:1".parse().unwrap();
        assert!(once.is_due(Point::Commit, None, ""));
        assert!(!once.is_due(Point::Commit, None, ""));
        let named: Crash = "abort:answer:1@77~create https://cdn.example/2".parse().unwrap();
        assert!(!named.is_due(Point::Answer, Some(&own), "create https://cdn.example/1"));
        assert!(named.is_due(Point::Answer, Some(&own), "create https://cdn.example/2"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "abort",
            "abort:commit",
            "abort:commit:x",
            "abort:commit:1:2",
            "stop:commit:1",
        ] {
            assert!(text.parse::<Crash>().is_err(), "{text}");
        }
    }
}
