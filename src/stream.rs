//! The live stream: the events table is the stream, the [`Hub`] is a bell with a small memory.
//!
//! The store's committer tells the hub what became durable, the actors ring it for ticks, HTTP subscribes. It holds
//! nothing that the table does not: if the process dies, clients come back with the last number they saw.

mod channel;
mod frame;
mod listeners;
mod opening;
mod subscription;

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use dashmap::{DashMap, mapref::entry::Entry};
use storyclip_actors::{model::Batch, ports::Bell};
use tokio::sync::watch;

use self::{
    channel::Channel,
    frame::{Frame, News, unnumbered},
};
pub use self::{listeners::Listeners, opening::OpenError, subscription::Subscription};
use crate::store::{CommitListener, Committed, StreamScope};

/// Events that a channel keeps as ready bytes.
const RING: usize = 32;

type Channels = DashMap<StreamScope, Weak<Channel>>;

/// The bell: channels exist only while somebody listens.
pub struct Hub {
    channels: Arc<Channels>,
    ring: usize,
    down: watch::Sender<bool>,
    listeners: Arc<Listeners>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::with_ring(RING)
    }
}

impl Hub {
    /// A hub whose channels keep this many events (at least one) as ready bytes.
    pub fn with_ring(ring: usize) -> Self {
        Self {
            channels: Arc::default(),
            ring,
            down: watch::Sender::new(false),
            listeners: Arc::default(),
        }
    }

    /// Ends every stream, so that clients connect again, to the next process.
    pub fn shut_down(&self) {
        self.down.send_replace(true);
    }

    /// How many listen, and how soon they hear.
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// How many streams somebody listens to.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// The channel of this stream, made if there is none.
    fn listen(&self, scope: StreamScope) -> Arc<Channel> {
        let made = || Arc::new(Channel::new(scope.clone(), self.channels.clone(), self.ring));
        match self.channels.entry(scope.clone()) {
            Entry::Occupied(mut entry) => match entry.get().upgrade() {
                Some(channel) => channel,
                None => {
                    let channel = made();
                    entry.insert(Arc::downgrade(&channel));
                    channel
                }
            },
            Entry::Vacant(entry) => {
                let channel = made();
                entry.insert(Arc::downgrade(&channel));
                channel
            }
        }
    }

    /// The channel of this stream, if somebody listens. The map's guard is gone before the channel is used, because
    /// dropping a channel takes that guard.
    fn heard_on(&self, scope: &StreamScope) -> Option<Arc<Channel>> {
        self.channels.get(scope)?.upgrade()
    }
}

impl CommitListener for Hub {
    fn listens(&self) -> bool {
        !self.channels.is_empty()
    }

    fn committed(&self, events: &[Committed]) {
        let now = News::Committed(Instant::now());
        for event in events {
            if let Some(channel) = self.heard_on(&StreamScope::Batch(event.batch.clone())) {
                channel.push(Frame::new(event.batch_seq, event.kind, &event.body, now));
            }
            if let Some(channel) = self.heard_on(&StreamScope::User(event.tenant.clone(), event.user.clone())) {
                channel.push(Frame::new(event.user_seq, event.kind, &event.body, now));
            }
        }
    }
}

impl Bell for Hub {
    fn heard(&self, batch: &Batch) -> bool {
        scopes(batch).iter().any(|scope| self.channels.contains_key(scope))
    }

    fn tick(&self, batch: &Batch, body: String) {
        let bytes = unnumbered(&body);
        for scope in scopes(batch) {
            if let Some(channel) = self.heard_on(&scope) {
                channel.tick(bytes.clone());
            }
        }
    }
}

fn scopes(batch: &Batch) -> [StreamScope; 2] {
    [
        StreamScope::Batch(batch.id.clone()),
        StreamScope::User(batch.tenant.clone(), batch.user.clone()),
    ]
}
