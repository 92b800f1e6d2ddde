//! What a person's wishes do to a clip, and how long they last.

use super::{
    tests::{AT, clip, post, request},
    *,
};
use crate::model::code;

/// A failed clip of which this is known, and which has spent its retries.
fn failed(post: Option<PostRef>, request: Option<Request>) -> Clip {
    Clip {
        post,
        retries: 2,
        late_looks: 6,
        timed_out_at: Some(AT),
        ..clip(ClipStatus::Failed, request, Some(Trouble::new("X", "x")))
    }
}

fn happens(clip: &mut Clip, event: ClipEvent) {
    apply(clip, event, AT).unwrap();
}

#[test]
fn a_reopened_clip_asks_about_its_post_looks_for_one_or_begins_anew() {
    use ClipStatus as S;
    let why = || Trouble::new(code::RETRY_REQUESTED, "r");
    for (post, request, status, asks) in [
        (Some(post()), Some(request()), S::WaitingConfirmation, true),
        (None, Some(request()), S::Uncertain, true),
        (None, None, S::Pending, false),
    ] {
        let mut clip = failed(post.clone(), request.clone());
        happens(&mut clip, ClipEvent::Reopen(why()));
        assert_eq!((clip.status, clip.retries, clip.late_looks), (status, 0, 0));
        assert_eq!(
            (&clip.post, &clip.request, clip.attempt),
            (&post, &request, 1),
            "{status}"
        );
        assert_eq!(
            (clip.retry_is_asked_for(), clip.error),
            (asks, asks.then(why)),
            "{status}"
        );
        assert!(!clip.status.is_terminal() && clip.timed_out_at.is_none());
    }
    let mut broken = failed(Some(post()), None);
    assert!(
        apply(&mut broken, ClipEvent::Reopen(why()), AT).is_err(),
        "nobody could be asked"
    );
}

#[test]
fn only_a_certain_refusal_leaves_a_clip_that_begins_anew() {
    let trouble = || Trouble::new("X", "x");
    let mut refused = clip(ClipStatus::Uploading, Some(request()), None);
    refused.post = None;
    let mut absent = refused.clone();
    happens(&mut refused, ClipEvent::Refused(trouble()));
    assert!(refused.request.is_none() && refused.intent_at.is_none());

    happens(&mut absent, ClipEvent::AnswerLost(trouble()));
    let mut dropped = absent.clone();
    happens(
        &mut absent,
        ClipEvent::Absent {
            trouble: trouble(),
            retry_at: None,
        },
    );
    happens(&mut dropped, ClipEvent::CannotTell(trouble()));
    happens(&mut dropped, ClipEvent::Drop(trouble()));
    for mut clip in [absent, dropped] {
        happens(&mut clip, ClipEvent::Reopen(trouble()));
        assert_eq!(clip.status, ClipStatus::Uncertain);
    }
}

#[test]
fn a_wish_for_another_try_lasts_until_the_network_has_answered_and_spends_no_retry() {
    use ClipEvent as E;
    let trouble = || Trouble::new("X", "x");
    let reopened = |events: Vec<ClipEvent>| {
        let mut clip = failed(Some(post()), Some(request()));
        happens(&mut clip, E::Reopen(trouble()));
        for event in events {
            happens(&mut clip, event);
        }
        clip
    };
    let again = Some(AT);
    for asked in [
        vec![],
        vec![E::Vanished(trouble())],
        vec![E::Vanished(trouble()), E::Found(post(), Timestamp::from_millis(0))],
    ] {
        assert!(reopened(asked.clone()).retry_is_asked_for(), "{asked:?}");
    }
    for answered in [
        vec![E::Errored {
            trouble: trouble(),
            retry_at: again,
        }],
        vec![E::Errored {
            trouble: trouble(),
            retry_at: None,
        }],
        vec![E::TimedOut(trouble())],
        vec![E::Published {
            network_post_id: None,
            permalink: None,
        }],
        vec![E::Withdrawn],
        vec![
            E::Vanished(trouble()),
            E::Absent {
                trouble: trouble(),
                retry_at: again,
            },
        ],
        vec![E::Vanished(trouble()), E::CannotTell(trouble())],
        vec![E::Vanished(trouble()), E::Cancel],
    ] {
        let clip = reopened(answered.clone());
        assert_eq!((clip.ruling, clip.retries), (None, 0), "{answered:?}");
    }
}

#[test]
fn a_clip_that_was_passed_over_stays_so_until_it_is_reopened() {
    let trouble = || Trouble::new("X", "x");
    let mut clip = failed(Some(post()), Some(request()));
    clip.error = Some(Trouble::new(code::CONFIRMATION_TIMEOUT, "t"));
    happens(&mut clip, ClipEvent::PassOver);
    assert!(clip.timed_out(), "it is still looked at");
    happens(&mut clip, ClipEvent::LateLook);
    let retry_at = None;
    happens(
        &mut clip,
        ClipEvent::Errored {
            trouble: trouble(),
            retry_at,
        },
    );
    assert_eq!((clip.status, clip.ruling), (ClipStatus::Failed, Some(Ruling::PassOver)));
    happens(&mut clip, ClipEvent::Reopen(trouble()));
    assert!(clip.retry_is_asked_for());
}

#[test]
fn a_held_clip_is_adopted_sent_again_or_dropped() {
    let other = PostRef {
        id: "7".into(),
        uuid: None,
    };
    let held = || Clip {
        retries: 2,
        ..clip(ClipStatus::Held, Some(request()), Some(Trouble::new("X", "x")))
    };
    let mut adopted = held();
    happens(&mut adopted, ClipEvent::Adopt(other.clone()));
    assert_eq!(
        (adopted.status, adopted.post, adopted.error),
        (ClipStatus::WaitingConfirmation, Some(other), None)
    );
    assert!(adopted.request.is_some() && adopted.uploaded_at == Some(AT));

    let mut again = held();
    happens(&mut again, ClipEvent::SendAgain);
    assert_eq!(
        (again.status, again.retries, again.attempt),
        (ClipStatus::Pending, 0, 1)
    );
    assert!(again.post.is_none() && again.request.is_none() && again.error.is_none());

    let mut dropped = held();
    happens(&mut dropped, ClipEvent::Drop(Trouble::new(code::DROPPED, "d")));
    assert_eq!(
        (dropped.status, dropped.ruling),
        (ClipStatus::Failed, Some(Ruling::PassOver))
    );
    assert!(
        dropped.post.is_some() && dropped.request.is_some(),
        "what was sent is not forgotten"
    );

    let mut refused = held();
    happens(&mut refused, ClipEvent::NotAdopted(Trouble::new(code::POST_TAKEN, "p")));
    assert_eq!(refused.status, ClipStatus::Held);
}
