//! An orderly stop: a withdrawal that has no place yet is not made any more, for it may wait as long as a provider is away.
//!
//! The supervisor says so before it tells its batches. The wish is durable: whoever has the batch next withdraws.

use super::{Limiter, Permit, Priority, lock};
use crate::model::AccountId;

impl Limiter {
    /// Sends away who waits to withdraw something, now and from now on. Calls under way go on to their ends.
    pub fn stop(&self) {
        let mut state = lock(&self.0);
        state.stopping = true;
        state.queue.turn_away(Priority::Withdraw, |_| true);
    }

    /// Waits for a permit to withdraw something, through outages and refused credentials if need be. `None` if an orderly
    /// stop came first: the call is not to be made.
    pub async fn acquire_to_withdraw(&self, account: &AccountId) -> Option<Permit> {
        let gone = {
            let mut state = lock(&self.0);
            if state.stopping {
                return None;
            }
            match state.try_enter(&self.0, account, Priority::Withdraw) {
                Some(permit) => return Some(permit),
                None => state.wait(&self.0, account, Priority::Withdraw),
            }
        };
        gone.await.ok()
    }
}
