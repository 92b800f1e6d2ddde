//! What happens at the ends of a daemon's life that are not a crash: an orderly stop, and a very first start.

use std::time::{Duration, Instant};

use rand::{SeedableRng, rngs::SmallRng};
use serde_json::json;
use sqlx::{Connection, Row};
use storyclip::sandbox::Route;

use super::{
    database::Database,
    experiment::{seed, some_of},
    ledger,
    process::PATIENCE,
    stage::{ACCOUNT, Stage, clips, instant, stories},
};

#[tokio::test]
async fn sigterm_lets_the_call_under_way_end_and_the_next_start_goes_on() {
    let stage = Stage::new(json!({"create_delay_ms": 2_500, "confirm_ms": 100})).await;
    let mut daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
    stage
        .until("the second create request begins", |_| stage.creates() == 2)
        .await;
    let mut events = daemon.api.events(&id).await;
    daemon.process.terminate();
    daemon.api.not_ready("draining").await;
    let (status, refused) = daemon
        .api
        .publish_once(&stories(ACCOUNT, &clips(1), json!({})), "late")
        .await
        .unwrap();
    assert_eq!((status.as_u16(), &refused["code"]), (503, &json!("DRAINING")));
    events.retry = None;
    while events.next().await.is_some() {}
    let told = events.retry.as_deref();
    assert_eq!(told, Some("1000"), "subscribers are told to connect again");
    assert_eq!(daemon.process.ended().await.code(), Some(0), "{}", daemon.process.log());

    let mut remains = stage.database.remains().await;
    let rows = sqlx::query("SELECT status FROM publish_batch_clips ORDER BY clip_index")
        .fetch_all(&mut remains)
        .await
        .unwrap();
    let statuses: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(statuses, ["published", "waiting_confirmation", "pending"]);
    let leases = sqlx::query("SELECT COUNT(*) FROM publish_batches WHERE lease_owner IS NOT NULL")
        .fetch_one(&mut remains)
        .await
        .unwrap();
    assert_eq!(leases.get::<i64, _>(0), 0, "leases are given back");

    let next = stage.start().await;
    ledger::all_published(&stage.sandbox, &next.api.finished(&id).await);
    assert_eq!(stage.creates(), 3, "nothing is sent twice");
    next.stop().await;
    stage.clear().await;
}

