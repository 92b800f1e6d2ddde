//! retry-failed: the network is asked about the old post first, whatever the failure was, and over any crash.

use std::time::Duration;

use storyclip_actors::{
    error::Verdict,
    model::{BatchId, BatchStatus, Clip, ClipStatus as S, Ruling, Wish},
    ports::{FailureKind, PublishFailure},
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, kinds, statuses, world};

pub(super) fn all() -> Wish {
    Wish::RetryFailed { clips: vec![] }
}

pub(super) fn failure(kind: FailureKind) -> Option<PublishFailure> {
    Some(PublishFailure {
        kind,
        detail: "no".into(),
    })
}

/// Makes a wish durable; whether it is applied before the crash that follows is the test's choice.
pub(super) async fn wish_and_crash(world: &mut World, batch: &BatchId, wish: Wish, heard: bool) {
    match heard {
        true => drop(world.command(batch, wish).await.unwrap()),
        false => world.store.insert_command(batch, wish, world.now()),
    }
    world.crash(Duration::from_millis(20)).await;
}

/// A completed batch of one clip whose post never went live in its time.
async fn timed_out(world: &World) -> BatchId {
    world.network.script().confirms_next.push_back(None);
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(world, &batch).1, [S::Failed]);
    batch
}

fn only(world: &World, batch: &BatchId) -> Clip {
    world.store.read(batch).1.remove(0)
}

