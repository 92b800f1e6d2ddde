//! One stream while somebody listens to it: a bell, a small ring of ready bytes, and the newest ticks.
//!
//! The hub pushes, subscriptions look. It is a cache and never the truth: what is not in the ring is in the events table.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::{Channels, frame::Frame};
use crate::store::StreamScope;

/// How many ticks wait for a listener at most; older ones are dropped.
const TICKS: usize = 16;

/// What a subscriber with this cursor is to do next.
#[derive(Debug)]
pub enum Next {
    /// Send this one.
    Event(Frame),
    /// Send this one, which has no number; the count goes into the next look.
    Tick(u64, Bytes),
    /// Ask the table: the ring does not reach back to the cursor.
    Table,
    /// Wait for the bell.
    Nothing,
}

/// A stream with at least one listener.
pub struct Channel {
    scope: StreamScope,
    channels: Arc<Channels>,
    bell: watch::Sender<()>,
    ring: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The newest number; `None` until the first event since the channel exists.
    head: Option<i64>,
    /// The newest events without a hole between them.
    events: VecDeque<Frame>,
    /// Ticks since the newest event, numbered by how many there ever were.
    ticks: VecDeque<Bytes>,
    /// How many ticks there ever were.
    ticked: u64,
}

impl Channel {
    pub(super) fn new(scope: StreamScope, channels: Arc<Channels>, ring: usize) -> Self {
        Self {
            scope,
            channels,
            bell: watch::Sender::new(()),
            ring: ring.max(1),
            state: Mutex::default(),
        }
    }

    /// Takes in an event that is durable. One that came before is ignored; after a hole the ring begins anew.
    pub(super) fn push(&self, frame: Frame) {
        let mut state = self.state();
        if state.head.is_some_and(|head| frame.seq <= head) {
            return;
        }
        if state.head.is_some_and(|head| frame.seq != head + 1) {
            state.events.clear();
        }
        if state.events.len() == self.ring {
            state.events.pop_front();
        }
        state.head = Some(frame.seq);
        state.ticks.clear();
        state.events.push_back(frame);
        drop(state);
        self.bell.send_replace(());
    }

    /// Takes in a message that has no number.
    pub(super) fn tick(&self, bytes: Bytes) {
        let mut state = self.state();
        if state.ticks.len() == TICKS {
            state.ticks.pop_front();
        }
        state.ticks.push_back(bytes);
        state.ticked += 1;
        drop(state);
        self.bell.send_replace(());
    }

    /// Hears every push and tick from now on.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// How many ticks there ever were.
    pub fn ticked(&self) -> u64 {
        self.state().ticked
    }

    /// What comes after this event and this tick. `asked`: the table was read to its end since the bell was
    /// subscribed to, so that with no event since then nothing is missing.
    pub fn next(&self, cursor: i64, ticked: u64, asked: bool) -> Next {
        let state = self.state();
        if let Some(first) = state.events.front()
            && cursor + 1 >= first.seq
            && let Some(frame) = state.events.get((cursor + 1 - first.seq) as usize)
        {
            return Next::Event(frame.clone());
        }
        let complete = state.head.map_or(asked, |head| cursor >= head);
        if !complete {
            return Next::Table;
        }
        let oldest = state.ticked - state.ticks.len() as u64;
        let unseen = ticked.max(oldest);
        match state.ticks.get((unseen - oldest) as usize) {
            Some(tick) => Next::Tick(unseen + 1, tick.clone()),
            None => Next::Nothing,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Channel {
    /// The last listener is gone; unless a new one has made a new channel meanwhile, nothing stays behind.
    fn drop(&mut self) {
        self.channels
            .remove_if(&self.scope, |_, channel| channel.strong_count() == 0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use storyclip_actors::events::EventKind;

    use super::{super::frame::News, *};

    fn channel(ring: usize) -> Channel {
        Channel::new(StreamScope::Batch("b".into()), Arc::default(), ring)
    }

    fn event(seq: i64) -> Frame {
        Frame::new(seq, EventKind::Progress, b"{}", News::Committed(Instant::now()))
    }

    fn seq(next: Next) -> Option<i64> {
        match next {
            Next::Event(frame) => Some(frame.seq),
            Next::Tick(..) | Next::Table | Next::Nothing => None,
        }
    }

    #[test]
    fn a_cursor_within_the_ring_needs_no_table() {
        let channel = channel(2);
        assert!(matches!(channel.next(0, 0, false), Next::Table), "nothing is known yet");
        assert!(matches!(channel.next(0, 0, true), Next::Nothing));
        for n in 1..=3 {
            channel.push(event(n));
        }
        assert!(matches!(channel.next(0, 0, true), Next::Table), "1 has left the ring");
        assert_eq!(seq(channel.next(1, 0, true)), Some(2));
        assert_eq!(seq(channel.next(2, 0, false)), Some(3));
        assert!(matches!(channel.next(3, 0, false), Next::Nothing));
        channel.push(event(3));
        assert!(
            matches!(channel.next(3, 0, false), Next::Nothing),
            "a repeat changes nothing"
        );
        channel.push(event(7));
        assert!(
            matches!(channel.next(3, 0, false), Next::Table),
            "a hole is filled from the table"
        );
        assert_eq!(seq(channel.next(6, 0, false)), Some(7));
    }

    #[test]
    fn ticks_come_after_the_events_before_them_and_an_event_outdates_them() {
        let channel = channel(4);
        channel.push(event(1));
        channel.tick(Bytes::from_static(b"a"));
        assert_eq!(seq(channel.next(0, 0, true)), Some(1));
        assert!(matches!(channel.next(1, 0, true), Next::Tick(1, _)));
        assert!(matches!(channel.next(1, 1, true), Next::Nothing));
        channel.tick(Bytes::from_static(b"b"));
        channel.push(event(2));
        assert_eq!(seq(channel.next(1, 1, true)), Some(2));
        assert!(matches!(channel.next(2, 1, true), Next::Nothing));
        for _ in 0..TICKS + 3 {
            channel.tick(Bytes::from_static(b"c"));
        }
        assert!(
            matches!(channel.next(2, 2, true), Next::Tick(6, _)),
            "a slow listener misses the oldest"
        );
    }
}
