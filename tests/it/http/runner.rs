//! What a batch actor would commit, step by step.

use std::time::Duration;

use storyclip::store::Store;
use storyclip_actors::{
    events::{self, Event, EventKind, WaitProgress},
    model::{Batch, BatchId, BatchStatus, Clip, ClipStatus, NodeId, PostRef, Request, Timestamp, Totals},
    ports::{self, AttemptWrite, Bell, Change, Claim, ClipWrite},
};

use super::server::{START, Server};

pub struct Runner {
    store: Store,
    node: NodeId,
    pub batch: Batch,
    /// Its status in its row.
    stored: BatchStatus,
    pub clips: Vec<Clip>,
}

const START_AT: Timestamp = Timestamp::from_millis(START);

impl Runner {
    /// Takes the batch's lease.
    pub async fn claim(server: &Server, id: &BatchId) -> Self {
        let node = NodeId::from("node");
        let until = START_AT + Duration::from_secs(3_600);
        let claim = Claim::Named(id.clone());
        let mut taken = ports::Store::claim(&server.store, &node, claim, START_AT, until)
            .await
            .unwrap();
        let snapshot = taken.pop().expect("the batch is there to be claimed");
        Self {
            store: server.store.clone(),
            node,
            stored: snapshot.batch.status,
            batch: snapshot.batch,
            clips: snapshot.clips,
        }
    }

    /// Gives the lease back and takes it again from another store.
    pub async fn moved_to(self, server: &Server) -> Self {
        ports::Store::release_all(&server.store, &self.node, &[]).await.unwrap();
        Self::claim(server, &self.batch.id).await
    }

    /// One clip moves.
    pub async fn clip(&mut self, index: u32, status: ClipStatus) {
        let clip = &mut self.clips[index as usize - 1];
        let expected = clip.status;
        clip.status = status;
        let mut attempts = Vec::new();
        match status {
            ClipStatus::Uploading => clip.attempt += 1,
            ClipStatus::WaitingConfirmation => {
                let post = PostRef {
                    id: format!("{}-{index}-{}", self.batch.id, clip.attempt).into(),
                    uuid: None,
                };
                clip.request = Some(Request {
                    network: self.batch.network,
                    media: clip.url.clone(),
                    text: "".into(),
                    slot: clip.planned_for.unwrap_or(START_AT),
                });
                clip.intent_at = Some(START_AT);
                clip.uploaded_at = Some(START_AT);
                clip.post = Some(post.clone());
                attempts.push(AttemptWrite {
                    clip: index,
                    attempt: clip.attempt,
                    request: clip.request.clone(),
                    intent_at: clip.intent_at,
                    post: Some(post),
                    ..AttemptWrite::default()
                });
            }
            ClipStatus::Published => clip.published_at = Some(START_AT),
            ClipStatus::Pending
            | ClipStatus::Queued
            | ClipStatus::Retrying
            | ClipStatus::Uncertain
            | ClipStatus::Held
            | ClipStatus::Failed
            | ClipStatus::Cancelled => {}
        }
        let clip = clip.clone();
        let event = events::progress(&self.batch, &clip, Totals::of(&self.clips), false, START_AT);
        let write = ClipWrite { expected, clip };
        self.commit(vec![write], attempts, vec![event]).await;
    }

    /// This many numbered messages that change nothing.
    pub async fn events(&mut self, count: usize) {
        for _ in 0..count {
            let event = events::progress(&self.batch, &self.clips[0], Totals::of(&self.clips), false, START_AT);
            self.commit(vec![], vec![], vec![event]).await;
        }
    }

    /// The batch's own status changes, with or without its terminal message.
    pub async fn turn(&mut self, status: BatchStatus, told: bool) {
        self.batch.status = status;
        let event = events::ending(&self.batch, Totals::of(&self.clips), START_AT);
        self.commit(vec![], vec![], if told { vec![event] } else { vec![] })
            .await;
    }

    /// The batch moves, and is told about with a type that only earlier versions stored for that.
    pub async fn turn_as_before(&mut self, status: BatchStatus, kind: EventKind) {
        self.batch.status = status;
        let totals = Totals::of(&self.clips);
        let body = events::summary(kind, self.batch.id.as_str(), status, totals, None, START_AT);
        let event = Event { kind, clip: None, body };
        self.commit(vec![], vec![], vec![event]).await;
    }

    /// A look that found nothing new.
    pub fn tick(&self, bell: &dyn Bell, attempt: u32) {
        let wait = WaitProgress {
            elapsed: 3,
            total: 90,
            attempt,
            current_status: "PENDING".into(),
        };
        let body = events::waiting(&self.batch, &self.clips[0], Totals::of(&self.clips), &wait, START_AT);
        bell.tick(&self.batch, body);
    }

    async fn commit(&mut self, clips: Vec<ClipWrite>, attempts: Vec<AttemptWrite>, events: Vec<Event>) {
        let change = Change {
            batch: self.batch.id.clone(),
            tenant: self.batch.tenant.clone(),
            user: self.batch.user.clone(),
            account: self.batch.account.clone(),
            network: self.batch.network,
            epoch: self.batch.epoch,
            at: START_AT,
            head: ports::BatchWrite {
                expected: self.stored,
                status: self.batch.status,
                error: self.batch.error.clone(),
                totals: Totals::of(&self.clips),
                wake_at: Some(START_AT),
                wake_stays: false,
                started_at: Some(START_AT),
                restarts: self.batch.restarts,
                completed_at: self.batch.status.is_finished().then_some(START_AT),
                release: false,
            },
            clips,
            attempts,
            events,
            applied: vec![],
        };
        self.stored = self.batch.status;
        ports::Store::commit(&self.store, std::sync::Arc::new(change))
            .await
            .unwrap();
    }
}
