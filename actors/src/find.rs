//! What a listing proves about a create call whose answer was lost.
//!
//! The batch actor passes each answered listing through [`judge`] while a clip is `uncertain`. Pure: a death between two
//! looks only means that looking begins anew.

use std::{collections::HashSet, time::Duration};

use crate::{
    model::{Clip, PostId, PostRef, Request, Timestamp, Trouble, code},
    ports::{Candidate, Listing},
    schedule::SlotRule,
};

/// Answered looks that absence needs at least (DESIGN 5).
pub const LOOKS_FOR_ABSENCE: u32 = 3;

/// How far the provider's clock may lag behind ours: a post "created" earlier than this before the intent is not ours.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

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
    /// This post is the clip's.
    Found(PostRef),
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
    /// Which of its posts belong to other clips; they are never candidates.
    pub owned: &'a HashSet<PostId>,
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
    if let Some(post) = recognise(clip, request, listing, owned, rule) {
        return Finding::Found(post);
    }
    let last_word = search.looks + 1 >= LOOKS_FOR_ABSENCE && now >= search.since + settle;
    if !last_word {
        return Finding::NotYet;
    }
    let candidates: Vec<&Candidate> = free(listing, owned)
        .filter(|post| is_candidate(post, clip, request, rule))
        .collect();
    if !candidates.is_empty() {
        let posts: Vec<&str> = candidates
            .iter()
            .take(SHOWN)
            .map(|post| post.post.id.as_str())
            .collect();
        let others = match candidates.len() - posts.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "posts of the same slot that may be this clip: {}{others}",
            posts.join(", ")
        );
        return Finding::CannotTell(Trouble::new(code::AMBIGUOUS_POST, message));
    }
    if clip.post.is_some() {
        let message = "the post was created and is no longer known to the provider: it may have gone live";
        return Finding::CannotTell(Trouble::new(code::POST_VANISHED, message));
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

/// The listed post that is certainly this clip's: it has the uuid of its post, or alone its media in its slot.
pub fn recognise(
    clip: &Clip,
    request: &Request,
    listing: &Listing,
    owned: &HashSet<PostId>,
    rule: &SlotRule,
) -> Option<PostRef> {
    if let Some(uuid) = clip.post.as_ref().and_then(|post| post.uuid.as_ref())
        && let Some(post) = free(listing, owned).find(|post| post.post.uuid.as_ref() == Some(uuid))
    {
        return Some(post.post.clone());
    }
    let mut equal =
        free(listing, owned).filter(|post| is_candidate(post, clip, request, rule) && same_media(post, request));
    match (equal.next(), equal.next()) {
        (Some(only), None) => Some(only.post.clone()),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// Posts that belong to no other clip.
fn free<'a>(listing: &'a Listing, owned: &'a HashSet<PostId>) -> impl Iterator<Item = &'a Candidate> {
    listing.posts.iter().filter(|post| !owned.contains(&post.post.id))
}

fn is_candidate(post: &Candidate, clip: &Clip, request: &Request, rule: &SlotRule) -> bool {
    let created_since = match (post.created_at, clip.intent_at) {
        (Some(created), Some(intent)) => created + CLOCK_SKEW >= intent,
        (None, _) | (_, None) => true,
    };
    post.network.is_none_or(|network| network == request.network) && rule.same(post.slot, request.slot) && created_since
}

fn same_media(post: &Candidate, request: &Request) -> bool {
    post.media.len() == 1 && post.media[0] == *request.media && post.text == *request.text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClipStatus, Network};

    const SETTLE: Duration = Duration::from_secs(60);
    const INTENT: Timestamp = Timestamp::from_millis(1_900_000_000_000);
    const SLOT: Timestamp = Timestamp::from_millis(1_900_000_080_000);

    fn rule() -> SlotRule {
        SlotRule {
            lead: SETTLE,
            granularity: SETTLE,
        }
    }

    fn uncertain(post: Option<PostRef>) -> Clip {
        Clip {
            index: 1,
            id: "clip_1".into(),
            url: "https://m/1".into(),
            status: ClipStatus::Uncertain,
            attempt: 1,
            retries: 0,
            post,
            network_post_id: None,
            permalink: None,
            error: None,
            next_attempt_at: None,
            uploaded_at: None,
            published_at: None,
            timed_out_at: None,
            late_looks: 0,
            ruling: None,
            request: None,
            intent_at: Some(INTENT),
        }
    }

    fn candidate(id: &str, media: &str) -> Candidate {
        Candidate {
            post: PostRef {
                id: id.into(),
                uuid: Some("-7".into()),
            },
            network: Some(Network::Facebook),
            slot: SLOT,
            media: vec![media.into()],
            text: String::new(),
            created_at: Some(INTENT),
        }
    }

    /// The third look, when all must have settled, at this listing.
    fn last_look(clip: &Clip, posts: Vec<Candidate>, owned: &[&str], shows_published: bool) -> Finding {
        let listing = Listing {
            posts,
            complete: true,
            shows_published,
        };
        let owned = owned.iter().map(|id| PostId::from(*id)).collect();
        let search = Search {
            since: INTENT,
            looks: 2,
            next_at: INTENT,
            unanswered: 0,
        };
        let request = Request {
            network: Network::Facebook,
            media: "https://m/1".into(),
            text: "".into(),
            slot: SLOT,
        };
        let look = Look {
            listing: &listing,
            owned: &owned,
            search: &search,
        };
        judge(clip, &request, &look, &rule(), SETTLE, SLOT + SETTLE)
    }

    fn reason(finding: Finding) -> String {
        match finding {
            Finding::CannotTell(trouble) => trouble.code.to_string(),
            Finding::Found(_) | Finding::NotYet | Finding::Absent => format!("{finding:?}"),
        }
    }

    #[test]
    fn equal_media_in_the_slot_is_the_clip() {
        let finding = last_look(&uncertain(None), vec![candidate("1", "https://m/1")], &[], false);
        assert!(matches!(finding, Finding::Found(post) if post.id.as_str() == "1"));
    }

    #[test]
    fn posts_of_other_clips_slots_networks_and_times_are_no_candidates() {
        let other_slot = Candidate {
            slot: SLOT + SETTLE,
            ..candidate("2", "https://m/1")
        };
        let other_network = Candidate {
            network: Some(Network::Instagram),
            ..candidate("3", "https://m/1")
        };
        let older = Candidate {
            created_at: Some(INTENT - Duration::from_secs(600)),
            ..candidate("4", "https://m/1")
        };
        let posts = vec![candidate("1", "https://m/1"), other_slot, other_network, older];
        assert_eq!(last_look(&uncertain(None), posts, &["1"], true), Finding::Absent);
    }

    #[test]
    fn different_media_or_two_alike_are_for_a_person() {
        let renamed = vec![candidate("1", "https://static.host/renamed")];
        assert_eq!(
            reason(last_look(&uncertain(None), renamed, &[], true)),
            code::AMBIGUOUS_POST
        );
        let twins = vec![candidate("1", "https://m/1"), candidate("2", "https://m/1")];
        assert_eq!(
            reason(last_look(&uncertain(None), twins, &[], true)),
            code::AMBIGUOUS_POST
        );
    }

    #[test]
    fn a_person_is_shown_which_posts_it_may_be() {
        let posts: Vec<Candidate> = (1..=7).map(|n| candidate(&n.to_string(), "https://m/1")).collect();
        let Finding::CannotTell(trouble) = last_look(&uncertain(None), posts, &[], true) else {
            panic!("seven posts are one");
        };
        assert!(
            trouble.message.ends_with(": 1, 2, 3, 4, 5 and 2 more"),
            "{}",
            trouble.message
        );
    }

    #[test]
    fn absence_after_the_slot_needs_a_list_that_shows_published_posts() {
        assert_eq!(last_look(&uncertain(None), Vec::new(), &[], true), Finding::Absent);
        assert_eq!(
            reason(last_look(&uncertain(None), Vec::new(), &[], false)),
            code::CANNOT_TELL
        );
    }

    #[test]
    fn a_post_edited_by_hand_is_known_by_its_uuid_and_one_that_vanished_is_never_called_absent() {
        let known = uncertain(Some(PostRef {
            id: "1".into(),
            uuid: Some("-7".into()),
        }));
        let edited = Candidate {
            slot: SLOT + SETTLE * 5,
            ..candidate("9", "https://m/other")
        };
        assert!(matches!(last_look(&known, vec![edited], &[], true), Finding::Found(post) if post.id.as_str() == "9"));
        assert_eq!(reason(last_look(&known, Vec::new(), &[], true)), code::POST_VANISHED);
    }

    #[test]
    fn absence_needs_three_answers_and_the_last_when_all_has_settled() {
        let mut search = Search::begin(INTENT, INTENT, INTENT);
        let mut times = Vec::new();
        for _ in 0..3 {
            times.push(search.next_at.since(INTENT).as_secs());
            let now = search.next_at;
            search.answered(now, SETTLE);
        }
        assert_eq!(times, [0, 30, 60]);
        let late = INTENT + SETTLE * 5;
        let mut search = Search::begin(INTENT, INTENT, late);
        search.answered(late, SETTLE);
        assert_eq!(
            search.next_at,
            late + SETTLE / 10,
            "three looks in one instant would be one look"
        );
        let restarted = Search::begin(INTENT, INTENT + SETTLE, INTENT + SETTLE);
        assert_eq!(restarted.since, INTENT + SETTLE, "a restart counts anew");
    }
}
