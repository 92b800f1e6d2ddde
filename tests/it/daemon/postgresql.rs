//! PostgreSQL behind a real daemon: kill -9, after which the next one must wait until the dead one's leases have lapsed, and
//! connections that are cut.
//!
//! That waiting takes most of the time, so there are fewer kills, and each meets three batches of three brands at once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;

use super::{
    database::Database,
    experiment::{at_work, seed, some_of, stored_events},
    ledger,
    stage::{Stage, clips, instant, stories},
    watcher::Watcher,
};

const ACCOUNTS: [&str; 3] = ["5372118", "5372119", "5372120"];
const CLIPS: usize = 16;
const KILLS: usize = 9;

/// Kills of one of two daemons.
const TAKEOVERS: usize = 6;

/// A clip for each time that the connections are cut.
const CUTS: usize = 30;

#[tokio::test]
async fn kills_on_postgresql_leave_one_live_post_per_clip() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let begun = Instant::now();
    let seed = seed("kills on postgresql");
    let mut rng = SmallRng::seed_from_u64(seed);
    let sandbox = instant(json!({"seed": seed, "create_delay_ms": [20, 100], "confirm_ms": [50, 300]}));
    // The shortest lease there is.
    let stage = Stage::with(database, sandbox).await.set("STORYCLIP_LEASE_SECONDS", "8");
    let mut daemon = stage.start().await;
    let mut batches = Vec::new();
    for account in ACCOUNTS {
        let body = stories(account, &clips(CLIPS), json!({"maxRetries": 10}));
        let id = daemon.api.publish(&body).await;
        batches.push((Watcher::of(format!("batchId={id}")), id));
    }
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..KILLS {
        for (watcher, _) in &batches {
            watcher.is_at(&daemon.api);
        }
        let (creates, asked) = (stage.creates(), stage.requests());
        if rng.random_bool(0.5) {
            stage
                .until("a create request begins", |_| stage.creates() > creates)
                .await;
            some_of(Duration::from_millis(100), &mut rng).await;
        } else {
            stage.until("the work goes on", |_| stage.requests() > asked).await;
            some_of(Duration::from_millis(300), &mut rng).await;
        }
        daemon.process.kill();
        let mut remains = stage.database.remains().await;
        for (_, id) in &batches {
            let (_, status, _) = at_work(&mut remains, id).await.expect("the batch is not over");
            *tally.entry(status).or_default() += 1;
        }
        daemon = stage.start().await;
    }
    let what = format!("seed {seed}, {} batches: {KILLS} kills, {tally:?}", batches.len());
    let mut ended = Vec::new();
    for (watcher, id) in batches {
        watcher.is_at(&daemon.api);
        let events = watcher.saw_everything_once().await;
        let batch = daemon.api.batch(&id).await;
        ledger::all_published(&stage.sandbox, &batch);
        let mut remains = stage.database.remains().await;
        assert_eq!(events, stored_events(&mut remains, &id).await);
        ended.push(batch);
    }
    daemon.stop().await;
    ledger::told(&stage, &format!("{what}, ended after {:?}", begun.elapsed()), &ended).await;
    stage.clear().await;
}

#[tokio::test]
async fn two_daemons_on_one_postgresql_share_the_work_and_take_over_from_each_other() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let seed = seed("two daemons");
    let mut rng = SmallRng::seed_from_u64(seed);
    let sandbox = instant(json!({"seed": seed, "create_delay_ms": [20, 100], "confirm_ms": [50, 300]}));
    let stage = Stage::with(database, sandbox).await.set("STORYCLIP_LEASE_SECONDS", "8");
    let mut daemons = [stage.start().await, stage.start().await];
    let mut ids = Vec::new();
    for brand in 1..=8 {
        let body = stories(&brand.to_string(), &clips(12), json!({"maxRetries": 10}));
        ids.push(daemons[brand % 2].api.publish(&body).await);
    }
    for kill in 0..TAKEOVERS {
        let creates = stage.creates();
        stage
            .until("a create request begins", |_| stage.creates() > creates)
            .await;
        some_of(Duration::from_millis(300), &mut rng).await;
        let next = stage.start().await;
        let dead = std::mem::replace(&mut daemons[kill % 2], next);
        dead.process.kill();
    }
    let mut ended = Vec::new();
    for id in &ids {
        let batch = daemons[0].api.settled(id).await;
        ledger::all_published(&stage.sandbox, &batch);
        ended.push(batch);
    }
    for daemon in daemons {
        daemon.stop().await;
    }
    ledger::told(&stage, &format!("two daemons, seed {seed}: {TAKEOVERS} kills"), &ended).await;
    stage.clear().await;
}

#[tokio::test]
async fn cut_connections_to_postgresql_cost_no_clip() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let seed = seed("cuts on postgresql");
    let mut rng = SmallRng::seed_from_u64(seed);
    let sandbox = instant(json!({"seed": seed, "create_delay_ms": [0, 30], "confirm_ms": [0, 60]}));
    let stage = Stage::with(database, sandbox).await;
    let daemon = stage.start().await;
    let body = stories(ACCOUNTS[0], &clips(CUTS), json!({"maxRetries": 10}));
    let id = daemon.api.publish(&body).await;
    for clip in 1..=CUTS as u64 {
        stage
            .until("the next clip is sent", |_| stage.creates() as u64 >= clip)
            .await;
        some_of(Duration::from_millis(60), &mut rng).await;
        stage.database.cut_connections().await;
    }
    let batch = daemon.api.finished(&id).await;
    ledger::all_published(&stage.sandbox, &batch);
    daemon.stop().await;
    let what = format!("seed {seed}: {CUTS} times all connections cut");
    ledger::told(&stage, &what, &[batch]).await;
    stage.clear().await;
}
