//! A walk through a batch that dies at every single step, on the real process: after its first commit, after its second,
//! and so on until it runs through; likewise while each call to the network is under way and when each is answered. And the
//! same by name: each step of each clip, whatever its number.
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
#[derive(Clone, Copy)]
struct Walk {
    postgresql: bool,
    network: &'static str,
    /// Whether no create call is ever answered although its post is made.
    unanswered: bool,
}

/// What one step of a walk came to.
struct Step {
    died: bool,
    /// How often its point was passed in the life that was to die.
    passed: usize,
    tally: Tally,
}

impl Walk {
    async fn is_possible(self) -> bool {
        if !self.postgresql {
            return true;
        }
        let Some(probe) = Database::postgres().await else {
            return false;
        };
        probe.remove().await;
        true
    }

    /// On PostgreSQL nearly all of a step is waiting for a dead daemon's lease to lapse.
    fn at_once(self) -> usize {
        if self.postgresql { 18 } else { 4 }
    }

    /// A create takes 10 to 30 ms and commits at a random point inside, a confirmation up to 40 ms.
    fn faults(self) -> Value {
        let mut faults = json!({"create_delay_ms": [10, 30], "confirm_ms": [0, 40]});
        if self.unanswered {
            faults["cut_after_commit"] = true.into();
        }
        faults
    }

