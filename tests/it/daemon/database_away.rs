//! A database that cannot be written for a while: locked, full, read-only or gone, or whose file was moved away. The daemon
//! asks nothing of the networks meanwhile, says so, and goes on by itself; no clip is lost and none is sent twice.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::Connection;

use super::{
    cable::Cable,
    database::Database,
    disk::Disk,
    ledger,
    server::Server,
    stage::{ACCOUNT, Daemon, Stage, clips, instant, stories},
    systemd::Listener,
};

/// How long the first post takes to go live, so that it does while the database is away.
const CONFIRMED_AFTER: Duration = Duration::from_secs(11);

/// How long nothing must be asked: the experiment itself.
async fn some_seconds() {
    tokio::time::sleep(Duration::from_millis(2_500)).await;
}

/// A daemon that asks many times a second about the first of three clips.
struct Waiting {
    stage: Stage,
    daemon: Daemon,
    id: String,
}

impl Waiting {
    async fn on(database: Database, environment: Vec<(&str, String)>) -> Self {
        let sandbox = instant(json!({"confirm_ms": CONFIRMED_AFTER.as_millis() as u64}));
        let mut stage = Stage::with(database, sandbox).await.set("STORYCLIP_LEASE_SECONDS", "8");
        for (name, value) in environment {
            stage = stage.set(name, &value);
        }
        let daemon = stage.start().await;
        let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
        daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
        stage.faults(json!({"confirm_ms": 20}));
        Self { stage, daemon, id }
    }

    /// The database was just taken away.
    async fn falls_silent(&mut self) {
        self.daemon.process.logged("database unavailable").await;
        self.daemon.api.not_ready("the database is away").await;
        some_seconds().await;
        let asked = self.stage.requests();
        self.stage
            .until("the first post goes live", |sandbox| sandbox.posts()[0].live.is_some())
            .await;
        some_seconds().await;
        assert_eq!(self.stage.requests(), asked, "nobody was there to record an answer");
        self.daemon.api.not_ready("the database is away").await;
        assert_eq!(self.daemon.api.get("/healthz").await.0, StatusCode::OK);
    }

    /// An operator learns the cause where it is looked for.
    async fn says_why(&mut self, in_log: &str, in_readyz: &str) {
        let line = self.daemon.process.logged("database unavailable").await;
        assert!(line.contains(in_log), "{line}");
        self.daemon.api.not_ready(in_readyz).await;
    }

    /// Nothing is promised either.
    async fn refuses_wishes(&self) {
        let body = stories(ACCOUNT, &clips(1), json!({}));
        let publish = self.daemon.api.post("/api/metricool/publish/stories", &body);
        for (status, answer) in [publish.await, self.daemon.api.cancel(&self.id).await] {
            let refused = (status, answer["code"].as_str().unwrap());
            assert_eq!(
                refused,
                (StatusCode::SERVICE_UNAVAILABLE, "STORE_UNAVAILABLE"),
                "{answer}"
            );
        }
    }

    /// The daemon is stopped in order, and the next one finds what it needs.
    async fn begins_anew(self, after: &str) {
        let Self { stage, daemon, id } = self;
        daemon.stop().await;
        let next = stage.start().await;
        let batch = next.api.finished(&id).await;
        next.stop().await;
        counts(after, &stage, &batch).await;
        stage.clear().await;
    }

    /// The database is back.
    async fn goes_on(mut self, after: &str) -> Stage {
        self.daemon.process.logged("database available again").await;
        let (api, id) = (&self.daemon.api, &self.id);
        let batch = api.finished(id).await;
        assert_eq!(api.get("/readyz").await.0, StatusCode::OK);
        let log = self.daemon.process.log();
        for told in ["database unavailable", "database available again"] {
            assert_eq!(log.matches(told).count(), 1, "{log}");
        }
        self.daemon.stop().await;
        counts(after, &self.stage, &batch).await;
        self.stage
    }
}

/// Each clip is live once and was sent once; printed.
async fn counts(after: &str, stage: &Stage, batch: &Value) {
    ledger::all_published(&stage.sandbox, batch);
    assert_eq!(stage.creates(), 3, "nothing is sent twice");
    ledger::told(stage, &format!("after {after}"), std::slice::from_ref(batch)).await;
}

#[tokio::test]
async fn a_locked_file_is_waited_for_longer_than_its_patience() {
    let mut systemd = Listener::new();
    let mut waiting = Waiting::on(Database::sqlite(), systemd.environment()).await;
    let mut other = waiting.stage.database.open().await;
    let begun = tokio::time::Instant::now();
    sqlx::raw_sql("BEGIN IMMEDIATE; UPDATE publish_batches SET restarts = restarts")
        .execute(&mut other)
        .await
        .unwrap();
    waiting.falls_silent().await;
    // SQLite itself waits ten seconds for a lock.
    tokio::time::sleep_until(begun + Duration::from_secs(12)).await;
    let cause = "another process holds it locked";
    waiting.daemon.process.logged(cause).await;
    waiting.daemon.api.not_ready(cause).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let beats = systemd.heard_of_a_life();
    assert!(beats > 10, "a restart helps nobody who waits: {beats}");
    waiting.goes_on("a locked file").await.clear().await;
}

