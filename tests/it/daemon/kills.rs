//! kill -9 at random instants: whatever the daemon was at, each clip is live once, in order, and nobody missed an event.
//!
//! A seed makes the sandbox's luck and the instants of the kills; `STORYCLIP_TEST_SEED` repeats one. How far a process is
//! at an instant is up to the machine, so a repeated seed is the same experiment, not the same history.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::{
    database::Database,
    ledger,
    process::Process,
    stage::{ACCOUNT, Api, KEY, Stage, clips, instant, stories},
    watcher::Watcher,
};

const CLIPS: usize = 50;
const KILLS: usize = 100;

/// Of 100 kills so many at least must meet a clip in `uploading`.
const UPLOADING: usize = 15;

#[tokio::test]
async fn a_hundred_kills_leave_one_live_post_per_clip() {
    Experiment::new(clips(CLIPS), json!({})).run().await;
}

#[tokio::test]
async fn a_hundred_kills_leave_one_live_post_per_clip_when_all_clips_are_the_same_file() {
    Experiment::new(vec!["https://cdn.example/clip.mp4".to_owned(); CLIPS], json!({}))
        .run()
        .await;
}

#[tokio::test]
async fn a_hundred_kills_leave_one_live_post_per_clip_when_answers_are_lost_too() {
    Experiment::new(clips(CLIPS), json!({"error_after_commit": {"probability": 0.1}}))
        .run()
        .await;
}

/// A random delay before a kill: the experiment itself.
pub async fn some_of(most: Duration, rng: &mut SmallRng) {
    tokio::time::sleep(most.mul_f64(rng.random())).await;
}

/// A seed, printed.
pub fn seed(experiment: &str) -> u64 {
    let seed = match std::env::var("STORYCLIP_TEST_SEED") {
        Ok(seed) => seed.parse().expect("STORYCLIP_TEST_SEED is a number"),
        Err(_) => u64::from(rand::random::<u32>()),
    };
    println!("{experiment}: STORYCLIP_TEST_SEED={seed}");
    seed
}

struct Experiment {
    urls: Vec<String>,
    faults: Value,
    seed: u64,
    rng: SmallRng,
    /// Kills per status of the clip at work.
    tally: BTreeMap<String, usize>,
    /// Kills while a create call was under way.
    creating: usize,
    starting: usize,
}

impl Experiment {
    fn new(urls: Vec<String>, more_faults: Value) -> Self {
        let seed = seed("kills");
        let mut faults = json!({"seed": seed, "create_delay_ms": [20, 100], "confirm_ms": [50, 300]});
        for (name, fault) in more_faults.as_object().unwrap() {
            faults[name] = fault.clone();
        }
        Self {
            urls,
            faults,
            seed,
            rng: SmallRng::seed_from_u64(seed),
            tally: BTreeMap::new(),
            creating: 0,
            starting: 0,
        }
    }

    async fn run(mut self) {
        let begun = Instant::now();
        let stage = Stage::with(Database::sqlite(), instant(self.faults.take())).await;
        let spawned = Instant::now();
        let first = stage.start().await;
        let startup = spawned.elapsed();
        let body = stories(ACCOUNT, &self.urls, json!({"maxRetries": 10}));
        let id = first.api.publish(&body).await;
        let watcher = Watcher::of(&id);
        watcher.is_at(&first.api);
        first.process.kill();
        self.count(&stage, &id).await;

        for kill in 1..KILLS {
            let process = stage.spawn();
            let process = self.wait_for_the_moment(&stage, kill, process, startup, &watcher).await;
            assert!(
                !watcher.has_seen_the_end(),
                "the batch was over before kill {kill}: {:?}",
                self.tally
            );
            process.kill();
            self.count(&stage, &id).await;
        }
        println!(
            "seed {}: {:?}, {} with a create call under way, {} while starting, in {:?}",
            self.seed,
            self.tally,
            self.creating,
            self.starting,
            begun.elapsed()
        );

        let last = stage.start().await;
        watcher.is_at(&last.api);
        let events = watcher.saw_everything_once().await;
        let batch = last.api.batch(&id).await;
        last.stop().await;
        ledger::all_published(&stage.sandbox, &batch);
        assert_eq!(events, stored_events(&mut stage.database.remains().await, &id).await);
        assert!(
            self.tally.get("uploading").is_some_and(|kills| *kills >= UPLOADING),
            "{:?}",
            self.tally
        );
        println!("seed {}: all is well after {:?}", self.seed, begun.elapsed());
        stage.clear().await;
    }

    /// Lets the daemon live for a while: up to a random instant, or up to shortly after a create request has begun. While
    /// the batch is ahead of the kills it does not come to listen, so that the batch outlives all kills.
    async fn wait_for_the_moment(
        &mut self,
        stage: &Stage,
        kill: usize,
        mut process: Process,
        startup: Duration,
        watcher: &Watcher,
    ) -> Process {
        let live = stage.sandbox.ledger().counts.live;
        if live * KILLS > kill * (CLIPS - 1) {
            self.starting += 1;
            some_of(startup, &mut self.rng).await;
            return process;
        }
        let creates = stage.creates();
        let api = Api::new(process.listening().await, KEY);
        watcher.is_at(&api);
        if self.rng.random_bool(0.25) {
            stage
                .until("a create request begins", |_| stage.creates() > creates)
                .await;
            some_of(Duration::from_millis(100), &mut self.rng).await;
        } else {
            some_of(Duration::from_millis(150), &mut self.rng).await;
        }
        process
    }

    /// Notes in which status the clip at work was when the daemon died.
    async fn count(&mut self, stage: &Stage, batch: &str) {
        let mut remains = stage.database.remains().await;
        let clip = at_work(&mut remains, batch).await;
        let (status, creating) = clip.expect("the batch is not over");
        *self.tally.entry(status).or_default() += 1;
        self.creating += usize::from(creating);
    }
}

/// The status of the first clip that is not settled, and whether its create call has no answer yet.
pub async fn at_work(remains: &mut AnyConnection, batch: &str) -> Option<(String, bool)> {
    let sql = format!(
        "SELECT c.status, (SELECT COUNT(*) FROM delivery_attempts a WHERE a.batch_id = c.batch_id \
         AND a.clip_index = c.clip_index AND a.attempt = c.attempts AND a.outcome_at IS NULL) \
         FROM publish_batch_clips c WHERE c.batch_id = '{batch}' \
         AND c.status NOT IN ('published', 'failed', 'cancelled') ORDER BY c.clip_index LIMIT 1"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(remains).await.unwrap()?;
    let (status, open): (String, i64) = (row.get(0), row.get(1));
    let creating = status == "uploading" && open > 0;
    Some((status, creating))
}

/// The bodies of the batch's events as they are in the database.
pub async fn stored_events(remains: &mut AnyConnection, batch: &str) -> Vec<Value> {
    let sql = format!("SELECT body FROM batch_events WHERE batch_id = '{batch}' ORDER BY batch_seq");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(remains).await.unwrap();
    rows.iter()
        .map(|row| serde_json::from_str(row.get::<&str, _>(0)).unwrap())
        .collect()
}
