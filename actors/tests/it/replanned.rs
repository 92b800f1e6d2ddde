//! Posts to which a person gives another slot in the planner: each move gives a post a new id, and it is looked for.
//!
//! Seeds 24350 and 115056 of the simulation found that the slot which the list named was forgotten.

use std::time::Duration;

use storyclip_actors::{
    model::{BatchId, BatchStatus, Clip, ClipStatus},
    testing::World,
};

use super::{LONG, assert_ledger, far_from_its_slot, statuses};

const MINUTE: Duration = Duration::from_secs(60);
/// Twice that is more than a listing reaches.
const FAR: Duration = Duration::from_secs(20 * 3_600);

/// A post that waits for its slot.
async fn waiting(confirms: Duration) -> (World, BatchId) {
    far_from_its_slot(2, |world| {
        world.network.script().confirms_next.push_back(Some(confirms))
    })
    .await
}

/// A person moves the first post, and the daemon finds it.
async fn moved(world: &World, batch: &BatchId, by: Duration) {
    let post = world.network.posts().swap_remove(0);
    let slot = post.request.slot + by;
    world.network.edit(&post.id, slot);
    let knows = |clips: &[Clip]| clips[0].slot() == Some(slot);
    world.wait(batch, LONG, |_, clips| knows(clips)).await;
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_moved_is_waited_for_from_its_new_slot() {
    let (mut world, batch) = waiting(MINUTE).await;
    moved(&world, &batch, FAR).await;
    moved(&world, &batch, FAR).await;
    // The slot is in the row, not in somebody's memory.
    world.crash(Duration::ZERO).await;
    moved(&world, &batch, FAR).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 2]);
    assert_eq!(world.network.calls("create").len(), 2);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_post_that_is_moved_far_is_looked_at_after_its_new_slot() {
    let (world, batch) = waiting(3 * MINUTE).await;
    world.wait_clip(&batch, LONG, 1, ClipStatus::Failed).await;
    for _ in 0..4 {
        moved(&world, &batch, FAR).await;
    }
    world.wait_clip(&batch, LONG, 1, ClipStatus::Published).await;
    assert_eq!(world.network.calls("create").len(), 2);
    assert_ledger(&world, &batch);
}
