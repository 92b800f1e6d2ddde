//! Cancel: at once, durable, withdrawing what can be withdrawn and following what cannot.

use std::time::Duration;

use storyclip_actors::{
    context::Rules,
    model::{BatchStatus, ClipStatus, Wish},
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, far_from_its_slot, statuses, world};

#[tokio::test(start_paused = true)]
async fn a_post_far_from_its_slot_is_withdrawn() {
    let world = World::new(Rules::default()).await;
    let batch = world.submit(NewBatch::of("b", 3));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    let asked = world.now();
    assert_eq!(world.command(&batch, Wish::Cancel).await, Some(BatchStatus::Cancelled));
    assert!(world.now().since(asked) < Duration::from_millis(100));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Cancelled).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Cancelled; 3]);
    assert!(world.network.live().is_empty());
    assert_eq!(world.store.events(&batch).last().unwrap().kind.as_str(), "cancelled");
    assert!(world.directory.is_empty(), "nothing is left to do");
}

#[tokio::test(start_paused = true)]
async fn a_post_near_its_slot_is_followed_to_its_end() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(20));
    let batch = world.submit(NewBatch::of("b", 3));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    assert_eq!(world.command(&batch, Wish::Cancel).await, Some(BatchStatus::Cancelled));
    assert!(
        world
            .store
            .events(&batch)
            .iter()
            .all(|event| event.kind.as_str() != "cancelled")
    );
    world.wait_clip(&batch, LONG, 1, ClipStatus::Published).await;
    assert_eq!(
        statuses(&world, &batch).1,
        [ClipStatus::Published, ClipStatus::Cancelled, ClipStatus::Cancelled]
    );
    assert_eq!(world.store.events(&batch).last().unwrap().kind.as_str(), "cancelled");
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_heard_while_a_create_call_is_under_way_and_survives_a_kill() {
    let mut world = world().await;
    world.network.script().create_takes = Duration::from_secs(20);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    let asked = world.now();
    assert_eq!(world.command(&batch, Wish::Cancel).await, Some(BatchStatus::Cancelled));
    assert!(world.now().since(asked) < Duration::from_millis(100));
    world.crash(Duration::from_secs(30)).await;
    world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
    assert_eq!(statuses(&world, &batch).0, BatchStatus::Cancelled);
    assert_eq!(statuses(&world, &batch).1[1], ClipStatus::Cancelled);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn an_uncertain_clip_of_a_cancelled_batch_is_asked_about_and_not_sent_again() {
    let world = world().await;
    world.network.script().faults.push_back(Fault::LostBefore);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Uncertain).await;
    world.command(&batch, Wish::Cancel).await;
    world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Cancelled; 2]);
    assert_eq!(world.network.calls("create").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_batch_without_an_actor_can_be_cancelled() {
    let world = world().await;
    world.network.script().list_shows_published = false;
    world.network.script().faults.push_back(Fault::LostBefore);
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    // Between two sweeps: one at the same instant would claim the batch for the command's row.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    assert!(world.directory.is_empty());
    assert_eq!(world.command(&batch, Wish::Cancel).await, Some(BatchStatus::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_create_call_that_was_not_made_ends_with_its_cancelled_batch() {
    // A lease too short for any call that cannot be undone.
    let rules = Rules {
        lease: Duration::from_secs(4),
        ..World::instant_rules()
    };
    let world = World::new(rules).await;
    world.store.set_answers_take(Duration::from_millis(50));
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    assert_eq!(world.command(&batch, Wish::Cancel).await, Some(BatchStatus::Cancelled));
    world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Cancelled; 2]);
    assert!(world.network.calls("create").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_waits_for_a_refused_token_while_the_slot_is_far() {
    let (world, batch) = far_from_its_slot(1, |_| {}).await;
    world.network.script().token_refused = true;
    world.command(&batch, Wish::Cancel).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.network.script().token_refused = false;
    world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Cancelled]);
    assert!(world.network.calls("withdraw").len() <= 2);
}

/// Found by the simulation: an actor whose batch another node has taken still had a withdrawal to make.
#[tokio::test(start_paused = true)]
async fn nothing_is_taken_back_by_an_actor_that_has_lost_its_batch() {
    let (world, batch) = far_from_its_slot(1, |_| {}).await;
    world.network.script().token_refused = true;
    world.command(&batch, Wish::Cancel).await;
    // It cannot renew, and by the other node's clock its lease is over.
    world.store.set_renewals_fail(true);
    world.store.steal(&batch);
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.store.set_renewals_fail(false);
    let refused = world.network.calls("withdraw").len();
    world.network.script().token_refused = false;
    // Longer than a refused token is left alone.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(world.directory.batches().is_empty(), "the actor is gone");
    assert_eq!(world.network.calls("withdraw").len(), refused);
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::WaitingConfirmation]);
}
