//! The beginning of a stream: who it is about, what it greets with, and from which number it goes on.
//!
//! The order is what makes it exact: first listen, then read the state, then serve from the number read with that state.
//! What happens in between is heard or is in the table.

use storyclip_actors::{
    error::StoreError,
    events::{self, EventKind},
    model::{BatchId, Tenant, Timestamp, UserId},
};
use thiserror::Error;

use super::{
    Hub, Subscription,
    frame::{self, Frame, News},
    subscription::{Ending, terminal_kind},
};
use crate::store::{BatchView, Page, Store, StreamScope};

/// Events looked through at once for the last terminal one.
const PAGE: i64 = 64;

/// A stream that cannot begin.
#[derive(Debug, Error)]
pub enum OpenError {
    /// This tenant has no such batch.
    #[error("batch not found")]
    NoSuchBatch,
    /// The state cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Subscription {
    /// The stream of one batch. `last` is the newest number that the client has; without it only what happens from now
    /// on is sent, or, of a finished batch, its last terminal event. It ends when the batch is finished and told.
    /// A client without a number is given one at once, so that it misses nothing if the connection breaks before the
    /// first event; not on a finished batch, whose end it must then be told again.
    ///
    /// # Errors
    /// The batch is not this tenant's, or the store does not answer.
    pub async fn to_batch(
        hub: &Hub,
        store: &Store,
        tenant: &Tenant,
        id: &BatchId,
        last: Option<i64>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let mut subscription = Self::new(hub, store, StreamScope::Batch(id.clone()), now);
        let batch = store.batch(tenant, id).await?.ok_or(OpenError::NoSuchBatch)?;
        let end = last_terminal(store, &batch).await?;
        let given = subscription.go_on_from(last, batch.last_event);
        if !given && end.is_none() {
            subscription.greeting.push_back(frame::place(subscription.cursor));
        }
        subscription.greet(&[&batch], now);
        if let (None, Some(end)) = (last, &end) {
            subscription.greeting.push_back(end.bytes.clone());
        }
        subscription.ending = Some(Ending {
            tenant: tenant.clone(),
            batch: id.clone(),
            at: end.map(|_| batch.last_event),
        });
        Ok(subscription)
    }

    /// The stream of all batches of a user; never ends by itself. A client without a number is given one at once: what
    /// finishes while it is away is not among the active batches when it comes back.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn to_user(
        hub: &Hub,
        store: &Store,
        tenant: &Tenant,
        user: &UserId,
        last: Option<i64>,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let scope = StreamScope::User(tenant.clone(), user.clone());
        let mut subscription = Self::new(hub, store, scope.clone(), now);
        let head = store.head(&scope).await?;
        let active = store.active(tenant, Some(user), &Page::all()).await?.rows;
        if !subscription.go_on_from(last, head) {
            subscription.greeting.push_back(frame::place(head));
        }
        subscription.greet(&active.iter().collect::<Vec<_>>(), now);
        Ok(subscription)
    }

    /// Begins after the client's number, or at the head if it has none or one that this stream has not given out yet.
    /// Whether it was the client's.
    fn go_on_from(&mut self, last: Option<i64>, head: i64) -> bool {
        let given = last.filter(|last| *last <= head);
        self.cursor = given.unwrap_or(head);
        given.is_some()
    }

    fn greet(&mut self, batches: &[&BatchView], now: Timestamp) {
        self.greeting.push_back(frame::RETRY);
        for batch in batches {
            let (id, error) = (batch.id.as_str(), batch.error.as_ref());
            let body = events::summary(EventKind::Connected, id, batch.status, batch.totals, error, now);
            self.greeting.push_back(frame::unnumbered(&body));
        }
    }
}

/// The message that told how the batch ended; `None` if it is not finished, or (a cancelled batch with a clip in flight)
/// not told yet. Looked for from the newest back, because it is among the newest.
async fn last_terminal(store: &Store, batch: &BatchView) -> Result<Option<Frame>, StoreError> {
    let Some(kind) = terminal_kind(batch.status) else {
        return Ok(None);
    };
    let scope = StreamScope::Batch(batch.id.clone());
    let mut upto = batch.last_event;
    while upto > 0 {
        let after = (upto - PAGE).max(0);
        let events = store.events_after(&scope, after, upto - after).await?;
        if let Some(event) = events.iter().rev().find(|event| event.kind == kind) {
            return Ok(Some(Frame::new(
                event.seq,
                event.kind,
                &event.body,
                News::Created(event.created_at),
            )));
        }
        upto = after;
    }
    Ok(None)
}