/// The next daemon finds the first create call, which had no end, and publishes both clips once.
async fn the_cut_call_is_found(stage: Stage, id: &str, settle_seconds: &str) {
    stage.faults(json!({"create_delay_ms": 0}));
    let stage = stage.set("STORYCLIP_FIND_SETTLE_SECONDS", settle_seconds);
    let next = stage.start().await;
    ledger::all_published(&stage.sandbox, &next.api.finished(id).await);
    assert_eq!(stage.creates(), 2, "the call that was cut off is found");
    next.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once_and_not_with_zero() {
    let stage = Stage::new(json!({"create_delay_ms": 4_000, "confirm_ms": 20})).await;
    let mut daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    stage.until("the create request begins", |_| stage.creates() == 1).await;
    let begun = Instant::now();
    daemon.process.terminate();
    daemon.api.not_ready("draining").await;
    daemon.process.terminate();
    assert_eq!(daemon.process.ended().await.code(), Some(1), "{}", daemon.process.log());
    assert!(begun.elapsed() < Duration::from_secs(3), "the call was waited for");
    let log = daemon.process.log();
    assert!(log.contains("SIGTERM came again"), "{log}");

    the_cut_call_is_found(stage, &id, "5").await;
}

#[tokio::test]
async fn a_call_that_takes_longer_than_the_grace_is_found_at_the_next_start() {
    let stage = Stage::new(json!({"create_delay_ms": 3_000, "confirm_ms": 20}))
        .await
        .set("STORYCLIP_SHUTDOWN_GRACE_SECONDS", "0.5");
    let mut daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    stage.until("the create request begins", |_| stage.creates() == 1).await;
    let begun = Instant::now();
    daemon.process.terminate();
    assert_eq!(daemon.process.ended().await.code(), Some(0), "{}", daemon.process.log());
    assert!(
        begun.elapsed() < Duration::from_millis(2_800),
        "the call was waited for"
    );
    assert!(daemon.process.log().contains("took longer than the grace"));

    the_cut_call_is_found(stage, &id, "4").await;
}

#[tokio::test]
async fn after_the_grace_only_the_batch_whose_call_is_cut_keeps_its_lease() {
    let stage = Stage::new(json!({"stuck": {"media": "clip_1"}}))
        .await
        .set("STORYCLIP_SHUTDOWN_GRACE_SECONDS", "0.5");
    let mut daemon = stage.start().await;
    let waiting = daemon.api.publish(&stories(ACCOUNT, &clips(1), json!({}))).await;
    daemon.api.clip_is(&waiting, 1, "waiting_confirmation").await;
    stage.faults(json!({"create_delay_ms": 3_000}));
    let cut = daemon.api.publish(&stories(ACCOUNT, &clips(2)[1..], json!({}))).await;
    stage
        .until("the second create request begins", |_| stage.creates() == 2)
        .await;
    daemon.process.terminate();
    assert_eq!(daemon.process.ended().await.code(), Some(0), "{}", daemon.process.log());
    let mut remains = stage.database.remains().await;
    let leased = sqlx::query("SELECT batch_id FROM publish_batches WHERE lease_owner IS NOT NULL")
        .fetch_all(&mut remains)
        .await
        .unwrap();
    let leased: Vec<String> = leased.iter().map(|row| row.get(0)).collect();
    assert_eq!(leased, [cut]);
    stage.clear().await;
}

#[tokio::test]
async fn another_daemon_takes_the_batches_of_a_stopped_one_without_waiting_for_its_leases() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let stage = Stage::with(database, instant(json!({"create_delay_ms": 200, "confirm_ms": 20})))
        .await
        .set("STORYCLIP_LEASE_SECONDS", "600");
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
    stage
        .until("the second create request begins", |_| stage.creates() == 2)
        .await;
    daemon.stop().await;
    let next = stage.start().await;
    let batch = tokio::time::timeout(PATIENCE, next.api.finished(&id)).await;
    ledger::all_published(&stage.sandbox, &batch.expect("leases are given back"));
    next.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn sigterm_is_not_held_up_by_a_provider_that_is_away() {
    let stage = Stage::new(json!({"confirm_ms": 100, "error_after_commit": {"next": 1}})).await;
    let mut daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    stage
        .until("a post is made", |sandbox| !sandbox.posts().is_empty())
        .await;
    stage.faults(json!({"unavailable": true}));
    daemon.process.logged("to=uncertain").await;
    // By the second probe the next search waits for the provider.
    let probes = || (stage.sandbox.requests().get(&Route::Brands)).map_or(0, |asked| asked.count);
    stage.until("the provider is probed again", |_| probes() >= 2).await;
    let begun = Instant::now();
    daemon.process.terminate();
    assert_eq!(daemon.process.ended().await.code(), Some(0), "{}", daemon.process.log());
    let took = begun.elapsed();
    // The grace is 25 s.
    assert!(took < Duration::from_secs(10), "{took:?}");

    stage.faults(json!({"unavailable": false}));
    let next = stage.start().await;
    ledger::all_published(&stage.sandbox, &next.api.finished(&id).await);
    next.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn sigterm_is_not_held_up_by_a_database_that_is_away() {
    let stage = Stage::new(json!({"confirm_ms": 200}))
        .await
        .set("STORYCLIP_SHUTDOWN_GRACE_SECONDS", "1");
    let mut daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    let mut other = stage.database.open().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    // The actor is to be in the middle of what it cannot write.
    stage
        .until("the first post is live", |sandbox| sandbox.posts()[0].live.is_some())
        .await;
    daemon.api.not_ready("the database is away").await;
    let begun = Instant::now();
    daemon.process.terminate();
    assert_eq!(daemon.process.ended().await.code(), Some(0), "{}", daemon.process.log());
    let took = begun.elapsed();
    // SQLite's own patience is ten seconds a try.
    assert!(took < Duration::from_secs(9), "{took:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();

    let next = stage.start().await;
    ledger::all_published(&stage.sandbox, &next.api.finished(&id).await);
    next.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_kill_during_the_very_first_start_is_no_obstacle_to_the_next() {
    let mut rng = SmallRng::seed_from_u64(seed("first starts"));
    let mut startup = Duration::from_millis(100);
    for _ in 0..12 {
        let stage = Stage::new(json!({})).await;
        let first = stage.spawn();
        some_of(startup, &mut rng).await;
        first.kill();
        let begun = Instant::now();
        let daemon = stage.start().await;
        startup = begun.elapsed();
        let id = daemon.api.publish(&stories(ACCOUNT, &clips(1), json!({}))).await;
        ledger::all_published(&stage.sandbox, &daemon.api.finished(&id).await);
        daemon.stop().await;
        stage.clear().await;
    }
}