    /// What becomes durable about each clip.
    fn changes(self) -> &'static [&'static str] {
        if self.unanswered {
            &["intended", "uncertain", "waiting_confirmation", "published"]
        } else {
            &["intended", "waiting_confirmation", "published"]
        }
    }

    /// What is asked of the network for each clip.
    fn calls(self) -> &'static [&'static str] {
        if self.unanswered {
            &["prepare", "create", "find", "status"]
        } else {
            &["prepare", "create", "status"]
        }
    }

    /// How many points of a kind every history has: the batch's creation, its beginning and the first intent, each change of
    /// a clip but its intent, which is durable with the end of the clip before; and every call.
    fn points(self, kind: &str) -> usize {
        match kind {
            "commit" => 3 + CLIPS * (self.changes().len() - 1),
            "call" | "answer" => CLIPS * self.calls().len(),
            _ => panic!("{kind} is walked through by name"),
        }
    }

    /// Step by step until one runs through.
    async fn by_number(self, kind: &str) {
        let begun = Instant::now();
        let (mut crashes, mut total) = (0, Tally::default());
        let mut first = 1;
        loop {
            let numbers = first..first + self.at_once();
            let steps = join_all(numbers.clone().map(|nth| self.step(format!("abort:{kind}:{nth}")))).await;
            let mut died = 0;
            for (nth, step) in numbers.zip(steps) {
                // Somebody may pass while one who is to die is still in a call.
                assert_eq!(
                    step.died,
                    step.passed >= nth,
                    "{kind} {nth} was passed {} times",
                    step.passed
                );
                died += usize::from(step.died);
                total += step.tally;
            }
            crashes += died;
            if died < self.at_once() {
                break;
            }
            first += self.at_once();
            assert!(first < FAR_TOO_MANY, "the batch never runs through");
        }
        self.tell(&format!("{crashes} deaths by {kind}"), total, begun);
        let least = self.points(kind);
        assert!(crashes >= least, "{crashes} deaths by {kind}, at least {least} points");
    }

    /// Each step of each clip. All of them must come.
    async fn by_name(self) {
        let begun = Instant::now();
        let mut names = Vec::new();
        for (clip, url) in (1..).zip(clips(CLIPS)) {
            names.extend(self.changes().iter().map(|change| format!("batch:1~{clip} {change}")));
            for call in self.calls() {
                names.extend(["call", "answer"].map(|point| format!("{point}:1~{call} {url}")));
            }
        }
        let mut total = Tally::default();
        for names in names.chunks(self.at_once()) {
            let steps = names.iter().map(|name| self.step(format!("abort:{name}")));
            for (name, step) in names.iter().zip(join_all(steps).await) {
                assert!(step.died, "nobody came by {name}");
                total += step.tally;
            }
        }
        self.tell(&format!("{} deaths by name", names.len()), total, begun);
    }

    async fn run(self) {
        if self.is_possible().await {
            for kind in ["commit", "call", "answer"] {
                self.by_number(kind).await;
            }
            self.by_name().await;
        }
    }

    /// Straight to standard error, where it is seen although the test passes.
    fn tell(self, what: &str, total: Tally, begun: Instant) {
        let engine = if self.postgresql { "PostgreSQL" } else { "SQLite" };
        let answers = if self.unanswered {
            "no create answered"
        } else {
            "all answered"
        };
        let (network, took) = (self.network, begun.elapsed());
        let told = format!("{engine}, {network}, {answers}: {what}, {total}, in {took:?}\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }

    /// A batch whose daemon dies at this point, and the next one without that.
    async fn step(self, crash: String) -> Step {
        let database = if self.postgresql {
            Database::postgres().await.expect("it was there a moment ago")
        } else {
            Database::sqlite()
        };
        let mut stage = Stage::with(database, instant(self.faults()))
            .await
            .set("STORYCLIP_LEASE_SECONDS", "8")
            .set(CRASH, &crash);
        let (first, log) = live(&mut stage.spawn(), self.network).await;
        let died = first.is_none();
        let batch = match first {
            Some(batch) => batch,
            None => {
                stage.unset(CRASH);
                let (next, _) = live(&mut stage.spawn(), self.network).await;
                next.expect("the next daemon goes on to the end")
            }
        };
        ledger::all_published(&stage.sandbox, &batch);
        events_are_numbered_once(&mut stage.database.remains().await, &batch).await;
        let tally = Tally::of(&stage.sandbox, &batch);
        stage.clear().await;
        Step {
            died,
            passed: passed(&log),
            tally,
        }
    }
}

/// A life that is to publish the batch and be stopped in order: the batch at its end, or `None` if it died on purpose; and
/// its log.
async fn live(process: &mut Process, network: &str) -> (Option<Value>, String) {
    let batch = publish(process, network).await;
    if batch.is_some() {
        process.terminate();
    }
    let status = process.ended().await;
    let log = process.log();
    if log.contains("dies on purpose") {
        assert!(!status.success(), "{status}\n{log}");
        return (None, log);
    }
    assert!(status.success(), "{status}\n{log}");
    assert!(
        batch.is_some(),
        "the daemon neither published the batch nor died: {log}"
    );
    (batch, log)
}

/// How often the point was passed. Of two who pass at once the later one may die before the earlier one's line is out, so
/// the numbers count, not the lines.
fn passed(log: &str) -> usize {
    let number = |line: &str| line.strip_prefix("passes ")?.split([' ', ':']).nth(1)?.parse().ok();
    log.lines().filter_map(number).max().unwrap_or(0)
}

/// The batch once it is at its end; `None` if the process is gone before.
async fn publish(process: &mut Process, network: &str) -> Option<Value> {
    let api = Api::new(process.listening_or_ended().await?, KEY);
    // Whether an earlier life got as far as to store it or not: the same key is the same batch.
    let body = stories(ACCOUNT, &clips(CLIPS), json!({"network": network}));
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

const SQLITE: Walk = Walk {
    postgresql: false,
    network: "facebook",
    unanswered: false,
};

const POSTGRESQL: Walk = Walk {
    postgresql: true,
    ..SQLITE
};

#[tokio::test]
async fn a_death_at_every_step_leaves_one_live_post_per_clip() {
    SQLITE.run().await;
}

#[tokio::test]
async fn a_death_at_every_step_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    let unanswered = true;
    Walk { unanswered, ..SQLITE }.run().await;
}

#[tokio::test]
async fn a_death_at_every_step_to_instagram_leaves_one_live_post_per_clip() {
    let network = "instagram";
    Walk { network, ..SQLITE }.run().await;
}

#[tokio::test]
async fn a_death_at_every_step_to_instagram_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    let (network, unanswered) = ("instagram", true);
    let postgresql = false;
    Walk {
        postgresql,
        network,
        unanswered,
    }
    .run()
    .await;
}

#[tokio::test]
async fn a_death_at_every_step_on_postgresql_leaves_one_live_post_per_clip() {
    POSTGRESQL.run().await;
}

#[tokio::test]
async fn a_death_at_every_step_on_postgresql_leaves_one_live_post_per_clip_when_every_answer_is_lost() {
    let unanswered = true;
    Walk {
        unanswered,
        ..POSTGRESQL
    }
    .run()
    .await;
}
