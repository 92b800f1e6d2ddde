//! Retries: which failures spend them, when the clip is tried again, and what is never tried again.

use std::time::Duration;

use storyclip_actors::{
    error::{Refused, Verdict},
    model::{BatchId, BatchStatus, Clip, ClipStatus, Timestamp},
    ports::{FailureKind, PublishFailure},
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, statuses, world};

fn failure(kind: FailureKind) -> Option<PublishFailure> {
    let detail = format!("{kind:?}, says the network");
    Some(PublishFailure { kind, detail })
}

fn clip(world: &World, batch: &BatchId, index: usize) -> Clip {
    world.store.read(batch).1.swap_remove(index - 1)
}

/// Waits until the clip is to be tried again and gives the instants at which that became known and at which it is due.
async fn retry(world: &World, batch: &BatchId, spent: u32) -> (Timestamp, Timestamp) {
    world
        .wait(batch, LONG, |_, clips| {
            clips[0].status == ClipStatus::Retrying && clips[0].retries == spent
        })
        .await;
    (world.now(), clip(world, batch, 1).next_attempt_at.unwrap())
}

/// That the call came when it was due, as exactly as timers are.
fn assert_at(call: Timestamp, due: Timestamp) {
    assert!(
        call >= due && call.since(due) <= Duration::from_millis(2),
        "{call} for {due}"
    );
}

/// Lets a clip fail three times in this way and checks when it is tried again.
async fn ladder(fail: impl Fn(&World)) {
    let world = world().await;
    fail(&world);
    let batch = world.submit(NewBatch {
        max_retries: 3,
        ..NewBatch::of("b", 1)
    });
    let mut due = Vec::new();
    for (spent, least, most) in [(1, 2_000, 2_400), (2, 10_000, 12_000), (3, 10_000, 12_000)] {
        let (known, next) = retry(&world, &batch, spent).await;
        let pause = next.since(known).as_millis();
        assert!((least..=most).contains(&pause), "retry {spent} after {pause} ms");
        due.push(next);
    }
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published]);
    let creates = world.network.calls("create");
    assert_eq!(creates.len(), 4);
    for (call, due) in creates[1..].iter().zip(due) {
        assert_at(*call, due);
    }
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_clip_is_tried_again_after_two_seconds_then_ten_each_whatever_passing_thing_befell_it() {
    ladder(|world| {
        let passing = vec![failure(FailureKind::Passing); 3];
        world.network.script().failures.extend(passing);
    })
    .await;
    ladder(|world| {
        let refused = [const { Fault::Refuse(Verdict::Unavailable) }; 3];
        world.network.script().faults.extend(refused);
    })
    .await;
    ladder(|world| world.network.script().faults.extend([const { Fault::LostBefore }; 3])).await;
}

