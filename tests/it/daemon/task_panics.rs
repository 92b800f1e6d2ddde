//! A panic of a task beside the actors: it begins anew, says so, and what it is for is done; of the listener, without which
//! nobody can ask for anything, the process ends.

use reqwest::StatusCode;
use serde_json::json;
use sqlx::Connection;

use super::{
    ledger,
    receiver::{Call, Receiver},
    stage::{ACCOUNT, Api, Daemon, KEY, Stage, clips, stories},
};

const CRASH: &str = "STORYCLIP_TEST_CRASH";
const SCRAPE: &str = "sk_scrape_1";

async fn stage(crash: &str) -> Stage {
    Stage::new(json!({"confirm_ms": 20}))
        .await
        .set(
            "STORYCLIP_API_KEYS",
            &format!("stories:{KEY}:admin,stories:{SCRAPE}:metrics"),
        )
        .set("STORYCLIP_WEBHOOK_PRIVATE_ADDRESSES", "true")
        .set(CRASH, crash)
}

/// It died once, which is told as an error that names it, and the daemon goes on taking work.
async fn died_once(daemon: &mut Daemon, task: &str) {
    let line = daemon.process.logged("task died").await;
    assert!(
        line.contains("ERROR") && line.contains(&format!("task=\"{task}\"")),
        "{line}"
    );
    assert_eq!(daemon.api.get("/readyz").await.0, StatusCode::OK);
    assert_eq!(daemon.process.log().matches("dies on purpose").count(), 1);
    let scrape = daemon.api.with_key(SCRAPE).get("/metrics").await.1;
    assert!(
        scrape.as_str().unwrap().contains("\nstoryclip_task_deaths_total 1\n"),
        "{scrape}"
    );
}

/// Everything is told once, although this task panicked at this step.
async fn all_is_told(task: &str, step: usize) {
    let (stage, receiver) = (
        stage(&format!("panic:task:{step}~{task}")).await,
        Receiver::start().await,
    );
    let mut daemon = stage.start().await;
    let (status, body) = daemon.api.post("/api/webhooks", &json!({ "url": receiver.url })).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    ledger::all_published(&stage.sandbox, &daemon.api.finished(&id).await);
    let calls = receiver.until("three messages", |calls| calls.len() == 3).await;
    let mut kinds: Vec<String> = calls.iter().map(Call::kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["batch.completed", "clip.published", "clip.published"]);
    died_once(&mut daemon, task).await;
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_dispatcher_that_panics_tells_everything_when_it_is_back() {
    for step in [1, 3] {
        all_is_told("dispatcher", step).await;
    }
}

#[tokio::test]
async fn a_courier_that_panics_delivers_everything_when_it_is_back() {
    for step in [1, 3] {
        all_is_told("courier", step).await;
    }
}

#[tokio::test]
async fn who_keeps_the_keys_is_begun_anew() {
    let stage = stage("panic:task:1~keys").await;
    let mut daemon = stage.start().await;
    died_once(&mut daemon, "keys").await;
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn calls_that_were_held_by_who_panicked_go_on_once_the_database_is_back() {
    // It waits, holds, and panics when the first try to write has ended.
    let stage = stage("panic:task:3~hold").await;
    let mut daemon = stage.start().await;
    let mut other = stage.database.open().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    daemon.process.logged("task died").await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    daemon.process.logged("database available again").await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    ledger::all_published(&stage.sandbox, &daemon.api.finished(&id).await);
    died_once(&mut daemon, "hold").await;
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_listener_that_panics_ends_the_process_and_the_next_goes_on() {
    let mut stage = stage("panic:task:2~listener").await;
    let mut process = stage.spawn();
    let api = Api::new(process.listening().await, KEY);
    assert!(
        api.try_get("/healthz").await.is_none(),
        "the first to come finds nobody"
    );
    assert_eq!(process.ended().await.code(), Some(1));
    let log = process.log();
    assert!(log.contains("task=\"listener\""), "{log}");
    stage.unset(CRASH);
    stage.start().await.stop().await;
    stage.clear().await;
}
