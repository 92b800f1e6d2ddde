//! What a supervisor does first: it finds out who lives, and which leases are this node's while nobody runs their batches.
//!
//! At the start of a daemon there is neither. After the death of a supervisor there are the actors that did not notice, those
//! whose end it never heard of, and batches that it had just claimed or was about to claim anew.

use std::sync::atomic::Ordering;

use super::SupervisorState;
use crate::{directory::lives, messages::BatchMessage};

impl SupervisorState {
    /// Enters who lives. What was said to the one that died is lost, but a command is a row: everybody reads again, and a
    /// nudge that lay in its mailbox must not keep later ones back.
    pub(super) fn find_the_living(&mut self) {
        let now = self.context.now();
        self.directory.nudged.store(false, Ordering::Release);
        for (batch, actor) in self.directory.entries() {
            if lives(&actor) {
                // How often it was begun anew is in its row, and read when it is claimed again.
                self.batches.insert(actor.get_id(), (batch, 0));
            } else {
                self.directory.leave(&batch, actor.get_id());
                self.orphans.insert(batch, now);
            }
        }
        self.tell_all(|| BatchMessage::Command(None));
    }

    /// Has every batch claimed anew whose lease is this node's and that nobody runs. Until the store can say which these are,
    /// each sweep asks.
    pub(super) async fn find_orphans(&mut self) {
        match self.context.store.leased(&self.context.node).await {
            Ok(batches) => {
                let now = self.context.now();
                let alone = batches.into_iter().filter(|batch| !self.directory.contains(batch));
                self.orphans.extend(alone.map(|batch| (batch, now)));
                self.knows_orphans = true;
            }
            Err(error) => self.fails(&error, "leases cannot be read, trying again at every sweep"),
        }
    }
}