#[tokio::test(start_paused = true)]
async fn an_old_post_that_went_live_is_published_and_nothing_is_sent() {
    for crash in [None, Some(false), Some(true)] {
        let mut world = world().await;
        let batch = timed_out(&world).await;
        world.network.goes_live(0);
        match crash {
            None => drop(world.command(&batch, all()).await),
            Some(heard) => wish_and_crash(&mut world, &batch, all(), heard).await,
        }
        world.wait_clip(&batch, LONG, 1, S::Published).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(world.network.calls("create").len(), 1, "{crash:?}");
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_post_that_is_still_pending_times_out_again_at_once_and_is_never_sent_again() {
    let world = world().await;
    let batch = timed_out(&world).await;
    tokio::time::sleep(Duration::from_secs(2 * 3_600)).await;
    let (first, looks) = (
        only(&world, &batch).timed_out_at.unwrap(),
        world.network.calls("status").len(),
    );
    assert_eq!(world.command(&batch, all()).await, Some(BatchStatus::Processing));
    world
        .wait_status(&batch, Duration::from_secs(5), BatchStatus::Completed)
        .await;
    let clip = only(&world, &batch);
    assert_eq!((clip.status, clip.ruling, clip.late_looks), (S::Failed, None, 0));
    assert!(clip.timed_out() && clip.timed_out_at.unwrap() > first);
    assert_eq!(world.network.calls("status").len(), looks + 1, "one answer is enough");
    world.network.goes_live(0);
    world.wait_clip(&batch, LONG, 1, S::Published).await;
    assert!(
        world
            .store
            .events(&batch)
            .last()
            .unwrap()
            .body
            .contains("\"late\":true")
    );
    assert_eq!(world.network.calls("create").len(), 1);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn an_old_post_that_failed_is_sent_again_whatever_the_kind_and_with_its_retries_counted_anew() {
    for kind in [FailureKind::Permanent, FailureKind::Passing, FailureKind::Connection] {
        for crash in [None, Some(false), Some(true)] {
            let mut world = world().await;
            let no = failure(FailureKind::Permanent);
            let passing = failure(FailureKind::Passing);
            // After the person's try two more fail in passing, and the third and last retry is live.
            world
                .network
                .script()
                .failures
                .extend([no, passing.clone(), passing, None]);
            let batch = world.submit(NewBatch::of("b", 1));
            world.wait_status(&batch, LONG, BatchStatus::Completed).await;
            assert_eq!(
                (only(&world, &batch).status, only(&world, &batch).retries),
                (S::Failed, 0)
            );
            world.network.gives_up(0, failure(kind).unwrap());
            match crash {
                None => drop(world.command(&batch, all()).await),
                Some(heard) => wish_and_crash(&mut world, &batch, all(), heard).await,
            }
            world.wait_clip(&batch, LONG, 1, S::Published).await;
            let clip = only(&world, &batch);
            assert_eq!(
                (clip.attempt, clip.retries, clip.ruling),
                (4, 2, None),
                "{kind:?} {crash:?}"
            );
            assert_ledger(&world, &batch);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_wish_survives_every_instant_between_the_question_and_the_new_post() {
    for millis in (0..3_000).step_by(61) {
        let mut world = world().await;
        world
            .network
            .script()
            .failures
            .extend([failure(FailureKind::Permanent), None]);
        let batch = world.submit(NewBatch::of("b", 1));
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        world.command(&batch, all()).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world.crash(Duration::from_millis(millis % 300)).await;
        world.wait_clip(&batch, LONG, 1, S::Published).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(world.network.live().len(), 1, "killed after {millis} ms");
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_post_that_vanished_is_looked_for_and_held_and_never_sent_blindly() {
    let world = world().await;
    let batch = timed_out(&world).await;
    world.network.vanishes(0);
    world.command(&batch, all()).await;
    world.wait_clip(&batch, LONG, 1, S::Uncertain).await;
    assert_eq!(only(&world, &batch).ruling, Some(Ruling::Retry));
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    let clip = only(&world, &batch);
    assert_eq!((clip.status, clip.ruling), (S::Held, None));
    assert_eq!(&*clip.error.unwrap().code, "POST_VANISHED");
    assert_eq!(world.network.calls("create").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clip_whose_post_was_proved_absent_is_looked_for_anew_before_it_is_sent() {
    for (appears, heard) in [(false, true), (true, true), (false, false)] {
        let mut world = world().await;
        world.network.script().faults.push_back(Fault::LostBefore);
        let batch = world.submit(NewBatch {
            max_retries: 0,
            ..NewBatch::of("b", 1)
        });
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(&*only(&world, &batch).error.unwrap().code, "NOT_CREATED");
        if appears {
            // The list was wrong: the post is there after all.
            let clip = only(&world, &batch);
            world.network.appears("77", clip.request.as_ref().unwrap());
        }
        let (looks, asked) = (world.network.calls("find").len(), world.now());
        wish_and_crash(&mut world, &batch, all(), heard).await;
        world.wait_clip(&batch, LONG, 1, S::Published).await;
        let (finds, creates) = (world.network.calls("find"), world.network.calls("create"));
        if appears {
            assert_eq!(creates.len(), 1, "it was found");
        } else {
            assert!(finds.len() >= looks + 3, "three answers, none of them from before");
            assert!(creates.len() == 2 && creates[1] >= finds[looks + 2] && finds[looks] >= asked);
        }
        assert_eq!(only(&world, &batch).retries, 0);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_was_certainly_refused_is_sent_without_a_question() {
    let world = world().await;
    world
        .network
        .script()
        .faults
        .extend([const { Fault::Refuse(Verdict::Unavailable) }; 3]);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let (row, clips) = world.store.read(&batch);
    assert_eq!(
        (clips[0].status, clips[0].retries, row.status),
        (S::Failed, 2, BatchStatus::Completed)
    );
    let before = world.store.events(&batch).len();
    assert_eq!(world.command(&batch, all()).await, Some(BatchStatus::Processing));
    let (row, clips) = world.store.read(&batch);
    assert!(row.completed_at.is_none() && row.wake_at.is_some());
    assert_eq!((clips[0].retries, &clips[0].error), (0, &None));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [S::Published; 2]);
    assert!(world.network.calls("find").is_empty());
    let events = world.store.events(&batch);
    assert!(events[before].body.contains(r#""status":"queued""#) && events[before].body.contains(r#""errors":0"#));
    assert_eq!(kinds(&world, &batch)[before + 1], "resumed");
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn repeating_a_retry_sends_nothing_twice() {
    for millis in (0..1_500).step_by(111) {
        let world = world().await;
        world
            .network
            .script()
            .failures
            .push_back(failure(FailureKind::Permanent));
        let batch = world.submit(NewBatch::of("b", 1));
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        for _ in 0..3 {
            world.command(&batch, all()).await;
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [S::Published]);
        assert_eq!(world.network.calls("create").len(), 2, "{millis}");
        assert_ledger(&world, &batch);
    }
}
