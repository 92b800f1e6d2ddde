//! A person decides about a held clip: adopt a post, send again, drop. The network still has the last word.

use std::time::Duration;

use storyclip_actors::{
    model::{BatchId, BatchStatus, Clip, ClipStatus as S, OnFailure, Resolution, Ruling, Wish},
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, kinds, statuses, world};

fn resolve(clip: u32, how: Resolution) -> Wish {
    let attempt = None;
    Wish::Resolve { clip, attempt, how }
}

fn adopt(clip: u32, post: &str) -> Wish {
    resolve(clip, Resolution::Adopt(post.into()))
}

pub fn clip(world: &World, batch: &BatchId, index: usize) -> Clip {
    world.store.read(batch).1.remove(index - 1)
}

fn paused_with(world: &World, batch: &BatchId) -> String {
    let (row, _) = world.store.read(batch);
    assert_eq!(row.status, BatchStatus::Paused);
    row.error.unwrap().code.to_string()
}

/// A batch whose first clip is held, its post being there or not.
pub async fn held(world: &World, batch: NewBatch, lost: Fault) -> BatchId {
    let there = lost == Fault::LostAfter;
    world.network.script().list_shows_published = false;
    world.network.script().faults.push_back(lost);
    if there {
        // Live before anybody lists it.
        world.network.script().confirms_next.push_back(Some(Duration::ZERO));
    }
    let batch = world.submit(batch);
    world.wait_clip(&batch, LONG, 1, S::Held).await;
    let url = clip(world, &batch, 1).url;
    let posts = world.network.posts();
    assert_eq!(
        posts.iter().filter(|post| post.request.media == url).count(),
        usize::from(there)
    );
    // What a crash leaves in doubt from now on can be found out.
    world.network.script().list_shows_published = true;
    batch
}

/// Makes the wish durable and kills the process before or after it was applied, or not at all.
async fn wish(world: &mut World, batch: &BatchId, wish: Wish, crash: Option<bool>) {
    match crash {
        None | Some(true) => drop(world.command(batch, wish).await),
        Some(false) => world.store.insert_command(batch, wish, world.now()),
    }
    if crash.is_some() {
        world.crash(Duration::from_millis(30)).await;
    }
}

const CRASHES: [Option<bool>; 3] = [None, Some(false), Some(true)];

#[tokio::test(start_paused = true)]
async fn an_adopted_post_is_published_by_the_networks_word() {
    for crash in CRASHES {
        let mut world = world().await;
        let batch = held(&world, NewBatch::of("b", 2), Fault::LostAfter).await;
        world.wait_status(&batch, LONG, BatchStatus::Paused).await;
        assert_eq!(paused_with(&world, &batch), "CLIP_HELD");
        wish(&mut world, &batch, adopt(1, "300000001"), crash).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [S::Published; 2]);
        let adopted = clip(&world, &batch, 1);
        assert_eq!((adopted.attempt, adopted.post.unwrap().id.as_str()), (1, "300000001"));
        let attempts = world.store.attempts();
        let verdict = attempts
            .iter()
            .find(|row| row.write.clip == 1)
            .and_then(|row| row.write.verdict);
        assert_eq!(verdict.unwrap().as_str(), "published");
        assert_eq!(world.network.calls("create").len(), 2, "{crash:?}");
        assert_eq!(
            kinds(&world, &batch).iter().filter(|kind| **kind == "resumed").count(),
            1
        );
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn an_adopted_post_that_is_not_there_is_held_again_and_one_that_is_not_live_times_out() {
    let world = world().await;
    let batch = held(&world, NewBatch::of("b", 1), Fault::LostBefore).await;
    world.command(&batch, adopt(1, "4711")).await;
    world.wait_clip(&batch, LONG, 1, S::WaitingConfirmation).await;
    world.wait_clip(&batch, LONG, 1, S::Held).await;
    assert_eq!(&*clip(&world, &batch, 1).error.unwrap().code, "POST_VANISHED");
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    world.command(&batch, resolve(1, Resolution::Retry)).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);

    let stuck = held(&world, NewBatch::of("s", 1), Fault::LostBefore).await;
    world.network.script().confirms_next.push_back(None);
    world
        .network
        .appears("77", clip(&world, &stuck, 1).request.as_ref().unwrap());
    let post = world.network.posts().pop().unwrap().id;
    world.command(&stuck, adopt(1, &post)).await;
    world.wait_status(&stuck, LONG, BatchStatus::Completed).await;
    assert!(
        clip(&world, &stuck, 1).timed_out(),
        "it is looked at again as any other"
    );
    assert_ledger(&world, &stuck);
}

