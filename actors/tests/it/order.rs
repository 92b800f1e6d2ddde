//! Clips go one after the other, the next as soon as the one before is confirmed, and each step is told in order.

use std::time::Duration;

use storyclip_actors::{
    context::Rules,
    error::Verdict,
    messages::SupervisorMessage,
    model::{BatchStatus, ClipStatus, OnFailure},
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, statuses, world};

#[tokio::test(start_paused = true)]
async fn five_clips_go_live_in_order_and_the_next_leaves_with_the_confirmation() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 5));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;

    assert_ledger(&world, &batch);
    let urls: Vec<String> = (1..=5).map(|n| format!("https://cdn.example/b/{n}.mp4")).collect();
    assert_eq!(world.network.live(), urls);
    let creates = world.network.calls("create");
    let looks = world.network.calls("status");
    for (confirming_look, next_create) in looks.iter().zip(creates.iter().skip(1)) {
        assert_eq!(
            confirming_look, next_create,
            "the next create leaves in the same breath"
        );
    }
    let kinds: Vec<&str> = world
        .store
        .events(&batch)
        .iter()
        .map(|event| event.kind.as_str())
        .collect();
    assert_eq!(kinds.len(), 5 * 3 + 1);
    assert_eq!(*kinds.last().unwrap(), "completed");
}

#[tokio::test(start_paused = true)]
async fn media_of_the_next_clip_is_ready_before_it_is_due() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 3));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let (prepared, created) = (world.network.calls("prepare"), world.network.calls("create"));
    assert_eq!(prepared.len(), 3);
    assert!(prepared[1] < created[1] && prepared[2] < created[2]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_to_run_a_batch_give_one_actor() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 2));
    for _ in 0..1_000 {
        world.nudge(SupervisorMessage::Ensure(batch.clone(), None));
        world.nudge(SupervisorMessage::Claim);
    }
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(world.store.read(&batch).0.epoch, 1, "it was claimed once");
    assert_eq!(world.network.calls("create").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_clip_does_what_the_policy_says() {
    for (policy, end, clips) in [
        (
            OnFailure::Skip,
            BatchStatus::Completed,
            [ClipStatus::Failed, ClipStatus::Published],
        ),
        (
            OnFailure::Stop,
            BatchStatus::Failed,
            [ClipStatus::Failed, ClipStatus::Pending],
        ),
        (
            OnFailure::Hold,
            BatchStatus::Paused,
            [ClipStatus::Failed, ClipStatus::Pending],
        ),
    ] {
        let world = world().await;
        world
            .network
            .script()
            .faults
            .push_back(Fault::Refuse(Verdict::Rejected));
        let batch = world.submit(NewBatch {
            on_failure: policy,
            ..NewBatch::of("b", 2)
        });
        world.wait_status(&batch, LONG, end).await;
        assert_eq!(statuses(&world, &batch).1, clips);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn passing_refusals_are_retried_with_backoff_until_retries_are_spent() {
    let world = world().await;
    world
        .network
        .script()
        .faults
        .extend([const { Fault::Refuse(Verdict::Unavailable) }; 3]);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Failed, ClipStatus::Published]);
    let creates = world.network.calls("create");
    assert!(creates[1].since(creates[0]) >= Duration::from_secs(2));
    assert!(creates[2].since(creates[1]) >= Duration::from_secs(2));
    assert_eq!(world.store.attempts().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn two_batches_with_the_same_media_never_share_a_slot() {
    let world = storyclip_actors::testing::World::new(storyclip_actors::context::Rules::default()).await;
    let urls = vec!["https://cdn.example/same.mp4".to_owned(); 2];
    let one = world.submit(NewBatch {
        urls: urls.clone(),
        ..NewBatch::of("one", 2)
    });
    let two = world.submit(NewBatch {
        urls,
        ..NewBatch::of("two", 2)
    });
    world.wait_status(&one, LONG, BatchStatus::Completed).await;
    world.wait_status(&two, LONG, BatchStatus::Completed).await;
    let mut slots: Vec<_> = world.network.posts().iter().map(|post| post.request.slot).collect();
    slots.sort();
    slots.dedup();
    assert_eq!(slots.len(), 4);
    assert!(slots.iter().all(|slot| slot.as_millis() % 60_000 == 0));
}

#[tokio::test(start_paused = true)]
async fn slow_media_of_some_batches_delays_no_look_and_no_create_of_others() {
    let world = world().await;
    let quick = world.submit(NewBatch::of("quick", 1));
    world.wait_clip(&quick, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.network.script().prepare_takes = Duration::from_secs(50);
    for id in ["s1", "s2", "s3", "s4", "s5", "s6"] {
        world.submit(NewBatch::of(id, 1));
    }
    world
        .wait_status(&quick, Duration::from_secs(3), BatchStatus::Completed)
        .await;
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_have_actors_at_once_than_allowed_and_the_others_wait_as_rows() {
    let rules = Rules {
        max_batches: 2,
        ..World::instant_rules()
    };
    let world = World::new(rules).await;
    let batches = ["a", "b", "c", "d", "e"].map(|id| world.submit(NewBatch::of(id, 2)));
    world
        .wait(&batches[0], LONG, |_, clips| {
            clips[0].status == ClipStatus::WaitingConfirmation
        })
        .await;
    assert_eq!(world.directory.len(), 2);
    for batch in &batches {
        world.wait_status(batch, LONG, BatchStatus::Completed).await;
        assert!(world.directory.len() <= 2);
        assert_ledger(&world, batch);
    }
}
