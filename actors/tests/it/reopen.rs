//! What retry-failed does to a batch: it goes on from the reopened clip, in order, and nothing is sent beside another.

use std::time::Duration;

use storyclip_actors::{
    error::Verdict,
    model::{BatchStatus, ClipStatus as S, OnFailure, Wish},
    ports::FailureKind,
    testing::{Fault, NewBatch},
};

use super::{
    LONG, assert_ledger,
    retry::{all, failure, wish_and_crash},
    statuses, world,
};

fn named(clips: &[u32]) -> Wish {
    Wish::RetryFailed { clips: clips.to_vec() }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_a_failure_stopped_goes_on_from_the_reopened_clip() {
    for (policy, stopped) in [
        (OnFailure::Stop, BatchStatus::Failed),
        (OnFailure::Hold, BatchStatus::Paused),
    ] {
        let mut world = world().await;
        world
            .network
            .script()
            .faults
            .push_back(Fault::Refuse(Verdict::Rejected));
        let batch = world.submit(NewBatch {
            on_failure: policy,
            ..NewBatch::of("b", 3)
        });
        world.wait_status(&batch, LONG, stopped).await;
        wish_and_crash(&mut world, &batch, named(&[1]), true).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [S::Published; 3]);
        let urls: Vec<String> = (1..=3).map(|n| format!("https://cdn.example/b/{n}.mp4")).collect();
        assert_eq!(world.network.live(), urls, "{policy}: in order");
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_for_a_clip_which_went_live_after_all_goes_on() {
    let world = world().await;
    world
        .network
        .script()
        .confirms_next
        .push_back(Some(Duration::from_secs(200)));
    let batch = world.submit(NewBatch {
        on_failure: OnFailure::Stop,
        ..NewBatch::of("b", 2)
    });
    world.wait_status(&batch, LONG, BatchStatus::Failed).await;
    assert_eq!(world.command(&batch, named(&[2])).await, Some(BatchStatus::Failed));
    world.wait_clip(&batch, LONG, 1, S::Published).await;
    assert_eq!(
        statuses(&world, &batch),
        (BatchStatus::Failed, vec![S::Published, S::Pending])
    );
    assert_eq!(world.command(&batch, all()).await, Some(BatchStatus::Processing));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_is_reopened_while_others_are_at_work_is_sent_as_the_next() {
    for millis in (0..3_000).step_by(97) {
        let mut world = world().await;
        world
            .network
            .script()
            .faults
            .push_back(Fault::Refuse(Verdict::Rejected));
        let batch = world.submit(NewBatch::of("b", 5));
        world.wait_clip(&batch, LONG, 1, S::Failed).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let crashed = millis % 2 == 1;
        if !crashed {
            world.command(&batch, named(&[1])).await;
        } else {
            wish_and_crash(&mut world, &batch, named(&[1]), false).await;
        }
        let begun: Vec<bool> = world
            .store
            .read(&batch)
            .1
            .iter()
            .map(|clip| clip.request.is_some())
            .collect();
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [S::Published; 5], "after {millis} ms");
        let live = world.network.live();
        let place = live.iter().position(|url| url.ends_with("/1.mp4")).unwrap();
        // A create call that a crash cut off may come to nothing, and then its clip is sent again in its turn.
        let in_turn = live[place + 1..].iter().all(|url| !begun[place_of(url)]);
        assert!(in_turn || crashed, "after {millis} ms: {live:?}");
        assert_eq!(live.len(), 5);
        assert_ledger(&world, &batch);
    }
}

/// `…/3.mp4` is at 2.
fn place_of(url: &str) -> usize {
    let name = url.rsplit('/').next().unwrap();
    name.trim_end_matches(".mp4").parse::<usize>().unwrap() - 1
}

#[tokio::test(start_paused = true)]
async fn several_old_posts_are_all_asked_about_before_anything_is_sent() {
    let world = world().await;
    world.network.script().confirms_next.extend([None, None, None, None]);
    let batch = world.submit(NewBatch::of("b", 4));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [S::Failed; 4]);
    world.network.goes_live(1);
    world.network.gives_up(0, failure(FailureKind::Permanent).unwrap());
    world.network.gives_up(2, failure(FailureKind::Permanent).unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = world.now();
    world.command(&batch, all()).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(
        statuses(&world, &batch).1,
        [S::Published, S::Published, S::Published, S::Failed]
    );
    let (looks, creates) = (world.network.calls("status"), world.network.calls("create"));
    assert_eq!(creates.len(), 6);
    let before = looks.iter().filter(|at| **at >= asked && **at <= creates[4]).count();
    assert_eq!(before, 4);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_a_paused_batch_asks_but_sends_nothing_before_it_is_resumed() {
    let world = world().await;
    world
        .network
        .script()
        .failures
        .push_back(failure(FailureKind::Permanent));
    let batch = world.submit(NewBatch::of("b", 3));
    world.wait_clip(&batch, LONG, 2, S::WaitingConfirmation).await;
    world.command(&batch, Wish::Pause).await;
    assert_eq!(world.command(&batch, all()).await, Some(BatchStatus::Paused));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(statuses(&world, &batch).1, [S::Retrying, S::Published, S::Pending]);
    assert_eq!(world.network.calls("create").len(), 2);
    world.command(&batch, Wish::Resume).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [S::Published; 3]);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_of_a_reopened_clip_follows_its_old_post_and_sends_nothing() {
    let world = world().await;
    world
        .network
        .script()
        .failures
        .push_back(failure(FailureKind::Permanent));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    world.store.insert_command(&batch, all(), world.now());
    world.command(&batch, Wish::Cancel).await;
    world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
    assert_eq!(statuses(&world, &batch), (BatchStatus::Cancelled, vec![S::Failed]));
    assert_eq!(world.network.calls("create").len(), 1);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reopened_stays_as_it_is() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, S::Published).await;
    for clips in [&[1][..], &[0, 2, 3, u32::MAX], &[]] {
        assert_eq!(world.command(&batch, named(clips)).await, Some(BatchStatus::Processing));
    }
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let events = world.store.events(&batch);
    assert_eq!(world.command(&batch, all()).await, Some(BatchStatus::Completed));
    assert_eq!(world.store.events(&batch), events);
    assert_eq!(world.store.commands_waiting(&batch), 0);

    world
        .network
        .script()
        .faults
        .push_back(Fault::Refuse(Verdict::Rejected));
    let cancelled = world.submit(NewBatch::of("c", 2));
    world.wait_clip(&cancelled, LONG, 1, S::Failed).await;
    world.command(&cancelled, Wish::Cancel).await;
    assert_eq!(world.command(&cancelled, all()).await, Some(BatchStatus::Cancelled));
    assert_eq!(statuses(&world, &cancelled).1[0], S::Failed);
}
