//! Cancel, pause, resume and the policies: what is with the network is withdrawn while that can be proved.

use std::time::Duration;

use storyclip_actors::{
    error::Verdict,
    messages::SupervisorMessage,
    model::{BatchStatus, ClipStatus as S, OnFailure, Wish},
    ports::{FailureKind, PublishFailure},
    testing::{Fault, NewBatch},
};

use super::{
    super::{LONG, assert_ledger, kinds, statuses},
    HOUR, MINUTE, all_with_the_network, in_an_hour, live, planned, slots, world_of_minutes,
};

#[tokio::test(start_paused = true)]
async fn a_cancel_withdraws_everything_that_is_with_the_network() {
    for sent in [0, 700, 30_000] {
        let world = world_of_minutes().await;
        let batch = world.submit(in_an_hour(6));
        tokio::time::sleep(Duration::from_millis(sent)).await;
        let told = world.command(&batch, Wish::Cancel).await;
        assert_eq!(told.unwrap_or(statuses(&world, &batch).0), BatchStatus::Cancelled);
        world.wait(&batch, MINUTE, |row, _| row.completed_at.is_some()).await;
        assert_eq!(statuses(&world, &batch).1, [S::Cancelled; 6]);
        assert_eq!(kinds(&world, &batch).last(), Some(&"cancelled"));
        tokio::time::sleep(2 * HOUR).await;
        assert!(live(&world).is_empty());
        assert!(world.directory.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_between_the_slots_leaves_what_is_live_and_what_is_too_near() {
    let world = world_of_minutes().await;
    let batch = world.submit(in_an_hour(4));
    world.wait_clip(&batch, LONG, 1, S::Published).await;
    let second = slots(&world, &batch)[1].unwrap();
    tokio::time::sleep(second.since(world.now()) - Duration::from_secs(10)).await;
    world.command(&batch, Wish::Cancel).await;
    world
        .wait(&batch, 5 * MINUTE, |row, _| row.completed_at.is_some())
        .await;
    assert_eq!(
        statuses(&world, &batch).1,
        [S::Published, S::Published, S::Cancelled, S::Cancelled]
    );
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_pause_withdraws_and_a_resume_gives_new_slots_in_order() {
    for (passed, long) in [(Duration::from_secs(20), MINUTE), (HOUR + 3 * MINUTE / 2, 5 * HOUR)] {
        let world = world_of_minutes().await;
        let batch = world.submit(in_an_hour(6));
        tokio::time::sleep(passed).await;
        let before = live(&world).len();
        world.command(&batch, Wish::Pause).await;
        world
            .wait(&batch, MINUTE, |_, clips| clips.iter().all(|clip| !clip.in_flight()))
            .await;
        tokio::time::sleep(long).await;
        assert_eq!(live(&world).len(), before, "nothing goes live in a paused batch");
        assert!(world.directory.is_empty());
        let (row, clips) = world.store.read(&batch);
        assert_eq!(row.status, BatchStatus::Paused);
        assert_eq!(
            clips.iter().filter(|clip| clip.status == S::Pending).count(),
            6 - before
        );

        let status = world.command(&batch, Wish::Resume).await;
        let expected = if before == 0 {
            BatchStatus::Scheduled
        } else {
            BatchStatus::Processing
        };
        assert_eq!(status, Some(expected));
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(live(&world), ["1", "2", "3", "4", "5", "6"]);
        let given = slots(&world, &batch);
        assert!(given.windows(2).all(|pair| pair[0] < pair[1]), "{given:?}");
        assert!(
            given[before..]
                .iter()
                .zip(&planned(&world, &batch)[before..])
                .all(|(slot, planned)| slot > planned)
        );
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_resume_after_a_slot_has_come_is_told_once_as_what_it_is() {
    // Paused too near to the first slot for a withdrawal, or so long that the slot of a withdrawn clip has passed.
    for (before_the_slot, live_then) in [(Duration::from_secs(10), 1), (MINUTE, 0)] {
        let world = world_of_minutes().await;
        let batch = world.submit(in_an_hour(3));
        world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
        let first = slots(&world, &batch)[0].unwrap();
        tokio::time::sleep(first.since(world.now()) - before_the_slot).await;
        world.command(&batch, Wish::Pause).await;
        tokio::time::sleep(3 * MINUTE).await;
        assert_eq!(live(&world).len(), live_then);
        let (row, _) = world.store.read(&batch);
        assert_eq!((row.status, row.started_at), (BatchStatus::Paused, None));
        assert_eq!(world.command(&batch, Wish::Resume).await, Some(BatchStatus::Processing));
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        let told = world.store.events(&batch);
        let resumed: Vec<&str> = told
            .iter()
            .filter(|event| event.kind.as_str() == "resumed")
            .map(|event| event.body.as_str())
            .collect();
        assert_eq!(resumed.len(), 1, "{resumed:?}");
        assert!(resumed[0].contains(r#""status":"processing""#), "{resumed:?}");
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_taken_back_at_once_loses_and_doubles_nothing() {
    for millis in (0..1_500).step_by(61) {
        let world = world_of_minutes().await;
        let batch = world.submit(in_an_hour(5));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world.command(&batch, Wish::Pause).await;
        tokio::time::sleep(Duration::from_millis(millis % 130)).await;
        world.command(&batch, Wish::Resume).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(live(&world), ["1", "2", "3", "4", "5"], "after {millis} ms");
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_death_in_the_middle_of_a_withdrawal_doubles_nothing() {
    for millis in (0..40).step_by(3) {
        let mut world = world_of_minutes().await;
        let batch = world.submit(in_an_hour(4));
        world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        world.store.set_answers_take(Duration::from_millis(10));
        world.store.insert_command(&batch, Wish::Pause, world.now());
        world.nudge(SupervisorMessage::Claim);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world.crash(Duration::from_secs(1)).await;
        world
            .wait(&batch, 10 * MINUTE, |row, clips| {
                row.status == BatchStatus::Paused && clips.iter().all(|clip| !clip.in_flight())
            })
            .await;
        tokio::time::sleep(2 * HOUR).await;
        assert!(live(&world).is_empty());
        let held = statuses(&world, &batch)
            .1
            .iter()
            .filter(|status| **status == S::Held)
            .count();
        assert!(held <= 1, "what was deleted and not recorded is for a person");
        world.command(&batch, Wish::Resume).await;
        let end = if held == 0 {
            BatchStatus::Completed
        } else {
            BatchStatus::Paused
        };
        world.wait_status(&batch, LONG, BatchStatus::Processing).await;
        world.wait_status(&batch, LONG, end).await;
        assert_eq!(live(&world).len(), 4 - held);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn the_policies_stop_and_hold_withdraw_the_rest_and_let_it_go_on_at_new_slots() {
    for (policy, stopped, told, wish) in [
        (
            OnFailure::Stop,
            BatchStatus::Failed,
            "error",
            Wish::RetryFailed { clips: vec![] },
        ),
        (OnFailure::Hold, BatchStatus::Paused, "paused", Wish::Resume),
    ] {
        let world = world_of_minutes().await;
        let permanent = PublishFailure {
            kind: FailureKind::Permanent,
            detail: "no video".into(),
        };
        world.network.script().failures.extend([None, Some(permanent)]);
        let batch = world.submit(NewBatch {
            on_failure: policy,
            ..in_an_hour(4)
        });
        world.wait_status(&batch, LONG, stopped).await;
        assert_eq!(
            statuses(&world, &batch).1,
            [S::Published, S::Failed, S::Pending, S::Pending]
        );
        assert_eq!(
            kinds(&world, &batch).last(),
            Some(&told),
            "told when all that goes is withdrawn"
        );
        tokio::time::sleep(HOUR).await;
        assert_eq!(live(&world), ["1"]);
        assert!(world.directory.is_empty());
        world.command(&batch, wish).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        let expected: &[&str] = if policy == OnFailure::Stop {
            &["1", "2", "3", "4"]
        } else {
            &["1", "3", "4"]
        };
        assert_eq!(live(&world), expected);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_not_visible_yet_is_withdrawn_when_it_is() {
    let world = world_of_minutes().await;
    world.network.script().hidden = Duration::from_secs(20);
    let batch = world.submit(in_an_hour(2));
    world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
    world.command(&batch, Wish::Cancel).await;
    world
        .wait(&batch, 5 * MINUTE, |row, _| row.completed_at.is_some())
        .await;
    assert_eq!(statuses(&world, &batch).1, [S::Cancelled; 2]);
    tokio::time::sleep(2 * HOUR).await;
    assert!(live(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_was_refused_before_its_slot_can_be_tried_again_and_keeps_its_place() {
    let world = world_of_minutes().await;
    let refused = Fault::Refuse(Verdict::Rejected);
    world.network.script().faults.extend([Fault::None, refused]);
    let batch = world.submit(NewBatch {
        scheduled: Some((HOUR, 10 * MINUTE)),
        ..NewBatch::of("b", 3)
    });
    world.wait_clip(&batch, MINUTE, 3, S::WaitingConfirmation).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(statuses(&world, &batch).0, BatchStatus::Scheduled);
    let told = world.command(&batch, Wish::RetryFailed { clips: vec![2] }).await;
    assert_eq!(told, Some(BatchStatus::Scheduled));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(live(&world), ["1", "2", "3"]);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_wakes_a_resting_batch_for_a_moment_and_changes_nothing() {
    let world = world_of_minutes().await;
    let batch = world.submit(in_an_hour(3));
    world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
    tokio::time::sleep(MINUTE).await;
    let (before, slots_before) = (world.store.read(&batch).0, slots(&world, &batch));
    world.nudge(SupervisorMessage::Reconcile(batch.clone()));
    tokio::time::sleep(MINUTE).await;
    let after = world.store.read(&batch).0;
    assert!(after.epoch > before.epoch && world.directory.is_empty());
    assert_eq!((after.status, after.wake_at), (before.status, before.wake_at));
    assert_eq!(slots(&world, &batch), slots_before);
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(live(&world), ["1", "2", "3"]);
}
