//! How many calls of one token are under way, in which order they go, and whether any may go at all.
//!
//! ClipPublisher and Poller pass every call through it; the batch actor asks it without waiting. While the provider is
//! away, throttles or refuses the credential, calls wait here and one probe per interval asks for all of them. It lives in
//! memory only: after a restart the first call finds out again.

mod gate;
mod queue;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use crate::{
    error::{ProviderError, Refused, Verdict},
    model::AccountId,
    ports::{Clock, Provider},
};
use gate::{Closed, Gates};
use queue::{Queue, Waiter};

/// Which call goes first when there are more than may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Time is short: the slot comes near.
    Withdraw,
    /// A clip is due.
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

/// Shared by all actors that use one token.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    max_in_flight: usize,
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    provider: Arc<dyn Provider>,
    changed: watch::Sender<u64>,
}

struct State {
    in_flight: usize,
    preparing: usize,
    queue: Queue,
    gates: Gates,
}

/// The right to have one call under way; given back when dropped.
pub struct Permit(Option<Arc<Inner>>, Priority);

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else { return };
        let mut state = lock(&inner);
        state.leave(self.1);
        serve(&inner, &mut state);
    }
}

impl State {
    /// Whether the number of calls under way allows one more of this priority.
    fn has_place(&self, priority: Priority, max: usize) -> bool {
        self.in_flight < max && (priority != Priority::Prepare || self.preparing < max.div_ceil(2))
    }

    fn enter(&mut self, priority: Priority) {
        self.in_flight += 1;
        self.preparing += usize::from(priority == Priority::Prepare);
    }

    fn leave(&mut self, priority: Priority) {
        self.in_flight -= 1;
        self.preparing -= usize::from(priority == Priority::Prepare);
    }
}

fn lock(inner: &Inner) -> MutexGuard<'_, State> {
    inner.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives free places to those who wait and may go. A waiter that went away gives its permit back unused.
fn serve(inner: &Arc<Inner>, state: &mut State) {
    while state.in_flight < inner.max_in_flight && state.gates.token_open() {
        let may_prepare = state.has_place(Priority::Prepare, inner.max_in_flight);
        let gates = &state.gates;
        let may_go = |waiter: &Waiter| {
            (may_prepare || waiter.priority != Priority::Prepare) && gates.brand_open(&waiter.account)
        };
        let Some(Waiter { priority, go, .. }) = state.queue.next(may_go) else {
            return;
        };
        state.enter(priority);
        if let Err(Ok(mut unused)) = go.send(Ok(Permit(Some(inner.clone()), priority))) {
            // Dropped as it is it would lock again.
            unused.0 = None;
            state.leave(priority);
        }
    }
}

impl Limiter {
    /// A limiter of one token of this provider.
    pub fn new(max_in_flight: usize, provider: Arc<dyn Provider>, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            in_flight: 0,
            preparing: 0,
            queue: Queue::default(),
            gates: Gates::default(),
        };
        Self(Arc::new(Inner {
            max_in_flight: max_in_flight.max(1),
            state: Mutex::new(state),
            clock,
            provider,
            changed: watch::Sender::new(0),
        }))
    }

    /// A permit if there is one at once and nobody as urgent waits for it.
    pub fn try_acquire(&self, account: &AccountId, priority: Priority) -> Option<Permit> {
        let mut state = lock(&self.0);
        let free = state.has_place(priority, self.0.max_in_flight)
            && state.gates.token_open()
            && state.gates.brand_open(account)
            && !state.queue.waits(priority);
        if !free {
            return None;
        }
        state.enter(priority);
        Some(Permit(Some(self.0.clone()), priority))
    }

    /// Waits for a permit, through outages and refused credentials if need be.
    pub async fn acquire(&self, account: &AccountId, priority: Priority) -> Permit {
        loop {
            if let Ok(permit) = self.wait(account, priority, false).await {
                return permit;
            }
        }
    }

    /// Waits for a permit, but gives up when the credential is refused.
    ///
    /// # Errors
    /// What was refused.
    pub async fn acquire_unless_parked(&self, account: &AccountId, priority: Priority) -> Result<Permit, Refused> {
        self.wait(account, priority, true).await
    }

    async fn wait(&self, account: &AccountId, priority: Priority, unless_parked: bool) -> Result<Permit, Refused> {
        if let Some(permit) = self.try_acquire(account, priority) {
            return Ok(permit);
        }
        let (go, gone) = oneshot::channel();
        {
            let mut state = lock(&self.0);
            if let Some(refused) = state.gates.parked(account).filter(|_| unless_parked) {
                return Err(refused);
            }
            state.queue.push(Waiter {
                account: account.clone(),
                priority,
                unless_parked,
                go,
            });
            serve(&self.0, &mut state);
        }
        gone.await.unwrap_or(Err(Refused::Token))
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
        let refused = matches!(reason, Closed::TokenRefused);
        if refused {
            state.queue.dismiss(Refused::Token, |_| true);
        }
        drop(state);
        if refused {
            self.0.changed.send_modify(|count| *count += 1);
        }
        if begins {
            tracing::warn!(reason = %reason.as_str(), code = %error.code, "provider calls are held");
            let inner = self.0.clone();
            tokio::spawn(until_done(move || probe_token(inner.clone())));
        }
    }

    /// Parks one brand until a check accepts it; also used when the network says that its connection is gone.
    pub fn park_brand(&self, account: &AccountId) {
        let mut state = lock(&self.0);
        let begins = state.gates.close_brand(account);
        state.queue.dismiss(Refused::Brand, |waiting| waiting == account);
        drop(state);
        if begins {
            self.0.changed.send_modify(|count| *count += 1);
            tracing::warn!(account = %account, "brand is refused, its calls are held");
            let (inner, account) = (self.0.clone(), account.clone());
            tokio::spawn(until_done(move || probe_brand(inner.clone(), account.clone())));
        }
    }
}

