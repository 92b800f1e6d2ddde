//! The store in memory on which the simulation runs, under the cases that go through the port.

use std::sync::Arc;

use storyclip::store::NewBatch;
use storyclip_actors::{
    error::StoreError,
    model::{Batch, BatchId, Clip, CommandId, Timestamp, Totals, Wish},
    ports,
    schedule::SlotRule,
    testing::{MemoryStore, fresh_clip},
};

use super::subject::{Seen, SeenAttempt, SeenClip, Subject};

pub struct Memory(Arc<MemoryStore>);

impl Memory {
    /// With the coarse slots of a real network: a contract that holds of instants holds whatever they are rounded to.
    pub fn new() -> Self {
        Self(Arc::new(MemoryStore::new(SlotRule::default())))
    }
}

impl Subject for Memory {
    fn store(&self) -> &dyn ports::Store {
        &*self.0
    }

    async fn daemons(&self) -> [Arc<dyn ports::Store>; 2] {
        [self.0.clone(), self.0.clone()]
    }

    fn drains(&self) -> bool {
        false
    }

    async fn create(&self, new: NewBatch) {
        assert!(!self.0.has(&new.id));
        let clips = (1..).zip(&new.clips).map(|(index, clip)| Clip {
            id: clip.id.as_str().into(),
            planned_for: clip.planned_for,
            ..fresh_clip(index, &clip.url)
        });
        let clips = clips.collect();
        let batch = Batch {
            id: new.id,
            tenant: new.tenant,
            user: new.user,
            account: new.account,
            network: new.network,
            mode: new.mode,
            speed: new.speed,
            on_failure: new.on_failure,
            max_retries: new.max_retries,
            status: new.status,
            error: None,
            restarts: 0,
            epoch: 0,
            wake_at: Some(new.created_at),
            created_at: new.created_at,
            started_at: new.started_at,
            completed_at: None,
        };
        self.0.put(batch, clips);
    }

    async fn command(&self, batch: &BatchId, wish: &Wish, at: Timestamp) -> Result<CommandId, StoreError> {
        self.0.command(batch, Some(wish.clone()), at).ok_or(StoreError::Lost)
    }

    async fn seen(&self, batch: &BatchId) -> Seen {
        let (row, clips) = self.0.read(batch);
        let published = Totals::of(&clips).published;
        let clips = clips.into_iter().map(|clip| SeenClip {
            index: clip.index,
            status: clip.status,
            attempts: clip.attempt,
            error: clip.error,
        });
        Seen {
            status: row.status,
            error: row.error,
            published,
            wake_at: row.wake_at,
            clips: clips.collect(),
        }
    }

    async fn attempts(&self, batch: &BatchId) -> Vec<SeenAttempt> {
        let rows = self.0.attempts().into_iter();
        let own = rows.filter(|row| row.batch == batch.as_str()).map(|row| {
            let (slot, media) = match row.write.request {
                Some(request) => (Some(request.slot), Some(request.media.to_string())),
                None => (None, None),
            };
            SeenAttempt {
                clip: row.write.clip,
                attempt: row.write.attempt,
                slot,
                media,
                post: row.write.post.map(|post| post.id),
                code: row.write.code,
                message: row.write.message,
            }
        });
        own.collect()
    }

    /// They have no numbers: streams are what the real store makes of them.
    async fn events(&self, batch: &BatchId) -> Vec<String> {
        self.0.events(batch).into_iter().map(|event| event.body).collect()
    }

    /// Of the commands those that wait.
    async fn rows(&self) -> [i64; 5] {
        let batches = self.0.batches();
        let sum = |count: &dyn Fn(&BatchId) -> usize| batches.iter().map(count).sum::<usize>();
        let counts = [
            batches.len(),
            sum(&|batch| self.0.read(batch).1.len()),
            self.0.attempts().len(),
            sum(&|batch| self.0.events(batch).len()),
            sum(&|batch| self.0.commands_waiting(batch)),
        ];
        counts.map(|count| count as i64)
    }
}
