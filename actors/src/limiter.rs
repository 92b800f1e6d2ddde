//! How many calls of one token are under way, in which order they go, and whether any may go at all.
//!
//! ClipPublisher and Poller pass every call through it; the batch actor asks it without waiting. While the provider is
//! away, throttles or refuses the credential, calls wait here and one probe per interval asks for all of them. It lives in
//! memory only: after a restart the first call finds out again.

mod gate;
mod hold;
mod probe;
mod queue;
mod reservation;
mod stopping;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use crate::{
    error::{ProviderError, Refused, Verdict},
    model::AccountId,
    ports::{Clock, Provider},
    schedule,
};
use gate::{Closed, Gates};
use hold::Hold;
use queue::{Due, Queue, Waiter};
pub use reservation::Reservation;
use reservation::serve_due;

/// Which call goes first when there are more than may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Time is short: the slot comes near.
    Withdraw,
    /// An intent is durable; see [`Reservation`].
    Create,
    /// A clip is uncertain.
    Find,
    /// A post is waited for.
    Poll,
    /// Media made ready, often ahead of need. Takes half of the places at most: it is slow, and delays nothing else.
    Prepare,
}

/// How often a refused credential is tried again (DESIGN 5).
pub const CREDENTIAL_CHECK: Duration = Duration::from_secs(60);

/// How long a durable intent may have to wait for its place.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many intents may be stated beside the calls under way at most, as a multiple of those.
const AHEAD_MOST: f64 = 8.0;

/// Shared by all actors that use one token.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    max_in_flight: usize,
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    provider: Arc<dyn Provider>,
    hold: Hold,
    changed: watch::Sender<u64>,
}

struct State {
    in_flight: usize,
    preparing: usize,
    /// Promised to creates whose intents are on their way into the database.
    reserved: usize,
    /// How many intents may be stated although every place is taken: by the pace of the last create call they will have
    /// one within [`PATIENCE`].
    ahead: usize,
    queue: Queue,
    due: Due,
    gates: Gates,
    /// Whether an orderly stop is under way.
    stopping: bool,
}

/// The right to have one call under way; given back when dropped.
pub struct Permit {
    inner: Option<Arc<Inner>>,
    priority: Priority,
    since: Instant,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        let mut state = lock(&inner);
        if self.priority == Priority::Create {
            state.ahead = ahead(inner.max_in_flight, self.since.elapsed());
        }
        state.leave(self.priority);
        serve(&inner, &mut state);
    }
}

impl State {
    /// Whether calls of the token may begin at present.
    fn is_open(&self, inner: &Inner) -> bool {
        self.gates.token_open() && !inner.hold.is_on()
    }

    /// Whether calls of this account may.
    fn is_open_to(&self, account: &AccountId, inner: &Inner) -> bool {
        self.is_open(inner) && self.gates.brand_open(account)
    }

    /// Whether the number of calls under way allows one more of this priority.
    fn has_place(&self, priority: Priority, max: usize) -> bool {
        self.in_flight < max && (priority != Priority::Prepare || self.preparing < max.div_ceil(2))
    }

    /// A permit if there is one at once and nobody as urgent waits for it.
    fn try_enter(&mut self, inner: &Arc<Inner>, account: &AccountId, priority: Priority) -> Option<Permit> {
        let free = self.has_place(priority, inner.max_in_flight)
            && self.is_open_to(account, inner)
            && !self.queue.waits(priority);
        free.then(|| self.enter(inner, priority))
    }

    /// Puts a call into the queue; what is given back is told when it may go, or dropped when it may not any more.
    fn wait(&mut self, inner: &Arc<Inner>, account: &AccountId, priority: Priority) -> oneshot::Receiver<Permit> {
        let (go, gone) = oneshot::channel();
        let account = account.clone();
        self.queue.push(Waiter { account, priority, go });
        serve(inner, self);
        gone
    }

    fn enter(&mut self, inner: &Arc<Inner>, priority: Priority) -> Permit {
        self.in_flight += 1;
        self.preparing += usize::from(priority == Priority::Prepare);
        Permit {
            inner: Some(inner.clone()),
            priority,
            since: Instant::now(),
        }
    }

    fn leave(&mut self, priority: Priority) {
        self.in_flight -= 1;
        self.preparing -= usize::from(priority == Priority::Prepare);
    }
}

/// How many calls of this length begin within [`PATIENCE`] when so many are under way at once.
fn ahead(at_once: usize, call: Duration) -> usize {
    let turns = PATIENCE.as_secs_f64() / call.as_secs_f64().max(1e-6);
    (at_once as f64 * turns.min(AHEAD_MOST)) as usize
}

fn lock(inner: &Inner) -> MutexGuard<'_, State> {
    inner.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives free places to those who wait and may go. A waiter that went away gives its permit back unused.
