//! A walk through a course of events in which the daemon dies at every single step, on the real process: after its first
//! commit, after its second, and so on until it runs through; likewise while each call to the network is under way and when
//! each is answered.
//!
//! Each step has a database and a sandbox of its own, and steps are taken several at a time. The courses are below: a batch
//! that is published, a person's commands, batches at slots; and deaths of those who clear up after a death.

mod client;
mod commands;
mod publishing;
mod slots;
mod twice;

use std::{io::Write, time::Instant};

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::{AnyConnection, Row};

use super::{
    database::Database,
    ledger::Tally,
    process::{PATIENCE, Process},
    stage::{Api, KEY, Stage, instant},
};
use client::Client;
pub use client::statuses;

const CRASH: &str = "STORYCLIP_TEST_CRASH";

/// More than any course here takes; a walk that gets so far would never end.
const FAR_TOO_MANY: usize = 300;

/// What a client does with the daemons that come and go, and what has to be true in the end.
trait Course: Copy {
    /// What is printed beside the engine.
    fn name(self) -> String;

    /// The sandbox's.
    fn faults(self) -> Value;

    /// The stage on which it plays.
    fn set(self, stage: Stage) -> Stage {
        stage
    }

    /// What happens while no daemon runs.
    async fn after_a_death(self, _: &Stage, _: &mut Client) {}

    /// Plays on from where the client stands. The batches at their end; `None` if the daemon is gone before.
    async fn play(self, stage: &Stage, client: &mut Client) -> Option<Vec<Value>>;

    /// Asserts what the course promises.
    fn holds(self, stage: &Stage, client: &Client, batches: &[Value]);
}

/// What becomes of the leases of a daemon that died.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leases {
    /// The next daemon waits until they have lapsed.
    Lapse,
    /// They are made to lapse at once, which changes nothing but the time that it takes.
    AreCutShort,
}

/// What is walked through, and where.
#[derive(Clone, Copy)]
struct Walk<C> {
    course: C,
    /// `None` is SQLite, where a dead daemon's leases are the next one's.
    postgresql: Option<Leases>,
    at_once: usize,
}

/// What one step of a walk came to.
struct Step {
    /// How many daemons died.
    died: usize,
    /// How often its point was passed in each life that was to die.
    passed: Vec<usize>,
    tally: Tally,
}

impl<C: Course> Walk<C> {
    async fn is_possible(self) -> bool {
        if self.postgresql.is_none() {
            return true;
        }
        let Some(probe) = Database::postgres().await else {
            return false;
        };
        probe.remove().await;
        true
    }

    /// Step by step until one runs through. There are at least so many.
    async fn by_number(self, kind: &str, least: usize) {
        let begun = Instant::now();
        let (mut crashes, mut total) = (0, Tally::default());
        let mut first = 1;
        loop {
            let numbers = first..first + self.at_once;
            let steps = join_all(
                numbers
                    .clone()
                    .map(|nth| self.step(vec![format!("abort:{kind}:{nth}")])),
            )
            .await;
            let mut died = 0;
            for (nth, step) in numbers.zip(steps) {
                // Somebody may pass while one who is to die is still in a call.
                let passed = step.passed[0];
                assert_eq!(step.died == 1, passed >= nth, "{kind} {nth} was passed {passed} times");
                died += step.died;
                total += step.tally;
            }
            crashes += died;
            if died < self.at_once {
                break;
            }
            first += self.at_once;
            assert!(first < FAR_TOO_MANY, "the course never runs through");
        }
        self.tell(&format!("{crashes} deaths by {kind}"), total, begun);
        assert!(crashes >= least, "{crashes} deaths by {kind}, at least {least} points");
    }

    /// Straight to standard error, where it is seen although the test passes.
    fn tell(self, what: &str, total: Tally, begun: Instant) {
        let engine = if self.postgresql.is_some() {
            "PostgreSQL"
        } else {
            "SQLite"
        };
        let (course, took) = (self.course.name(), begun.elapsed());
        let told = format!("{engine}, {course}: {what}, {total}, in {took:?}\n");
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        total.is_clean();
    }

