//! A panic in any actor, at any of its steps, on the real process: its batch goes on and no clip is sent twice, the others
//! do not notice; and where nothing can go on, the process ends and the next one does.

use std::io::Write;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use super::{
    crash_walk::events_are_numbered_once,
    ledger::{self, Tally},
    stage::{ACCOUNT, Stage, clips, stories},
};

const CRASH: &str = "STORYCLIP_TEST_CRASH";
const BYSTANDER: &str = "5372119";

/// The actor's batch and another one.
fn two_batches() -> [Value; 2] {
    let mut other = stories(BYSTANDER, &clips(3), json!({}));
    other["userId"] = "u2".into();
    [stories(ACCOUNT, &clips(3), json!({})), other]
}

/// A create takes up to 30 ms, a confirmation up to 40 ms.
async fn stage(crash: &str) -> Stage {
    let stage = Stage::new(json!({"create_delay_ms": [10, 30], "confirm_ms": [0, 40]})).await;
    stage.set(CRASH, crash)
}

/// How often the actor of this batch was begun anew, and the words of its attempts.
async fn history(stage: &Stage, batch: &Value) -> (i64, Vec<String>) {
    let mut remains = stage.database.remains().await;
    let id = batch["batchId"].as_str().unwrap();
    let sql = format!("SELECT restarts FROM publish_batches WHERE batch_id = '{id}'");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut remains).await.unwrap();
    let sql = format!("SELECT verdict FROM delivery_attempts WHERE batch_id = '{id}' ORDER BY clip_index, attempt");
    let attempts = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut remains).await.unwrap();
    (row.get(0), attempts.iter().map(|row| row.get(0)).collect())
}

/// The actor of one account panics at its nth step. Whether it came to that, and what became of all clips.
async fn panics_at(actor: &str, nth: usize) -> (bool, Tally) {
    let stage = stage(&format!("panic:{actor}:{nth}@{ACCOUNT}")).await;
    let daemon = stage.start().await;
    let mut ended = Vec::new();
    let mut ids = Vec::new();
    for body in two_batches() {
        ids.push(daemon.api.publish(&body).await);
    }
    for id in &ids {
        ended.push(daemon.api.finished(id).await);
    }
    let died = daemon.process.log().contains("dies on purpose");
    daemon.stop().await;
    let mut tally = Tally::default();
    for batch in &ended {
        tally += Tally::of(&stage.sandbox, batch);
        ledger::all_published(&stage.sandbox, batch);
        events_are_numbered_once(&mut stage.database.remains().await, batch).await;
    }
    let (restarts, attempts) = history(&stage, &ended[1]).await;
    assert_eq!(
        (restarts, attempts),
        (0, vec!["published".to_owned(); 3]),
        "the other batch noticed"
    );
    stage.clear().await;
    (died, tally)
}

async fn panics_everywhere(actor: &str) {
    let (mut panics, mut total, mut first) = (0, Tally::default(), 1);
    loop {
        let steps = join_all((first..first + 3).map(|nth| panics_at(actor, nth))).await;
        let died = steps.iter().filter(|(died, _)| *died).count();
        panics += died;
        steps.into_iter().for_each(|(_, tally)| total += tally);
        first += 3;
        if died < 3 {
            break;
        }
    }
    // Straight to standard error, where it is seen although the test passes.
    let told = format!("{panics} panics in a {actor}: {total}\n");
    std::io::stderr().write_all(told.as_bytes()).unwrap();
    assert!(panics >= 3, "each clip has a step at the least");
}

#[tokio::test]
async fn a_panic_at_any_step_of_a_batch_actor_costs_no_clip_and_nobody_else() {
    panics_everywhere("batch").await;
}

#[tokio::test]
async fn a_panic_at_any_step_of_a_publisher_costs_no_clip_and_nobody_else() {
    panics_everywhere("publisher").await;
}

#[tokio::test]
async fn a_panic_at_any_step_of_a_poller_costs_no_clip_and_nobody_else() {
    panics_everywhere("poller").await;
}

#[tokio::test]
async fn a_batch_whose_poller_always_panics_is_paused_with_the_reason_and_the_others_go_on() {
    let stage = stage(&format!("panic:poller:1+@{ACCOUNT}")).await;
    let daemon = stage.start().await;
    let [failing, other] = two_batches();
    let (failing, other) = (daemon.api.publish(&failing).await, daemon.api.publish(&other).await);
    let paused = daemon.api.hears(&failing, |event| event["type"] == "error").await;
    assert_eq!(paused.data["code"], "BATCH_KEEPS_FAILING", "{:#}", paused.data);
    let batch = daemon.api.batch(&failing).await;
    assert_eq!(
        (&batch["status"], &batch["clips"][0]["status"]),
        (&json!("paused"), &json!("waiting_confirmation"))
    );
    ledger::all_published(&stage.sandbox, &daemon.api.finished(&other).await);
    let posts = stage.sandbox.posts();
    let own = posts.iter().filter(|post| post.blog_id == ACCOUNT).count();
    assert_eq!(own, 1, "what was sent is not sent again");
    daemon.stop().await;
    stage.clear().await;
}

/// The process ends by itself with 1, and the next one goes on.
async fn ends_and_goes_on(crash: &str) {
    let mut stage = stage(crash).await;
    let mut daemon = stage.start().await;
    let body = stories(ACCOUNT, &clips(3), json!({}));
    let first = daemon.api.publish_once(&body, "first").await;
    let mut events = match &first {
        Some((_, answer)) => Some(daemon.api.events(answer["batchId"].as_str().unwrap()).await),
        None => None,
    };
    assert_eq!(daemon.process.ended().await.code(), Some(1), "{}", daemon.process.log());
    let log = daemon.process.log();
    assert!(log.contains("the supervisor or the store died"), "{log}");
    if let Some(events) = &mut events {
        while events.next().await.is_some() {}
    }
    stage.unset(CRASH);
    let next = stage.start().await;
    let (_, answer) = next.api.publish_once(&body, "first").await.unwrap();
    ledger::all_published(
        &stage.sandbox,
        &next.api.finished(answer["batchId"].as_str().unwrap()).await,
    );
    next.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_supervisor_that_dies_ends_the_process_and_the_next_goes_on() {
    // Its first uses of the store are the renewal and the claim of its start.
    join_all((3..=5).map(|nth| async move { ends_and_goes_on(&format!("panic:supervisor:{nth}")).await })).await;
}

#[tokio::test]
async fn a_committer_that_dies_ends_the_process_and_the_next_goes_on() {
    join_all((6..=9).map(|nth| async move { ends_and_goes_on(&format!("panic:commit:{nth}")).await })).await;
}
