//! What a listing proves about a create call whose answer was lost.
//!
//! The batch actor passes each answered listing through [`judge`] while a clip is `uncertain`. Pure: a death between two
//! looks only means that looking begins anew.

pub mod evidence;

use std::time::Duration;

use crate::{
    model::{Clip, PostRef, Request, Timestamp, Trouble, code},
    ports::{Candidate, Listing, Owned},
    schedule::SlotRule,
};

/// Answered looks that absence needs at least (DESIGN 5).
pub const LOOKS_FOR_ABSENCE: u32 = 3;

/// How far the provider's clock may lag behind ours: a post "created" earlier than this before the intent is not ours.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// How many posts are shown to the person who must tell them apart.
const SHOWN: usize = 5;

/// How the looking for one clip stands; begins anew in every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// The intent, or the restart if that came later.
    pub since: Timestamp,
    /// Answered looks so far.
    pub looks: u32,
    /// When to look next.
    pub next_at: Timestamp,
    /// Looks in a row without a usable answer.
    pub unanswered: u32,
}

impl Search {
    /// Begins: the first look is at once.
    pub fn begin(intent_at: Timestamp, loaded_at: Timestamp, now: Timestamp) -> Self {
        Self {
            since: intent_at.max(loaded_at),
            looks: 0,
            next_at: now,
            unanswered: 0,
        }
    }

    /// After an answered look that decided nothing: the second look is half-way, the third when all must have settled,
    /// and looks that come late still have some time between them.
    pub fn answered(&mut self, now: Timestamp, settle: Duration) {
        self.looks += 1;
        self.unanswered = 0;
        let due = if self.looks + 1 < LOOKS_FOR_ABSENCE {
            self.since + settle / 2
        } else {
            self.since + settle
        };
        self.next_at = due.max(now + settle / 10).max(now + Duration::from_millis(1));
    }

    /// After a look without a usable answer: it counts for nothing.
    pub fn unanswered(&mut self, now: Timestamp) {
        self.next_at = now + crate::schedule::probe_backoff(self.unanswered);
        self.unanswered += 1;
    }
}

/// What a look shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// This post is the clip's; the network is to publish it at this instant.
    Found(PostRef, Timestamp),
    /// Nothing is decided; look again.
    NotYet,
    /// The post does not exist: the clip may be sent again.
    Absent,
    /// A person must decide, for this reason.
    CannotTell(Trouble),
}

/// One answered listing and what is known beside it.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The provider's answer.
    pub listing: &'a Listing,
    /// Which of its posts belong to other attempts; they are never candidates.
    pub owned: &'a Owned,
    /// The looking so far, without this look.
    pub search: &'a Search,
}

/// Judges one answered listing.
pub fn judge(
    clip: &Clip,
    request: &Request,
    look: &Look<'_>,
    rule: &SlotRule,
    settle: Duration,
    now: Timestamp,
) -> Finding {
    let Look { listing, owned, search } = *look;
    if let Some((post, slot)) = recognise(clip, request, listing, owned, rule) {
        return Finding::Found(post, slot);
    }
    let last_word = search.looks + 1 >= LOOKS_FOR_ABSENCE && now >= search.since + settle;
    if !last_word {
        return Finding::NotYet;
    }
    let candidates: Vec<&Candidate> = free(listing, owned)
        .filter(|post| is_candidate(post, clip, request, rule))
        .collect();
    if !candidates.is_empty() {
        let message = format!("posts of the same slot that may be this clip: {}", shown(&candidates));
        return Finding::CannotTell(Trouble::new(code::AMBIGUOUS_POST, message));
    }
    if clip.post.is_some() {
        let message = "the post was created and is no longer known to the provider: it may have gone live";
        return Finding::CannotTell(Trouble::new(code::POST_VANISHED, message));
    }
    let moved = perhaps_moved(clip, request, listing, owned, rule);
    if !moved.is_empty() {
        let posts = shown(&moved);
        let message =
            format!("posts of another slot with the same media that may be this clip, moved by hand: {posts}");
        return Finding::CannotTell(Trouble::new(code::AMBIGUOUS_POST, message));
    }
    if !listing.complete {
        return Finding::CannotTell(Trouble::new(code::CANNOT_TELL, "the provider's list was not complete"));
    }
    if now >= request.slot && !listing.shows_published {
        let message = "the slot has passed and this account's list was never seen to show published posts";
        return Finding::CannotTell(Trouble::new(code::CANNOT_TELL, message));
    }
    Finding::Absent
}