    /// A course whose daemons die, one after the other, at these points, and the next one without.
    async fn step(self, crashes: Vec<String>) -> Step {
        let database = match self.postgresql {
            Some(_) => Database::postgres().await.expect("it was there a moment ago"),
            None => Database::sqlite(),
        };
        let stage = Stage::with(database, instant(self.course.faults())).await;
        let mut stage = self.course.set(stage.set("STORYCLIP_LEASE_SECONDS", "8"));
        let mut client = Client::default();
        let (mut died, mut passed, mut ended) = (0, Vec::new(), None);
        for crash in crashes {
            stage = stage.set(CRASH, &crash);
            let (batches, log) = self.live(&stage, &mut client).await;
            passed.push(self::passed(&log));
            ended = batches;
            if ended.is_some() {
                break;
            }
            died += 1;
            if self.postgresql == Some(Leases::AreCutShort) {
                stage.database.let_leases_lapse().await;
            }
            self.course.after_a_death(&stage, &mut client).await;
        }
        let batches = match ended {
            Some(batches) => batches,
            None => {
                stage.unset(CRASH);
                let (batches, _) = self.live(&stage, &mut client).await;
                batches.expect("the last daemon goes on to the end")
            }
        };
        self.course.holds(&stage, &client, &batches);
        let mut remains = stage.database.remains().await;
        let mut tally = Tally::default();
        for batch in &batches {
            events_are_numbered_once(&mut remains, batch).await;
            tally += Tally::of(&stage.sandbox, batch, &mut remains).await;
        }
        stage.clear().await;
        Step { died, passed, tally }
    }

    /// A life that is to see the course through and to be stopped in order: the batches at its end, or `None` if it died on
    /// purpose; and its log.
    async fn live(self, stage: &Stage, client: &mut Client) -> (Option<Vec<Value>>, String) {
        let mut process = stage.spawn();
        let meeting = tokio::time::timeout(PATIENCE, self.meet(&mut process, stage, client)).await;
        let batches = meeting.unwrap_or_else(|_| panic!("the course comes to a stop: {client:?}"));
        if batches.is_some() {
            process.terminate();
        }
        let status = process.ended().await;
        let log = process.log();
        if log.contains("dies on purpose") {
            assert!(!status.success(), "{status}\n{log}");
            return (None, log);
        }
        assert!(status.success(), "{status}\n{log}");
        assert!(batches.is_some(), "the daemon neither got through nor died: {log}");
        (batches, log)
    }

    async fn meet(self, process: &mut Process, stage: &Stage, client: &mut Client) -> Option<Vec<Value>> {
        client.meets(Api::new(process.listening_or_ended().await?, KEY));
        self.course.play(stage, client).await
    }
}

/// How often the point was passed. Of two who pass at once the later one may die before the earlier one's line is out, so
/// the numbers count, not the lines.
fn passed(log: &str) -> usize {
    let number = |line: &str| line.strip_prefix("passes ")?.split([' ', ':']).nth(1)?.parse().ok();
    log.lines().filter_map(number).max().unwrap_or(0)
}

/// 1, 2, 3 … without a gap, for the batch and for every user, and each of its published clips is told to be published once.
pub async fn events_are_numbered_once(remains: &mut AnyConnection, batch: &Value) {
    let rows = sqlx::query("SELECT batch_seq, body FROM batch_events WHERE batch_id = $1 ORDER BY batch_seq")
        .bind(batch["batchId"].as_str().unwrap())
        .fetch_all(&mut *remains)
        .await
        .unwrap();
    let mut told = Vec::new();
    for (row, number) in rows.iter().zip(1_i64..) {
        let body: Value = serde_json::from_str(row.get(1)).unwrap();
        assert_eq!(row.get::<i64, _>(0), number, "{body}");
        if body["type"] == "progress" && body["status"] == "published" {
            told.push(body["current"].as_u64().unwrap());
        }
    }
    told.sort_unstable();
    let published = (1..).zip(batch["clips"].as_array().unwrap());
    let published = published.filter(|(_, clip)| clip["status"] == "published");
    assert_eq!(told, published.map(|(index, _)| index).collect::<Vec<u64>>());
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
