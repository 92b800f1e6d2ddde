//! Who waits for a permit, most urgent first, first come first served within; and who waits to state an intent. The
//! limiter owns both.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::{Permit, Priority, Reservation};
use crate::{error::Refused, model::AccountId};

/// A call that wants to be made. Dropped unanswered when it may not go any more.
pub(super) struct Waiter {
    pub(super) account: AccountId,
    pub(super) priority: Priority,
    pub(super) go: oneshot::Sender<Permit>,
}

/// Calls.
#[derive(Default)]
pub(super) struct Queue([VecDeque<Waiter>; 5]);

impl Queue {
    pub(super) fn push(&mut self, waiter: Waiter) {
        self.0[waiter.priority as usize].push_back(waiter);
    }

    /// Whether somebody at least as urgent waits.
    pub(super) fn waits(&self, priority: Priority) -> bool {
        self.0[..=priority as usize].iter().any(|queue| !queue.is_empty())
    }

    /// How many calls of this priority wait.
    pub(super) fn length(&self, priority: Priority) -> usize {
        self.0[priority as usize].len()
    }

    /// The first whose brand is open, of those at least as urgent as `least`. Who is not urgent enough is not looked at:
    /// thousands may wait for their media.
    pub(super) fn next(&mut self, least: Priority, open: impl Fn(&AccountId) -> bool) -> Option<Waiter> {
        self.0[..=least as usize].iter_mut().find_map(|queue| {
            let position = queue.iter().position(|waiter| open(&waiter.account))?;
            queue.remove(position)
        })
    }

    /// Sends calls of this priority away that wait for a place. Creates are when something closes: that is nothing to hold
    /// an intent through.
    pub(super) fn turn_away(&mut self, priority: Priority, whose: impl Fn(&AccountId) -> bool) {
        self.0[priority as usize].retain(|waiter| !whose(&waiter.account));
    }
}

/// A clip that is due and waits for the right to state its intent.
pub(super) struct Intending {
    pub(super) account: AccountId,
    pub(super) go: oneshot::Sender<Result<Reservation, Refused>>,
}

/// Clips that are due.
#[derive(Default)]
pub(super) struct Due(VecDeque<Intending>);

impl Due {
    pub(super) fn push(&mut self, waiter: Intending) {
        self.0.push_back(waiter);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first whose brand is open.
    pub(super) fn next(&mut self, open: impl Fn(&AccountId) -> bool) -> Option<Intending> {
        let position = self.0.iter().position(|waiter| open(&waiter.account))?;
        self.0.remove(position)
    }

    /// Tells them that their credential is refused.
    pub(super) fn dismiss(&mut self, refused: Refused, whose: impl Fn(&AccountId) -> bool) {
        let (leaving, staying) = self.0.drain(..).partition(|waiter| whose(&waiter.account));
        self.0 = staying;
        for waiter in leaving {
            // A waiter that went away needs no answer.
            let _: Result<(), _> = waiter.go.send(Err(refused));
        }
    }
}
