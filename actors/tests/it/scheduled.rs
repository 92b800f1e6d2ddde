//! Batches ordered by slots: handed over at once, confirmed after their slots, and withdrawn when the batch stops.

mod stopping;

use std::time::Duration;

use storyclip_actors::{
    context::Rules,
    messages::SupervisorMessage,
    model::{BatchId, BatchStatus, Clip, ClipStatus, Timestamp, Wish},
    ports::FailureKind,
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, kinds, statuses, tally::Tally};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// `clips` clips from an hour ahead on, a minute apart.
fn in_an_hour(clips: usize) -> NewBatch {
    NewBatch {
        scheduled: Some((HOUR, MINUTE)),
        ..NewBatch::of("b", clips)
    }
}

/// Whole minutes, as at Metricool.
async fn world_of_minutes() -> World {
    World::new(Rules::default()).await
}

fn all_with_the_network(clips: &[Clip]) -> bool {
    clips.iter().all(|clip| clip.status == ClipStatus::WaitingConfirmation)
}

fn slots(world: &World, batch: &BatchId) -> Vec<Option<Timestamp>> {
    world.store.read(batch).1.iter().map(Clip::slot).collect()
}

fn planned(world: &World, batch: &BatchId) -> Vec<Option<Timestamp>> {
    world.store.read(batch).1.iter().map(|clip| clip.planned_for).collect()
}

/// The media that are live, as numbers of their clips.
fn live(world: &World) -> Vec<String> {
    let number = |url: &String| url.rsplit('/').next().unwrap().trim_end_matches(".mp4").to_owned();
    world.network.live().iter().map(number).collect()
}

