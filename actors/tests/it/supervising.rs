//! The supervisor dies: the actors of batches do not notice, and what it left undone is done by the one that follows.

use std::{collections::BTreeMap, time::Duration};

use ractor::ActorId;
use storyclip_actors::{
    error::{Refused, Verdict},
    limiter::CREDENTIAL_CHECK,
    messages::SupervisorMessage,
    model::{BatchId, BatchStatus, ClipStatus, Wish},
    supervisor::nudge,
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, statuses, world};

/// Who runs these batches.
fn actors(world: &World, batches: &[BatchId]) -> BTreeMap<BatchId, ActorId> {
    let actor = |batch: &BatchId| Some((batch.clone(), world.directory.get(batch)?.get_id()));
    batches.iter().filter_map(actor).collect()
}

/// Lets the supervisor die at its next use of the store, which a sweep makes within a second.
async fn supervisor_dies(world: &World) {
    world.store.panic_in_claim(1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(world.store.panics_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_notices_the_death_of_the_supervisor() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(30));
    let batches: Vec<BatchId> = ["a", "b", "c"].map(|name| world.submit(NewBatch::of(name, 2))).to_vec();
    for batch in &batches {
        world.wait_clip(batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    }
    let before = actors(&world, &batches);
    assert_eq!(before.len(), 3);
    supervisor_dies(&world).await;
    assert_eq!(actors(&world, &batches), before, "the same actors");
    let new = world.submit(NewBatch::of("new", 1));
    for batch in batches.iter().chain([&new]) {
        world.wait_status(batch, LONG, BatchStatus::Completed).await;
        assert_ledger(&world, batch);
    }
    assert_eq!(world.network.live().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn batches_that_were_claimed_by_the_one_that_died_are_run() {
    let world = world().await;
    world.store.panic_in_claim(1);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(
        world.store.panics_left(),
        0,
        "it had the lease and was not heard of again"
    );
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_the_one_that_died_was_told_is_carried_out() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(30));
    let batch = world.submit(NewBatch::of("b", 3));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.store.panic_in_claim(1);
    world.nudge(SupervisorMessage::Claim);
    // It lies in the mailbox of a supervisor that is dead when it would read it.
    world.command(&batch, Wish::Cancel).await;
    world.wait_status(&batch, LONG, BatchStatus::Cancelled).await;
    assert_eq!(world.store.panics_left(), 0);
    world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
    assert_eq!(world.network.live().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn leases_go_on_and_actors_that_die_later_come_back() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(60));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    supervisor_dies(&world).await;
    // Longer than a lease.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let old = world.directory.get(&batch).unwrap();
    old.kill();
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_nudge_that_died_with_it_silences_no_later_one() {
    let world = world().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.store.panic_in_claim(1);
    world.nudge(SupervisorMessage::Sweep);
    nudge(&world.supervisor, &world.directory);
    // Between two sweeps, so that nothing but the nudge has it claimed.
    tokio::time::sleep(Duration::from_millis(1_250)).await;
    assert_eq!(world.store.panics_left(), 0);
    let batch = world.submit(NewBatch::of("b", 1));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(world.directory.get(&batch).is_some(), "it waits for a sweep");
}

#[tokio::test(start_paused = true)]
async fn accounts_that_open_again_afterwards_wake_their_batches() {
    let world = world().await;
    world
        .network
        .script()
        .faults
        .push_back(Fault::Refuse(Verdict::Unauthorized(Refused::Token)));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Queued).await;
    for _ in 0..3 {
        supervisor_dies(&world).await;
    }
    // The credential is accepted again when it is next checked, and nothing else would wake the batch.
    world
        .wait_status(&batch, CREDENTIAL_CHECK, BatchStatus::Completed)
        .await;
    assert_ledger(&world, &batch);
}

/// The daemon is told to stop while a create call is under way, and `dies` has the supervisor die in it.
async fn stops_in_order_although(dies: impl FnOnce(&World)) {
    let mut world = world().await;
    world.network.script().create_takes = Duration::from_secs(8);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    dies(&world);
    let asked = |reply| SupervisorMessage::Drain(Some(reply));
    let drained = world.supervisor.call(asked, Some(LONG)).await;
    assert!(
        matches!(drained, Ok(ractor::rpc::CallResult::Success(()))),
        "{drained:?}"
    );
    assert_eq!((world.store.panics_left(), world.store.renewal_panics_left()), (0, 0));
    assert_eq!(
        statuses(&world, &batch).1,
        [ClipStatus::WaitingConfirmation, ClipStatus::Pending],
        "what was under way is recorded, and nothing else is begun"
    );
    assert_eq!(world.store.row(&batch).owner, None, "the lease is given back");
    world.crash(Duration::ZERO).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert!(world.network.calls("find").is_empty(), "nothing was uncertain");
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_is_taken_up_by_the_one_that_follows() {
    stops_in_order_although(|world| world.store.panic_in_renewal(2)).await;
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_that_it_never_heard_of_too() {
    stops_in_order_although(|world| {
        world.store.panic_in_claim(1);
        world.nudge(SupervisorMessage::Sweep);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_keeps_dying_in_an_orderly_stop_ends_the_daemon() {
    let world = world().await;
    world.network.script().create_takes = LONG;
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    world.store.panic_in_renewal(u32::MAX);
    let asked = |reply| SupervisorMessage::Drain(Some(reply));
    let drained = world.supervisor.call(asked, Some(LONG)).await;
    assert!(
        matches!(drained, Ok(ractor::rpc::CallResult::SenderError)),
        "whoever asked is told: {drained:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_keeps_dying_ends_the_daemon() {
    let world = world().await;
    world.store.panic_in_claim(u32::MAX);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.supervisor.get_status(), ractor::ActorStatus::Stopped);
    assert_eq!(
        u32::MAX - world.store.panics_left(),
        6,
        "five are borne within the window"
    );
}
