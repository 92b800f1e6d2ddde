//! Deaths on purpose, at an exact step: how tests show what a crash between any two lines leaves behind.
//!
//! Compiled only with the feature `crash-points`, which this package's own tests turn on and nothing else does: tests run
//! the real binary without a second build, and no environment can make the one that people run die. The daemon wraps its
//! ports in it and the committer passes it after each commit. `STORYCLIP_TEST_CRASH` is read once and says how, where and
//! when: `abort:commit:17`, `panic:poller:3`, `panic:poller:2+@5372118` (from the second on, of this account only).

use std::{
    collections::HashSet,
    str::FromStr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use storyclip_actors::{
    error::{ProviderError, StoreError},
    model::{AccountId, BatchId, Command, Network, NodeId, PostId, PostRef, Request, Timestamp},
    ports::{Change, Claim, Listing, Provider, Reading, Snapshot, Store, Withdrawal},
};

const VARIABLE: &str = "STORYCLIP_TEST_CRASH";

/// How long a call is under way when it is cut short.
const UNDER_WAY: Duration = Duration::from_millis(5);

static CRASH: LazyLock<Option<Crash>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).ok()?;
    match text.parse() {
        Ok(crash) => Some(crash),
        Err(reason) => panic!("{VARIABLE}={text}: {reason}"),
    }
});

/// A step at which a process may be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// A transaction of the store is durable; nobody was told.
    Commit,
    /// A call to the network is under way.
    Call,
    /// A call to the network has its answer; nobody was told.
    Answer,
    /// The supervisor has used the store.
    Supervisor,
    /// A batch's actor has used the store.
    Batch,
    /// A publisher has its answer, but for media.
    Publisher,
    /// A poller has its answer.
    Poller,
}

/// How it dies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// The whole process, at once, with nothing flushed.
    Abort,
    /// Whoever is there.
    Panic,
    /// Whoever is there stays there; not at `commit` and `call`.
    Hang,
}

#[derive(Debug)]
struct Crash {
    death: Death,
    point: Point,
    /// The first time that counts, from 1.
    nth: u64,
    /// Whether every later time counts, too.
    onwards: bool,
    account: Option<AccountId>,
    passed: AtomicU64,
}

impl FromStr for Crash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
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
            Some("commit") => Point::Commit,
            Some("call") => Point::Call,
            Some("answer") => Point::Answer,
            Some("supervisor") => Point::Supervisor,
            Some("batch") => Point::Batch,
            Some("publisher") => Point::Publisher,
            Some("poller") => Point::Poller,
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
            passed: AtomicU64::new(0),
        })
    }
}

impl Crash {
    /// Counts a passing of this point; true if it is the one.
    fn is_due(&self, point: Point, account: Option<&AccountId>) -> bool {
        if point != self.point || (self.account.is_some() && account != self.account.as_ref()) {
            return false;
        }
        let now = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        now == self.nth || (self.onwards && now > self.nth)
    }

    fn die(&self) -> ! {
        // Standard error is not buffered: the line is out before the end.
        eprintln!("dies on purpose: {:?} at {:?} {}", self.death, self.point, self.nth);
        match self.death {
            Death::Abort => std::process::abort(),
            Death::Panic | Death::Hang => panic!("{VARIABLE}"),
        }
    }
}

async fn pass(point: Point, account: Option<&AccountId>) {
    match CRASH.as_ref().filter(|crash| crash.is_due(point, account)) {
        Some(crash) if crash.death == Death::Hang => std::future::pending().await,
        Some(crash) => crash.die(),
        None => {}
    }
}

/// A transaction of the committer is durable, and nobody was told of it.
pub fn committed() {
    if let Some(crash) = CRASH.as_ref().filter(|crash| crash.is_due(Point::Commit, None)) {
        crash.die();
    }
}

/// Puts the points around what the actors call. Without the variable nothing is put anywhere.
pub fn around(store: Arc<dyn Store>, provider: Arc<dyn Provider>) -> (Arc<dyn Store>, Arc<dyn Provider>) {
    let Some(crash) = &*CRASH else {
        return (store, provider);
    };
    tracing::warn!(?crash, "this process will die on purpose: {VARIABLE} is set");
    (Arc::new(Dying(store)), Arc::new(Dying(provider)))
}

