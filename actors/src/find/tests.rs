//! What a listing proves, and what it does not.

use super::*;
use crate::model::{ClipStatus, Network, PostId};

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
        planned_for: None,
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

/// A post so many slots later.
fn elsewhere(id: &str, media: &str, slots: u32) -> Candidate {
    Candidate {
        slot: SLOT + SETTLE * slots,
        ..candidate(id, media)
    }
}

/// The third look, when all must have settled, at this listing.
fn last_look(clip: &Clip, posts: Vec<Candidate>, owned: &[&str], shows_published: bool) -> Finding {
    look_beside(clip, posts, (owned, &[]), shows_published)
}

/// The same, beside posts that others know and posts that others asked for.
fn look_beside(
    clip: &Clip,
    posts: Vec<Candidate>,
    (known, intended): (&[&str], &[&str]),
    shows_published: bool,
) -> Finding {
    let listing = Listing {
        posts,
        complete: true,
        shows_published,
    };
    let [known, intended] = [known, intended].map(|ids| ids.iter().map(|id| PostId::from(*id)).collect());
    let owned = Owned { known, intended };
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
        Finding::Found(..) | Finding::NotYet | Finding::Absent => format!("{finding:?}"),
    }
}

#[test]
fn equal_media_in_the_slot_is_the_clip() {
    let finding = last_look(&uncertain(None), vec![candidate("1", "https://m/1")], &[], false);
    assert!(matches!(finding, Finding::Found(post, _) if post.id.as_str() == "1"));
}

#[test]
fn posts_of_other_clips_slots_networks_and_times_are_no_candidates() {
    let other_slot = elsewhere("2", "https://m/other", 1);
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
fn the_same_media_in_another_slot_is_for_a_person_and_never_taken() {
    let moved = elsewhere("2", "https://m/1", 5);
    let untold = Candidate {
        network: None,
        created_at: None,
        ..elsewhere("3", "https://m/1", 9)
    };
    let Finding::CannotTell(trouble) = last_look(&uncertain(None), vec![moved, untold], &[], true) else {
        panic!("a post that may have been moved is nothing");
    };
    assert_eq!(trouble.code.as_ref(), code::AMBIGUOUS_POST);
    assert_eq!(
        &*trouble.message,
        "posts of another slot with the same media that may be this clip, moved by hand: 2, 3"
    );
}

#[test]
fn the_same_media_in_another_slot_is_nothing_if_it_is_anothers_older_or_goes_elsewhere() {
    let other_network = Candidate {
        network: Some(Network::Instagram),
        ..elsewhere("2", "https://m/1", 5)
    };
    let older = Candidate {
        created_at: Some(INTENT - Duration::from_secs(600)),
        ..elsewhere("3", "https://m/1", 5)
    };
    let other_text = Candidate {
        text: "by hand".into(),
        ..elsewhere("4", "https://m/1", 5)
    };
    let two_files = Candidate {
        media: vec!["https://m/1".into(), "https://m/2".into()],
        ..elsewhere("5", "https://m/1", 5)
    };
    let known = elsewhere("1", "https://m/1", 5);
    let posts = vec![known, other_network, older, other_text, two_files];
    assert_eq!(last_look(&uncertain(None), posts, &["1"], true), Finding::Absent);
}

#[test]
fn what_alone_is_just_what_another_clip_asked_for_is_that_clips() {
    let of_other = || elsewhere("2", "https://m/1", 5);
    let beside = |posts| look_beside(&uncertain(None), posts, (&[], &["2", "3"]), true);
    assert_eq!(beside(vec![of_other()]), Finding::Absent);
    assert_eq!(
        beside(vec![of_other(), elsewhere("3", "https://m/1", 6)]),
        Finding::Absent,
        "each in a slot of its own"
    );
    let twins = vec![of_other(), elsewhere("3", "https://m/1", 5)];
    assert_eq!(
        reason(beside(twins)),
        code::AMBIGUOUS_POST,
        "one of them is not that clip's"
    );
}

#[test]
fn a_post_in_the_slot_is_the_clip_whatever_stands_in_other_slots() {
    let posts = vec![elsewhere("2", "https://m/1", 5), candidate("1", "https://m/1")];
    let finding = last_look(&uncertain(None), posts, &[], true);
    assert!(matches!(finding, Finding::Found(post, _) if post.id.as_str() == "1"));
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
    assert!(matches!(last_look(&known, vec![edited], &[], true), Finding::Found(post, _) if post.id.as_str() == "9"));
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
