//! A walk through a batch that dies at every single step, on the real process: after its first commit, after its second,
//! and so on until it runs through; likewise while each call to the network is under way and when each is answered.
//!
//! Each step has a database and a sandbox of its own, and steps are taken several at a time.

use std::{io::Write, time::Instant};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Row};

use super::{
    database::Database,
    ledger::{self, Tally},
    process::Process,
    stage::{ACCOUNT, Api, KEY, Stage, clips, instant, stories},
};
use crate::http::sse::Sse;

const CRASH: &str = "STORYCLIP_TEST_CRASH";
const CLIPS: usize = 3;

/// More than any batch here takes; a walk that gets so far would never end.
const FAR_TOO_MANY: usize = 200;

/// What is walked through.
struct Walk {
    /// How a process dies, and where, as in `abort:commit`.
    crash: &'static str,
    postgresql: bool,
    faults: Value,
}

impl Walk {
    /// Step by step until one runs through.
    async fn run(&self) {
        let begun = Instant::now();
        // On PostgreSQL nearly all of a step is waiting for a dead daemon's lease to lapse.
        let at_once = if self.postgresql { 18 } else { 4 };
        let (mut crashes, mut total) = (0, Tally::default());
        let mut first = 1;
        loop {
            let steps = join_all((first..first + at_once).map(|nth| self.step(nth))).await;
            let died = steps.iter().filter(|(died, _)| *died).count();
            crashes += died;
            steps.into_iter().for_each(|(_, tally)| total += tally);
            if died < at_once {
                break;
            }
            first += at_once;
            assert!(first < FAR_TOO_MANY, "the batch never runs through");
        }
        // Straight to standard error, where it is seen although the test passes.
        let engine = if self.postgresql { "PostgreSQL" } else { "SQLite" };
        let (crash, faults, took) = (self.crash, &self.faults, begun.elapsed());
        let told = format!("{crash} on {engine}, {faults}: {crashes} crash points, {total}, in {took:?}\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        assert!(crashes >= CLIPS, "each clip has a step at the least");
    }

    /// A batch whose daemon dies at the nth passing of the point, and the next one without that.
    /// Whether it came to that, and what became of the clips.
    async fn step(&self, nth: usize) -> (bool, Tally) {
        let database = if self.postgresql {
            Database::postgres().await.expect("it was there a moment ago")
        } else {
            Database::sqlite()
        };
        let mut stage = Stage::with(database, instant(self.faults.clone()))
            .await
            .set("STORYCLIP_LEASE_SECONDS", "8")
            .set(CRASH, &format!("{}:{nth}", self.crash));
        let first = live(&mut stage.spawn()).await;
        let died = first.is_none();
        let batch = match first {
            Some(batch) => batch,
            None => {
                stage.unset(CRASH);
                let next = live(&mut stage.spawn()).await;
                next.expect("the next daemon goes on to the end")
            }
        };
        ledger::all_published(&stage.sandbox, &batch);
        events_are_numbered_once(&mut stage.database.remains().await, &batch).await;
        let tally = Tally::of(&stage.sandbox, &batch);
        stage.clear().await;
        (died, tally)
    }
}

/// A life that is to publish the batch and be stopped in order: the batch at its end, or `None` if it died on purpose.
async fn live(process: &mut Process) -> Option<Value> {
    let batch = publish(process).await;
    if batch.is_some() {
        process.terminate();
    }
    let status = process.ended().await;
    let log = process.log();
    if log.contains("dies on purpose") {
        assert!(!status.success(), "{status}\n{log}");
        return None;
    }
    assert!(status.success(), "{status}\n{log}");
    assert!(
        batch.is_some(),
        "the daemon neither published the batch nor died: {log}"
    );
    batch
}

/// The batch once it is at its end; `None` if the process is gone before.
async fn publish(process: &mut Process) -> Option<Value> {
    let api = Api::new(process.listening_or_ended().await?, KEY);
    // Whether an earlier life got as far as to store it or not: the same key is the same batch.
    let body = stories(ACCOUNT, &clips(CLIPS), json!({}));
    let (status, answer) = api.publish_once(&body, "walk").await?;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let id = answer["batchId"].as_str().unwrap();
    let path = format!("/api/metricool/stream?batchId={id}&lastEventId=0");
    let mut events = Sse::try_open(api.request(Method::GET, &path)).await?;
    let mut last = None;
    while let Some(message) = events.next().await {
        last = Some(message);
    }
    last.filter(|message| message.kind() == "completed")?;
    let (_, mut answer) = api.try_get(&format!("/api/metricool/batch/{id}")).await?;
    Some(answer["batch"].take())
}

/// 1, 2, 3 … without a gap, for the batch and for every user, and each of its clips is told to be published once.
pub async fn events_are_numbered_once(remains: &mut AnyConnection, batch: &Value) {
    let rows = sqlx::query("SELECT batch_seq, body FROM batch_events WHERE batch_id = $1 ORDER BY batch_seq")
        .bind(batch["batchId"].as_str().unwrap())
        .fetch_all(&mut *remains)
        .await
        .unwrap();
    let mut published = Vec::new();
    for (row, number) in rows.iter().zip(1_i64..) {
        let body: Value = serde_json::from_str(row.get(1)).unwrap();
        assert_eq!(row.get::<i64, _>(0), number, "{body}");
        if body["type"] == "progress" && body["status"] == "published" {
            published.push(body["current"].as_u64().unwrap());
        }
    }
    assert_eq!(published, (1..=batch["total"].as_u64().unwrap()).collect::<Vec<_>>());
    let rows = sqlx::query("SELECT user_id, user_seq FROM batch_events ORDER BY user_id, user_seq")
        .fetch_all(remains)
        .await
        .unwrap();
    let (mut last_user, mut last) = ("", 0);
    for row in &rows {
        let (user, number): (&str, i64) = (row.get(0), row.get(1));
        let expected = if user == last_user { last + 1 } else { 1 };
        assert_eq!(number, expected, "of user {user}");
        (last_user, last) = (user, number);
    }
}

async fn walk(postgresql: bool, faults: Value) {
    if postgresql {
        let Some(probe) = Database::postgres().await else {
            return;
        };
        probe.remove().await;
    }
    for crash in ["abort:commit", "abort:call", "abort:answer"] {
        let faults = faults.clone();
        let walk = Walk {
            crash,
            postgresql,
            faults,
        };
        walk.run().await;
    }
}

/// A create takes 10 to 30 ms and commits at a random point inside, a confirmation up to 40 ms.
fn quick() -> Value {
    json!({"create_delay_ms": [10, 30], "confirm_ms": [0, 40]})
}

/// The same, and no create call is ever answered although its post is made.
fn unanswered() -> Value {
    json!({"create_delay_ms": [10, 30], "confirm_ms": [0, 40], "cut_after_commit": true})
}

#[tokio::test]
async fn a_death_at_every_step_leaves_one_live_post_per_clip() {
    walk(false, quick()).await;
}

#[tokio::test]
async fn a_death_at_every_step_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    walk(false, unanswered()).await;
}

#[tokio::test]
async fn a_death_at_every_step_on_postgresql_leaves_one_live_post_per_clip() {
    walk(true, quick()).await;
}

#[tokio::test]
async fn a_death_at_every_step_on_postgresql_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    walk(true, unanswered()).await;
}
