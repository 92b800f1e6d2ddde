//! An orderly stop: what cannot be undone is recorded first, everything else is left to the next life at once.

use std::time::Duration;

use storyclip_actors::{
    messages::SupervisorMessage,
    model::{BatchId, BatchStatus, ClipStatus, Wish},
    testing::{Fault, NewBatch, World},
};
use tokio::time::Instant;

use super::{LONG, assert_ledger, far_from_its_slot, statuses, world};

/// Drains and says how long that took.
async fn drain(world: &World) -> Duration {
    let begun = Instant::now();
    let asked = |reply| SupervisorMessage::Drain(Some(reply));
    let drained = world.supervisor.call(asked, Some(LONG)).await;
    assert!(matches!(drained, Ok(ractor::rpc::CallResult::Success(()))));
    assert!(world.directory.is_empty());
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_create_call_under_way_is_recorded_and_nothing_more_is_sent() {
    let mut world = world().await;
    world.network.script().create_takes = Duration::from_secs(8);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    let took = drain(&world).await;
    assert!(took >= Duration::from_secs(7), "{took:?}");
    assert_eq!(
        statuses(&world, &batch).1,
        [ClipStatus::WaitingConfirmation, ClipStatus::Pending]
    );
    world.crash(Duration::ZERO).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(world.network.calls("create").len(), 2);
    assert!(world.network.calls("find").is_empty(), "nothing was uncertain");
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn looking_for_a_post_of_a_provider_that_is_away_holds_no_stop_up() {
    let mut world = world().await;
    world.network.script().faults.push_back(Fault::LostAfter);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    world.network.script().unavailable = true;
    world.wait_clip(&batch, LONG, 1, ClipStatus::Uncertain).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let took = drain(&world).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    world.network.script().unavailable = false;
    world.crash(Duration::ZERO).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 2]);
    assert_ledger(&world, &batch);
}

/// A batch whose first post is to be taken back.
async fn cancelled(prepare: impl FnOnce(&World)) -> (World, BatchId) {
    let (world, batch) = far_from_its_slot(2, |_| {}).await;
    prepare(&world);
    world.command(&batch, Wish::Cancel).await;
    (world, batch)
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_that_waits_for_a_provider_that_is_away_holds_no_stop_up() {
    let (mut world, batch) = cancelled(|world| world.network.script().token_refused = true).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let took = drain(&world).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(world.store.leased_by_nobody(&batch), "the lease went back");
    world.network.script().token_refused = false;
    world.crash(Duration::ZERO).await;
    world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Cancelled; 2]);
    assert!(world.network.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_under_way_is_recorded() {
    let takes = Duration::from_secs(8);
    let (world, batch) = cancelled(|world| world.network.script().withdraw_takes = takes).await;
    world
        .wait(&batch, LONG, |_, _| !world.network.calls("withdraw").is_empty())
        .await;
    let took = drain(&world).await;
    assert!(took >= Duration::from_secs(7), "{took:?}");
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Cancelled; 2]);
}
