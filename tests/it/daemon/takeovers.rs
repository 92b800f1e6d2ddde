//! kill -9 on PostgreSQL, where the next daemon must wait until the dead one's leases have lapsed.
//!
//! That takes the most part of the time, so there are fewer kills, and each meets three batches of three brands at once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;

use super::{
    database::Database,
    kills::{at_work, seed, some_of, stored_events},
    ledger,
    stage::{Stage, clips, instant, stories},
    watcher::Watcher,
};

const ACCOUNTS: [&str; 3] = ["5372118", "5372119", "5372120"];
const CLIPS: usize = 16;
const KILLS: usize = 9;

#[tokio::test]
async fn kills_on_postgresql_leave_one_live_post_per_clip() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let begun = Instant::now();
    let seed = seed("takeovers");
    let mut rng = SmallRng::seed_from_u64(seed);
    let sandbox = instant(json!({"seed": seed, "create_delay_ms": [20, 100], "confirm_ms": [50, 300]}));
    // The shortest lease there is.
    let stage = Stage::with(database, sandbox).await.set("STORYCLIP_LEASE_SECONDS", "8");
    let mut daemon = stage.start().await;
    let mut batches = Vec::new();
    for account in ACCOUNTS {
        let body = stories(account, &clips(CLIPS), json!({"maxRetries": 10}));
        let id = daemon.api.publish(&body).await;
        batches.push((Watcher::of(&id), id));
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
            let (status, _) = at_work(&mut remains, id).await.expect("the batch is not over");
            *tally.entry(status).or_default() += 1;
        }
        daemon = stage.start().await;
    }
    println!(
        "seed {seed}: {KILLS} kills of {} batches: {tally:?} in {:?}",
        batches.len(),
        begun.elapsed()
    );
    for (watcher, id) in batches {
        watcher.is_at(&daemon.api);
        let events = watcher.saw_everything_once().await;
        ledger::all_published(&stage.sandbox, &daemon.api.batch(&id).await);
        assert_eq!(events, stored_events(&mut stage.database.remains().await, &id).await);
    }
    daemon.stop().await;
    println!("seed {seed}: all is well after {:?}", begun.elapsed());
    stage.clear().await;
}
