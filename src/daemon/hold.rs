//! While the database is away nothing is asked of a network: what a call brings could not be recorded, and a look that
//! nobody records was for nothing.
//!
//! The daemon spawns it beside the actors. Without it no create call would leave either, because its intent must be
//! durable first.

use std::time::Duration;

use storyclip_actors::limiter::Limiter;

use crate::store::Store;

/// Between two tries to write.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Holds every call while the database is away, and tries to write until it is back.
pub(super) async fn hold_calls_while_away(store: Store, limiter: Limiter) {
    let mut away = store.away();
    // Who held them before may have died meanwhile.
    if !*away.borrow() {
        limiter.go_on();
    }
    while away.wait_for(|away| *away).await.is_ok() {
        limiter.hold();
        while *away.borrow_and_update() {
            if let Err(error) = store.ping().await {
                tracing::debug!(%error, "the database is still away");
            }
            // Whether it is back is for the committer to say, which hears of other writes, too.
            let _: Result<_, _> = tokio::time::timeout(TRY_EVERY, away.wait_for(|away| !*away)).await;
        }
        limiter.go_on();
    }
}
