//! Answers and decisions that come when the attempt they are about is over: they change nothing.

use std::time::Duration;

use storyclip_actors::{
    messages::{BatchMessage, Look},
    model::{BatchStatus, ClipStatus as S, PostRef, Resolution, Wish},
    ports::{FailureKind, Listing, PublishFailure, Reading, Withdrawal},
    testing::{Fault, NewBatch},
    work::{Call, CallKind},
};

use super::{
    LONG, assert_ledger,
    resolve::{clip, held},
    statuses, world,
};

#[tokio::test(start_paused = true)]
async fn answers_about_an_attempt_that_is_over_change_nothing() {
    let world = world().await;
    world.network.script().confirms = Some(Duration::from_secs(30));
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, S::WaitingConfirmation).await;
    let actor = world.directory.get(&batch).unwrap();
    let gone = || {
        Reading::Failed(PublishFailure {
            kind: FailureKind::Permanent,
            detail: "of another attempt".into(),
        })
    };
    let live = || Reading::Published {
        network_post_id: None,
        permalink: None,
    };
    let look = |reading| {
        BatchMessage::Looked(Look {
            clip: 1,
            attempt: 7,
            number: 1,
            last: true,
            result: Ok(reading),
        })
    };
    let stale = |kind| Call {
        kind,
        clip: 1,
        attempt: 7,
    };
    let post = PostRef {
        id: "4711".into(),
        uuid: None,
    };
    let listing = Listing {
        posts: vec![],
        complete: true,
        shows_published: true,
    };
    for message in [
        look(live()),
        look(gone()),
        look(Reading::Missing),
        look(Reading::Pending("PENDING".into())),
        BatchMessage::Created(stale(CallKind::Create), Some(Ok(post))),
        BatchMessage::Listed(stale(CallKind::Find), Ok(listing)),
        BatchMessage::Withdrawn(stale(CallKind::Withdraw), Some(Ok(Withdrawal::Withdrawn))),
    ] {
        let told = format!("{message:?}");
        actor.cast(message).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let (_, clips) = world.store.read(&batch);
        assert_eq!(clips[0].status, S::WaitingConfirmation, "{told}");
        assert_ne!(clips[0].post.as_ref().unwrap().id.as_str(), "4711", "{told}");
    }
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [S::Published; 2]);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_decision_about_an_attempt_that_is_over_changes_nothing() {
    let world = world().await;
    let batch = held(&world, NewBatch::of("b", 1), Fault::LostBefore).await;
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    let (clip_seen, seen) = (1, clip(&world, &batch, 1).attempt);
    let about = |attempt, how| Wish::Resolve {
        clip: clip_seen,
        attempt: Some(attempt),
        how,
    };
    world.network.script().list_shows_published = false;
    world.network.script().faults.push_back(Fault::LostAfter);
    world.network.script().confirms_next.push_back(Some(Duration::ZERO));
    world.command(&batch, about(seen, Resolution::Retry)).await;
    world
        .wait(&batch, LONG, |_, clips| {
            (clips[0].status, clips[0].attempt) == (S::Held, seen + 1)
        })
        .await;
    for stale in [Resolution::Retry, Resolution::Drop, Resolution::Adopt("4711".into())] {
        world.command(&batch, about(seen, stale)).await;
        assert_eq!(world.store.commands_waiting(&batch), 0);
        assert_eq!(clip(&world, &batch, 1).status, S::Held);
    }
    assert_eq!(world.network.calls("create").len(), 2, "its second post is live");
    let post = world.network.posts().pop().unwrap().id;
    world
        .command(&batch, about(seen + 1, Resolution::Adopt(post.as_str().into())))
        .await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}
