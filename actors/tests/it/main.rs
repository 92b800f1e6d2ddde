//! The actors over an in-memory store and a scripted network, on paused time: no database, no socket, no waiting.
#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod any_order;
mod cancel;
mod confirm;
mod crash;
mod drain;
mod dying;
mod hold;
mod limiter;
mod moved;
mod order;
mod pause;
mod probes;
mod reopen;
mod replanned;
mod resolve;
mod retries;
mod retry;
mod scheduled;
mod simulation;
mod stale;
mod supervising;
mod tally;
mod uncertain;

use std::{io::Write, time::Duration};

use storyclip_actors::{
    context::Rules,
    model::{BatchId, BatchStatus, ClipStatus},
    testing::{NewBatch, World},
};

/// Longer than anything a batch of these tests takes.
const LONG: Duration = Duration::from_secs(24 * 3_600);

/// Straight to standard error, where it is seen although the test passes.
fn tell(what: &str) {
    std::io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

/// Rules without lead and granularity.
async fn world() -> World {
    World::new(World::instant_rules()).await
}

/// A world in which slots are five minutes ahead, so that posts can be taken back, and a batch whose first post is made.
async fn far_from_its_slot(clips: usize, prepare: impl FnOnce(&World)) -> (World, BatchId) {
    let mut rules = Rules::default();
    rules.slots.lead = Duration::from_secs(300);
    let world = World::new(rules).await;
    prepare(&world);
    let batch = world.submit(NewBatch::of("b", clips));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    (world, batch)
}

/// What holds at the end of every history: one live post per clip said to be published, and none else.
fn assert_ledger(world: &World, batch: &BatchId) {
    let (row, clips) = world.store.read(batch);
    let now = world.now();
    for clip in &clips {
        let live = world
            .network
            .posts()
            .iter()
            .filter(|post| post.is_live(now) && *post.request.media == *clip.url)
            .count();
        let expected = usize::from(clip.status == ClipStatus::Published);
        assert_eq!(
            live, expected,
            "clip {} is {} in a {} batch",
            clip.index, clip.status, row.status
        );
    }
}

/// The kinds of the batch's events, in order.
fn kinds(world: &World, batch: &storyclip_actors::model::BatchId) -> Vec<&'static str> {
    let events = world.store.events(batch);
    events.iter().map(|event| event.kind.as_str()).collect()
}

fn statuses(world: &World, batch: &storyclip_actors::model::BatchId) -> (BatchStatus, Vec<ClipStatus>) {
    let (row, clips) = world.store.read(batch);
    (row.status, clips.iter().map(|clip| clip.status).collect())
}
