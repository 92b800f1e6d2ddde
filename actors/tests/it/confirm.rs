//! Waiting for the network's word: when it is asked, when the wait ends, and what a late word does.

use std::time::Duration;

use storyclip_actors::{
    messages::SupervisorMessage,
    model::{BatchStatus, ClipStatus, Speed, Timestamp},
    ports::{FailureKind, PublishFailure},
    testing::NewBatch,
};

use super::{LONG, assert_ledger, statuses, world};

#[tokio::test(start_paused = true)]
async fn looks_come_when_the_documents_say() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(12));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let slot = world.network.posts()[0].request.slot;
    let looks: Vec<u128> = world
        .network
        .calls("status")
        .iter()
        .map(|at| at.since(slot).as_millis())
        .collect();
    for (look, due) in looks.iter().zip([1_000, 2_500, 4_500, 7_500, 10_500, 13_500]) {
        assert!((due..due + 5).contains(look), "{looks:?}");
    }
    assert_eq!(looks.len(), 6);
    assert_eq!(
        world.listener.ticks().len(),
        5,
        "every look that found nothing new is told"
    );
}

#[tokio::test(start_paused = true)]
async fn each_speed_gives_up_at_its_own_time_and_differs_in_nothing_else() {
    let mut schedules = Vec::new();
    for (speed, seconds) in [
        (Speed::Safe, 120),
        (Speed::Fast, 90),
        (Speed::Ultra, 60),
        (Speed::Hyper, 180),
    ] {
        let world = world().await;
        world.network.script().confirms_next.push_back(None);
        let batch = world.submit(NewBatch {
            speed,
            ..NewBatch::of("b", 2)
        });
        world.wait_clip(&batch, LONG, 1, ClipStatus::Failed).await;
        let (_, clips) = world.store.read(&batch);
        assert_eq!(&*clips[0].error.as_ref().unwrap().code, "CONFIRMATION_TIMEOUT");
        let post = &world.network.posts()[0];
        let waited = clips[0].timed_out_at.unwrap().since(post.request.slot);
        assert!(
            (waited.as_millis()).abs_diff(seconds * 1_000) < 10,
            "{speed}: {waited:?}"
        );
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [ClipStatus::Failed, ClipStatus::Published]);
        let looks = world.network.calls("status");
        let within = |at: &&Timestamp| at.since(post.request.slot) < Duration::from_secs(60);
        schedules.push(
            looks
                .iter()
                .filter(within)
                .map(|at| at.since(post.request.slot))
                .collect::<Vec<_>>(),
        );
    }
    assert!(schedules[0].len() > 20);
    assert!(
        schedules.iter().all(|looks| *looks == schedules[0]),
        "every speed looks at the same times"
    );
}

#[tokio::test(start_paused = true)]
async fn the_last_look_saves_a_clip_that_goes_live_exactly_at_the_timeout() {
    let world = world().await;
    world
        .network
        .script()
        .confirms_next
        .push_back(Some(Duration::from_secs(90)));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published]);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_goes_live_after_its_timeout_is_published_late_and_never_sent_again() {
    let world = world().await;
    world
        .network
        .script()
        .confirms_next
        .push_back(Some(Duration::from_secs(200)));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Failed]);
    world.wait_clip(&batch, LONG, 1, ClipStatus::Published).await;
    assert_eq!(world.network.calls("create").len(), 1);
    let last = world.store.events(&batch).pop().unwrap();
    assert!(
        last.body.contains("\"late\":true") && last.body.contains("\"published\":1"),
        "{}",
        last.body
    );
    assert_ledger(&world, &batch);
}

/// Found by the simulation: an edit gives a timed-out post a new id, and its late looks are answered 404.
#[tokio::test(start_paused = true)]
async fn a_timed_out_post_that_a_person_edited_is_found_again_and_published_late() {
    let world = world().await;
    world
        .network
        .script()
        .confirms_next
        .push_back(Some(Duration::from_secs(200)));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Failed).await;
    let post = world.network.posts().pop().unwrap();
    world
        .network
        .edit(&post.id, post.request.slot + Duration::from_secs(60));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Published).await;
    let (_, clips) = world.store.read(&batch);
    assert_ne!(clips[0].post.as_ref().unwrap().id.as_str(), post.id);
    assert_eq!(world.network.calls("create").len(), 1);
    let last = world.store.events(&batch).pop().unwrap();
    assert!(last.body.contains("\"late\":true"), "{}", last.body);
    assert_ledger(&world, &batch);
}

/// The counterpart: the post is gone, so looking for it has to end.
#[tokio::test(start_paused = true)]
async fn a_timed_out_post_that_is_gone_is_looked_for_at_each_late_look_and_no_more() {
    let world = world().await;
    world.network.script().confirms_next.push_back(None);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Failed).await;
    world.network.vanishes(0);
    world
        .wait(&batch, LONG, |row, _| {
            row.status == BatchStatus::Completed && row.wake_at.is_none()
        })
        .await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Failed, ClipStatus::Published]);
    assert_eq!(world.network.calls("find").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn late_looks_end_and_a_reconcile_still_asks() {
    let world = world().await;
    world.network.script().confirms_next.push_back(None);
    let batch = world.submit(NewBatch::of("b", 1));
    world
        .wait(&batch, LONG, |row, _| {
            row.status == BatchStatus::Completed && row.wake_at.is_none()
        })
        .await;
    let looks = world.network.calls("status");
    let timed_out = world.store.read(&batch).1[0].timed_out_at.unwrap();
    let late: Vec<u64> = looks
        .iter()
        .filter(|at| **at > timed_out)
        .map(|at| at.since(timed_out).as_secs())
        .collect();
    assert_eq!(late.len(), 6);
    for (look, due) in late.iter().zip([30, 60, 120, 300, 900, 3_600]) {
        assert!((due..=due + 1).contains(look), "{late:?}");
    }
    world.nudge(SupervisorMessage::Reconcile(batch.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.network.calls("status").len(), looks.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_publish_time_failure_is_retried_or_not_as_it_says() {
    let failure = |kind| {
        Some(PublishFailure {
            kind,
            detail: "no".into(),
        })
    };
    let world = world().await;
    world
        .network
        .script()
        .failures
        .extend([failure(FailureKind::Passing), None, failure(FailureKind::Permanent)]);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published, ClipStatus::Failed]);
    assert_eq!(world.network.calls("create").len(), 3);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_not_visible_within_a_minute_is_waited_for() {
    let world = world().await;
    world.network.script().hidden = Duration::from_secs(20);
    world.network.script().confirms = Some(Duration::from_secs(5));
    world.network.script().list_shows_published = false;
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published]);
    assert_eq!(world.network.calls("find").len(), 0, "not visible yet is not gone");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_gone_after_a_minute_is_looked_for() {
    let world = world().await;
    world.network.script().hidden = Duration::from_secs(3_600);
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(world.network.calls("find").len(), 0);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!world.network.calls("find").is_empty());
}

#[tokio::test(start_paused = true)]
async fn late_looks_that_nobody_can_read_come_with_pauses() {
    let world = world().await;
    world.network.script().confirms_next.push_back(None);
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let looks = world.network.calls("status").len();
    world.network.script().unreadable_looks = 500;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let late = world.network.calls("status").len() - looks;
    assert!((5..20).contains(&late), "{late} looks in ten minutes");
    world.network.script().unreadable_looks = 0;
    world.wait(&batch, LONG, |row, _| row.wake_at.is_none()).await;
}
