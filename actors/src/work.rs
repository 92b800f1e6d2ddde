//! What a batch's children are at, and what they brought: the part of a plan's view that is not in rows.
//!
//! The batch actor keeps it, the plan reads it. It begins empty in every process, which is always a legal state.

use std::sync::Arc;

use crate::{
    find::{Search, evidence::Evidence},
    model::{Clip, Timestamp},
};

/// A call of ClipPublisher that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Call {
    pub kind: CallKind,
    pub clip: u32,
    pub attempt: u32,
}

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CallKind {
    Create,
    Find,
    Withdraw,
}

/// What the children are at and what they brought; begins empty in every process.
#[derive(Debug, Default)]
pub struct Work {
    /// Media that is ready to be sent, by clip.
    pub media: Vec<(u32, Arc<str>)>,
    /// Clips whose media is being prepared.
    pub preparing: Vec<u32>,
    /// A clip whose preparation ahead of need failed; it is prepared again when it is due.
    pub ahead_failed: Option<u32>,
    /// The clip for which a reservation is waited for.
    pub wants_reservation: Option<u32>,
    /// The call under way.
    pub call: Option<Call>,
    /// The clip and attempt that the poller watches.
    pub watched: Option<(u32, u32)>,
    /// How the looking for an uncertain clip's attempt stands.
    pub search: Option<(u32, u32, Search)>,
    /// What that has shown so far.
    pub evidence: Evidence,
    /// The timed-out clip that is being looked at.
    pub late: Option<u32>,
    /// How many late looks in a row got no usable answer, and when to look again.
    pub late_unanswered: Option<(u32, Timestamp)>,
    /// The timed-out clip whose post is no longer known by its id: it is looked for among the listed ones.
    pub missed: Option<u32>,
    /// Timed-out clips that a Reconcile wants looked at now.
    pub ask: Vec<u32>,
    /// Attempts whose withdrawal was refused: they are followed to their ends.
    pub withdraw_refused: Vec<(u32, u32)>,
    /// How many withdrawals in a row could not be told the end of, and when to try again.
    pub withdraw_again: Option<(u32, Timestamp)>,
    /// Attempts whose vanished posts were found in a list once.
    pub refound: Vec<(u32, u32)>,
    /// Preparations in a row that failed although the provider answers others.
    pub strikes: u32,
}

impl Work {
    /// The ready media of this clip.
    pub fn media_of(&self, clip: u32) -> Option<&Arc<str>> {
        self.media
            .iter()
            .find(|(index, _)| *index == clip)
            .map(|(_, media)| media)
    }

    /// A person decided about this clip: what was found out about its attempt before counts for nothing.
    pub fn look_anew(&mut self, clip: u32) {
        self.search = self.search.filter(|(index, ..)| *index != clip);
        self.watched = self.watched.filter(|(index, _)| *index != clip);
        self.withdraw_refused.retain(|(index, _)| *index != clip);
        self.refound.retain(|(index, _)| *index != clip);
        self.ask.retain(|index| *index != clip);
        self.missed = self.missed.filter(|index| *index != clip);
    }

    /// Whether a call that changes something at the network is under way: its end is to be recorded before a stop. Looking
    /// is not; it may wait for as long as a provider is away, and the next life looks anew.
    pub fn changes_the_network(&self) -> bool {
        self.call.is_some_and(|call| match call.kind {
            CallKind::Create | CallKind::Withdraw => true,
            CallKind::Find => false,
        })
    }

    /// Whether a call about this clip's current attempt is under way.
    pub fn calls(&self, clip: &Clip) -> bool {
        self.call
            .is_some_and(|call| call.clip == clip.index && call.attempt == clip.attempt)
    }
}