fn serve(inner: &Arc<Inner>, state: &mut State) {
    while state.in_flight < inner.max_in_flight && state.is_open(inner) {
        let least = match state.has_place(Priority::Prepare, inner.max_in_flight) {
            true => Priority::Prepare,
            false => Priority::Poll,
        };
        let gates = &state.gates;
        let next = state.queue.next(least, |account| gates.brand_open(account));
        let Some(Waiter { priority, go, .. }) = next else {
            break;
        };
        if let Err(mut unused) = go.send(state.enter(inner, priority)) {
            // Dropped as it is it would lock again.
            unused.inner = None;
            state.leave(priority);
        }
    }
    serve_due(inner, state);
}

impl Limiter {
    /// A limiter of one token of this provider.
    pub fn new(max_in_flight: usize, provider: Arc<dyn Provider>, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            in_flight: 0,
            preparing: 0,
            reserved: 0,
            ahead: 0,
            queue: Queue::default(),
            due: Due::default(),
            gates: Gates::default(),
            stopping: false,
        };
        Self(Arc::new(Inner {
            max_in_flight: max_in_flight.max(1),
            state: Mutex::new(state),
            clock,
            provider,
            hold: Hold::default(),
            changed: watch::Sender::new(0),
        }))
    }

    /// A permit if there is one at once and nobody as urgent waits for it.
    pub fn try_acquire(&self, account: &AccountId, priority: Priority) -> Option<Permit> {
        lock(&self.0).try_enter(&self.0, account, priority)
    }

    /// Waits for a permit, through outages and refused credentials if need be. Not for creates: they enter with a
    /// [`Reservation`]; nor for withdrawals: see [`Limiter::acquire_to_withdraw`].
    pub async fn acquire(&self, account: &AccountId, priority: Priority) -> Permit {
        loop {
            if let Some(permit) = self.try_acquire(account, priority) {
                return permit;
            }
            let gone = lock(&self.0).wait(&self.0, account, priority);
            if let Ok(permit) = gone.await {
                return permit;
            }
        }
    }

    /// Whether this account's credential is refused at present.
    pub fn parked(&self, account: &AccountId) -> Option<Refused> {
        lock(&self.0).gates.parked(account)
    }

    /// Changes each time that a credential is refused, or that something which was closed opens again.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Ends a call: what it says about the account is noted before its place is free for another.
    pub fn end<T>(&self, permit: Permit, account: &AccountId, result: &Result<T, ProviderError>) {
        if let Err(error) = result {
            self.report(account, error);
        }
        drop(permit);
    }

    /// Notes how a call ended: an outage, a throttle or a refusal closes, and a probe opens again.
    pub fn report(&self, account: &AccountId, error: &ProviderError) {
        let reason = match error.verdict {
            Verdict::Throttled(until) => Closed::Throttled(until),
            Verdict::Unauthorized(Refused::Token) => Closed::TokenRefused,
            Verdict::Unauthorized(Refused::Brand) => return self.park_brand(account),
            Verdict::Rejected | Verdict::Unavailable | Verdict::Unknown if error.outage => Closed::Away,
            Verdict::Rejected | Verdict::Unavailable | Verdict::Unknown => return,
        };
        let mut state = lock(&self.0);
        let begins = state.gates.close_token(reason);
        state.queue.turn_away(Priority::Create, |_| true);
        let refused = matches!(reason, Closed::TokenRefused);
        if refused {
            state.due.dismiss(Refused::Token, |_| true);
        }
        drop(state);
        if refused {
            self.0.changed.send_modify(|count| *count += 1);
        }
        if begins {
            tracing::warn!(reason = %reason.as_str(), code = %error.code, "provider calls are held");
            let inner = self.0.clone();
            tokio::spawn(probe::until_done(move || probe::token(inner.clone())));
        }
    }

    /// Parks one brand that the provider refuses until a check accepts it.
    pub fn park_brand(&self, account: &AccountId) {
        self.close_brand(account, lock(&self.0), CREDENTIAL_CHECK);
    }

    /// Parks one brand whose connection to its network was found lost by publishing. The provider may know nothing of that,
    /// so the first check comes later each time, until [`Limiter::published`].
    pub fn connection_lost(&self, account: &AccountId) {
        let mut state = lock(&self.0);
        if !state.gates.brand_open(account) {
            return;
        }
        let pause = schedule::reconnect_backoff(state.gates.count_loss(account));
        self.close_brand(account, state, pause);
    }

    /// The network published something of this brand, so its connection works.
    pub fn published(&self, account: &AccountId) {
        lock(&self.0).gates.forget_losses(account);
    }

    fn close_brand(&self, account: &AccountId, mut state: MutexGuard<'_, State>, pause: Duration) {
        let begins = state.gates.close_brand(account);
        state.queue.turn_away(Priority::Create, |waiting| waiting == account);
        state.due.dismiss(Refused::Brand, |waiting| waiting == account);
        drop(state);
        if begins {
            self.0.changed.send_modify(|count| *count += 1);
            tracing::warn!(account = %account, pause_s = pause.as_secs(), "brand is refused, its calls are held");
            let (inner, account) = (self.0.clone(), account.clone());
            tokio::spawn(probe::until_done(move || {
                probe::brand(inner.clone(), account.clone(), pause)
            }));
        }
    }
}