/// The listed post that is certainly this clip's, and its slot: it has the uuid of its post (a person may have given it
/// another slot), or alone its media in its slot.
pub fn recognise(
    clip: &Clip,
    request: &Request,
    listing: &Listing,
    owned: &Owned,
    rule: &SlotRule,
) -> Option<(PostRef, Timestamp)> {
    if let Some(uuid) = clip.post.as_ref().and_then(|post| post.uuid.as_ref())
        && let Some(post) = free(listing, owned).find(|post| post.post.uuid.as_ref() == Some(uuid))
    {
        // The list may round what was asked for.
        let stays = rule.same(post.slot, request.slot);
        return Some((post.post.clone(), if stays { request.slot } else { post.slot }));
    }
    let mut equal =
        free(listing, owned).filter(|post| is_candidate(post, clip, request, rule) && same_media(post, request));
    match (equal.next(), equal.next()) {
        (Some(only), None) => Some((only.post.clone(), request.slot)),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// Posts of other slots that may be this clip's: a person may have moved it in the planner before anybody knew its id. They
/// are never taken for it, since the same media may be another clip's, or a person's own. One that alone is just what another
/// clip asked for is that clip's.
fn perhaps_moved<'a>(
    clip: &Clip,
    request: &Request,
    listing: &'a Listing,
    owned: &'a Owned,
    rule: &SlotRule,
) -> Vec<&'a Candidate> {
    let elsewhere = |post: &&Candidate| {
        may_be(post, clip, request) && same_media(post, request) && !rule.same(post.slot, request.slot)
    };
    let alike: Vec<&Candidate> = free(listing, owned).filter(elsewhere).collect();
    let is_alone = |post: &Candidate| alike.iter().filter(|other| rule.same(other.slot, post.slot)).count() == 1;
    let is_anothers = |post: &Candidate| owned.intended.contains(&post.post.id) && is_alone(post);
    alike.iter().copied().filter(|post| !is_anothers(post)).collect()
}

/// The ids of the first of these posts, and how many more there are.
fn shown(posts: &[&Candidate]) -> String {
    let ids: Vec<&str> = posts.iter().take(SHOWN).map(|post| post.post.id.as_str()).collect();
    let others = match posts.len() - ids.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    ids.join(", ") + &others
}

/// Posts that no other attempt knows to be its own.
fn free<'a>(listing: &'a Listing, owned: &'a Owned) -> impl Iterator<Item = &'a Candidate> {
    (listing.posts.iter()).filter(|post| !owned.known.contains(&post.post.id))
}

fn is_candidate(post: &Candidate, clip: &Clip, request: &Request, rule: &SlotRule) -> bool {
    may_be(post, clip, request) && rule.same(post.slot, request.slot)
}

/// Whether the post is of the network and not older than the intent.
fn may_be(post: &Candidate, clip: &Clip, request: &Request) -> bool {
    let created_since = match (post.created_at, clip.intent_at) {
        (Some(created), Some(intent)) => created + CLOCK_SKEW >= intent,
        (None, _) | (_, None) => true,
    };
    post.network.is_none_or(|network| network == request.network) && created_since
}

fn same_media(post: &Candidate, request: &Request) -> bool {
    post.media.len() == 1 && post.media[0] == *request.media && post.text == *request.text
}

#[cfg(test)]
mod tests;
