//! Posts of other slots while a lost answer is looked for: one that a person may have moved is theirs to judge, and those of
//! others, or of this clip's own earlier attempts, are nothing.

use std::time::Duration;

use storyclip_actors::{
    model::{BatchStatus, ClipStatus, Resolution, Wish},
    ports::{FailureKind, PublishFailure},
    testing::{Fault, NewBatch},
};

use super::{LONG, assert_ledger, statuses, world};

const SECOND: Duration = Duration::from_secs(1);

fn one_clip(id: &'static str) -> NewBatch {
    NewBatch {
        urls: vec!["https://cdn.example/same.mp4".to_owned()],
        ..NewBatch::of(id, 1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_moved_before_anybody_knew_its_id_is_held_and_a_person_adopts_it() {
    let world = world().await;
    world.network.script().create_takes = 10 * SECOND;
    world.network.script().faults.push_back(Fault::LostAfter);
    let batch = world.submit(NewBatch::of("b", 1));
    tokio::time::sleep(6 * SECOND).await;
    let post = world.network.posts().remove(0);
    world.network.edit(&post.id, post.request.slot + 75 * SECOND);
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    let moved = world.network.posts().remove(0).id;
    let held = world.store.read(&batch).1.remove(0);
    assert_eq!((held.status, &held.post), (ClipStatus::Held, &None), "nobody took it");
    let trouble = held.error.unwrap();
    assert_eq!(&*trouble.code, "AMBIGUOUS_POST");
    let message = format!("posts of another slot with the same media that may be this clip, moved by hand: {moved}");
    assert_eq!(*trouble.message, message);
    let evidence = world.store.attempts().remove(0).write.message.unwrap();
    assert!(
        evidence.contains(&format!("of another slot with this media: {moved}")),
        "{evidence}"
    );

    let adopt = Wish::Resolve {
        clip: 1,
        attempt: None,
        how: Resolution::Adopt(moved.as_str().into()),
    };
    world.command(&batch, adopt).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published]);
    assert_eq!(world.network.calls("create").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_post_of_an_earlier_attempt_that_failed_is_no_post_that_was_moved() {
    let world = world().await;
    let passing = PublishFailure {
        kind: FailureKind::Passing,
        detail: "try again".into(),
    };
    world.network.script().failures.push_back(Some(passing));
    world.network.script().faults.extend([Fault::None, Fault::LostBefore]);
    let batch = world.submit(NewBatch::of("b", 1));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published]);
    assert_eq!(world.network.calls("create").len(), 3);
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_own_answer_is_on_its_way_is_no_post_that_was_moved() {
    let world = world().await;
    world.network.script().create_takes = 20 * SECOND;
    world.network.script().faults.push_back(Fault::LostBefore);
    let lost = world.submit(one_clip("lost"));
    tokio::time::sleep(45 * SECOND).await;
    let other = world.submit(one_clip("other"));
    // Its post is made ten seconds before its answer, and the last look falls in between.
    world.wait_clip(&lost, LONG, 1, ClipStatus::Retrying).await;
    assert_eq!(world.network.posts().len(), 1);
    assert_eq!(statuses(&world, &other).1, [ClipStatus::Uploading]);
    for batch in [&lost, &other] {
        world.wait_status(batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, batch).1, [ClipStatus::Published]);
    }
    assert_eq!(world.network.live().len(), 2);
}
