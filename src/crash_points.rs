//! Deaths on purpose, at an exact step: how tests show what a crash between any two lines leaves behind.
//!
//! Compiled only with the feature `crash-points`, which this package's own tests turn on and nothing else does: tests run
//! the real binary without a second build, and no environment can make the one that people run die. The daemon wraps its
//! ports, its root and the tasks beside them in it, the committer passes it after each commit, and whoever migrates the schema
//! before. `STORYCLIP_TEST_CRASH` is read once and says how, where and when: see [`crash`].

mod crash;
mod migration;
mod root;

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use storyclip_actors::{
    error::{ProviderError, StoreError},
    model::{AccountId, BatchId, ClipStatus, Command, Network, NodeId, PostRef, Request, Timestamp},
    ports::{Candidate, Change, Claim, Listing, Owned, Provider, Reading, Snapshot, Store, Withdrawal},
};

use crash::{CRASH, Point, VARIABLE, pass};
pub use migration::migrating;
pub use root::DyingRoot;

/// How long a call is under way when it is cut short.
const UNDER_WAY: Duration = Duration::from_millis(5);

/// A transaction of the committer is durable, and nobody was told of it.
pub fn committed() {
    if let Some(crash) = CRASH.as_ref().filter(|crash| crash.is_due(Point::Commit, None, "")) {
        crash.die();
    }
}

/// Puts the points around what the actors call. Without the variable nothing is put anywhere.
pub fn around(store: Arc<dyn Store>, provider: Arc<dyn Provider>) -> (Arc<dyn Store>, Arc<dyn Provider>) {
    let Some(crash) = &*CRASH else {
        return (store, provider);
    };
    tracing::warn!(?crash, "this process will die on purpose: {VARIABLE} is set");
    let provider = DyingProvider {
        provider,
        last: Mutex::default(),
    };
    (Arc::new(DyingStore(store)), Arc::new(provider))
}

/// A task beside the actors with a point before each of its steps.
pub async fn task(name: &'static str, task: impl Future<Output = ()>) {
    let mut task = pin!(task);
    poll_fn(|context| {
        if let Some(crash) = CRASH.as_ref().filter(|crash| crash.is_due(Point::Task, None, name)) {
            crash.die();
        }
        task.as_mut().poll(context)
    })
    .await;
}

/// A store with points in it.
struct DyingStore(Arc<dyn Store>);

#[async_trait]
impl Store for DyingStore {
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError> {
        let result = self.0.claim(node, what, now, lease_until).await;
        pass(Point::Supervisor, None, "claim").await;
        result
    }

    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError> {
        let result = self.0.renew(node, lease_until).await;
        pass(Point::Supervisor, None, "renew").await;
        result
    }

    async fn release_all(&self, node: &NodeId, but: &[BatchId]) -> Result<(), StoreError> {
        let result = self.0.release_all(node, but).await;
        pass(Point::Supervisor, None, "release").await;
        result
    }

    async fn leased(&self, node: &NodeId) -> Result<Vec<BatchId>, StoreError> {
        let result = self.0.leased(node).await;
        pass(Point::Supervisor, None, "leased").await;
        result
    }

    async fn commit(&self, change: Arc<Change>) -> Result<(), StoreError> {
        let (account, what) = (change.account.clone(), told(&change));
        let result = self.0.commit(change).await;
        pass(Point::Batch, Some(&account), &what).await;
        result
    }

    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError> {
        self.0.commands(batch).await
    }

    async fn taken_slots(
        &self,
        account: &AccountId,
        network: Network,
        media: &str,
        from: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        self.0.taken_slots(account, network, media, from).await
    }

    async fn owned(
        &self,
        account: &AccountId,
        posts: &[Candidate],
        except: (&BatchId, u32, u32),
    ) -> Result<Owned, StoreError> {
        let result = self.0.owned(account, posts, except).await;
        pass(Point::Batch, Some(account), "owned").await;
        result
    }
}

/// What became durable, as in `1 published, 2 intended`; `released` says that the lease is given back.
fn told(change: &Change) -> String {
    let clips = change.clips.iter().map(|write| {
        let word = match (write.clip.status, &write.clip.request) {
            (ClipStatus::Uploading, Some(_)) => "intended",
            (status, _) => status.as_str(),
        };
        format!("{} {word}", write.clip.index)
    });
    let released = change.head.release.then(|| "released".to_owned());
    clips.chain(released).collect::<Vec<_>>().join(", ")
}

/// A network with points in it.
struct DyingProvider {
    provider: Arc<dyn Provider>,
    /// The media that was last sent or looked for: in a batch alone it is that of the post that is asked about.
    last: Mutex<Arc<str>>,
}

impl DyingProvider {
    fn note(&self, request: &Request) -> String {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = request.media.clone();
        request.media.to_string()
    }

    fn last(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).to_string()
    }
}

/// A call to the network, which `actor` waits for.
async fn call<T>(
    actor: Option<Point>,
    account: Option<&AccountId>,
    what: String,
    call: impl Future<Output = T> + Send,
) -> T {
    let cut = CRASH.as_ref().filter(|crash| crash.is_due(Point::Call, account, &what));
    let result = match cut {
        None => call.await,
        Some(crash) => {
            let _: Result<_, _> = tokio::time::timeout(UNDER_WAY, call).await;
            crash.die()
        }
    };
    pass(Point::Answer, account, &what).await;
    if let Some(actor) = actor {
        pass(actor, account, &what).await;
    }
    result
}

#[async_trait]
impl Provider for DyingProvider {
    async fn prepare(&self, account: &AccountId, url: &str) -> Result<Arc<str>, ProviderError> {
        let prepare = self.provider.prepare(account, url);
        call(Some(Point::Media), Some(account), format!("prepare {url}"), prepare).await
    }

    async fn create(&self, account: &AccountId, request: &Request) -> Result<PostRef, ProviderError> {
        let what = format!("create {}", self.note(request));
        let create = self.provider.create(account, request);
        call(Some(Point::Publisher), Some(account), what, create).await
    }

    async fn status(&self, account: &AccountId, network: Network, post: &PostRef) -> Result<Reading, ProviderError> {
        let what = format!("status {}", self.last());
        let status = self.provider.status(account, network, post);
        call(Some(Point::Poller), Some(account), what, status).await
    }

    async fn find(&self, account: &AccountId, request: &Request) -> Result<Listing, ProviderError> {
        let what = format!("find {}", self.note(request));
        let find = self.provider.find(account, request);
        call(Some(Point::Publisher), Some(account), what, find).await
    }

    async fn withdraw(
        &self,
        account: &AccountId,
        network: Network,
        post: &PostRef,
        slot: Timestamp,
    ) -> Result<Withdrawal, ProviderError> {
        let what = format!("withdraw {}", self.last());
        let withdraw = self.provider.withdraw(account, network, post, slot);
        call(Some(Point::Publisher), Some(account), what, withdraw).await
    }

    async fn check(&self, account: Option<&AccountId>) -> Result<(), ProviderError> {
        call(None, account, "check".into(), self.provider.check(account)).await
    }
}
