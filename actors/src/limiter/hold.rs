//! Whether any call may begin at all: none may while nobody could record what it brings.
//!
//! Whoever watches the store puts a hold on the limiter and takes it off; calls and probes wait meanwhile. It is not one
//! of the gates: a provider's answer neither causes nor ends it, and it spares no brand.

use tokio::sync::watch;

use super::{Limiter, Priority, lock, serve};

#[derive(Default)]
pub(super) struct Hold(watch::Sender<bool>);

impl Hold {
    pub(super) fn is_on(&self) -> bool {
        *self.0.borrow()
    }

    pub(super) async fn is_over(&self) {
        // The sender lives as long as this does.
        let _: Result<_, _> = self.0.subscribe().wait_for(|on| !*on).await;
    }
}

impl Limiter {
    /// Lets no call begin, probes included, until [`Limiter::go_on`]. Calls under way go on to their end; creates that wait
    /// for their place are turned away, for their intents must not grow old.
    pub fn hold(&self) {
        self.0.hold.0.send_replace(true);
        lock(&self.0).queue.turn_away(Priority::Create, |_| true);
    }

    /// Lets calls begin again.
    pub fn go_on(&self) {
        self.0.hold.0.send_replace(false);
        serve(&self.0, &mut lock(&self.0));
    }

    /// Whether no call may begin at present.
    pub fn is_held(&self) -> bool {
        self.0.hold.is_on()
    }
}
