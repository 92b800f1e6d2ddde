//! One subscriber: a cursor that is served from the ring, else from the table, else waits for the bell.
//!
//! hyper pulls the next message when there is room on the connection, so a client that never reads costs a few buffered
//! messages and nothing more. Dropping it is all there is to an end; the client's own last number is what it goes on from.

use std::{collections::VecDeque, future, sync::Arc, time};

use bytes::Bytes;
use storyclip_actors::{
    error::StoreError,
    events::EventKind,
    model::{BatchId, BatchStatus, Tenant, Timestamp},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Hub,
    channel::{Channel, Next},
    frame::{COMMENT, COMMENT_EVERY, FAREWELL, Frame, News},
    listeners::Place,
};
use crate::store::{Store, StreamScope};

/// Events read from the table at once.
const PAGE: i64 = 64;

/// What a stream that ends by itself looks at.
pub(super) struct Ending {
    /// Whose batch it is.
    pub tenant: Tenant,
    /// The batch.
    pub batch: BatchId,
    /// The stream ends once everything up to this number is sent; `None` while the batch is not finished.
    pub at: Option<i64>,
}

/// A live stream of one client.
pub struct Subscription {
    pub(super) store: Store,
    pub(super) scope: StreamScope,
    pub(super) channel: Arc<Channel>,
    pub(super) bell: watch::Receiver<()>,
    pub(super) down: watch::Receiver<bool>,
    /// Sent before anything else.
    pub(super) greeting: VecDeque<Bytes>,
    /// The newest event that was sent.
    pub(super) cursor: i64,
    /// `None` for a stream that never ends by itself.
    pub(super) ending: Option<Ending>,
    ticked: u64,
    /// The table was read to its end since the bell was subscribed to.
    asked: bool,
    page: VecDeque<Frame>,
    /// A terminal message was sent: see whether it was the last.
    ended_by: Option<EventKind>,
    /// The server stops, and that was sent.
    told_to_come_back: bool,
    comment_at: Instant,
    /// When it began: what is older is history, and its age no lag.
    began: (Timestamp, time::Instant),
    place: Place,
}

impl Subscription {
    /// Listens from now on. Everything that is to be sent and is older must be read *after* this.
    pub(super) fn new(hub: &Hub, store: &Store, scope: StreamScope, now: Timestamp) -> Self {
        let channel = hub.listen(scope.clone());
        Self {
            store: store.clone(),
            scope,
            bell: channel.bell(),
            down: hub.down.subscribe(),
            greeting: VecDeque::new(),
            cursor: 0,
            ending: None,
            ticked: channel.ticked(),
            asked: false,
            page: VecDeque::new(),
            ended_by: None,
            told_to_come_back: false,
            comment_at: Instant::now() + COMMENT_EVERY,
            began: (now, time::Instant::now()),
            place: Place::take(&hub.listeners),
            channel,
        }
    }

    /// The next bytes to send; `None` ends the stream.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self.try_next().await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(error = %error, "a live stream ends because the store does not answer");
                None
            }
        }
    }

    async fn try_next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = self.greeting.pop_front() {
            return Ok(Some(bytes));
        }
        if let Some(kind) = self.ended_by.take() {
            self.see_whether_finished(kind).await?;
        }
        loop {
            if self.all_is_sent() {
                return Ok(None);
            }
            if *self.down.borrow() {
                return Ok((!std::mem::replace(&mut self.told_to_come_back, true)).then_some(FAREWELL));
            }
            if self.comment_at <= Instant::now() {
                self.comment_at = Instant::now() + COMMENT_EVERY;
                return Ok(Some(COMMENT));
            }
            if let Some(frame) = self.page.pop_front() {
                return Ok(Some(self.send(frame)));
            }
            self.bell.mark_unchanged();
            match self.channel.next(self.cursor, self.ticked, self.asked) {
                Next::Event(frame) => return Ok(Some(self.send(frame))),
                Next::Tick(ticked, bytes) => {
                    self.ticked = ticked;
                    return Ok(Some(bytes));
                }
                Next::Table => {
                    if !self.read_page().await? {
                        self.wait().await;
                    }
                }
                Next::Nothing => self.wait().await,
            }
        }
    }

    fn send(&mut self, frame: Frame) -> Bytes {
        self.cursor = frame.seq;
        if let Some(lag) = self.lag(frame.news) {
            self.place.lag.observe_time(lag);
        }
        self.ended_by = match frame.kind {
            EventKind::Completed | EventKind::Cancelled | EventKind::Error => Some(frame.kind),
            EventKind::Connected | EventKind::Progress | EventKind::Paused | EventKind::Resumed => None,
        };
        frame.bytes
    }

    /// How long an event was on its way; `None` of one that was there before this subscriber was.
    fn lag(&self, news: News) -> Option<time::Duration> {
        let (began, began_at) = self.began;
        match news {
            News::Committed(at) => (at >= began_at).then(|| at.elapsed()),
            News::Created(at) => (at >= began).then(|| (began + began_at.elapsed()).since(at)),
        }
    }

    /// Whether there was anything to read.
    async fn read_page(&mut self) -> Result<bool, StoreError> {
        let events = self.store.events_after(&self.scope, self.cursor, PAGE).await?;
        self.asked = (events.len() as i64) < PAGE;
        let frames = events
            .iter()
            .map(|event| Frame::new(event.seq, event.kind, &event.body, News::Created(event.created_at)));
        self.page.extend(frames);
        Ok(!self.page.is_empty())
    }

    /// Until the bell, the next comment, or the end.
    async fn wait(&mut self) {
        let Self { bell, down, .. } = self;
        let shut_down = async {
            if down.wait_for(|down| *down).await.is_err() {
                future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = bell.changed() => {}
            () = shut_down => {}
            () = sleep_until(self.comment_at) => {}
        }
    }

    fn all_is_sent(&self) -> bool {
        let end = self.ending.as_ref().and_then(|ending| ending.at);
        end.is_some_and(|end| self.cursor >= end)
    }

    /// After a terminal message: the stream ends with what there is, if the batch is finished in just this way. (A finished
    /// batch may have been opened again since, and an earlier version told of a pause as an `error`.)
    async fn see_whether_finished(&mut self, kind: EventKind) -> Result<(), StoreError> {
        let Some(ending) = self.ending.as_mut().filter(|ending| ending.at.is_none()) else {
            return Ok(());
        };
        let batch = self.store.batch(&ending.tenant, &ending.batch).await?;
        if let Some(batch) = batch
            && terminal_kind(batch.status) == Some(kind)
        {
            ending.at = Some(batch.last_event);
        }
        Ok(())
    }
}

/// The message that tells of this end; `None` while the batch is not finished.
pub(super) fn terminal_kind(status: BatchStatus) -> Option<EventKind> {
    match status {
        BatchStatus::Completed => Some(EventKind::Completed),
        BatchStatus::Cancelled => Some(EventKind::Cancelled),
        BatchStatus::Failed => Some(EventKind::Error),
        BatchStatus::Draft | BatchStatus::Scheduled | BatchStatus::Processing | BatchStatus::Paused => None,
    }
}