/// Begins a probe anew if it panics: a gate is never left closed by nobody.
async fn until_done<F: Future<Output = ()> + Send + 'static>(probe: impl Fn() -> F) {
    while let Err(error) = tokio::spawn(probe()).await {
        tracing::error!(%error, "a probe died, beginning anew");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Asks for all who wait, at most once per interval, until the token's calls may go again.
async fn probe_token(inner: Arc<Inner>) {
    let mut failures = 0;
    loop {
        let Some(reason) = lock(&inner).gates.token() else {
            return;
        };
        let pause = match reason {
            Closed::Throttled(until) => until.since(inner.clock.now()),
            // The first at once: what failed may have been one clip's trouble and nobody else's.
            Closed::Away if failures == 0 => Duration::ZERO,
            Closed::Away => crate::schedule::probe_backoff(failures - 1),
            Closed::TokenRefused => CREDENTIAL_CHECK,
        };
        tokio::time::sleep(pause).await;
        let answer = match reason {
            Closed::Throttled(_) => Ok(()),
            Closed::Away | Closed::TokenRefused => inner.provider.check(None).await,
        };
        failures += 1;
        let mut state = lock(&inner);
        let now_closed = match answer.as_ref().map_err(|error| (error.verdict, error.outage)) {
            Ok(()) | Err((Verdict::Rejected | Verdict::Unauthorized(Refused::Brand), _)) => None,
            Err((Verdict::Throttled(until), _)) => Some(Closed::Throttled(until)),
            Err((Verdict::Unauthorized(Refused::Token), _)) => Some(Closed::TokenRefused),
            Err((Verdict::Unavailable | Verdict::Unknown, true)) => Some(reason),
            // Somebody is there and accepts the token, whatever the answer looks like.
            Err((Verdict::Unavailable | Verdict::Unknown, false)) => None,
        };
        if now_closed == Some(Closed::TokenRefused) && reason != Closed::TokenRefused {
            state.queue.dismiss(Refused::Token, |_| true);
            inner.changed.send_modify(|count| *count += 1);
        }
        if state.gates.settle_token(reason, now_closed) {
            serve(&inner, &mut state);
            drop(state);
            tracing::info!("provider calls go on");
            inner.changed.send_modify(|count| *count += 1);
            return;
        }
    }
}

/// Asks once per interval whether the brand is accepted again.
async fn probe_brand(inner: Arc<Inner>, account: AccountId) {
    loop {
        tokio::time::sleep(CREDENTIAL_CHECK).await;
        if !lock(&inner).gates.token_open() {
            continue;
        }
        let answer = inner.provider.check(Some(&account)).await;
        if let Err(error) = &answer {
            // A throttle or an outage is everybody's, whoever asked.
            Limiter(inner.clone()).report(&account, error);
        }
        match answer.map_err(|error| (error.verdict, error.outage)) {
            Ok(()) | Err((Verdict::Rejected, _) | (Verdict::Unavailable | Verdict::Unknown, false)) => break,
            Err((Verdict::Unavailable | Verdict::Unknown, true)) => {}
            Err((Verdict::Throttled(_) | Verdict::Unauthorized(_), _)) => {}
        }
    }
    let mut state = lock(&inner);
    state.gates.open_brand(&account);
    serve(&inner, &mut state);
    drop(state);
    tracing::info!(account = %account, "brand is accepted again");
    inner.changed.send_modify(|count| *count += 1);
}