#[tokio::test(start_paused = true)]
async fn retries_of_many_clips_are_spread_within_a_fifth_and_stay_where_they_are_through_a_death() {
    let mut world = world().await;
    let count = 40;
    world
        .network
        .script()
        .failures
        .extend(vec![failure(FailureKind::Passing); count]);
    let batches: Vec<BatchId> = (0..count)
        .map(|n| world.submit(NewBatch::of(format!("b{n}").leak(), 1)))
        .collect();
    for batch in &batches {
        world.wait_clip(batch, LONG, 1, ClipStatus::Retrying).await;
    }
    let before: Vec<Timestamp> = batches
        .iter()
        .map(|batch| clip(&world, batch, 1).next_attempt_at.unwrap())
        .collect();
    world.crash(Duration::from_millis(300)).await;
    for batch in &batches {
        world.wait_status(batch, LONG, BatchStatus::Completed).await;
    }
    let posts = world.network.posts();
    let mut pauses = Vec::new();
    for (batch, due) in batches.iter().zip(before) {
        let of = |post: &&storyclip_actors::testing::Post| post.request.media.contains(&format!("/{batch}/"));
        let [first, second] = posts.iter().filter(of).collect::<Vec<_>>()[..] else {
            panic!("{batch} was sent twice")
        };
        // Calls of one token queue, so what is compared is the intent, which holds the slot.
        assert!(second.request.slot >= due && second.request.slot.since(due) < Duration::from_secs(1));
        pauses.push(due.since(first.request.slot + Duration::from_secs(1)).as_millis());
    }
    // The look at which the failure was read may have queued a little, too.
    assert!(pauses.iter().all(|pause| (2_000..2_700).contains(pause)), "{pauses:?}");
    pauses.sort_unstable();
    assert!(pauses[count - 1] - pauses[0] > 200, "{pauses:?}");
    pauses.dedup();
    assert!(pauses.len() > count / 2, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn each_clip_has_its_own_retries_and_none_more_than_the_batch_allows() {
    for max_retries in [0, 1, 2] {
        let world = world().await;
        world
            .network
            .script()
            .failures
            .extend(vec![failure(FailureKind::Passing); 2 * (max_retries as usize + 1)]);
        let batch = world.submit(NewBatch {
            max_retries,
            ..NewBatch::of("b", 3)
        });
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(
            statuses(&world, &batch).1,
            [ClipStatus::Failed, ClipStatus::Failed, ClipStatus::Published]
        );
        assert_eq!(
            [1, 2, 3].map(|index| clip(&world, &batch, index).retries),
            [max_retries, max_retries, 0]
        );
        assert_eq!(world.network.calls("create").len() as u32, 2 * (max_retries + 1) + 1);
        assert_eq!(&*clip(&world, &batch, 1).error.unwrap().code, "PROVIDER_ERROR");
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_content_or_a_rule_forbids_is_not_tried_again() {
    let world = world().await;
    world
        .network
        .script()
        .failures
        .push_back(failure(FailureKind::Permanent));
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Failed, ClipStatus::Published]);
    let failed = clip(&world, &batch, 1);
    assert_eq!((failed.retries, failed.next_attempt_at), (0, None));
    assert_eq!(&*failed.error.unwrap().message, "Permanent, says the network");
    assert_eq!(world.network.calls("create").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_about_the_clip_spends_no_retry() {
    let until = |world: &World| world.now() + Duration::from_secs(42);
    for (what, verdict) in [
        ("a throttle", None),
        ("a refused token", Some(Refused::Token)),
        ("a refused brand", Some(Refused::Brand)),
    ] {
        let world = world().await;
        let refusal = verdict.map_or(Verdict::Throttled(until(&world)), Verdict::Unauthorized);
        world.network.script().faults.push_back(Fault::Refuse(refusal));
        let batch = world.submit(NewBatch {
            max_retries: 0,
            ..NewBatch::of("b", 1)
        });
        world.wait_clip(&batch, LONG, 1, ClipStatus::Queued).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published], "{what}");
        assert_eq!(clip(&world, &batch, 1).retries, 0, "{what}");
        let creates = world.network.calls("create");
        let pause = creates[1].since(creates[0]);
        let least = verdict.map_or(Duration::from_secs(41), |_| Duration::from_secs(60));
        assert!(
            pause >= least && pause <= least + Duration::from_secs(2),
            "{what}: {pause:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_calls_before_the_instant_that_a_throttle_names() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(5));
    let waiting = world.submit(NewBatch::of("waiting", 1));
    world
        .wait_clip(&waiting, LONG, 1, ClipStatus::WaitingConfirmation)
        .await;
    let until = world.now() + Duration::from_secs(30);
    world
        .network
        .script()
        .faults
        .push_back(Fault::Refuse(Verdict::Throttled(until)));
    let throttled = world.submit(NewBatch {
        account: "88",
        ..NewBatch::of("throttled", 2)
    });
    world.wait_clip(&throttled, LONG, 1, ClipStatus::Queued).await;
    let queued = clip(&world, &throttled, 1);
    assert_eq!(queued.next_attempt_at, Some(until), "the row says when");
    let since = world.now();
    world.wait_status(&throttled, LONG, BatchStatus::Completed).await;
    world.wait_status(&waiting, LONG, BatchStatus::Completed).await;
    for name in ["prepare", "create", "status", "find", "check"] {
        let early = |at: &&Timestamp| **at > since && **at < until;
        assert_eq!(
            world.network.calls(name).iter().find(early),
            None,
            "{name} of the same token"
        );
    }
    assert_at(world.network.calls("create")[2], until);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_parks_its_brand_longer_each_time_and_spends_no_retry() {
    let world = world().await;
    world
        .network
        .script()
        .failures
        .extend(vec![failure(FailureKind::Connection); 6]);
    let batch = world.submit(NewBatch {
        max_retries: 0,
        ..NewBatch::of("b", 2)
    });
    world.wait_clip(&batch, LONG, 1, ClipStatus::Queued).await;
    let (row, clips) = world.store.read(&batch);
    assert_eq!(row.status, BatchStatus::Processing);
    for error in [row.error.unwrap(), clips[0].error.clone().unwrap()] {
        assert_eq!(&*error.code, "ACCOUNT_UNAUTHORIZED");
        assert!(
            error.message.contains("Connection, says the network"),
            "{}",
            error.message
        );
    }
    let lost_again = std::mem::take(&mut world.network.script().failures);
    let other = world.submit(NewBatch {
        account: "88",
        ..NewBatch::of("other", 1)
    });
    world
        .wait_status(&other, Duration::from_secs(10), BatchStatus::Completed)
        .await;
    assert_eq!(statuses(&world, &batch).1[0], ClipStatus::Queued, "other brands go on");
    world.network.script().failures = lost_again;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 2]);
    assert_eq!(clip(&world, &batch, 1).retries, 0);
    assert_eq!(world.store.read(&batch).0.error, None, "told no longer");
    assert_ledger(&world, &batch);

    let posts = world.network.posts();
    let mine: Vec<Timestamp> = (posts
        .iter()
        .filter(|post| post.account == "77" && post.request.media.ends_with("/1.mp4")))
    .map(|post| post.created_at)
    .collect();
    let pauses: Vec<u64> = mine.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
    for (pause, rest) in pauses.iter().zip([60, 120, 240, 480, 900, 900]) {
        assert!((rest..=rest + 3).contains(pause), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 6);
    assert!(world.network.calls("check").len() <= 8, "one check after each rest");
}

#[tokio::test(start_paused = true)]
async fn a_brand_that_published_again_is_parked_shortly_the_next_time() {
    let world = world().await;
    let lost = || failure(FailureKind::Connection);
    world.network.script().failures.extend([lost(), lost(), None, lost()]);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let posts = world.network.posts();
    let pauses: Vec<u64> = (posts.windows(2))
        .map(|pair| pair[1].created_at.since(pair[0].created_at).as_secs())
        .collect();
    let [first, second, next_clip, third] = pauses[..] else {
        panic!("five posts: {pauses:?}")
    };
    assert!((60..63).contains(&first) && (120..123).contains(&second), "{pauses:?}");
    assert!(next_clip < 3 && (60..63).contains(&third), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_timed_out_is_not_sent_again_while_retries_are_left() {
    let world = world().await;
    world.network.script().confirms_next.push_back(None);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    world.wait(&batch, LONG, |row, _| row.wake_at.is_none()).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Failed, ClipStatus::Published]);
    let timed_out = clip(&world, &batch, 1);
    assert_eq!((timed_out.retries, timed_out.next_attempt_at), (0, None));
    assert!(timed_out.post.is_some(), "the post may still go live");
    assert_eq!(world.network.calls("create").len(), 2);
    assert!(
        world.network.calls("withdraw").is_empty(),
        "past its slot nothing can be withdrawn"
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_timeout_makes_a_clip_retryable_and_sends_nothing() {
    for kind in [FailureKind::Passing, FailureKind::Permanent, FailureKind::Connection] {
        let world = world().await;
        world.network.script().fails_after = Duration::from_secs(100);
        world.network.script().failures.push_back(failure(kind));
        let batch = world.submit(NewBatch::of("b", 1));
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert!(clip(&world, &batch, 1).timed_out(), "{kind:?}");
        world.wait(&batch, LONG, |_, clips| !clips[0].timed_out()).await;
        let failed = clip(&world, &batch, 1);
        assert_eq!(failed.status, ClipStatus::Failed);
        assert_eq!(&*failed.error.unwrap().code, "PROVIDER_ERROR", "{kind:?}");
        tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
        assert_eq!(world.network.calls("create").len(), 1, "{kind:?}");
        let parked = kind == FailureKind::Connection;
        assert_eq!(world.network.calls("check").len(), usize::from(parked), "{kind:?}");
    }
}
