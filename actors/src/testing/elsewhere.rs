//! What happens to posts elsewhere: at the network, or by a person in the provider's planner. Tests call it.

use super::network::{Network, Post, lock};
use crate::{
    model::{Request, Timestamp},
    ports::{Clock, PublishFailure},
};

impl Network {
    /// The post (by the order of creation, from 0) goes live now.
    pub fn goes_live(&self, post: usize) {
        let now = self.clock.now();
        self.change(post, |post| (post.live_at, post.failure) = (Some(now), None));
    }

    /// The network gives the post up.
    pub fn gives_up(&self, post: usize, failure: PublishFailure) {
        self.change(post, |post| (post.live_at, post.failure) = (None, Some(failure)));
    }

    /// A post of this request is there after all, though no call was answered with it; it goes live as others do.
    pub fn appears(&self, account: &str, request: &Request) {
        // Nobody is told its id.
        drop(self.add(&account.into(), request));
    }

    /// The post is gone.
    pub fn vanishes(&self, post: usize) {
        self.change(post, |post| post.deleted = true);
    }

    /// A person gives the post another slot: it gets a new id and keeps its uuid.
    pub fn edit(&self, id: &str, slot: Timestamp) {
        let mut posts = lock(&self.posts);
        let of_nobody = 400_000_001 + posts.len() * 1_000 + self.calls("edit").len();
        lock(&self.calls).push(("edit", self.clock.now()));
        if let Some(post) = posts.iter_mut().find(|post| post.id == id) {
            let waits = post.live_at.map(|at| at.since(post.request.slot));
            post.live_at = waits.map(|waits| slot + waits);
            post.request.slot = slot;
            post.id = of_nobody.to_string();
        }
    }

    fn change(&self, post: usize, change: impl FnOnce(&mut Post)) {
        if let Some(post) = lock(&self.posts).get_mut(post) {
            change(post);
        }
    }
}

impl Post {
    /// Whether the public sees it at this instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        !self.deleted && self.live_at.is_some_and(|at| at <= now)
    }
}
