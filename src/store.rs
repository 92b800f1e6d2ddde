//! The database: batches, clips, attempts, events, commands, idempotency keys and facts, on SQLite or PostgreSQL.
//!
//! HTTP, the stream and the daemon call [`Store`]; the actors see it as [`storyclip_actors::ports::Store`]. Every write
//! of batches goes through one committer (group commit) and is durable when its future is ready; what the outside is told
//! of (`notices`), API keys and reads have connections of their own. If the process dies, what was answered is in the
//! database and nothing is there by half.

mod access;
mod alone;
mod api_keys;
mod attempts;
mod changes;
mod committer;
mod counts;
mod creates;
mod decode;
mod drain;
mod events;
mod examine;
mod express;
mod fault;
mod gathering;
mod health;
mod leases;
mod lists;
mod lock;
mod notes;
mod notices;
mod op;
mod open;
mod owned;
mod packed;
mod place;
#[cfg(test)]
mod planner;
mod port;
mod quota;
mod reads;
mod repeats;
mod retries;
mod rows;
mod schema;
mod snapshots;
mod sql;
mod tally;
mod traces;
mod view;

use std::{
    mem::ManuallyDrop,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::AnyPool;
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, CommandId, Tenant, Timestamp, Wish},
};
use tokio::sync::{mpsc, watch};

use committer::Committer;
use health::Health;
use lock::Lock;
use op::{Fact, NewCommand, Op};
use place::Place;
use sql::Dialect;

pub use api_keys::{KeyView, MOST_KEYS};
pub use examine::{Condition, examine};
pub use health::Cause;
pub use lists::{Listed, Page, Past, Position};
pub use notices::{
    Attempted, Behind, Channel, DeliveriesOf, DeliveryStatus, DeliveryView, DisabledReason, Due, Ending, Endpoint,
    EndpointChange, MOST_ENDPOINTS, MOST_OLD_SECRETS, MOST_SUBSCRIPTIONS, NewEndpoint, NewSecret, NewSubscription,
    NewTest, News, Notice, NoticeKind, Round, Subscribed, TryView, Turned, new_delivery_id,
};
pub use open::{OpenError, Options};
pub use quota::{Taken, Waiting};
pub use schema::SchemaError;
pub use tally::Tally;
pub use view::{
    AttemptView, BatchView, ClipView, CommitListener, Committed, Counts, Created, IdempotencyEntry, NewBatch, NewClip,
    StoredEvent, StreamScope,
};

/// The fact that a ping writes.
const PING: &str = "store.ping";

/// The database; cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    dialect: Dialect,
    queue: mpsc::UnboundedSender<Op>,
    readers: AnyPool,
    /// One connection, on which what the outside is told of is written.
    aside: AnyPool,
    notices: notices::Texts,
    reads: reads::Texts,
    lists: lists::Texts,
    api_keys: api_keys::Texts,
    repeats: repeats::Texts,
    snapshots: snapshots::Texts,
    counts: counts::Texts,
    health: Health,
    /// SQLite only.
    place: Option<Arc<Place>>,
    /// SQLite only. `close` releases it, or the end of the process: a store that is only dropped may still be writing.
    lock: Mutex<Option<ManuallyDrop<Lock>>>,
}

/// Opening and closing.
impl Store {
    /// Opens the database (SQLite: takes the file's locks and creates it if need be), brings the schema up to date and starts the
    /// committer, which tells `listener` of every event.
    pub async fn open(options: &Options, listener: Arc<dyn CommitListener>) -> Result<Self, OpenError> {
        let mut target = open::target(&options.url)?;
        let mut conn = open::connect(target.dialect, &target.source).await?;
        schema::migrate(&mut conn).await?;
        let dialect = target.dialect;
        open::equip(&mut conn, dialect).await?;
        target.source.connected()?;
        let readers = open::readers(&target, options.readers);
        let aside = open::aside(&target);
        let lock = Mutex::new(target.lock.take().map(ManuallyDrop::new));
        let health = Health::default();
        let place = target.source.place.clone();
        let queue = Committer::start(dialect, target.source, conn, listener, health.clone());
        if let Some(place) = place.clone() {
            tokio::spawn(place::watch(place, health.clone(), queue.downgrade()));
        }
        Ok(Self(Arc::new(Inner {
            dialect,
            queue,
            readers,
            aside,
            notices: notices::Texts::new(dialect),
            reads: reads::Texts::new(dialect),
            lists: lists::Texts::new(),
            api_keys: api_keys::Texts::new(dialect),
            repeats: repeats::Texts::new(),
            snapshots: snapshots::Texts::new(dialect),
            counts: counts::Texts::new(),
            health,
            place,
            lock,
        })))
    }

    /// Finishes what is queued, then closes the connections and releases the locks. Later calls find the database
    /// unavailable.
    pub async fn close(&self) {
        if let Err(error) = self.submit(Op::Close).await {
            tracing::debug!(%error, "store was closed before");
        }
        self.0.aside.close().await;
        self.0.readers.close().await;
        let lock = self.0.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(lock.map(ManuallyDrop::into_inner));
    }

    /// Resolves when the committer has ended: by `close`, or because it died and nothing can be written any more.
    pub async fn ended(&self) {
        self.0.queue.closed().await;
    }

    /// Whether the database is away: it cannot be written, or has not answered for some seconds, or its file is not where
    /// it was opened. Only a row that is written ends the first two; a ping writes one.
    pub fn away(&self) -> watch::Receiver<bool> {
        self.0.health.away()
    }

