//! Pause and resume: at once, durable, and nothing begins in between.

use std::time::Duration;

use storyclip_actors::{
    error::Verdict,
    model::{BatchStatus, ClipStatus, OnFailure, Ruling, Wish},
    testing::{Fault, NewBatch, World},
};

use super::{LONG, assert_ledger, kinds, statuses, world};

#[tokio::test(start_paused = true)]
async fn a_pause_at_any_instant_lets_no_clip_begin_and_follows_the_one_on_its_way() {
    for millis in (0..2_400).step_by(73) {
        let world = world().await;
        let batch = world.submit(NewBatch::of("b", 3));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        // An actor that had nothing to do but to apply it may be gone before it could answer.
        let told = world.command(&batch, Wish::Pause).await;
        assert_eq!(
            told.unwrap_or(statuses(&world, &batch).0),
            BatchStatus::Paused,
            "after {millis} ms"
        );
        let sent = world.network.calls("create").len();
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(world.network.calls("create").len(), sent, "after {millis} ms");
        let (row, clips) = world.store.read(&batch);
        assert_eq!((row.status, &*row.error.unwrap().code), (BatchStatus::Paused, "PAUSED"));
        assert!(clips.iter().all(|clip| !clip.in_flight()));
        let published = clips.iter().filter(|clip| clip.status == ClipStatus::Published).count();
        assert_eq!(
            published, sent,
            "after {millis} ms: what was sent is followed to its end"
        );
        assert!(world.directory.is_empty(), "nothing is left to do");
        assert!(world.network.calls("withdraw").is_empty());

        let told = world.command(&batch, Wish::Resume).await;
        assert!(
            told.is_some_and(|status| status != BatchStatus::Paused),
            "after {millis} ms"
        );
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 3]);
        assert_eq!(world.network.calls("create").len(), 3);
        assert_ledger(&world, &batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_a_resume_are_told_as_what_they_are() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.command(&batch, Wish::Pause).await;
    let stop = world.store.events(&batch).pop().unwrap();
    assert_eq!(stop.kind.as_str(), "paused");
    for part in [
        r#""type":"paused""#,
        r#""status":"paused""#,
        r#""code":"PAUSED""#,
        r#""error":"a person"#,
    ] {
        assert!(stop.body.contains(part), "{}", stop.body);
    }
    world.command(&batch, Wish::Resume).await;
    let before = world.store.events(&batch).len();
    let going_on = world.store.events(&batch).pop().unwrap();
    assert_eq!(going_on.kind.as_str(), "resumed");
    assert!(going_on.body.contains(r#""type":"resumed""#));
    assert!(going_on.body.contains(r#""status":"processing""#) && !going_on.body.contains("error\":\""));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert!(!kinds(&world, &batch)[before..].contains(&"resumed"));
    let terminal = ["completed", "cancelled", "error"];
    let told = kinds(&world, &batch);
    let ends: Vec<_> = told.iter().filter(|kind| terminal.contains(kind)).collect();
    assert_eq!(ends, [&"completed"], "nothing but the end is told as one: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_and_a_resume_survive_a_kill_before_and_after_they_are_applied() {
    for (pause_heard, resume_heard, instant) in [
        (false, false, 200),
        (false, true, 90),
        (true, false, 1_150),
        (true, true, 40),
    ] {
        let mut world = world().await;
        let batch = world.submit(NewBatch::of("b", 3));
        tokio::time::sleep(Duration::from_millis(instant)).await;
        wish(&world, &batch, Wish::Pause, pause_heard).await;
        world.crash(Duration::from_millis(50)).await;
        world.wait_status(&batch, LONG, BatchStatus::Paused).await;
        let sent = world.network.calls("create").len();
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(world.network.calls("create").len(), sent, "{instant}");
        wish(&world, &batch, Wish::Resume, resume_heard).await;
        world.crash(Duration::from_millis(50)).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        assert_eq!(statuses(&world, &batch).1, [ClipStatus::Published; 3], "{instant}");
        assert_ledger(&world, &batch);
    }
}

/// Makes a wish durable, and waits until it is applied if it is to be heard.
async fn wish(world: &World, batch: &storyclip_actors::model::BatchId, wish: Wish, heard: bool) {
    match heard {
        true => drop(world.command(batch, wish).await.unwrap()),
        false => world.store.insert_command(batch, wish, world.now()),
    }
}

#[tokio::test(start_paused = true)]
async fn repeating_either_changes_nothing_and_the_last_word_counts() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    assert_eq!(world.command(&batch, Wish::Resume).await, Some(BatchStatus::Processing));
    for _ in 0..3 {
        assert_eq!(world.command(&batch, Wish::Pause).await, Some(BatchStatus::Paused));
    }
    let stops = kinds(&world, &batch).iter().filter(|kind| **kind == "paused").count();
    assert_eq!(stops, 1);
    for wish in [Wish::Resume, Wish::Pause, Wish::Resume, Wish::Pause] {
        world.store.insert_command(&batch, wish, world.now());
    }
    assert_eq!(world.command(&batch, Wish::Resume).await, Some(BatchStatus::Processing));
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    let events = world.store.events(&batch).len();
    for wish in [Wish::Pause, Wish::Resume] {
        assert_eq!(
            world.command(&batch, wish).await,
            Some(BatchStatus::Completed),
            "too late"
        );
    }
    assert_eq!(world.store.events(&batch).len(), events);
    assert!(world.store.commands_waiting(&batch) == 0 && world.store.read(&batch).0.wake_at.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_paused_batch_can_be_cancelled_and_then_not_resumed() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::Published).await;
    world.command(&batch, Wish::Pause).await;
    assert_eq!(world.command(&batch, Wish::Cancel).await, Some(BatchStatus::Cancelled));
    assert_eq!(world.command(&batch, Wish::Resume).await, Some(BatchStatus::Cancelled));
    world.wait(&batch, LONG, |row, _| row.completed_at.is_some()).await;
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn under_policy_hold_a_resume_goes_past_the_failure_and_the_next_one_stops_again() {
    for (heard, crashed) in [(true, false), (true, true), (false, true)] {
        let mut world = world().await;
        let refuse = || Fault::Refuse(Verdict::Rejected);
        world.network.script().faults.push_back(refuse());
        let batch = world.submit(NewBatch {
            on_failure: OnFailure::Hold,
            ..NewBatch::of("b", 4)
        });
        world.wait_status(&batch, LONG, BatchStatus::Paused).await;
        assert_eq!(&*world.store.read(&batch).0.error.unwrap().code, "CLIP_FAILED");
        wish(&world, &batch, Wish::Resume, heard).await;
        // Before the crash the second clip may have been on its way already; it is sent again then.
        let sent = world.network.calls("create").len() - 1;
        if crashed {
            world.crash(Duration::from_millis(10)).await;
        }
        let accepted = if crashed { 1 } else { 1 - sent };
        world.network.script().faults.extend(vec![Fault::None; accepted]);
        world.network.script().faults.push_back(refuse());
        world.wait_clip(&batch, LONG, 3, ClipStatus::Failed).await;
        world.wait_status(&batch, LONG, BatchStatus::Paused).await;
        let (row, clips) = world.store.read(&batch);
        assert!(row.error.unwrap().message.starts_with("clip 3 is failed"));
        assert_eq!((clips[0].ruling, clips[2].ruling), (Some(Ruling::PassOver), None));
        world.command(&batch, Wish::Resume).await;
        world.wait_status(&batch, LONG, BatchStatus::Completed).await;
        let expected = [S::Failed, S::Published, S::Failed, S::Published];
        assert_eq!(statuses(&world, &batch).1, expected);
        assert_ledger(&world, &batch);
    }
}

use ClipStatus as S;

#[tokio::test(start_paused = true)]
async fn a_held_clip_pauses_again_at_once_under_the_policies_that_stop_for_it() {
    let world = world().await;
    world.network.script().list_shows_published = false;
    world.network.script().faults.push_back(Fault::LostBefore);
    let batch = world.submit(NewBatch {
        on_failure: OnFailure::Stop,
        ..NewBatch::of("b", 2)
    });
    world.wait_status(&batch, LONG, BatchStatus::Paused).await;
    assert_eq!(world.command(&batch, Wish::Resume).await, Some(BatchStatus::Paused));
    assert_eq!(&*world.store.read(&batch).0.error.unwrap().code, "CLIP_HELD");
    assert_eq!(world.network.calls("create").len(), 1);
    let kinds = kinds(&world, &batch);
    assert_eq!(kinds[kinds.len() - 3..], ["paused", "resumed", "paused"]);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_refused_during_a_pause_does_not_change_its_reason() {
    let world = world().await;
    world.network.script().create_takes = Duration::from_secs(4);
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait(&batch, LONG, |_, clips| clips[0].request.is_some()).await;
    world.command(&batch, Wish::Pause).await;
    world.network.script().brand_refused = true;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(&*world.store.read(&batch).0.error.unwrap().code, "PAUSED");
    world.network.script().brand_refused = false;
    world.command(&batch, Wish::Resume).await;
    world.wait_status(&batch, LONG, BatchStatus::Completed).await;
    assert_ledger(&world, &batch);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_read_is_done_with_and_the_next_is_carried_out() {
    let world = world().await;
    let batch = world.submit(NewBatch::of("b", 2));
    world.wait_clip(&batch, LONG, 1, ClipStatus::WaitingConfirmation).await;
    world.store.insert_unreadable_command(&batch, world.now());
    assert_eq!(world.command(&batch, Wish::Pause).await, Some(BatchStatus::Paused));
    assert_eq!(world.store.commands_waiting(&batch), 0);
}
