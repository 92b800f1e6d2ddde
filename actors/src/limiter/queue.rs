//! Who waits for a permit, most urgent first, first come first served within. The limiter owns it.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::{Permit, Priority};
use crate::{error::Refused, model::AccountId};

pub(super) struct Waiter {
    pub(super) account: AccountId,
    pub(super) priority: Priority,
    pub(super) unless_parked: bool,
    pub(super) go: oneshot::Sender<Result<Permit, Refused>>,
}

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

    /// The first who may go.
    pub(super) fn next(&mut self, may_go: impl Fn(&Waiter) -> bool) -> Option<Waiter> {
        self.0.iter_mut().find_map(|queue| {
            let position = queue.iter().position(&may_go)?;
            queue.remove(position)
        })
    }

    /// Tells those who do not want to wait through a refusal.
    pub(super) fn dismiss(&mut self, refused: Refused, whose: impl Fn(&AccountId) -> bool) {
        for queue in &mut self.0 {
            let (leaving, staying) = queue
                .drain(..)
                .partition(|waiter: &Waiter| waiter.unless_parked && whose(&waiter.account));
            *queue = staying;
            for waiter in leaving {
                // A waiter that went away needs no answer.
                let _: Result<(), _> = waiter.go.send(Err(refused));
            }
        }
    }
}
