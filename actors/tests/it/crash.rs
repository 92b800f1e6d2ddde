//! Deaths: of the process at any instant, of an actor, of a lease. What was durable goes on; nothing is sent twice.

use std::time::Duration;

use storyclip_actors::{
    context::Rules,
    messages::SupervisorMessage,
    model::{BatchStatus, ClipStatus, Wish},
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, statuses, tally::Tally, world};

#[tokio::test(start_paused = true)]
async fn a_death_at_any_instant_leaves_one_live_post_per_clip() {
    let (mut tally, mut crashes) = (Tally::default(), 0);
    for millis in (0..2_600).step_by(37) {
        let mut world = world().await;
        let batch = world.submit(NewBatch::of("b", 3));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world.crash(Duration::from_millis(millis % 700)).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(
            statuses(&world, &batch).1,
            [ClipStatus::Published; 3],
            "killed after {millis} ms"
        );
        assert_ledger(&world, &batch);
        let urls: Vec<String> = (1..=3).map(|n| format!("https://cdn.example/b/{n}.mp4")).collect();
        assert_eq!(world.network.live(), urls);
        tally.count(&world, &batch);
        crashes += 1;
    }
    tally.tell(&format!("{crashes} crashes at as many instants of a batch"));
}

#[tokio::test(start_paused = true)]
async fn many_deaths_in_a_row_are_the_same_as_one() {
    let mut world = world().await;
    let urls = vec!["https://cdn.example/same.mp4".to_owned(); 5];
    let batch = world.submit(NewBatch {
        urls,
        ..NewBatch::of("b", 5)
    });
    for n in 0..60 {
        tokio::time::sleep(Duration::from_millis(40 + n * 53 % 900)).await;
        world.crash(Duration::from_millis(n * 31 % 400)).await;
    }
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 5]);
    assert_eq!(world.network.live().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_publisher_is_a_lost_answer() {
    let world = world().await;
    world.network.script().faults.push_back(Fault::Panic);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 2]);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_the_actor_and_touches_nothing() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 3));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.store.steal(&batch);
    let commits = world.store.commits();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.store.commits(), commits);
    assert_eq!(world.network.calls("create").len(), 1);
    assert!(world.directory.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_ends_late_does_not_take_its_successor_out_of_the_directory() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.store.set_answers_take(Duration::from_millis(50));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    // The lease is free and a command waits, but the actor has not heard yet that its last commit is durable.
    world.store.set_answers_take(Duration::from_millis(500));
    world.store.insert_command(&batch, Wish::Cancel, world.now());
    world.nudge(SupervisorMessage::Claim);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.store.read(&batch).0.epoch, 2, "a second actor runs it");
    assert!(world.directory.get(&batch).is_some());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(world.directory.is_empty());
}

/// Found by the simulation: the answer of a commit is lost, and a change without clips passes its guard twice.
#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_is_lost_is_made_and_told_once() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(30));
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.store.lose_answers(1);
    world.command(&batch, Wish::Pause).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let told = world.store.events(&batch);
    assert_eq!(told.iter().filter(|event| event.kind.as_str() == "paused").count(), 1);
    world.command(&batch, Wish::Resume).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}

/// Found by the simulation: a node cannot renew for longer than a lease, and claims its own batch while the actor that had it
/// still lives. The two took the lease from each other for ever.
#[tokio::test(start_paused = true)]
async fn a_lapsed_lease_that_its_own_node_takes_again_is_run_by_one_actor() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(30));
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.store.set_renewals_fail(true);
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.store.set_renewals_fail(false);
    assert_eq!(world.store.read(&batch).0.epoch, 2, "taken again when it had lapsed");
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let (row, clips) = world.store.read(&batch);
    assert_eq!(
        (row.epoch, row.restarts),
        (2, 0),
        "the actor that lost its lease takes nothing from its successor"
    );
    assert!(clips.iter().all(|clip| clip.status == ClipStatus::Published));
    assert_eq!(world.network.calls("create").len(), 2);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_before_a_third_of_it_has_passed() {
    for seconds in [8, 9, 10, 15, 40] {
        let lease = Duration::from_secs(seconds);
        let rules = Rules {
            lease,
            ..World::instant_rules()
        };
        let world = World::new(rules).await;
        world.network.script().confirms = None;
        let batch = world.submit(NewBatch::of("b", 1));
        world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
        for _ in 0..300 {
            tokio::time::sleep(Duration::from_millis(93)).await;
            let left = world.store.leased_until(&batch).unwrap().since(world.now());
            assert!(left >= lease * 2 / 3, "{left:?} of {lease:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn panics_in_the_poller_cost_looks_and_nothing_else() {
    let world = world().await;
    world.network.script().panicking_looks = 6;
    let batch = world.submit(NewBatch::of("b", 2));
    let other = world.submit(NewBatch::of("other", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    world.wait_status(&other, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 2]);
    assert_eq!(world.network.calls("create").len(), 4);
    assert_ledger(&world, &batch);
}

/// Found by the simulation: a child panics while its parent awaits the store. The parent died of the next message to it.
#[tokio::test(start_paused = true)]
async fn a_child_that_dies_while_its_parent_reads_takes_nobody_with_it() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(20));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.store.set_reads_take(Duration::from_secs(5));
    world.nudge(SupervisorMessage::Reconcile(batch.clone()));
    world.network.script().panicking_looks = 1;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(world.network.script().panicking_looks, 0);
    assert_eq!(world.store.read(&batch).0.restarts, 0, "only the poller came anew");
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn absence_is_counted_from_the_restart_because_a_dead_process_may_have_sent_late() {
    let mut world = world().await;
    world.network.script().faults.push_back(Fault::LostBefore);
    world.network.script().create_takes = Duration::from_secs(4);
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    // The intent is older than absence takes when the next life begins.
    world.crash(Duration::from_secs(70)).await;
    world.wait_clip(&batch, LONG, 1, ClipStatus::Uncertain).await;
    tokio::time::sleep(Duration::from_secs(45)).await;
    assert_eq!(world.network.calls("create").len(), 1, "it is not believed yet");
    // What the dead process had sent is listed only now.
    let request = world.store.read(&batch).1[0].request.clone().unwrap();
    world.network.appears("77", &request);
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(world.network.calls("create").len(), 1);
    assert_ledger(&world, &batch);
}