#[tokio::test]
async fn a_create_call_waits_for_an_intent_that_a_locked_file_holds_up() {
    let stage = Stage::new(json!({"confirm_ms": 500})).await;
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    let mut other = stage.database.open().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    stage
        .until("the first post is live", |sandbox| sandbox.posts()[0].live.is_some())
        .await;
    daemon.api.not_ready("the database is away").await;
    assert_eq!(stage.creates(), 1, "the next intent is not durable");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    ledger::all_published(&stage.sandbox, &daemon.api.finished(&id).await);
    assert_eq!(stage.creates(), 2);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_full_disk_is_waited_for() {
    let disk = Disk::small();
    let mut waiting = Waiting::on(Database::sqlite_in(disk.folder()), disk.environment()).await;
    disk.fill();
    waiting.falls_silent().await;
    waiting.says_why("disk is full", "its disk is full").await;
    disk.mend();
    waiting.goes_on("a full disk").await.clear().await;
}

#[tokio::test]
async fn a_disk_that_became_read_only_is_waited_for() {
    let disk = Disk::preloaded();
    let mut waiting = Waiting::on(Database::sqlite_in(disk.folder()), disk.environment()).await;
    disk.make_read_only();
    waiting.falls_silent().await;
    waiting.says_why("its disk is read-only", "its disk is read-only").await;
    disk.mend();
    waiting.goes_on("a read-only disk").await.clear().await;
}

#[tokio::test]
async fn a_disk_that_the_kernel_gave_up_costs_no_clip_once_it_is_replaced() {
    let Some(disk) = Disk::failing() else {
        return;
    };
    let mut waiting = Waiting::on(Database::sqlite_in(disk.folder()), Vec::new()).await;
    disk.fails();
    waiting.falls_silent().await;
    waiting.says_why("disk I/O error", "the database is away").await;
    waiting.refuses_wishes().await;
    let Waiting { stage, daemon, id } = waiting;
    daemon.stop().await;
    disk.is_replaced();
    let next = stage.start().await;
    let batch = next.api.finished(&id).await;
    next.stop().await;
    counts("a disk that failed", &stage, &batch).await;
    stage.clear().await;
}

/// Another name in the same folder.
fn aside(file: &Path) -> PathBuf {
    file.with_extension("aside")
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_waited_for_until_it_is_back() {
    let mut waiting = Waiting::on(Database::sqlite(), Vec::new()).await;
    let file = waiting.stage.database.file();
    fs::rename(&file, aside(&file)).unwrap();
    waiting.falls_silent().await;
    assert!(waiting.daemon.process.log().contains("was moved or removed"));
    waiting.refuses_wishes().await;
    fs::rename(aside(&file), &file).unwrap();
    waiting.goes_on("a file that was moved away").await.clear().await;
}

#[tokio::test]
async fn another_file_in_its_place_is_not_taken_for_it() {
    let mut waiting = Waiting::on(Database::sqlite(), Vec::new()).await;
    let file = waiting.stage.database.file();
    fs::rename(&file, aside(&file)).unwrap();
    fs::copy(aside(&file), &file).unwrap();
    waiting.falls_silent().await;
    assert!(waiting.daemon.process.log().contains("is another file"));
    waiting.refuses_wishes().await;
    waiting.begins_anew("another file in its place").await;
}

#[tokio::test]
async fn a_log_that_was_removed_is_saved_by_an_orderly_stop() {
    let mut waiting = Waiting::on(Database::sqlite(), Vec::new()).await;
    fs::remove_file(waiting.stage.database.file().with_extension("db-wal")).unwrap();
    waiting.falls_silent().await;
    assert!(waiting.daemon.process.log().contains("stop this daemon in order"));
    waiting.refuses_wishes().await;
    waiting.begins_anew("a log that was removed").await;
}

#[tokio::test]
async fn a_postgresql_that_is_out_of_reach_is_waited_for() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let url = database.url();
    let (head, rest) = url.split_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let mut cable = Cable::to(server.parse().unwrap()).await;
    let url = format!("{head}@{}/{name}", cable.address());
    let mut waiting = Waiting::on(database, vec![("STORYCLIP_DATABASE_URL", url)]).await;
    cable.unplug().await;
    waiting.falls_silent().await;
    waiting.daemon.api.not_ready("it cannot be reached").await;
    cable.plug_in().await;
    waiting.goes_on("PostgreSQL out of reach").await.clear().await;
}

#[tokio::test]
async fn a_postgresql_that_is_stopped_and_started_again_is_waited_for() {
    let Some(server) = Server::start() else {
        return;
    };
    let mut waiting = Waiting::on(Database::on(&server.url()).await, Vec::new()).await;
    server.stop();
    waiting.falls_silent().await;
    waiting.says_why("it cannot be reached", "it cannot be reached").await;
    waiting.refuses_wishes().await;
    server.start_again();
    waiting.goes_on("a PostgreSQL that was stopped").await.clear().await;
}
