//! A batch whose daemon is killed again and again, and what a test knows about each kill.
//!
//! A seed makes the sandbox's luck and the instants of the kills; `STORYCLIP_TEST_SEED` repeats one. How far a process is
//! at an instant is up to the machine, so a repeated seed is the same experiment, not the same history.

use std::{
    collections::BTreeMap,
    io::Write,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::{
    database::Database,
    ledger::{self, Tally},
    process::Process,
    stage::{ACCOUNT, Api, KEY, Stage, instant, stories},
    watcher::Watcher,
};

/// A random delay before a kill: the experiment itself.
pub async fn some_of(most: Duration, rng: &mut SmallRng) {
    tokio::time::sleep(most.mul_f64(rng.random())).await;
}

/// The same, cut short when two clips more were begun since so many creates: on a busy machine an instant can be long, and the
/// batch has to outlive all kills.
async fn some_of_unless_far(stage: &Stage, creates: usize, most: Duration, rng: &mut SmallRng) {
    tokio::select! {
        () = some_of(most, rng) => {}
        _ = stage.until("two clips are begun", |_| stage.creates() > creates + 1) => {}
    }
}

/// Straight to standard error, where it is seen although the test passes.
pub fn tell(what: &str) {
    std::io::stderr().write_all(format!("{what}\n").as_bytes()).unwrap();
}

/// A seed, printed.
pub fn seed(experiment: &str) -> u64 {
    let seed = match std::env::var("STORYCLIP_TEST_SEED") {
        Ok(seed) => seed.parse().expect("STORYCLIP_TEST_SEED is a number"),
        Err(_) => u64::from(rand::random::<u32>()),
    };
    tell(&format!("{experiment}: STORYCLIP_TEST_SEED={seed}"));
    seed
}

/// See the file's first line.
pub struct Experiment {
    network: &'static str,
    urls: Vec<String>,
    kills: usize,
    faults: Value,
    seed: u64,
    rng: SmallRng,
    /// Kills per status of the clip at work.
    pub tally: BTreeMap<String, usize>,
    /// Kills while a create call was under way.
    creating: usize,
    starting: usize,
    /// Whether the daemon itself finds out what the network's list shows.
    learns: bool,
    /// Clips that were settled at the last kill.
    settled: usize,
}

impl Experiment {
    /// A create takes 20 to 100 ms and commits at a random point inside, a confirmation 50 to 300 ms.
    pub fn new(urls: Vec<String>, kills: usize, more_faults: Value) -> Self {
        let seed = seed("kills");
        let mut faults = json!({"seed": seed, "create_delay_ms": [20, 100], "confirm_ms": [50, 300]});
        for (name, fault) in more_faults.as_object().unwrap() {
            faults[name] = fault.clone();
        }
        Self {
            network: "facebook",
            urls,
            kills,
            faults,
            seed,
            rng: SmallRng::seed_from_u64(seed),
            tally: BTreeMap::new(),
            creating: 0,
            starting: 0,
            learns: false,
            settled: 0,
        }
    }

    /// The same with stories of this network.
    pub fn to(self, network: &'static str) -> Self {
        Self { network, ..self }
    }

    /// The same with nothing configured about the network's list: the first daemon learns from it that published posts are
    /// shown, by looking for the post of another batch, and leaves that to all who come after it.
    pub fn learning(self) -> Self {
        Self { learns: true, ..self }
    }

    /// Kills, lets the batch come to its end, and asserts what holds in any case: all kills came before that end, and
    /// watchers of the batch and of its user saw every event once. Gives the sandbox and the batch's summary.
    pub async fn run(&mut self) -> (Stage, Value) {
        let begun = Instant::now();
        let mut stage = Stage::with(Database::sqlite(), instant(self.faults.take())).await;
        if self.learns {
            stage = stage.set("STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED", "auto");
        }
        let spawned = Instant::now();
        let first = stage.start().await;
        let startup = spawned.elapsed();
        if self.learns {
            learns_what_is_listed(&stage, &first.api).await;
        }
        let body = stories(ACCOUNT, &self.urls, json!({"maxRetries": 10, "network": self.network}));
        let id = first.api.publish(&body).await;
        let watchers = [
            Watcher::of(format!("batchId={id}")),
            Watcher::of("userId=u1".to_owned()),
        ];
        watchers.iter().for_each(|watcher| watcher.is_at(&first.api));
        first.process.kill();
        self.count(&stage, &id).await;

        for kill in 1..self.kills {
            let process = stage.spawn();
            let process = self
                .wait_for_the_moment(&stage, kill, process, startup, &watchers)
                .await;
            process.kill();
            self.count(&stage, &id).await;
        }
        let last = stage.start().await;
        watchers.iter().for_each(|watcher| watcher.is_at(&last.api));
        let mut seen = Vec::new();
        for watcher in watchers {
            seen.push(watcher.saw_everything_once().await);
        }
        let batch = last.api.batch(&id).await;
        last.stop().await;
        let mut remains = stage.database.remains().await;
        let stored = stored_events(&mut remains, &id).await;
        assert!(seen.iter().all(|events| *events == stored));
        let total = Tally::of(&stage.sandbox, &batch, &mut remains).await;
        tell(&format!(
            "SQLite, {}{}, seed {}: {} kills, {:?}, {} of them with a create call under way, {} while starting, {total}, \
             ended after {:?}",
            self.network,
            if self.learns { ", the list learned" } else { "" },
            self.seed,
            self.kills,
            self.tally,
            self.creating,
            self.starting,
            begun.elapsed()
        ));
        total.is_clean();
        assert_eq!(self.tally.values().sum::<usize>(), self.kills);
        (stage, batch)
    }

    /// Lets the daemon live for a while: up to a random instant, or up to shortly after a create request has begun. While
    /// the batch is ahead of the kills it does not come to listen, so that the batch outlives all kills.
    async fn wait_for_the_moment(
        &mut self,
        stage: &Stage,
        kill: usize,
        mut process: Process,
        startup: Duration,
        watchers: &[Watcher],
    ) -> Process {
        if self.settled * self.kills > kill * (self.urls.len() - 5) {
            self.starting += 1;
            // The first start may have been a slow one.
            tokio::select! {
                () = some_of(startup, &mut self.rng) => {}
                _ = process.listening() => {}
            }
            return process;
        }
        let creates = stage.creates();
        let api = Api::new(process.listening().await, KEY);
        watchers.iter().for_each(|watcher| watcher.is_at(&api));
        if self.rng.random_bool(0.25) {
            stage
                .until("a create request begins", |_| stage.creates() > creates)
                .await;
            some_of_unless_far(stage, creates, Duration::from_millis(100), &mut self.rng).await;
        } else {
            some_of_unless_far(stage, creates, Duration::from_millis(150), &mut self.rng).await;
        }
        process
    }

    /// Notes in which status the clip at work was when the daemon died.
    async fn count(&mut self, stage: &Stage, batch: &str) {
        let mut remains = stage.database.remains().await;
        let clip = at_work(&mut remains, batch).await;
        let (index, status, creating) =
            clip.unwrap_or_else(|| panic!("the batch was over before the last kill: {:?}", self.tally));
        self.settled = index - 1;
        *self.tally.entry(status).or_default() += 1;
        self.creating += usize::from(creating);
    }
}

/// The answer to a create of a post that is live at once is lost: it is looked for, and the list shows it as published.
async fn learns_what_is_listed(stage: &Stage, api: &Api) {
    let url = "https://cdn.example/lesson.mp4";
    let once = json!({"media": "lesson.", "next": 1});
    stage.faults(json!({"publish_at_ms": {"media": "lesson.", "ms": 0}, "error_after_commit": once}));
    let mut body = stories("5372119", &[url.to_owned()], json!({}));
    body["userId"] = "u2".into();
    let batch = api.finished(&api.publish(&body).await).await;
    ledger::all_published(&stage.sandbox, &batch);
    stage.faults(json!({"publish_at_ms": null, "error_after_commit": null}));
    let sql =
        "SELECT COUNT(*) FROM provider_facts WHERE name LIKE 'metricool.list_shows_published.%' AND value = 'yes'";
    let mut remains = stage.database.remains().await;
    let learned: i64 = sqlx::query(sql).fetch_one(&mut remains).await.unwrap().get(0);
    assert_eq!(learned, 1);
}

/// The first clip that is not settled: its index, its status, and whether its create call has no answer yet.
pub async fn at_work(remains: &mut AnyConnection, batch: &str) -> Option<(usize, String, bool)> {
    let sql = format!(
        "SELECT c.clip_index, c.status, (SELECT COUNT(*) FROM delivery_attempts a WHERE a.batch_id = c.batch_id \
         AND a.clip_index = c.clip_index AND a.attempt = c.attempts AND a.outcome_at IS NULL) \
         FROM publish_batch_clips c WHERE c.batch_id = '{batch}' \
         AND c.status NOT IN ('published', 'failed', 'cancelled') ORDER BY c.clip_index LIMIT 1"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(remains).await.unwrap()?;
    let (index, status, open): (i64, String, i64) = (row.get(0), row.get(1), row.get(2));
    let creating = status == "uploading" && open > 0;
    Some((index as usize, status, creating))
}

/// The bodies of the batch's events as they are in the database.
pub async fn stored_events(remains: &mut AnyConnection, batch: &str) -> Vec<Value> {
    let sql = format!("SELECT body FROM batch_events WHERE batch_id = '{batch}' ORDER BY batch_seq");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(remains).await.unwrap();
    rows.iter()
        .map(|row| serde_json::from_str(row.get::<&str, _>(0)).unwrap())
        .collect()
}
