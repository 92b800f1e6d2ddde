//! What a case of the contract needs of a store beside its port: batches and commands put into it, and its rows read back.
//!
//! Databases have it, and so has the store in memory on which the simulation proves its promises: the three are held to the
//! same words. Cases about what is no actor's (reads of the HTTP API, numbers of streams, keys, notices, connections) take
//! the [`Bench`] itself.

use std::sync::Arc;

use storyclip::store::{Created, NewBatch, Options, Page, Store};
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, BatchStatus, ClipStatus, CommandId, PostId, Timestamp, Trouble, Wish},
    ports::{self, Change, Claim, Snapshot},
};

use super::bench::{Bench, T0, at, batch, node, tenant};

/// A batch's rows, as far as every store has them.
#[derive(Debug)]
pub struct Seen {
    pub status: BatchStatus,
    pub error: Option<Trouble>,
    pub published: u32,
    pub wake_at: Option<Timestamp>,
    pub clips: Vec<SeenClip>,
}

#[derive(Debug)]
pub struct SeenClip {
    pub index: u32,
    pub status: ClipStatus,
    pub attempts: u32,
    pub error: Option<Trouble>,
}

/// A row of the ledger, as far as every store has it.
#[derive(Debug)]
pub struct SeenAttempt {
    pub clip: u32,
    pub attempt: u32,
    pub slot: Option<Timestamp>,
    pub media: Option<String>,
    pub post: Option<PostId>,
    pub code: Option<String>,
    pub message: Option<String>,
}

pub trait Subject {
    /// The store as the actors see it.
    fn store(&self) -> &dyn ports::Store;

    /// The same store as two daemons reach it at once, where that can be.
    async fn daemons(&self) -> [Arc<dyn ports::Store>; 2];

    /// Whether several steps become durable together: those of one batch one drain after the other.
    fn drains(&self) -> bool;

    async fn create(&self, new: NewBatch);

    async fn command(&self, batch: &BatchId, wish: &Wish, at: Timestamp) -> Result<CommandId, StoreError>;

    async fn seen(&self, batch: &BatchId) -> Seen;

    /// The batch's part of the ledger, in order.
    async fn attempts(&self, batch: &BatchId) -> Vec<SeenAttempt>;

    /// The bodies of the batch's events, in order.
    async fn events(&self, batch: &BatchId) -> Vec<String>;

    /// How many rows there are of what a step may write to: batches, clips, attempts, events, commands.
    async fn rows(&self) -> [i64; 5];

    async fn commit(&self, change: Change) -> Result<(), StoreError> {
        self.store().commit(Arc::new(change)).await
    }

    /// Creates a batch of user `u1` and gives its snapshot, leased by node `n1` until `T0` + 15 s.
    async fn live(&self, id: &str, clips: usize) -> Snapshot {
        self.create(batch(id, clips)).await;
        self.take(id).await
    }

    async fn take(&self, id: &str) -> Snapshot {
        let claim = Claim::Named(BatchId::from(id));
        let mut taken = self.store().claim(&node("n1"), claim, T0, at(15)).await.unwrap();
        assert_eq!(taken.len(), 1, "{id}");
        taken.remove(0)
    }
}

impl Subject for Bench {
    fn store(&self) -> &dyn ports::Store {
        &self.store
    }

    /// On SQLite there is but one.
    async fn daemons(&self) -> [Arc<dyn ports::Store>; 2] {
        if self.store.is_sqlite() {
            return [Arc::new(self.store.clone()), Arc::new(self.store.clone())];
        }
        let options = Options {
            readers: 2,
            ..self.options.clone()
        };
        let second = Store::open(&options, self.ears.clone()).await.unwrap();
        self.others.lock().unwrap().push(second.clone());
        [Arc::new(self.store.clone()), Arc::new(second)]
    }

    fn drains(&self) -> bool {
        true
    }

    async fn create(&self, new: NewBatch) {
        assert_eq!(self.store.create_batch(new).await.unwrap(), Created::New);
    }

    async fn command(&self, batch: &BatchId, wish: &Wish, at: Timestamp) -> Result<CommandId, StoreError> {
        self.store.command(batch, wish, "key", at).await
    }

    async fn seen(&self, batch: &BatchId) -> Seen {
        let view = self.store.batch(&tenant(), batch).await.unwrap().unwrap();
        let clips = view.clips.into_iter().map(|clip| SeenClip {
            index: clip.index,
            status: clip.status,
            attempts: clip.attempts,
            error: clip.error,
        });
        Seen {
            status: view.status,
            error: view.error,
            published: view.totals.published,
            wake_at: view.wake_at,
            clips: clips.collect(),
        }
    }

    async fn attempts(&self, batch: &BatchId) -> Vec<SeenAttempt> {
        let page = self.store.attempts(&tenant(), batch, &Page::all()).await.unwrap();
        let seen = page.unwrap().rows.into_iter().map(|row| SeenAttempt {
            clip: row.clip_index,
            attempt: row.attempt,
            slot: row.slot,
            media: row.media,
            post: row.post_id,
            code: row.code,
            message: row.message,
        });
        seen.collect()
    }

    /// Their numbers are looked at, too: from 1, without a gap, up to the one that the batch's row says.
    async fn events(&self, batch: &BatchId) -> Vec<String> {
        let stored = self.events_of(batch).await;
        let numbers: Vec<i64> = stored.iter().map(|event| event.seq).collect();
        let newest = self.store.batch(&tenant(), batch).await.unwrap().unwrap().last_event;
        assert_eq!(numbers, (1..=newest).collect::<Vec<_>>());
        let bodies = stored
            .iter()
            .map(|event| String::from_utf8_lossy(&event.body).into_owned());
        bodies.collect()
    }

    async fn rows(&self) -> [i64; 5] {
        let mut counts = [0; 5];
        let tables = [
            "publish_batches",
            "publish_batch_clips",
            "delivery_attempts",
            "batch_events",
            "batch_commands",
        ];
        for (count, table) in counts.iter_mut().zip(tables) {
            *count = self.number(&format!("SELECT COUNT(*) FROM {table}")).await;
        }
        let numbered = "SELECT CAST(COALESCE(SUM(last_event), 0) AS BIGINT) FROM user_streams";
        assert_eq!(
            self.number(numbered).await,
            counts[3],
            "no number of a user is without its event"
        );
        counts
    }
}
