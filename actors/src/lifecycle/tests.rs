//! Every status with every happening: what is legal, where it leads, and that the rest touches nothing.

use super::*;
use crate::model::{Network, code};

pub(super) const AT: Timestamp = Timestamp::from_millis(1_000);

pub(super) fn request() -> Request {
    Request {
        network: Network::Facebook,
        media: "https://m/1".into(),
        text: "".into(),
        slot: AT,
    }
}

pub(super) fn post() -> PostRef {
    PostRef {
        id: "300000001".into(),
        uuid: None,
    }
}

pub(super) fn clip(status: ClipStatus, request: Option<Request>, error: Option<Trouble>) -> Clip {
    Clip {
        index: 1,
        id: "clip_1".into(),
        url: "https://m/1".into(),
        status,
        attempt: 1,
        retries: 0,
        post: Some(post()),
        network_post_id: None,
        permalink: None,
        error,
        next_attempt_at: None,
        uploaded_at: None,
        published_at: None,
        timed_out_at: None,
        late_looks: 0,
        ruling: None,
        planned_for: None,
        request,
        intent_at: None,
    }
}

fn happenings() -> Vec<ClipEvent> {
    use ClipEvent as E;
    let trouble = || Trouble::new("X", "x");
    vec![
        E::Begin,
        E::Intend(request()),
        E::Created(post()),
        E::AnswerLost(trouble()),
        E::Refused(trouble()),
        E::Postponed {
            trouble: trouble(),
            until: AT,
            spend: true,
        },
        E::Queue {
            trouble: trouble(),
            until: None,
        },
        E::Published {
            network_post_id: None,
            permalink: None,
        },
        E::Errored {
            trouble: trouble(),
            retry_at: None,
        },
        E::Errored {
            trouble: trouble(),
            retry_at: Some(AT),
        },
        E::TimedOut(trouble()),
        E::Vanished(trouble()),
        E::Found(post(), Timestamp::from_millis(0)),
        E::Absent {
            trouble: trouble(),
            retry_at: None,
        },
        E::Absent {
            trouble: trouble(),
            retry_at: Some(AT),
        },
        E::CannotTell(trouble()),
        E::Cancel,
        E::Withdrawn,
        E::TakenBack,
        E::LateLook,
        E::Reopen(trouble()),
        E::PassOver,
        E::Adopt(post()),
        E::NotAdopted(trouble()),
        E::SendAgain,
        E::Drop(trouble()),
    ]
}

/// Where a clip of this kind can go, whatever happens.
fn reach(clip: &Clip) -> Vec<ClipStatus> {
    let mut reached = Vec::new();
    for event in happenings() {
        let mut after = clip.clone();
        match apply(&mut after, event, AT) {
            Ok(()) if !reached.contains(&after.status) => reached.push(after.status),
            Ok(()) => {}
            Err(_) => assert_eq!(after.status, clip.status, "an illegal change touches nothing"),
        }
    }
    reached.sort_by_key(|status| ClipStatus::ALL.iter().position(|known| known == status));
    reached
}

#[test]
fn every_status_leads_where_the_design_says_and_nowhere_else() {
    use ClipStatus as S;
    let timeout = Some(Trouble::new(code::CONFIRMATION_TIMEOUT, "t"));
    let sent = Some(request());
    let startable = [S::Queued, S::Uploading, S::Cancelled].as_slice();
    for (status, request, error, expected) in [
        (S::Pending, None, None, startable),
        (S::Queued, None, None, startable),
        (S::Retrying, None, None, startable),
        (
            S::Uploading,
            None,
            None,
            &[S::Queued, S::Uploading, S::Retrying, S::Failed, S::Cancelled],
        ),
        (
            S::Uploading,
            sent.clone(),
            None,
            &[
                S::Queued,
                S::WaitingConfirmation,
                S::Retrying,
                S::Uncertain,
                S::Failed,
                S::Cancelled,
            ],
        ),
        (
            S::WaitingConfirmation,
            sent.clone(),
            None,
            &[
                S::Pending,
                S::Queued,
                S::Retrying,
                S::Uncertain,
                S::Published,
                S::Failed,
                S::Cancelled,
            ],
        ),
        (
            S::Uncertain,
            sent.clone(),
            None,
            &[S::WaitingConfirmation, S::Retrying, S::Held, S::Failed, S::Cancelled],
        ),
        (
            S::Held,
            sent.clone(),
            None,
            &[S::Pending, S::WaitingConfirmation, S::Held, S::Failed],
        ),
        (S::Held, None, None, &[S::Pending, S::Held, S::Failed]),
        (S::Published, sent.clone(), None, &[]),
        (S::Cancelled, None, None, &[]),
        (S::Failed, None, None, &[S::Failed]),
        (S::Failed, sent.clone(), None, &[S::WaitingConfirmation, S::Failed]),
        (
            S::Failed,
            sent,
            timeout,
            &[S::WaitingConfirmation, S::Published, S::Failed],
        ),
    ] {
        assert_eq!(reach(&clip(status, request, error)), expected, "{status}");
    }
}

#[test]
fn a_clip_that_is_at_work_or_cancelled_tells_of_no_trouble_that_is_over() {
    use ClipStatus as S;
    let waited = |status, request| Clip {
        next_attempt_at: Some(AT),
        ..clip(
            status,
            request,
            Some(Trouble::new(
                code::ACCOUNT_UNAUTHORIZED,
                "the provider refuses the token",
            )),
        )
    };
    let sent = || Some(request());
    for (status, request, event, expected) in [
        (S::Queued, None, ClipEvent::Begin, S::Uploading),
        (S::Retrying, None, ClipEvent::Begin, S::Uploading),
        (S::Queued, None, ClipEvent::Intend(self::request()), S::Uploading),
        (S::Pending, None, ClipEvent::Cancel, S::Cancelled),
        (S::Queued, None, ClipEvent::Cancel, S::Cancelled),
        (S::Retrying, None, ClipEvent::Cancel, S::Cancelled),
        (S::Uploading, None, ClipEvent::Cancel, S::Cancelled),
        (S::Uncertain, sent(), ClipEvent::Cancel, S::Cancelled),
        (S::WaitingConfirmation, sent(), ClipEvent::Withdrawn, S::Cancelled),
    ] {
        let mut clip = waited(status, request);
        apply(&mut clip, event, AT).unwrap();
        assert_eq!(
            (clip.status, clip.error, clip.next_attempt_at),
            (expected, None, None),
            "{status}"
        );
    }
}

#[test]
fn nothing_is_published_without_a_post_that_was_waited_for() {
    for status in ClipStatus::ALL {
        let mut clip = clip(*status, Some(request()), None);
        let said = apply(
            &mut clip,
            ClipEvent::Published {
                network_post_id: None,
                permalink: None,
            },
            AT,
        );
        assert_eq!(said.is_ok(), *status == ClipStatus::WaitingConfirmation, "{status}");
    }
}
