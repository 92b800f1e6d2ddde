//! What is planned from rows alone: policies and rulings, the order of clips, and several clips on their way at once.

use std::time::Duration;

use super::*;
use crate::{
    find::Search,
    model::{Network, PostRef, PublishMode, Request, Speed},
    work::{Call, CallKind},
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_900_000_000_000);
const FAR: Duration = Duration::from_secs(60);

pub(super) fn batch(status: BatchStatus, on_failure: OnFailure) -> Batch {
    Batch {
        id: "b".into(),
        tenant: "stories".into(),
        user: "u1".into(),
        account: "77".into(),
        network: Network::Facebook,
        mode: PublishMode::Now,
        speed: Speed::Fast,
        on_failure,
        max_retries: 2,
        status,
        error: None,
        restarts: 0,
        epoch: 1,
        wake_at: Some(NOW),
        created_at: NOW,
        started_at: None,
        completed_at: None,
    }
}

/// A clip of this status as the machine leaves it.
fn clip(index: u32, status: ClipStatus) -> Clip {
    let sent = match status {
        ClipStatus::WaitingConfirmation | ClipStatus::Uncertain | ClipStatus::Held => true,
        ClipStatus::Pending
        | ClipStatus::Queued
        | ClipStatus::Uploading
        | ClipStatus::Retrying
        | ClipStatus::Published
        | ClipStatus::Failed
        | ClipStatus::Cancelled => false,
    };
    Clip {
        index,
        id: format!("clip_{index}").into(),
        url: format!("https://m/{index}").into(),
        status,
        attempt: u32::from(sent),
        retries: 0,
        post: (status == ClipStatus::WaitingConfirmation).then(|| PostRef {
            id: index.to_string().into(),
            uuid: None,
        }),
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
        request: sent.then(|| Request {
            network: Network::Facebook,
            media: format!("https://m/{index}").into(),
            text: "".into(),
            slot: NOW,
        }),
        intent_at: sent.then_some(NOW),
    }
}

pub(super) fn clips(statuses: &[ClipStatus]) -> Vec<Clip> {
    statuses
        .iter()
        .zip(1..)
        .map(|(status, index)| clip(index, *status))
        .collect()
}

pub(super) fn planned(batch: &Batch, clips: &[Clip], work: &Work) -> Plan {
    plan(&View {
        batch,
        clips,
        work,
        parked: None,
        max_restarts: 5,
        now: NOW,
    })
}

fn at_work(on_failure: OnFailure, clips: &[Clip], work: &Work) -> Plan {
    planned(&batch(BatchStatus::Processing, on_failure), clips, work)
}

/// The status that the batch comes to and the code of the reason.
fn settled(plan: Plan) -> Option<(BatchStatus, Option<String>)> {
    match plan.row {
        Some(RowStep::Settle(status, error)) => Some((status, error.map(|error| error.code.to_string()))),
        Some(
            RowStep::Doubt(_)
            | RowStep::Begin(_)
            | RowStep::Park(..)
            | RowStep::NoteRefusal(_)
            | RowStep::Open
            | RowStep::EndCancelled,
        )
        | None => None,
    }
}

use ClipStatus as S;

#[test]
fn a_failed_clip_does_what_the_policy_says_unless_a_person_passed_over_it() {
    let mut rows = clips(&[S::Failed, S::Pending]);
    let stopped = |status| Some((status, Some(code::CLIP_FAILED.to_owned())));
    for (policy, end) in [
        (OnFailure::Skip, None),
        (OnFailure::Stop, stopped(BatchStatus::Failed)),
        (OnFailure::Hold, stopped(BatchStatus::Paused)),
    ] {
        assert_eq!(settled(at_work(policy, &rows, &Work::default())), end, "{policy}");
    }
    rows[0].ruling = Some(Ruling::PassOver);
    for policy in OnFailure::ALL {
        let plan = at_work(*policy, &rows, &Work::default());
        assert_eq!(plan.row, Some(RowStep::Begin(2)), "{policy}");
    }
    let last = [rows[0].clone(), clip(2, S::Published)];
    for policy in OnFailure::ALL {
        let end = settled(at_work(*policy, &last, &Work::default()));
        assert_eq!(end, Some((BatchStatus::Completed, None)), "{policy}");
    }
}

#[test]
fn a_held_clip_lets_skip_go_on_and_stops_the_others_until_only_held_ones_are_left() {
    let rows = clips(&[S::Held, S::Pending]);
    let held = Some((BatchStatus::Paused, Some(code::CLIP_HELD.to_owned())));
    assert_eq!(
        at_work(OnFailure::Skip, &rows, &Work::default()).row,
        Some(RowStep::Begin(2))
    );
    for policy in [OnFailure::Stop, OnFailure::Hold] {
        assert_eq!(settled(at_work(policy, &rows, &Work::default())), held, "{policy}");
    }
    let rows = clips(&[S::Held, S::Failed]);
    assert_eq!(settled(at_work(OnFailure::Skip, &rows, &Work::default())), held);
}

