//! Asking for all who wait: whether a provider that was away, or refused a credential, takes calls again.
//!
//! The limiter spawns one when something closes; it ends when that is open. A restart needs none: the first call finds out.

use std::{sync::Arc, time::Duration};

use super::{CREDENTIAL_CHECK, Inner, Limiter, gate::Closed, lock, serve};
use crate::{
    error::{Refused, Verdict},
    model::AccountId,
    schedule,
};

/// Begins a probe anew if it panics: a gate is never left closed by nobody.
pub(super) async fn until_done<F: Future<Output = ()> + Send + 'static>(probe: impl Fn() -> F) {
    while let Err(error) = tokio::spawn(probe()).await {
        tracing::error!(%error, "a probe died, beginning anew");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Asks for all who wait, at most once per interval, until the token's calls may go again.
pub(super) async fn token(inner: Arc<Inner>) {
    let mut failures = 0;
    loop {
        let Some(reason) = lock(&inner).gates.token() else {
            return;
        };
        let pause = match reason {
            Closed::Throttled(until) => until.since(inner.clock.now()),
            // The first at once: what failed may have been one clip's trouble and nobody else's.
            Closed::Away if failures == 0 => Duration::ZERO,
            Closed::Away => schedule::probe_backoff(failures - 1),
            Closed::TokenRefused => CREDENTIAL_CHECK,
        };
        tokio::time::sleep(pause).await;
        inner.hold.is_over().await;
        // A call that was under way may have heard meanwhile of something that wants another pause.
        if lock(&inner).gates.token() != Some(reason) {
            continue;
        }
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
            state.due.dismiss(Refused::Token, |_| true);
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

/// Asks after this pause, and then once per interval, whether the brand is accepted again.
pub(super) async fn brand(inner: Arc<Inner>, account: AccountId, first: Duration) {
    let mut pause = first;
    loop {
        tokio::time::sleep(pause).await;
        pause = CREDENTIAL_CHECK;
        inner.hold.is_over().await;
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
