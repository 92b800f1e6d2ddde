//! An orderly stop: what cannot be undone is recorded first, everything else is left to the next life at once.

use std::time::Duration;

use storyclip_actors::{
    messages::SupervisorMessage,
    model::{BatchStatus, ClipStatus},
    testing::{Fault, NewBatch, World},
};
use tokio::time::Instant;

use super::{LONG, assert_ledger, statuses, world};

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
