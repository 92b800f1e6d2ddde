//! What the network knows: every post ever made, what became of it, and every look that was answered.
//!
//! The simulated provider writes it and the invariants read it. It is the truth: no death of a daemon touches it.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    model::{AccountId, BatchId, PostId, PostRef, Request, Timestamp},
    ports::{Candidate, PublishFailure, Reading},
    testing::network::WINDOW,
};

/// Which attempt at which clip.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Attempt {
    pub batch: BatchId,
    pub clip: u32,
    pub attempt: u32,
}

/// What becomes of a post, counted from its slot.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It goes live this long after its slot.
    GoesLive(Duration),
    /// The network gives up this long after its slot.
    Fails(Duration, PublishFailure),
    /// It stays pending for ever.
    Stuck,
}

/// A post of the ledger.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Post {
    /// The handles it had; the last is its present one.
    pub ids: Vec<PostId>,
    pub uuid: Option<String>,
    pub account: AccountId,
    /// `None`: a person made it by hand.
    pub of: Option<Attempt>,
    pub request: Request,
    /// As it stands in the planner now.
    pub slot: Timestamp,
    /// As the list names it; hosts rename files.
    pub media: String,
    pub created_at: Timestamp,
    /// From when its id is known to a status call.
    pub visible_at: Timestamp,
    pub listed_at: Timestamp,
    pub fate: Fate,
    /// When it was taken out of the planner, by a withdrawal or by hand.
    pub gone_at: Option<Timestamp>,
}

impl Post {
    /// When the public sees it, for ever after; `None`: never.
    pub fn live_at(&self) -> Option<Timestamp> {
        let live_at = match self.fate {
            Fate::GoesLive(after) => self.slot + after,
            Fate::Fails(..) | Fate::Stuck => return None,
        };
        let live_at = live_at.max(self.created_at);
        (self.gone_at.is_none_or(|gone| live_at <= gone)).then_some(live_at)
    }

    /// Whether the public sees it at this instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.live_at().is_some_and(|at| at <= now)
    }

    /// Whether nothing can make it live any more.
    pub fn is_dead(&self, now: Timestamp) -> bool {
        match &self.fate {
            Fate::Fails(after, _) => self.slot + *after <= now || self.is_gone(now),
            Fate::GoesLive(_) | Fate::Stuck => self.is_gone(now) && !self.is_live(now),
        }
    }

    /// Whether it is out of the planner.
    pub fn is_gone(&self, now: Timestamp) -> bool {
        self.gone_at.is_some_and(|gone| gone <= now)
    }

    /// Its handle and uuid now.
    pub fn reference(&self) -> PostRef {
        PostRef {
            id: self.id().clone(),
            uuid: self.uuid.as_deref().map(Into::into),
        }
    }

    /// As a listing shows it now.
    pub fn listed(&self) -> Candidate {
        Candidate {
            post: self.reference(),
            network: Some(self.request.network),
            slot: self.slot,
            media: vec![self.media.clone()],
            text: self.request.text.to_string(),
            created_at: Some(self.created_at),
        }
    }

    /// Its present handle.
    pub fn id(&self) -> &PostId {
        &self.ids[self.ids.len() - 1]
    }

    /// Whether a person gave it a new handle by editing it.
    pub fn is_edited(&self) -> bool {
        self.ids.len() > 1
    }

    fn reading(&self, now: Timestamp) -> Reading {
        match &self.fate {
            Fate::Fails(after, failure) if self.slot + *after <= now => Reading::Failed(failure.clone()),
            Fate::GoesLive(_) if self.is_live(now) => Reading::Published {
                network_post_id: Some(format!("fb_{}", self.id()).into()),
                permalink: Some(format!("https://facebook.example/{}", self.id()).into()),
            },
            Fate::GoesLive(_) | Fate::Fails(..) | Fate::Stuck => Reading::Pending("PENDING".into()),
        }
    }
}

/// One answered look at a post by its handle.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Answered {
    pub post: PostId,
    pub asked_at: Timestamp,
    /// The same instant by the clock of the node that asked.
    pub asked_at_its_time: Timestamp,
    pub answered_at: Timestamp,
    pub reading: Reading,
}

/// What a clip's last listing said beside the posts.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Listed {
    pub complete: bool,
    pub shows_published: bool,
}

/// See the file's first paragraph.
#[derive(Debug, Default)]
pub struct Ledger {
    /// In order of creation.
    pub posts: Vec<Post>,
    /// In order of their answers.
    pub looks: Vec<Answered>,
    /// The last listing for each clip.
    pub listings: BTreeMap<(BatchId, u32), Listed>,
    /// Whether a listing has shown a published post.
    pub published_was_listed: bool,
    ids: u32,
}

impl Ledger {
    /// A handle that no post has.
    pub fn new_id(&mut self) -> PostId {
        self.ids += 1;
        PostId::from(format!("{}", 300_000_000 + self.ids))
    }

    /// The posts of this clip, whatever became of them.
    pub fn of<'a>(&'a self, batch: &'a BatchId, clip: u32) -> impl Iterator<Item = &'a Post> {
        self.posts
            .iter()
            .filter(move |post| (post.of.as_ref()).is_some_and(|of| of.batch == *batch && of.clip == clip))
    }

    /// The post that ever had this handle.
    pub fn with_id(&self, id: &PostId) -> Option<&Post> {
        self.posts.iter().find(|post| post.ids.contains(id))
    }

    /// What a status call of this handle is answered now.
    pub fn reading(&self, id: &PostId, now: Timestamp) -> Reading {
        self.posts
            .iter()
            .find(|post| post.id() == id && post.visible_at <= now && !post.is_gone(now))
            .map_or(Reading::Missing, |post| post.reading(now))
    }

    /// Every post of the account that is listed around this slot now.
    pub fn listing(
        &mut self,
        account: &AccountId,
        slot: Timestamp,
        shows_published: bool,
        now: Timestamp,
    ) -> Vec<Candidate> {
        let listed = |post: &&Post| {
            post.account == *account
                && post.listed_at <= now
                && !post.is_gone(now)
                && (slot - WINDOW..=slot + WINDOW).contains(&post.slot)
                && (shows_published || !post.is_live(now))
        };
        let posts: Vec<&Post> = self.posts.iter().filter(listed).collect();
        let live = posts.iter().any(|post| post.is_live(now));
        let candidates = posts.into_iter().map(Post::listed).collect();
        self.published_was_listed |= live;
        candidates
    }
}