    /// Why it cannot be written, if that is so and the cause is known.
    pub fn cause(&self) -> Option<Cause> {
        self.0.health.cause()
    }

    /// What it has counted since it was opened.
    pub fn tally(&self) -> &Tally {
        self.0.health.tally()
    }

    /// How long ago the committer last heard from the database, well or not.
    pub fn last_tried(&self) -> Duration {
        self.0.health.last_tried()
    }

    /// Whether the file is not where it was opened: then it can be written, and nobody would find that again.
    pub fn is_displaced(&self) -> bool {
        self.0.health.is_displaced()
    }

    /// Whether this is SQLite, where one daemon owns the file.
    pub fn is_sqlite(&self) -> bool {
        self.0.dialect == Dialect::Sqlite
    }
}

/// Writes.
impl Store {
    /// Creates a batch with its clips, events and idempotency key, all or nothing, due at once.
    ///
    /// # Errors
    /// `Conflict` when the batch id exists already.
    pub async fn create_batch(&self, new: NewBatch) -> Result<Created, StoreError> {
        self.may_promise()?;
        let new = Box::new(new.cleaned());
        self.submit(|reply| Op::Create(new, reply)).await
    }

    /// Makes a person's wish durable and its batch due; the caller tells the actor afterwards.
    ///
    /// # Errors
    /// `Lost` when there is no such batch.
    pub async fn command(
        &self,
        batch: &BatchId,
        wish: &Wish,
        requested_by: &str,
        at: Timestamp,
    ) -> Result<CommandId, StoreError> {
        self.may_promise()?;
        // Commands of one instant are carried out in the order of their ids, which must be that of their arrival.
        static ARRIVED: AtomicU64 = AtomicU64::new(0);
        let (place, unique) = (ARRIVED.fetch_add(1, Ordering::Relaxed), rand::random::<u64>());
        let id = CommandId::from(format!("command_{}_{place:012x}_{unique:016x}", at.as_millis()));
        let command = NewCommand {
            id: id.clone(),
            batch: rows::clean(batch.as_str()).into(),
            kind: wish.kind(),
            detail: wish.detail(),
            requested_by: requested_by.to_owned(),
            at,
        };
        self.submit(|reply| Op::Command(command, reply)).await?;
        Ok(id)
    }

    /// Remembers something about a provider; replaces what was remembered under this name.
    pub async fn set_fact(&self, name: &str, value: &str, at: Timestamp) -> Result<(), StoreError> {
        let fact = Fact {
            name: rows::clean(name),
            value: value.to_owned(),
            at,
        };
        self.submit(|reply| Op::Fact(fact, reply)).await
    }

    /// Proves that the database accepts a write, by making one.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let at = now();
        self.set_fact(PING, &at.to_string(), at).await
    }

    /// SQLite, at start: the lock on the file proves that every former owner is dead, so all leases are cleared and
    /// their batches can be taken over at once. Gives their number. On PostgreSQL it does nothing: leases lapse there.
    pub async fn release_dead_leases(&self) -> Result<u64, StoreError> {
        match self.0.dialect {
            Dialect::Sqlite => self.submit(|reply| Op::Release(None, Vec::new(), reply)).await,
            Dialect::Postgres => Ok(0),
        }
    }
}

/// Reads.
impl Store {
    /// One batch with its clips; `None` also when it is another tenant's.
    pub async fn batch(&self, tenant: &Tenant, id: &BatchId) -> Result<Option<BatchView>, StoreError> {
        self.reading(async {
            let mut view = self.steady().await?;
            let batch = reads::batch(&mut view, &self.0.reads, tenant, id).await?;
            view.commit().await?;
            Ok(batch)
        })
        .await
    }

    /// The newest number on a batch's stream and the instant of its last change: the version of all that is read of it.
    pub async fn version(&self, tenant: &Tenant, id: &BatchId) -> Result<Option<(i64, Timestamp)>, StoreError> {
        self.reading(async { reads::version(&mut *self.reader().await?, &self.0.reads, tenant, id).await })
            .await
    }

    /// The ledger of a batch by clip and attempt, a page beginning behind such a pair; `None` when there is no such batch.
    pub async fn attempts(
        &self,
        tenant: &Tenant,
        id: &BatchId,
        page: &Page<(u32, u32)>,
    ) -> Result<Option<Listed<AttemptView>>, StoreError> {
        self.reading(async { reads::attempts(&mut *self.reader().await?, &self.0.reads, tenant, id, page).await })
            .await
    }

    /// Up to `limit` events of a stream whose numbers lie above `after`, in order.
    pub async fn events_after(
        &self,
        scope: &StreamScope,
        after: i64,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.reading(async {
            reads::events_after(&mut *self.reader().await?, &self.0.reads, scope, after, limit).await
        })
        .await
    }

    /// The newest number on a stream; 0 before the first event.
    pub async fn head(&self, scope: &StreamScope) -> Result<i64, StoreError> {
        self.reading(async { reads::head(&mut *self.reader().await?, &self.0.reads, scope).await })
            .await
    }

    /// Body hash and first answer of an idempotency key that is not older than 7 days.
    pub async fn replay(
        &self,
        tenant: &Tenant,
        route: &str,
        key: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        self.reading(async {
            reads::replay(&mut *self.reader().await?, &self.0.reads, tenant, route, key, now()).await
        })
        .await
    }

    /// What is remembered under this name.
    pub async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.reading(async { reads::fact(&mut *self.reader().await?, &self.0.reads, name).await })
            .await
    }
}

/// The system clock, for ages of keys and pings; everything else is told the time.
fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