/// A port with points in it.
struct Dying<T>(T);

#[async_trait]
impl Store for Dying<Arc<dyn Store>> {
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let result = self.0.claim(node, what, now, lease_until).await;
        pass(Point::Supervisor, None).await;
        result
    }

    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError> {
        let result = self.0.renew(node, lease_until).await;
        pass(Point::Supervisor, None).await;
        result
    }

    async fn release_all(&self, node: &NodeId) -> Result<(), StoreError> {
        let result = self.0.release_all(node).await;
        pass(Point::Supervisor, None).await;
        result
    }

    async fn commit(&self, change: Arc<Change>) -> Result<(), StoreError> {
        let account = change.account.clone();
        let result = self.0.commit(change).await;
        pass(Point::Batch, Some(&account)).await;
        result
    }

    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError> {
        self.0.commands(batch).await
    }

    async fn owned(
        &self,
        account: &AccountId,
        posts: &[PostRef],
        except: (&BatchId, u32),
    ) -> Result<HashSet<PostId>, StoreError> {
        let result = self.0.owned(account, posts, except).await;
        pass(Point::Batch, Some(account)).await;
        result
    }
}

/// A call to the network, which `actor` waits for.
async fn call<T>(actor: Option<Point>, account: Option<&AccountId>, call: impl Future<Output = T> + Send) -> T {
    let cut = CRASH.as_ref().filter(|crash| crash.is_due(Point::Call, account));
    let result = match cut {
        None => call.await,
        Some(crash) => {
            let _: Result<_, _> = tokio::time::timeout(UNDER_WAY, call).await;
            crash.die()
        }
    };
    pass(Point::Answer, account).await;
    if let Some(actor) = actor {
        pass(actor, account).await;
    }
    result
}

#[async_trait]
impl Provider for Dying<Arc<dyn Provider>> {
    async fn prepare(&self, account: &AccountId, url: &str) -> Result<Arc<str>, ProviderError> {
        call(None, Some(account), self.0.prepare(account, url)).await
    }

    async fn create(&self, account: &AccountId, request: &Request) -> Result<PostRef, ProviderError> {
        call(Some(Point::Publisher), Some(account), self.0.create(account, request)).await
    }

    async fn status(&self, account: &AccountId, network: Network, post: &PostRef) -> Result<Reading, ProviderError> {
        call(
            Some(Point::Poller),
            Some(account),
            self.0.status(account, network, post),
        )
        .await
    }

    async fn find(&self, account: &AccountId, request: &Request) -> Result<Listing, ProviderError> {
        call(Some(Point::Publisher), Some(account), self.0.find(account, request)).await
    }

    async fn withdraw(
        &self,
        account: &AccountId,
        network: Network,
        post: &PostRef,
        slot: Timestamp,
    ) -> Result<Withdrawal, ProviderError> {
        call(
            Some(Point::Publisher),
            Some(account),
            self.0.withdraw(account, network, post, slot),
        )
        .await
    }

    async fn check(&self, account: Option<&AccountId>) -> Result<(), ProviderError> {
        call(None, account, self.0.check(account)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_named_counted_and_kept_to_its_account() {
        let crash: Crash = "panic:poller:2+@77".parse().unwrap();
        let (own, other) = (AccountId::from("77"), AccountId::from("88"));
        assert!(!crash.is_due(Point::Poller, Some(&own)));
        assert!(!crash.is_due(Point::Poller, Some(&other)));
        assert!(!crash.is_due(Point::Publisher, Some(&own)));
        assert!(crash.is_due(Point::Poller, Some(&own)));
        assert!(crash.is_due(Point::Poller, Some(&own)));
        let once: Crash = "abort:commit:1".parse().unwrap();
        assert!(once.is_due(Point::Commit, None));
        assert!(!once.is_due(Point::Commit, None));
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