#[tokio::test(start_paused = true)]
async fn clips_are_handed_over_at_once_and_the_batch_leaves_memory_until_its_first_slot() {
    let world = world_of_minutes().await;
    let batch = world.submit(in_an_hour(10));
    world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(slots(&world, &batch), planned(&world, &batch));
    assert!(world.directory.is_empty(), "nobody waits for slots that are far");
    let (row, _) = world.store.read(&batch);
    assert_eq!((row.status, row.started_at), (BatchStatus::Scheduled, None));
    assert_eq!(row.wake_at, slots(&world, &batch)[0]);
    let told = world.store.events(&batch);
    let handed_over = told
        .iter()
        .filter(|event| event.body.contains(r#""status":"scheduled""#));
    assert_eq!(handed_over.count(), 10);
    assert!(told.iter().all(|event| !event.body.contains("SLOT_MOVED")));
    let (commits, calls) = (world.store.commits(), world.network.calls("status").len());
    tokio::time::sleep(HOUR / 2).await;
    assert_eq!(
        (world.store.commits(), world.network.calls("status").len()),
        (commits, calls)
    );

    world.wait_status(&batch, LONG, BatchStatus::Processing).await;
    let first = slots(&world, &batch)[0].unwrap();
    assert!(
        world.now().since(first) < Duration::from_secs(2),
        "the batch is at work from its first slot on"
    );
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(live(&world), (1..=10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_ledger(&world, &batch);
    let told = kinds(&world, &batch);
    assert_eq!(told.iter().filter(|kind| **kind == "resumed").count(), 1);
    assert_eq!(told.last(), Some(&"completed"));
    let (row, clips) = world.store.read(&batch);
    for clip in &clips {
        let waited = clip.published_at.unwrap().since(clip.slot().unwrap());
        assert!(
            waited < Duration::from_secs(4),
            "clip {} was confirmed after {waited:?}",
            clip.index
        );
    }
    assert_eq!(
        row.started_at.map(|at| at.since(first) < Duration::from_secs(2)),
        Some(true)
    );
}

#[tokio::test(start_paused = true)]
async fn clips_go_live_while_no_daemon_runs_and_are_confirmed_when_one_does() {
    let mut world = world_of_minutes().await;
    let batch = world.submit(in_an_hour(5));
    world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
    world.crash(3 * HOUR).await;
    assert_eq!(live(&world), ["1", "2", "3", "4", "5"]);
    let back = world.now();
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert!(world.now().since(back) < MINUTE);
    assert_eq!(world.network.calls("create").len(), 5);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_death_at_any_instant_keeps_one_post_per_clip_and_their_order() {
    let (mut tally, mut crashes) = (Tally::default(), 0);
    for millis in (0..1_500).step_by(37).chain((58_000..70_000).step_by(691)) {
        let mut world = world_of_minutes().await;
        let batch = world.submit(NewBatch {
            scheduled: Some((2 * MINUTE, MINUTE)),
            ..NewBatch::of("b", 4)
        });
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world.crash(Duration::from_millis(millis % 700)).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(
            statuses(&world, &batch).1,
            [ClipStatus::Published; 4],
            "killed after {millis} ms"
        );
        assert_ledger(&world, &batch);
        assert_eq!(live(&world), ["1", "2", "3", "4"], "killed after {millis} ms");
        tally.count(&world, &batch);
        crashes += 1;
    }
    tally.tell(&format!("{crashes} crashes of scheduled batches"));
}

#[tokio::test(start_paused = true)]
async fn clips_that_were_not_handed_over_before_their_slots_take_the_next_free_minutes_in_order() {
    let mut world = world_of_minutes().await;
    let batch = world.submit(NewBatch {
        scheduled: Some((5 * MINUTE, MINUTE)),
        ..NewBatch::of("b", 5)
    });
    world.network.script().prepare_takes = HOUR;
    // The daemon dies before it could hand over anything and comes back when three slots have passed.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.network.script().prepare_takes = Duration::ZERO;
    world.crash(7 * MINUTE + MINUTE / 2).await;
    let back = world.now();
    world
        .wait(&batch, MINUTE, |_, clips| {
            clips.iter().all(|clip| clip.slot().is_some())
        })
        .await;
    let given: Vec<Timestamp> = slots(&world, &batch).into_iter().flatten().collect();
    let first = (back + MINUTE).round_up(MINUTE);
    assert_eq!(given, (0..5).map(|n| first + MINUTE * n).collect::<Vec<_>>());
    world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
    let told = world.store.events(&batch);
    let moved = told
        .iter()
        .filter(|event| event.body.contains(r#""code":"SLOT_MOVED""#));
    assert_eq!(moved.count(), 5, "each has a later slot than was planned and says so");
    assert_eq!(
        statuses(&world, &batch).0,
        BatchStatus::Processing,
        "its first slot has passed"
    );
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(live(&world), ["1", "2", "3", "4", "5"]);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_found_at_its_slot_and_an_absent_post_is_handed_over_before_those_after_it() {
    for (fault, creates, shift) in [(Fault::LostAfter, 3, 0), (Fault::LostBefore, 4, 1)] {
        let world = world_of_minutes().await;
        world.network.script().list_shows_published = false;
        world.network.script().faults.extend([Fault::None, fault.clone()]);
        let batch = world.submit(in_an_hour(3));
        world
            .wait(&batch, 5 * MINUTE, |_, clips| all_with_the_network(clips))
            .await;
        assert_eq!(world.network.calls("create").len(), creates, "{fault:?}");
        let planned = planned(&world, &batch).into_iter().flatten();
        let expected: Vec<Timestamp> = planned.zip([0, shift, shift]).map(|(at, n)| at + MINUTE * n).collect();
        let given: Vec<Timestamp> = slots(&world, &batch).into_iter().flatten().collect();
        assert_eq!(given, expected, "{fault:?}");
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(live(&world), ["1", "2", "3"]);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_fails_at_its_slot_takes_a_free_minute_among_those_that_are_taken() {
    let world = world_of_minutes().await;
    let passing = storyclip_actors::ports::PublishFailure {
        kind: FailureKind::Passing,
        detail: "try again".into(),
    };
    world.network.script().failures.push_back(Some(passing));
    let batch = world.submit(in_an_hour(4));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(live(&world), ["2", "3", "4", "1"], "the others' slots stay theirs");
    let given: Vec<Timestamp> = slots(&world, &batch).into_iter().flatten().collect();
    assert_eq!(given[0], given[3] + MINUTE);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn one_stuck_clip_does_not_keep_the_others_from_being_confirmed() {
    let world = world_of_minutes().await;
    world.network.script().confirms_next.push_back(None);
    let batch = world.submit(in_an_hour(3));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let (_, clips) = world.store.read(&batch);
    assert_eq!(&*clips[0].error.as_ref().unwrap().code, "CONFIRMATION_TIMEOUT");
    assert_eq!(
        statuses(&world, &batch).1,
        [ClipStatus::Failed, ClipStatus::Published, ClipStatus::Published]
    );
}

#[tokio::test(start_paused = true)]
async fn thousands_of_batches_with_far_slots_hold_no_place() {
    let rules = Rules {
        max_batches: 3,
        ..Rules::default()
    };
    let world = World::new(rules).await;
    let names: Vec<&'static str> = (0..40).map(|n| &*format!("b{n}").leak()).collect();
    let batches: Vec<BatchId> = names
        .into_iter()
        .map(|id| NewBatch {
            scheduled: Some((HOUR, MINUTE)),
            ..NewBatch::of(id, 2)
        })
        .map(|batch| world.submit(batch))
        .collect();
    tokio::time::sleep(10 * MINUTE).await;
    assert!(world.directory.is_empty());
    for batch in &batches {
        assert!(all_with_the_network(&world.store.read(batch).1), "{batch}");
    }
    let now = world.submit(NewBatch::of("now", 1));
    world.wait_status(&now, 5 * MINUTE, BatchStatus::Completed).await;
    for batch in &batches {
        world.wait_status(batch, LONG, BatchStatus::Completed).await;
        assert_ledger(&world, batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_parks_a_scheduled_batch_and_the_work_goes_on_by_itself() {
    let world = world_of_minutes().await;
    world.network.script().token_refused = true;
    let batch = world.submit(in_an_hour(2));
    world.wait_clip(&batch, MINUTE, 1, ClipStatus::Queued).await;
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(&*world.store.read(&batch).0.error.unwrap().code, "ACCOUNT_UNAUTHORIZED");
    world.network.script().token_refused = false;
    world
        .wait(&batch, 5 * MINUTE, |_, clips| all_with_the_network(clips))
        .await;
    assert_eq!(
        slots(&world, &batch),
        planned(&world, &batch),
        "in time for their slots"
    );
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(world.store.read(&batch).0.error, None);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_a_person_deleted_in_the_planner_is_held() {
    let world = world_of_minutes().await;
    let batch = world.submit(in_an_hour(2));
    world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
    world.network.vanishes(0);
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Held, ClipStatus::Published]);
    world.nudge(SupervisorMessage::Reconcile(batch.clone()));
    assert_ledger(&world, &batch);
}

/// A hundred clips of one media from an hour ahead on.
fn of_one_media(id: &'static str) -> NewBatch {
    NewBatch {
        id,
        urls: vec!["https://cdn.example/same.mp4".into(); 100],
        ..in_an_hour(0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_media_whose_slots_are_taken_gets_the_next_that_is_free_however_far_it_is() {
    let world = world_of_minutes().await;
    let first = world.now().round_up(MINUTE) + HOUR;
    let mut given = Vec::new();
    for id in ["a", "b", "c", "d"] {
        let batch = world.submit(of_one_media(id));
        world.wait(&batch, HOUR, |_, clips| all_with_the_network(clips)).await;
        given.extend(slots(&world, &batch).into_iter().flatten());
    }
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 400);
    assert!(
        given[0] >= first && given[399] <= given[0] + MINUTE * 410,
        "{:?}",
        (given[0], given[399])
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_batch_leaves_its_slots_to_the_next_one() {
    let world = world_of_minutes().await;
    let batch = world.submit(of_one_media("a"));
    world.wait(&batch, MINUTE, |_, clips| all_with_the_network(clips)).await;
    let before = slots(&world, &batch);
    world.command(&batch, Wish::Cancel).await;
    world.wait(&batch, MINUTE, |row, _| row.completed_at.is_some()).await;
    let again = world.submit(of_one_media("b"));
    world.wait(&again, MINUTE, |_, clips| all_with_the_network(clips)).await;
    assert_eq!(slots(&world, &again), planned(&world, &again));
    assert!(before.contains(&slots(&world, &again)[0]));
}