#[test]
fn a_reopened_clip_is_the_first_again_and_nothing_is_sent_while_another_is_on_its_way() {
    let rows = clips(&[S::Published, S::Pending, S::Published, S::Pending]);
    let first = at_work(OnFailure::Skip, &rows, &Work::default());
    assert_eq!(first.row, Some(RowStep::Begin(2)));

    let mut work = Work::default();
    work.media.push((2, "m".into()));
    for status in [S::WaitingConfirmation, S::Uncertain] {
        let rows = clips(&[S::Published, S::Pending, S::Published, status, S::Pending]);
        let plan = at_work(OnFailure::Skip, &rows, &work);
        assert_eq!(plan.row, None, "{status}");
        assert!(!plan.acts.contains(&Act::Send(2)), "{status}: {plan:?}");
        let plan = at_work(OnFailure::Skip, &rows, &Work::default());
        assert!(
            plan.acts.contains(&Act::Prepare(2)),
            "its media is made ready meanwhile: {plan:?}"
        );
    }
    let mut sending = clips(&[S::Published, S::Pending, S::Published, S::Uploading]);
    (sending[3].request, sending[3].attempt) = (clip(4, S::Uncertain).request, 1);
    work.call = Some(Call {
        kind: CallKind::Create,
        clip: 4,
        attempt: 1,
    });
    let plan = at_work(OnFailure::Skip, &sending, &work);
    assert_eq!((plan.row, plan.acts), (None, vec![]), "its answer is waited for");
}

#[test]
fn nobody_is_sent_while_a_call_about_another_clip_is_under_way() {
    let mut work = Work::default();
    work.media.push((1, "m".into()));
    work.call = Some(Call {
        kind: CallKind::Find,
        clip: 2,
        attempt: 1,
    });
    let mut rows = clips(&[S::Uploading, S::Published]);
    assert!(at_work(OnFailure::Skip, &rows, &work).acts.is_empty());
    work.call = None;
    assert_eq!(at_work(OnFailure::Skip, &rows, &work).acts, [Act::Send(1)]);
    rows[0].status = S::Held;
    assert!(at_work(OnFailure::Skip, &rows, &work).acts.is_empty());
}

#[test]
fn each_child_serves_the_first_clip_that_needs_it() {
    let rows = clips(&[
        S::Uncertain,
        S::WaitingConfirmation,
        S::WaitingConfirmation,
        S::Uncertain,
    ]);
    for status in [BatchStatus::Processing, BatchStatus::Paused, BatchStatus::Completed] {
        let mut work = Work::default();
        let batch = batch(status, OnFailure::Skip);
        let plan = planned(&batch, &rows, &work);
        assert_eq!(plan.acts, [Act::Watch(2), Act::Find(1)], "{status}");
        assert!(!plan.rest);
        work.watched = Some((2, 1));
        work.call = Some(Call {
            kind: CallKind::Find,
            clip: 1,
            attempt: 1,
        });
        assert!(
            planned(&batch, &rows, &work).acts.is_empty(),
            "{status}: both are at it"
        );
        work.call = None;
        let mut search = Search::begin(NOW, NOW, NOW);
        search.answered(NOW, FAR);
        work.search = Some((1, 1, search));
        let plan = planned(&batch, &rows, &work);
        assert_eq!((plan.acts, plan.wake_at), (vec![], Some(search.next_at)), "{status}");
        work.watched = Some((3, 1));
        assert_eq!(planned(&batch, &rows, &work).acts, [Act::Watch(2)], "{status}");
    }
}

#[test]
fn a_cancelled_batch_withdraws_whatever_is_far_enough_one_after_the_other() {
    let mut rows = clips(&[S::WaitingConfirmation, S::WaitingConfirmation, S::WaitingConfirmation]);
    for index in [1, 2] {
        rows[index].request.as_mut().unwrap().slot = NOW + FAR;
    }
    let batch = batch(BatchStatus::Cancelled, OnFailure::Skip);
    let mut work = Work::default();
    assert_eq!(planned(&batch, &rows, &work).acts, [Act::Withdraw(2), Act::Watch(1)]);
    work.withdraw_refused.push((2, 1));
    work.watched = Some((1, 1));
    assert_eq!(planned(&batch, &rows, &work).acts, [Act::Withdraw(3)]);
    work.withdraw_refused.push((3, 1));
    assert!(
        planned(&batch, &rows, &work).acts.is_empty(),
        "both are followed to their ends"
    );
    let paused = Batch {
        status: BatchStatus::Paused,
        ..batch
    };
    assert!(
        planned(&paused, &rows, &Work::default())
            .acts
            .iter()
            .all(|act| *act != Act::Withdraw(2))
    );
}

#[test]
fn a_batch_that_is_not_at_work_starts_nothing_and_rests_when_nothing_is_on_its_way() {
    for status in BatchStatus::ALL
        .iter()
        .filter(|status| **status != BatchStatus::Processing)
    {
        let mut row = batch(*status, OnFailure::Skip);
        row.completed_at = Some(NOW);
        let rows = clips(&[S::Pending, S::Queued, S::Retrying, S::Uploading, S::Held, S::Failed]);
        let mut work = Work::default();
        work.media.push((1, "m".into()));
        let plan = planned(&row, &rows, &work);
        assert_eq!((plan.row, plan.acts, plan.rest), (None, vec![], true), "{status}");
    }
    let cancelled = batch(BatchStatus::Cancelled, OnFailure::Skip);
    let plan = planned(&cancelled, &clips(&[S::Held]), &Work::default());
    assert_eq!(plan.row, Some(RowStep::EndCancelled));
}

#[test]
fn a_batch_that_keeps_failing_is_paused_until_its_restarts_are_forgotten() {
    let mut row = batch(BatchStatus::Processing, OnFailure::Skip);
    row.restarts = 6;
    let rows = clips(&[S::WaitingConfirmation]);
    let end = settled(planned(&row, &rows, &Work::default()));
    assert_eq!(
        end,
        Some((BatchStatus::Paused, Some(code::BATCH_KEEPS_FAILING.to_owned())))
    );
    row.restarts = 0;
    assert_eq!(planned(&row, &rows, &Work::default()).acts, [Act::Watch(1)]);
}
