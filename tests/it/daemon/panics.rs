//! A panic in any actor, at any of its steps, on the real process: its batch goes on and no clip is sent twice, the others
//! do not notice; and where nothing can go on, the process ends and the next one does.

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use storyclip::sandbox::Route;

use super::{
    crash_walk::events_are_numbered_once,
    experiment::tell,
    ledger::{self, Tally},
    stage::{ACCOUNT, Api, KEY, Stage, clips, stories},
};
use crate::http::sse::Sse;

const CRASH: &str = "STORYCLIP_TEST_CRASH";
const BYSTANDER: &str = "5372119";

/// The actor's batch and another one.
pub fn two_batches() -> [Value; 2] {
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

/// Who panicked began anew: its batch's actor counts it in its row, a publisher's lost answer is looked for, a poller's look
/// and a preparation are made once more.
async fn came_back(actor: &str, stage: &Stage, batch: &Value, log: &str) {
    let (restarts, _) = history(stage, batch).await;
    let children = log.matches("child of a batch died").count();
    let expected = match actor {
        "batch" => (1, 0),
        "publisher" | "poller" => (0, 1),
        "media" => (0, 0),
        _ => panic!("there is no {actor}"),
    };
    assert_eq!((restarts, children), expected, "{actor}: {log}");
    let of_two_batches = 6;
    match actor {
        "publisher" => assert!(stage.asked(Route::List) > 0),
        "poller" => assert!(stage.asked(Route::Get) > of_two_batches),
        "media" => assert_eq!(stage.asked(Route::Normalize), of_two_batches + 1),
        _ => {}
    }
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
    let log = daemon.process.log();
    let died = log.contains("dies on purpose");
    daemon.stop().await;
    let mut tally = Tally::default();
    for batch in &ended {
        ledger::all_published(&stage.sandbox, batch);
        let mut remains = stage.database.remains().await;
        events_are_numbered_once(&mut remains, batch).await;
        tally += Tally::of(&stage.sandbox, batch, &mut remains).await;
    }
    // The last commit of a batch gives its lease back: who dies after it has nothing to come back for.
    let over = log
        .lines()
        .any(|line| line.starts_with(&format!("passes Batch {nth}:")) && line.ends_with("released"));
    if died && !over {
        came_back(actor, &stage, &ended[0], &log).await;
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

/// At each of its steps, of which there are at least so many.
async fn panics_everywhere(actor: &str, least: usize) {
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
    tell(&format!("SQLite, {panics} panics in a {actor}: {total}"));
    total.is_clean();
    assert!(panics >= least, "{panics} panics, at least {least} steps");
}

#[tokio::test]
async fn a_panic_at_any_step_of_a_batch_actor_costs_no_clip_and_nobody_else() {
    // Its beginning, its first intent, and of each clip that it is created and published.
    panics_everywhere("batch", 8).await;
}

#[tokio::test]
async fn a_panic_at_any_step_of_a_publisher_costs_no_clip_and_nobody_else() {
    panics_everywhere("publisher", 3).await;
}

#[tokio::test]
async fn a_panic_at_any_step_of_a_poller_costs_no_clip_and_nobody_else() {
    panics_everywhere("poller", 3).await;
}

#[tokio::test]
async fn a_panic_while_media_is_prepared_costs_no_clip_and_nobody_else() {
    panics_everywhere("media", 3).await;
}

/// How many deaths of a batch's actor in a row pause the batch, and how many of its children's are one of its own.
const DEATHS: usize = 6;
const DEATHS_OF_CHILDREN: usize = 4;

/// Up to the line that tells of the pause the actor of this batch died so often, and no more often.
fn died_as_often_as_it_takes(actor: &str, batch: &str, log: &str) {
    let paused = |line: &&str| match actor {
        // It dies of each commit, also that of the pause, which gives the lease back, before it can say so.
        "batch" => line.starts_with("passes Batch ") && line.ends_with(": released"),
        _ => line.contains("batch moved") && line.contains(batch) && line.contains("to=paused"),
    };
    assert_eq!(log.lines().filter(paused).count(), 1, "{log}");
    let before: Vec<&str> = log.lines().take_while(|line| !paused(line)).collect();
    let count = |said: &str| before.iter().filter(|line| line.contains(said)).count();
    let panics = if actor == "batch" {
        DEATHS
    } else {
        DEATHS * DEATHS_OF_CHILDREN
    };
    let died = (
        count(&format!("actor of a batch died batch.id={batch}")),
        count("dies on purpose"),
    );
    assert_eq!(died, (DEATHS, panics), "{log}");
    tell(&format!(
        "SQLite, a {actor} that always panics: paused after {} deaths, {} panics",
        died.0, died.1
    ));
}

/// One actor of a batch always panics: the batch is paused with the reason, nobody is asked any more, the others go on;
/// and when the cause is mended and a person says resume, so does it.
async fn keeps_failing(actor: &str) {
    let mut stage = stage(&format!("panic:{actor}:1+@{ACCOUNT}")).await;
    let daemon = stage.start().await;
    let [failing, other] = two_batches();
    let (failing, other) = (daemon.api.publish(&failing).await, daemon.api.publish(&other).await);
    let paused = daemon.api.hears(&failing, |event| event["type"] == "paused").await;
    assert_eq!(paused.data["code"], "BATCH_KEEPS_FAILING", "{:#}", paused.data);
    let batch = daemon.api.batch(&failing).await;
    assert_eq!(batch["status"], "paused");
    assert_eq!(
        batch["error"],
        format!("the batch's actor died {DEATHS} times in a row")
    );
    ledger::all_published(&stage.sandbox, &daemon.api.finished(&other).await);
    let posts = stage.sandbox.posts();
    let own = posts.iter().filter(|post| post.blog_id == ACCOUNT).count();
    assert!(own <= 1, "what was sent is not sent again");
    let before = stage.requests();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let after = stage.requests() - before;
    assert_eq!(after, 0, "a batch that rests asks nobody");
    died_as_often_as_it_takes(actor, &failing, &daemon.process.log());
    daemon.stop().await;

    stage.unset(CRASH);
    let next = stage.start().await;
    let (status, answer) = next
        .api
        .post(&format!("/api/metricool/batch/{failing}/resume"), &json!({}))
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let ended = [next.api.finished(&failing).await, next.api.batch(&other).await];
    ended
        .iter()
        .for_each(|batch| ledger::all_published(&stage.sandbox, batch));
    next.stop().await;
    let what = format!("a {actor} that always panicked, resumed when that was mended");
    ledger::told(&stage, &what, &ended).await;
    stage.clear().await;
}

#[tokio::test]
async fn a_batch_whose_actor_always_panics_is_paused_with_the_reason_and_the_others_go_on() {
    keeps_failing("batch").await;
}

#[tokio::test]
async fn a_batch_whose_publisher_always_panics_is_paused_with_the_reason_and_the_others_go_on() {
    keeps_failing("publisher").await;
}

#[tokio::test]
async fn a_batch_whose_poller_always_panics_is_paused_with_the_reason_and_the_others_go_on() {
    keeps_failing("poller").await;
}

#[tokio::test]
async fn a_batch_whose_media_always_panics_is_paused_with_the_reason_and_the_others_go_on() {
    keeps_failing("media").await;
}

/// The process ends by itself with 1, and the next one goes on.
pub async fn ends_and_goes_on(crash: &str) {
    let mut stage = stage(crash).await;
    let mut process = stage.spawn();
    let body = stories(ACCOUNT, &clips(3), json!({}));
    // It may end before it listens or before it has answered, or refuse what comes while it ends.
    let api = process.listening_or_ended().await.map(|url| Api::new(url, KEY));
    let answered = match &api {
        Some(api) => api.publish_once(&body, "first").await,
        None => None,
    };
    let first = answered.filter(|(status, _)| *status == StatusCode::ACCEPTED);
    let mut events = match (&api, &first) {
        (Some(api), Some((_, answer))) => {
            let path = format!(
                "/api/metricool/stream?batchId={}&lastEventId=0",
                answer["batchId"].as_str().unwrap()
            );
            Sse::try_open(api.request(reqwest::Method::GET, &path)).await
        }
        (Some(_), None) | (None, _) => None,
    };
    assert_eq!(process.ended().await.code(), Some(1), "{}", process.log());
    let log = process.log();
    assert!(log.contains("the supervisor, the store or the listener died"), "{log}");
    if let Some(events) = &mut events {
        while events.next().await.is_some() {}
    }
    stage.unset(CRASH);
    let next = stage.start().await;
    let (_, answer) = next.api.publish_once(&body, "first").await.unwrap();
    let batch = next.api.finished(answer["batchId"].as_str().unwrap()).await;
    ledger::all_published(&stage.sandbox, &batch);
    next.stop().await;
    ledger::told(&stage, &format!("ended by {crash}"), &[batch]).await;
    stage.clear().await;
}

/// The supervisor panics at its nth use of the store, with two batches at work, and a third that comes after.
async fn supervisor_panics_at(nth: usize) {
    let stage = stage(&format!("panic:supervisor:{nth}")).await;
    let mut daemon = stage.start().await;
    let mut ids = Vec::new();
    for body in two_batches() {
        ids.push(daemon.api.publish(&body).await);
    }
    daemon.process.logged("supervisor died").await;
    let mut third = stories("5372120", &clips(2), json!({}));
    third["userId"] = "u3".into();
    ids.push(daemon.api.publish(&third).await);
    let mut ended = Vec::new();
    for id in &ids {
        ended.push(daemon.api.finished(id).await);
    }
    assert_eq!(daemon.api.get("/readyz").await.0, 200);
    assert_eq!(daemon.process.log().matches("supervisor died").count(), 1);
    daemon.stop().await;
    for batch in &ended {
        ledger::all_published(&stage.sandbox, batch);
        events_are_numbered_once(&mut stage.database.remains().await, batch).await;
        let (_, attempts) = history(&stage, batch).await;
        let clips = batch["total"].as_u64().unwrap() as usize;
        assert_eq!(
            attempts,
            vec!["published".to_owned(); clips],
            "nothing was sent or asked about anew"
        );
    }
    ledger::told(
        &stage,
        &format!("a supervisor that panicked at use {nth} of the store"),
        &ended,
    )
    .await;
    stage.clear().await;
}

#[tokio::test]
async fn a_panic_of_the_supervisor_costs_no_clip_and_no_batch_notices() {
    // The first are those of its start; some of the later ones are claims of these very batches.
    join_all((1..=8).map(supervisor_panics_at)).await;
}

#[tokio::test]
async fn a_panic_of_the_supervisor_in_an_orderly_stop_leaves_the_stop_orderly() {
    let mut stage = stage("panic:supervisor:1~release").await;
    let mut daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
    daemon.process.terminate();
    assert_eq!(daemon.process.ended().await.code(), Some(0), "{}", daemon.process.log());
    let log = daemon.process.log();
    assert_eq!(log.matches("supervisor died").count(), 1, "{log}");
    assert!(
        log.contains("passes Supervisor 2: release"),
        "its follower gives the leases back, too: {log}"
    );
    assert!(!log.contains("took longer than the grace"), "{log}");
    stage.unset(CRASH);
    let next = stage.start().await;
    let batch = next.api.finished(&id).await;
    ledger::all_published(&stage.sandbox, &batch);
    next.stop().await;
    ledger::told(&stage, "a supervisor that panicked in an orderly stop", &[batch]).await;
    stage.clear().await;
}

#[tokio::test]
async fn a_supervisor_that_keeps_dying_ends_the_process_and_the_next_goes_on() {
    join_all((2..=4).map(|nth| async move { ends_and_goes_on(&format!("panic:supervisor:{nth}+")).await })).await;
}

#[tokio::test]
async fn a_committer_that_dies_ends_the_process_and_the_next_goes_on() {
    join_all((6..=9).map(|nth| async move { ends_and_goes_on(&format!("panic:commit:{nth}")).await })).await;
}