#[tokio::test(start_paused = true)]
async fn a_post_of_another_clip_is_refused_and_takes_nothing_with_it() {
    for crash in CRASHES {
        let mut world = world().await;
        let batch = held(&world, NewBatch::of("b", 3), Fault::LostBefore).await;
        world.wait_status(&batch, LONG, BatchStatus::Paused).await;
        let others = clip(&world, &batch, 2).post.unwrap().id;
        let (events, attempts) = (world.store.events(&batch).len(), world.store.attempts());
        world.store.insert_command(&batch, Wish::Pause, world.now());
        wish(&mut world, &batch, adopt(1, others.as_str()), crash).await;
        world
            .wait(&batch, LONG, |_, clips| {
                &*clips[0].error.as_ref().unwrap().code == "POST_TAKEN"
            })
            .await;
        assert_eq!(
            statuses(&world, &batch),
            (BatchStatus::Paused, vec![S::Held, S::Published, S::Published])
        );
        assert_eq!(paused_with(&world, &batch), "CLIP_HELD");
        let held = clip(&world, &batch, 1);
        assert!(held.post.is_none() && held.error.unwrap().message.contains(others.as_str()));
        assert_eq!(world.store.commands_waiting(&batch), 0);
        let told = world.store.events(&batch);
        assert_eq!(told.len(), events + 1);
        assert!(told[events].body.contains(r#""status":"held""#) && told[events].body.contains("POST_TAKEN"));
        assert_eq!(world.store.attempts().len(), attempts.len());

        // Wishes before and after it are none the worse for it.
        world
            .store
            .insert_command(&batch, adopt(1, others.as_str()), world.now());
        world
            .store
            .insert_command(&batch, resolve(1, Resolution::Drop), world.now());
        world
            .store
            .insert_command(&batch, adopt(1, others.as_str()), world.now());
        world.command(&batch, Wish::Resume).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [S::Failed, S::Published, S::Published]);
        assert_eq!(world.store.read(&batch).0.restarts, 0, "no actor died of it");
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_is_not_live_is_sent_again_with_its_retries_counted_anew() {
    for crash in CRASHES {
        let mut world = world().await;
        let batch = held(&world, NewBatch::of("b", 2), Fault::LostBefore).await;
        world.wait_status(&batch, LONG, BatchStatus::Paused).await;
        wish(&mut world, &batch, resolve(1, Resolution::Retry), crash).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [S::Published; 2]);
        // A crash may cut off the call that sends it again; that is one more attempt and a retry of the batch's own.
        let sent = clip(&world, &batch, 1);
        assert_eq!(
            (sent.attempt, sent.retries),
            if crash == Some(true) { (3, 1) } else { (2, 0) }
        );
        assert_eq!(world.network.posts().len(), 2);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_clip_is_failed_and_no_policy_stops_for_it() {
    for policy in OnFailure::ALL {
        for crash in CRASHES {
            let mut world = world().await;
            let new = NewBatch {
                on_failure: *policy,
                ..NewBatch::of("b", 2)
            };
            let batch = held(&world, new, Fault::LostBefore).await;
            world.wait_status(&batch, LONG, BatchStatus::Paused).await;
            wish(&mut world, &batch, resolve(1, Resolution::Drop), crash).await;
            world.wait_status(&batch, LONG, BatchStatus::Completed).await;
            assert_eq!(
                statuses(&world, &batch).1,
                [S::Failed, S::Published],
                "{policy} {crash:?}"
            );
            let dropped = clip(&world, &batch, 1);
            assert_eq!(
                (&*dropped.error.unwrap().code, dropped.ruling),
                ("DROPPED", Some(Ruling::PassOver))
            );
            assert_ledger(&world, &batch);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_clip_that_is_retried_is_looked_for_first() {
    let world = world().await;
    let batch = held(&world, NewBatch::of("b", 1), Fault::LostAfter).await;
    world.command(&batch, resolve(1, Resolution::Drop)).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    world.command(&batch, Wish::RetryFailed { clips: vec![1] }).await;
    world.wait_clip(&batch, LONG, 1, S::Published).await;
    assert_eq!(world.network.calls("create").len(), 1);
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn the_last_of_several_held_clips_settles_the_batch() {
    let world = world().await;
    world.network.script().list_shows_published = false;
    world
        .network
        .script()
        .faults
        .extend([Fault::LostBefore, Fault::LostBefore]);
    let batch = world.submit(NewBatch::of("b", 3));
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    assert_eq!(statuses(&world, &batch).1, [S::Held, S::Held, S::Published]);
    assert_eq!(
        world.command(&batch, resolve(2, Resolution::Drop)).await,
        Some(BatchStatus::Paused)
    );
    let (row, _) = world.store.read(&batch);
    assert!(row.error.unwrap().message.starts_with("1 clips are held"));
    assert_eq!(
        world.command(&batch, resolve(1, Resolution::Drop)).await,
        Some(BatchStatus::Completed)
    );
    assert_eq!(kinds(&world, &batch).pop(), Some("completed"));
    assert!(world.store.read(&batch).0.completed_at.is_some());
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_is_resolved_while_others_are_at_work_waits_for_them() {
    for millis in (0..2_400).step_by(83) {
        let world = world().await;
        let there = millis % 2 == 0;
        let lost = if there { Fault::LostAfter } else { Fault::LostBefore };
        let batch = held(&world, NewBatch::of("b", 4), lost).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let how = if there {
            Resolution::Adopt("300000001".into())
        } else {
            Resolution::Retry
        };
        world.command(&batch, resolve(1, how)).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [S::Published; 4], "after {millis} ms");
        let creates = world.network.calls("create").len();
        assert_eq!(creates, if there { 4 } else { 5 });
        assert_eq!(world.store.read(&batch).0.restarts, 0);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_batch_stays_paused_when_a_clip_is_resolved() {
    let world = world().await;
    let batch = held(&world, NewBatch::of("b", 3), Fault::LostAfter).await;
    world.command(&batch, Wish::Pause).await;
    assert_eq!(
        world.command(&batch, adopt(1, "300000001")).await,
        Some(BatchStatus::Paused)
    );
    world.wait_clip(&batch, LONG, 1, S::Published).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(paused_with(&world, &batch), "PAUSED");
    assert_eq!(statuses(&world, &batch).1[2], S::Pending);
    world.command(&batch, Wish::Resume).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_held_clip_of_a_cancelled_batch_is_adopted_or_dropped_but_not_sent_again() {
    for there in [true, false] {
        let world = world().await;
        let lost = if there { Fault::LostAfter } else { Fault::LostBefore };
        let batch = held(&world, NewBatch::of("b", 1), lost).await;
        world.command(&batch, Wish::Cancel).await;
        world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
        assert_eq!(
            world.command(&batch, resolve(1, Resolution::Retry)).await,
            Some(BatchStatus::Cancelled)
        );
        assert_eq!(clip(&world, &batch, 1).status, S::Held);
        let (how, end) = match there {
            true => (Resolution::Adopt("300000001".into()), S::Published),
            false => (Resolution::Drop, S::Failed),
        };
        world.command(&batch, resolve(1, how)).await;
        world.wait_clip(&batch, LONG, 1, end).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(statuses(&world, &batch), (BatchStatus::Cancelled, vec![end]));
        assert!(world.directory.is_empty() && world.network.calls("create").len() == 1);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_held_is_not_resolved() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, S::WaitingConfirmation).await;
    let events = world.store.events(&batch).len();
    for index in [0, 1, 2, 3, u32::MAX] {
        for how in [
            Resolution::Retry,
            Resolution::Drop,
            Resolution::Adopt("300000001".into()),
        ] {
            assert_eq!(
                world.command(&batch, resolve(index, how)).await,
                Some(BatchStatus::Processing)
            );
        }
    }
    assert_eq!(world.store.events(&batch).len(), events);
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [S::Published; 2]);
    assert_ledger(&world, &batch);
}
