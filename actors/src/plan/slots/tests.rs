//! What is planned where slots give the order: who is handed over, when the batch leaves memory, what is withdrawn.

use super::{
    super::{Act, plan, tests},
    *,
};
use crate::{
    model::{Batch, PublishMode},
    work::Work,
};
use tests::{NOW, clips, planned};

use ClipStatus as S;

fn batch(status: BatchStatus, on_failure: OnFailure) -> Batch {
    Batch {
        mode: PublishMode::Scheduled,
        ..tests::batch(status, on_failure)
    }
}

/// Clips of these statuses, with slots or plans from so long ahead on, a minute apart.
fn ahead(statuses: &[ClipStatus], first: Duration) -> Vec<Clip> {
    let mut clips = clips(statuses);
    for (clip, before) in clips.iter_mut().zip(0..) {
        let slot = NOW + first + Duration::from_secs(60) * before;
        clip.planned_for = Some(slot);
        if let Some(request) = &mut clip.request {
            request.slot = slot;
        }
    }
    clips
}

fn scheduled(statuses: &[ClipStatus], first: Duration) -> Plan {
    let clips = ahead(statuses, first);
    planned(
        &batch(BatchStatus::Scheduled, OnFailure::Skip),
        &clips,
        &Work::default(),
    )
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn clips_that_are_with_the_network_do_not_keep_the_next_one_from_it() {
    let sent = [S::WaitingConfirmation, S::WaitingConfirmation, S::Pending];
    assert_eq!(scheduled(&sent, HOUR).row, Some(RowStep::Begin(3)));
    let doubtful = scheduled(&[S::WaitingConfirmation, S::Uncertain, S::Pending], HOUR);
    assert_eq!(
        (doubtful.row, doubtful.acts),
        (None, vec![Act::Find(2), Act::Prepare(3)])
    );
    assert!(!doubtful.rest);
    let held = scheduled(&[S::Held, S::Pending], HOUR);
    assert_eq!(held.row, Some(RowStep::Begin(2)), "a person may take days");
}

#[test]
fn a_batch_that_waits_for_far_slots_rests_until_the_next_one() {
    let far = scheduled(&[S::WaitingConfirmation; 3], HOUR);
    assert_eq!((far.acts, far.wake_at, far.rest), (vec![], Some(NOW + HOUR), true));
    let near = scheduled(&[S::WaitingConfirmation; 3], Duration::from_secs(20));
    assert_eq!((near.acts, near.rest), (vec![Act::Watch(1)], false));
    let come = scheduled(&[S::WaitingConfirmation; 3], Duration::ZERO);
    assert_eq!(come.row, Some(RowStep::Open));
    let parked = View {
        batch: &batch(BatchStatus::Scheduled, OnFailure::Skip),
        clips: &ahead(&[S::WaitingConfirmation], HOUR),
        work: &Work::default(),
        parked: Some(crate::error::Refused::Token),
        max_restarts: 5,
        now: NOW,
    };
    assert!(matches!(plan(&parked).row, Some(RowStep::NoteRefusal(_))));
}

#[test]
fn what_is_far_from_its_slot_is_withdrawn_when_its_batch_stops() {
    let statuses = [S::Failed, S::WaitingConfirmation, S::WaitingConfirmation, S::Pending];
    for (status, policy) in [
        (BatchStatus::Cancelled, OnFailure::Skip),
        (BatchStatus::Paused, OnFailure::Skip),
        (BatchStatus::Processing, OnFailure::Stop),
        (BatchStatus::Processing, OnFailure::Hold),
    ] {
        let batch = batch(status, policy);
        let far = planned(&batch, &ahead(&statuses, HOUR), &Work::default());
        assert_eq!(
            (far.row, far.acts, far.rest),
            (None, vec![Act::Withdraw(2)], false),
            "{status}"
        );
        let mut near = ahead(&statuses, HOUR);
        near.iter_mut()
            .filter_map(|clip| clip.request.as_mut())
            .for_each(|request| request.slot = NOW);
        let near = planned(&batch, &near, &Work::default());
        assert_eq!((near.row, near.acts), (None, vec![Act::Watch(2)]), "{status}");
    }
    let goes_on = planned(
        &batch(BatchStatus::Processing, OnFailure::Skip),
        &ahead(&statuses, HOUR),
        &Work::default(),
    );
    assert_eq!(goes_on.row, Some(RowStep::Begin(4)));
    let stopped = planned(
        &batch(BatchStatus::Processing, OnFailure::Stop),
        &ahead(&[S::Failed, S::Pending], HOUR),
        &Work::default(),
    );
    assert!(matches!(stopped.row, Some(RowStep::Settle(BatchStatus::Failed, _))));
}
