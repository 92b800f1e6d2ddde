//! Outages, throttles and refused credentials: the work waits, nobody is hammered, nothing is lost.

use std::time::Duration;

use storyclip_actors::{
    error::{Refused, Verdict},
    model::{BatchStatus, ClipStatus, Speed},
    testing::{Fault, NewBatch, Script},
};

use super::{LONG, assert_ledger, statuses, tally::Tally, world};

/// Ten minutes without the provider, begun at several instants of a batch's life, at every speed.
async fn outage(what: &str, set: impl Fn(&mut Script, bool)) {
    let (mut tally, mut outages, mut asked) = (Tally::default(), 0, 0);
    for speed in Speed::ALL {
        for begins_after in [0, 60, 150, 1_100, 2_000, 6_150] {
            let world = world().await;
            world.network.script().confirms = Some(Duration::from_secs(5));
            let batch = world.submit(NewBatch {
                speed: *speed,
                ..NewBatch::of("b", 3)
            });
            tokio::time::sleep(Duration::from_millis(begins_after)).await;
            set(&mut world.network.script(), true);
            tokio::time::sleep(Duration::from_secs(600)).await;
            let calls = ["create", "status", "find", "prepare", "check"];
            let made: usize = calls.iter().map(|name| world.network.calls(name).len()).sum();
            assert!(made < 40, "{made} calls in ten minutes of outage");
            set(&mut world.network.script(), false);
            world.wait_status(&batch, LONG, BatchStatus::Completed).await;
            assert_eq!(
                statuses(&world, &batch).1,
                [ClipStatus::Published; 3],
                "{speed} {begins_after}"
            );
            assert_ledger(&world, &batch);
            tally.count(&world, &batch);
            (outages, asked) = (outages + 1, asked + made);
        }
    }
    tally.tell(&format!("{outages} times ten minutes of {what}, {asked} calls"));
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_a_connection_cost_no_clip_at_any_speed() {
    outage("no connection", |script, down| script.down = down).await;
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_503_to_everything_cost_no_clip_and_no_hold_at_any_speed() {
    outage("503", |script, unavailable| script.unavailable = unavailable).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_parks_and_the_work_goes_on_by_itself() {
    let world = world().await;
    world.network.script().token_refused = true;
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Queued).await;
    let (row, clips) = world.store.read(&batch);
    assert_eq!(row.status, BatchStatus::Processing);
    assert_eq!(&*row.error.unwrap().code, "ACCOUNT_UNAUTHORIZED");
    assert_eq!(&*clips[0].error.as_ref().unwrap().code, "ACCOUNT_UNAUTHORIZED");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(world.network.calls("check").len() <= 10, "one check a minute");
    assert_eq!(world.network.calls("prepare").len(), 1);
    world.network.script().token_refused = false;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 2]);
    assert_eq!(world.store.read(&batch).0.error, None);
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_brand_parks_itself_while_others_go_on() {
    let world = world().await;
    world.network.script().brand_refused = true;
    let parked = world.submit(NewBatch::of("parked", 1));
    world.wait_clip(&parked, LONG, 1, ClipStatus::Queued).await;
    // The scripted refusal hits every brand that calls; only the one that called is parked.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.network.script().brand_refused = false;
    let other = world.submit(NewBatch {
        account: "88",
        ..NewBatch::of("other", 1)
    });
    world
        .wait_status(&other, Duration::from_secs(10), BatchStatus::Completed)
        .await;
    assert_eq!(statuses(&world, &parked).1, [ClipStatus::Queued]);
    world.wait_status(&parked, LONG, BatchStatus::Completed).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_refused_in_mid_wait_keeps_the_post_and_its_time() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(5));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.network.script().token_refused = true;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let (row, clips) = world.store.read(&batch);
    assert_eq!(clips[0].status, ClipStatus::WaitingConfirmation);
    assert_eq!(&*row.error.unwrap().code, "ACCOUNT_UNAUTHORIZED");
    world.network.script().token_refused = false;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published]);
    assert_eq!(world.network.calls("create").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_waits_as_told() {
    let world = world().await;
    let until = world.now() + Duration::from_secs(42);
    world
        .network
        .script()
        .faults
        .push_back(Fault::Refuse(Verdict::Throttled(until)));
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Queued).await;
    assert_eq!(
        &*world.store.read(&batch).1[0].error.clone().unwrap().code,
        "RATE_LIMITED"
    );
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let creates = world.network.calls("create");
    assert!(creates[1] >= until && creates[1].since(until) < Duration::from_secs(1));
}

/// Found by the simulation: the check of a parked brand is answered 429, and nobody but it heard of the pause.
#[tokio::test(start_paused = true)]
async fn a_throttled_check_of_a_brand_is_not_repeated_before_its_time() {
    let world = world().await;
    world.network.script().brand_refused = true;
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Queued).await;
    let until = world.now() + Duration::from_secs(1_000);
    world.network.script().checks_throttled_until = Some(until);
    world.network.script().brand_refused = false;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let checks = world.network.calls("check");
    assert_eq!(checks.iter().filter(|at| **at < until).count(), 1, "{checks:?}");
    assert_eq!(
        world.network.calls("prepare").iter().filter(|at| **at < until).count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn media_that_fails_while_others_are_answered_fails_its_clip_in_the_end() {
    let world = world().await;
    world.network.script().prepare_fails = true;
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Failed]);
    assert_eq!(world.network.calls("create").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_after_its_brand_was_refused_goes_back() {
    let world = world().await;
    for account in ["1", "2", "3", "4", "5"] {
        let refused = Fault::Refuse(Verdict::Unauthorized(Refused::Brand));
        world.network.script().faults = vec![refused; 7].into();
        for n in 0..7 {
            let id = format!("{account}-{n}").leak();
            world.submit(NewBatch {
                account,
                ..NewBatch::of(id, 1)
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    world.network.script().faults.clear();
    let other = world.submit(NewBatch {
        account: "88",
        ..NewBatch::of("other", 1)
    });
    world
        .wait_status(&other, Duration::from_secs(10), BatchStatus::Completed)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_refused_at_the_end_of_an_outage_shows_in_every_batch() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(5));
    let waiting = world.submit(NewBatch::of("waiting", 1));
    world
        .wait_clip(&waiting, LONG, 1, ClipStatus::WaitingConfirmation)
        .await;
    world.network.script().down = true;
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.network.script().down = false;
    world.network.script().token_refused = true;
    tokio::time::sleep(Duration::from_secs(90)).await;
    let error = world.store.read(&waiting).0.error.map(|error| error.code.to_string());
    assert_eq!(error.as_deref(), Some("ACCOUNT_UNAUTHORIZED"));
    world.network.script().token_refused = false;
    world.wait_status(&waiting, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &waiting).1, [ClipStatus::Published]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_answered_unreadably_opens_the_gate() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(5));
    world.network.script().unreadable_checks = true;
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.network.script().down = true;
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.network.script().down = false;
    world
        .wait_status(&batch, Duration::from_secs(300), BatchStatus::Completed)
        .await;
}
