//! A hold on all calls, as while the database is away: nothing begins, probes included, and everything goes on after it.

use std::time::Duration;

use storyclip_actors::{
    model::{BatchStatus, ClipStatus},
    testing::{NewBatch, World},
};
use tokio::task::yield_now;

use super::{LONG, assert_ledger, world};

/// Calls of any kind so far.
fn calls(world: &World) -> usize {
    let names = ["prepare", "create", "status", "find", "withdraw", "check"];
    names.iter().map(|name| world.network.calls(name).len()).sum()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_while_calls_are_held_and_that_time_does_not_count() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(30));
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.limiter.hold();
    // A call that was under way ends.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = calls(&world);
    // Longer than the confirmation's timeout.
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(calls(&world), asked);
    world.limiter.go_on();
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
    assert_eq!(world.network.calls("create").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_away_is_not_probed_while_calls_are_held() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.network.script().down = true;
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.limiter.hold();
    yield_now().await;
    let asked = calls(&world);
    world.network.script().down = false;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(calls(&world), asked);
    world.limiter.go_on();
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}
