//! The right to state one intent: a create call is promised a place before its intent is made durable, and takes it
//! afterwards.
//!
//! BatchActor asks for one (through ClipPublisher where it must wait), holds it through the commit and hands it to
//! ClipPublisher with the call. Places stay free for others meanwhile: a commit may take as long as a call. Dropped, it is
//! somebody else's.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    Inner, Limiter, Permit, Priority, State, lock,
    queue::{Intending, Waiter},
    serve,
};
use crate::{error::Refused, model::AccountId};

/// See the file's first paragraph.
pub struct Reservation(pub(super) Option<Arc<Inner>>);

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reservation")
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else { return };
        let mut state = lock(&inner);
        state.reserved -= 1;
        serve(&inner, &mut state);
    }
}

impl State {
    /// Whether one more intent may be stated: there is a place for its call, or soon will be. It must not grow old waiting.
    fn may_intend(&self, inner: &Inner) -> bool {
        let free = inner.max_in_flight.saturating_sub(self.in_flight);
        let waiting = self.reserved + self.queue.length(Priority::Create);
        waiting < free + self.ahead && self.is_open(inner)
    }

    fn reserve(&mut self, inner: &Arc<Inner>) -> Reservation {
        self.reserved += 1;
        Reservation(Some(inner.clone()))
    }
}

/// Gives those who are due the right to state their intents.
pub(super) fn serve_due(inner: &Arc<Inner>, state: &mut State) {
    while state.may_intend(inner) {
        let gates = &state.gates;
        let Some(Intending { go, .. }) = state.due.next(|account| gates.brand_open(account)) else {
            return;
        };
        if let Err(Ok(mut unused)) = go.send(Ok(state.reserve(inner))) {
            // Dropped as it is it would lock again.
            unused.0 = None;
            state.reserved -= 1;
        }
    }
}

impl Limiter {
    /// A reservation if there is one at once and nobody else waits for it.
    pub fn try_reserve(&self, account: &AccountId) -> Option<Reservation> {
        let mut state = lock(&self.0);
        let free = state.may_intend(&self.0) && state.gates.brand_open(account) && state.due.is_empty();
        free.then(|| state.reserve(&self.0))
    }

    /// Waits for a reservation, through an outage if need be, but gives up when the credential is refused.
    ///
    /// # Errors
    /// What was refused.
    pub async fn reserve(&self, account: &AccountId) -> Result<Reservation, Refused> {
        if let Some(reservation) = self.try_reserve(account) {
            return Ok(reservation);
        }
        let (go, gone) = oneshot::channel();
        {
            let mut state = lock(&self.0);
            if let Some(refused) = state.gates.parked(account) {
                return Err(refused);
            }
            let account = account.clone();
            state.due.push(Intending { account, go });
            serve(&self.0, &mut state);
        }
        gone.await.unwrap_or(Err(Refused::Token))
    }
}

impl Reservation {
    /// Takes the promised place, waiting for it if need be. `None` if calls of this account may not go at present: the
    /// call is not to be made.
    pub async fn enter(mut self, account: &AccountId) -> Option<Permit> {
        let inner = self.0.take()?;
        let gone = {
            let mut state = lock(&inner);
            state.reserved -= 1;
            let open = state.is_open_to(account, &inner);
            if open && state.has_place(Priority::Create, inner.max_in_flight) && !state.queue.waits(Priority::Create) {
                let permit = state.enter(&inner, Priority::Create);
                serve(&inner, &mut state);
                return Some(permit);
            }
            let (go, gone) = oneshot::channel();
            if open {
                let account = account.clone();
                let priority = Priority::Create;
                state.queue.push(Waiter { account, priority, go });
            }
            serve(&inner, &mut state);
            gone
        };
        gone.await.ok()
    }
}
