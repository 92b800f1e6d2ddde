//! A panic of the root, below which every other actor lives: nothing can go on, so the process ends, says so, and the next
//! one goes on with every batch that was in flight.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use storyclip::sandbox::Route;

use super::{
    ledger,
    panics::{ends_and_goes_on, two_batches},
    stage::{Stage, clips, stories},
};

const CRASH: &str = "STORYCLIP_TEST_CRASH";

#[tokio::test]
async fn a_panic_of_the_root_at_any_step_ends_the_process_and_the_next_goes_on() {
    // The start of the supervisor, the nudge of a batch, the start of its actor and its end.
    join_all((1..=4).map(|nth| async move { ends_and_goes_on(&format!("panic:root:{nth}")).await })).await;
}

#[tokio::test]
async fn batches_in_flight_when_the_root_panics_are_finished_by_the_next_process() {
    // No post goes live in the first life, so that each batch waits for one when the root dies of a command.
    let stage = Stage::new(json!({"confirm_ms": [6_000, 6_000]})).await;
    let mut stage = stage.set(CRASH, "panic:root:1~command");
    let mut daemon = stage.start().await;
    let mut ids = Vec::new();
    for body in two_batches() {
        ids.push(daemon.api.publish(&body).await);
    }
    let mut third = stories("5372120", &clips(2), json!({}));
    third["userId"] = "u3".into();
    ids.push(daemon.api.publish(&third).await);
    for id in &ids {
        daemon.api.clip_is(id, 1, "waiting_confirmation").await;
    }
    let cancel = format!("/api/metricool/batch/{}/cancel", ids[2]);
    // Its answer is lost with the process; the command is durable.
    drop(daemon.api.request(Method::POST, &cancel).json(&json!({})).send().await);
    assert_eq!(daemon.process.ended().await.code(), Some(1), "{}", daemon.process.log());
    let log = daemon.process.log();
    assert!(log.contains("dies on purpose: Panic at Root"), "{log}");
    assert!(log.contains("the supervisor, the store or the listener died"), "{log}");
    let posts = stage.sandbox.posts();
    assert!(
        posts.len() == 3 && posts.iter().all(|post| post.live.is_none()),
        "{posts:?}"
    );

    stage.unset(CRASH);
    stage.faults(json!({"confirm_ms": [0, 40]}));
    let next = stage.start().await;
    let mut ended = Vec::new();
    for id in &ids {
        ended.push(next.api.finished(id).await);
    }
    assert!(stage.asked(Route::Get) > 0);
    let [first, second, cancelled] = &ended[..] else {
        panic!("three batches: {ended:?}")
    };
    ledger::all_published(&stage.sandbox, first);
    ledger::all_published(&stage.sandbox, second);
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    assert_eq!(cancelled["published"], 1, "it was in flight: {cancelled}");
    ledger::live_once_if_published(&stage.sandbox, cancelled);
    next.stop().await;
    ledger::told(&stage, "a root that panicked with three batches in flight", &ended).await;
    stage.clear().await;
}
