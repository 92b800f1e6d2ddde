//! Batches whose actors die again and again: one at work is paused with the reason, one that is followed to its end is left
//! alone for longer and longer, and the others do not notice.

use std::time::Duration;

use storyclip_actors::{
    context::Rules,
    messages::SupervisorMessage,
    model::{BatchId, BatchStatus, ClipStatus as S, Speed, Wish},
    schedule::Timeouts,
    testing::{NewBatch, Script, World},
};

use super::{LONG, assert_ledger, statuses, world};

const MINUTE: Duration = Duration::from_secs(60);

fn looks_die(script: &mut Script, times: u32) {
    script.panicking_looks = times;
}

fn preparations_die(script: &mut Script, times: u32) {
    script.panicking_preparations = times;
}

/// Who has died too often rests until a person says resume, and then has all deaths before it again.
async fn is_paused_with_the_reason(die: fn(&mut Script, u32), call: &str, creates: usize) {
    let world = world().await;
    die(&mut world.network.script(), u32::MAX);
    let batch = world.submit(NewBatch::of("b", 2));
    let other = world.submit(NewBatch {
        account: "88",
        ..NewBatch::of("other", 2)
    });
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    world.wait_status(&other, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &other);
    let row = world.store.read(&batch).0;
    assert_eq!(&*row.error.unwrap().code, "BATCH_KEEPS_FAILING");
    assert_eq!(row.restarts, 6);
    assert_eq!(world.network.calls("create").len(), 2 + creates);
    let asked = world.network.calls(call).len();
    tokio::time::sleep(LONG).await;
    assert_eq!(world.network.calls(call).len(), asked, "it does not die for ever");

    die(&mut world.network.script(), 0);
    assert_eq!(world.command(&batch, Wish::Resume).await, Some(BatchStatus::Processing));
    assert_eq!(world.store.read(&batch).0.restarts, 0);
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [S::Published; 2]);
    let clips = world.store.read(&batch).1;
    assert!(clips.iter().all(|clip| clip.retries == 0), "no clip is to blame");
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_poller_keeps_dying_is_paused_with_the_reason_and_harms_no_other() {
    is_paused_with_the_reason(looks_die, "status", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_media_cannot_be_prepared_without_a_panic_is_paused_with_the_reason_and_harms_no_other() {
    is_paused_with_the_reason(preparations_die, "prepare", 0).await;
}

#[tokio::test(start_paused = true)]
async fn media_that_is_made_ready_ahead_of_need_kills_nobody() {
    let world = world().await;
    let batch = world.submit(NewBatch {
        max_retries: 0,
        ..NewBatch::of("b", 2)
    });
    world.wait_clip(&batch, LONG, 1, S::Uploading).await;
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    // The second clip's media is prepared while the first is on its way, and once more when it is due.
    world.network.script().panicking_preparations = 2;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(world.network.script().panicking_preparations, 0);
    assert_eq!(world.store.read(&batch).0.restarts, 0);
    assert_eq!(statuses(&world, &batch).1, [S::Published; 2]);
    assert_ledger(&world, &batch);
}

/// A batch whose only clip waits for its confirmation for as long as anybody likes.
async fn that_waits() -> (World, BatchId) {
    let rules = Rules {
        timeouts: Timeouts {
            fast: LONG,
            ..Timeouts::default()
        },
        ..World::instant_rules()
    };
    let world = World::new(rules).await;
    world.network.script().confirms = None;
    let batch = world.submit(NewBatch {
        speed: Speed::Fast,
        ..NewBatch::of("b", 1)
    });
    world.wait_clip(&batch, LONG, 1, S::WaitingConfirmation).await;
    (world, batch)
}

/// The batch's actor dies once: so many deaths of a child are one too many.
async fn dies_once(world: &World, batch: &BatchId) {
    let epoch = world.store.read(batch).0.epoch;
    world.network.script().panicking_looks = 4;
    while world.store.read(batch).0.epoch == epoch {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.network.script().panicking_looks, 0);
}

#[tokio::test(start_paused = true)]
async fn deaths_that_lie_apart_are_not_counted_together() {
    let (world, batch) = that_waits().await;
    for _ in 0..20 {
        dies_once(&world, &batch).await;
        assert_eq!(world.store.read(&batch).0.restarts, 1);
        tokio::time::sleep(10 * MINUTE).await;
    }
    assert_eq!(
        statuses(&world, &batch),
        (BatchStatus::Processing, vec![S::WaitingConfirmation])
    );
    world.network.goes_live(0);
    world.wait_status(&batch, MINUTE, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn as_many_deaths_within_ten_minutes_are() {
    let (world, batch) = that_waits().await;
    for deaths in 1..=6 {
        assert_eq!(
            statuses(&world, &batch).0,
            BatchStatus::Processing,
            "after {deaths} deaths"
        );
        dies_once(&world, &batch).await;
        tokio::time::sleep(MINUTE).await;
    }
    let row = world.store.read(&batch).0;
    assert_eq!(row.status, BatchStatus::Paused);
    assert_eq!(&*row.error.unwrap().code, "BATCH_KEEPS_FAILING");
}

/// A batch that a person stopped while its clip was on its way, and whose actor has kept dying for an hour since.
async fn dying_for_an_hour(wish: Wish) -> (World, BatchId) {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, S::WaitingConfirmation).await;
    world.network.script().panicking_looks = u32::MAX;
    world.command(&batch, wish).await;
    let begun = world.now();
    let mut claims = vec![world.store.read(&batch).0.epoch];
    while world.now().since(begun) < 60 * MINUTE {
        tokio::time::sleep(10 * MINUTE).await;
        claims.push(world.store.read(&batch).0.epoch);
    }
    let lives: Vec<i64> = claims.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Those that cost no time, and those after a pause of up to a minute.
    assert!(
        lives.iter().all(|lives| (8..=22).contains(lives)),
        "lives in ten minutes each: {lives:?}"
    );
    assert_eq!(statuses(&world, &batch).1[0], S::WaitingConfirmation);
    (world, batch)
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_batch_whose_actor_keeps_dying_is_left_alone_for_a_while_and_followed_to_its_end() {
    let (world, batch) = dying_for_an_hour(Wish::Cancel).await;
    world.network.script().panicking_looks = 0;
    world
        .wait(&batch, 2 * MINUTE, |row, _| row.completed_at.is_some())
        .await;
    assert_eq!(
        statuses(&world, &batch),
        (BatchStatus::Cancelled, vec![S::Published, S::Cancelled])
    );
    assert_eq!(world.network.calls("create").len(), 1);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn so_is_a_paused_one_and_a_person_who_asks_need_not_wait() {
    let (world, batch) = dying_for_an_hour(Wish::Pause).await;
    world.network.script().panicking_looks = 0;
    assert!(world.directory.is_empty(), "it is left alone");
    world.nudge(SupervisorMessage::Reconcile(batch.clone()));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(world.directory.get(&batch).is_some());
    world.wait_clip(&batch, MINUTE, 1, S::Published).await;
    assert_eq!(world.command(&batch, Wish::Resume).await, Some(BatchStatus::Processing));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}
