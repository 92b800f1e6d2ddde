//! Everything that was ever posted to the sandbox, and in what order: the witness of what went live.
//!
//! Handlers write it under one short lock; tests and `/_sandbox/posts` read it. Kept in memory only.

use jiff::tz::TimeZone;
use serde::Serialize;
use storyclip_actors::model::Timestamp;

use super::{
    dates::{Dates, wall_clock, zone},
    luck::{End, Luck},
    post::{Gone, Post, State},
    scheduled_post::Wanted,
};

/// 2020-01-01T00:00:00Z, in milliseconds since 1970.
const IDS_BEGIN: i64 = 1_577_836_800_000;

/// One post as the ledger shows it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are Metricool's")]
pub struct PostView {
    pub id: i64,
    pub uuid: String,
    pub blog_id: String,
    pub network: String,
    pub media: Vec<String>,
    pub text: String,
    pub slot: Timestamp,
    pub created: Timestamp,
    /// When it went live; `None` while it has not.
    pub live: Option<Timestamp>,
    pub state: State,
    /// Removed from the planner, by a delete or an update. A post that was on its way goes live all the same.
    pub deleted: bool,
    pub replaced_by: Option<i64>,
}

/// One valid create or update request, whatever became of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the post's")]
pub struct CreateView {
    /// When it arrived.
    pub at: Timestamp,
    pub blog_id: String,
    pub network: String,
    pub media: Vec<String>,
    pub slot: Timestamp,
    /// How it ends for the client: `answered`, `error`, `cut` …
    pub end: &'static str,
    /// The post it made; `None` before its commit and when it makes none.
    pub id: Option<i64>,
}

/// How many posts are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub creates: usize,
    pub posts: usize,
    pub live: usize,
    pub failed: usize,
    pub deleted: usize,
}

/// The whole ledger at one instant.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerView {
    /// By commit.
    pub posts: Vec<PostView>,
    /// Create and update requests by arrival.
    pub order: Vec<CreateView>,
    /// Of the two lists.
    pub counts: Counts,
}

/// A create request's place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket(usize);

/// A valid create or update that is to be committed, now or later.
#[derive(Debug)]
pub(super) struct Commission {
    pub(super) ticket: Ticket,
    pub(super) brand: String,
    pub(super) wanted: Wanted,
    pub(super) luck: Luck,
    /// The post that leaves the planner for it and hands on its `uuid`.
    pub(super) replaces: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Ledger {
    first_id: i64,
    posts: Vec<Post>,
    creates: Vec<CreateView>,
    /// How many posts and requests were cleared away; ids go on.
    cleared: (usize, usize),
}

impl Ledger {
    /// Ids begin with the milliseconds since 2020, so that a stand-in started later gives none that an earlier one gave,
    /// as long as that one made fewer than a thousand posts per second.
    pub(super) fn starting(now: Timestamp) -> Self {
        Self {
            first_id: (now.as_millis() - IDS_BEGIN).max(1),
            posts: Vec::new(),
            creates: Vec::new(),
            cleared: (0, 0),
        }
    }

    pub(super) fn arrive(&mut self, brand: &str, wanted: &Wanted, end: &End, now: Timestamp) -> Ticket {
        self.creates.push(CreateView {
            at: now,
            blog_id: brand.to_owned(),
            network: wanted.networks.join(","),
            media: wanted.media.clone(),
            slot: wanted.slot,
            end: match end {
                End::Answered => "answered",
                End::WithoutId => "without_id",
                End::Page => "page",
                End::Error { .. } => "error",
                End::Cut { .. } => "cut",
            },
            id: None,
        });
        Ticket(self.cleared.1 + self.creates.len() - 1)
    }

    /// Makes the post.
    pub(super) fn commit(&mut self, commission: Commission, dates: Dates, now: Timestamp) -> &Post {
        let Commission {
            ticket,
            brand,
            wanted,
            luck,
            replaces,
        } = commission;
        let at = self.posts.len();
        let id = self.first_id + (self.cleared.0 + at) as i64;
        let mut uuid = luck.uuid;
        if let Some(old) = replaces
            .and_then(|old| self.index_of(old))
            .and_then(|old| self.posts.get_mut(old))
        {
            old.gone = Some(Gone {
                at: now,
                replaced_by: Some(id),
            });
            uuid = old.uuid;
        }
        if let Some(create) = ticket
            .0
            .checked_sub(self.cleared.1)
            .and_then(|index| self.creates.get_mut(index))
        {
            create.id = Some(id);
        }
        let zone = zone("publicationDate", &wanted.zone).unwrap_or(TimeZone::UTC);
        let creation_date = wall_clock(now.round_down(dates.granularity), &zone);
        self.posts.push(Post {
            id,
            uuid,
            brand,
            wanted,
            created: now,
            creation_date,
            luck,
            gone: None,
        });
        &self.posts[at]
    }

    fn index_of(&self, id: i64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first_id)?)
            .ok()?
            .checked_sub(self.cleared.0)
            .filter(|index| *index < self.posts.len())
    }

    /// A post of this brand that can be read now.
    pub(super) fn get(&self, brand: &str, id: i64, now: Timestamp) -> Option<&Post> {
        self.posts
            .get(self.index_of(id)?)
            .filter(|post| post.brand == brand && post.readable(now))
    }

    /// Removes a post from the planner; false if there is none.
    pub(super) fn delete(&mut self, brand: &str, id: i64, now: Timestamp) -> bool {
        let post = self.index_of(id).and_then(|index| self.posts.get_mut(index));
        match post.filter(|post| post.brand == brand && post.readable(now)) {
            Some(post) => {
                post.gone = Some(Gone {
                    at: now,
                    replaced_by: None,
                });
                true
            }
            None => false,
        }
    }

    /// The brand's posts whose slot lies in the window, by slot.
    pub(super) fn list(&self, brand: &str, from: Timestamp, to: Timestamp, hides: bool, now: Timestamp) -> Vec<&Post> {
        let window = from..=to;
        let listed =
            |post: &&Post| post.brand == brand && window.contains(&post.wanted.slot) && post.listed(now, hides);
        let mut posts: Vec<&Post> = self.posts.iter().filter(listed).collect();
        posts.sort_by_key(|post| (post.wanted.slot, post.id));
        posts
    }

    pub(super) fn clear(&mut self) {
        self.cleared.0 += std::mem::take(&mut self.posts).len();
        self.cleared.1 += std::mem::take(&mut self.creates).len();
    }

    pub(super) fn view(&self, now: Timestamp) -> LedgerView {
        let posts: Vec<PostView> = self.posts.iter().map(|post| view(post, now)).collect();
        let counts = Counts {
            creates: self.creates.len(),
            posts: posts.len(),
            live: posts.iter().filter(|post| post.live.is_some()).count(),
            failed: posts.iter().filter(|post| post.state == State::Error).count(),
            deleted: posts.iter().filter(|post| post.deleted).count(),
        };
        LedgerView {
            posts,
            order: self.creates.clone(),
            counts,
        }
    }
}

fn view(post: &Post, now: Timestamp) -> PostView {
    PostView {
        id: post.id,
        uuid: post.uuid.to_string(),
        blog_id: post.brand.clone(),
        network: post.wanted.networks.join(","),
        media: post.wanted.media.clone(),
        text: post.wanted.text.clone(),
        slot: post.wanted.slot,
        created: post.created,
        live: post.live(now),
        state: post.state(now),
        deleted: post.gone.is_some(),
        replaced_by: post.gone.and_then(|gone| gone.replaced_by),
    }
}
