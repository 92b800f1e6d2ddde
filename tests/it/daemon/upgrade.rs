//! Upgrades: rows of every older schema, with batches in flight, under the present binary, also one that dies at every step
//! of its migrations; and a schema that it cannot know.

mod every_status;
mod refused;

use std::{sync::Arc, time::Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{
    AnyConnection, AssertSqlSafe, Connection, Row,
    migrate::{Migration, Migrator},
};
use storyclip::{clock::SystemClock, providers::http_client, providers::metricool};
use storyclip_actors::{
    model::{Request, Timestamp},
    ports::{Clock, Provider},
};

use super::{
    crash_walk::events_are_numbered_once,
    database::Database,
    experiment::tell,
    ledger::{self, Tally},
    stage::{Stage, instant},
};
use crate::rehearsal::MemoryFacts;

const CRASH: &str = "STORYCLIP_TEST_CRASH";

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Rows as the binary of the first schema wrote them.
const LEFT: &str = include_str!("upgrade/schema_1.sql");

/// What that of the second may have written beside them.
const LEFT_BY_THE_SECOND: &str = include_str!("upgrade/schema_2.sql");

/// When that daemon was killed, and how each of its instants begins.
const KILLED: &str = "2026-11-26T15:54:36.200Z";
const MINUTE: &str = "2026-11-26T15:54:";

/// The rows as if it had been killed just now.
fn just_now(left: &str) -> String {
    let killed: Timestamp = KILLED.parse().unwrap();
    let passed = SystemClock.now().since(killed);
    let mut parts = left.split(MINUTE);
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (seconds, rest) = part.split_at("36.200Z".len());
        let then: Timestamp = format!("{MINUTE}{seconds}").parse().unwrap();
        text.push_str(&(then + passed).to_string());
        text.push_str(rest);
    }
    text
}

async fn run(conn: &mut AnyConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.unwrap();
}

async fn migrate(conn: &mut AnyConnection, schema: i64) {
    let older: Vec<Migration> = MIGRATIONS
        .iter()
        .filter(|migration| migration.version <= schema)
        .cloned()
        .collect();
    Migrator::with_migrations(older).run(conn).await.unwrap();
}

/// By the number of their last migration.
fn older_schemas() -> Vec<i64> {
    let mut schemas: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    schemas.sort_unstable();
    schemas.pop();
    schemas
}

/// The database of this schema, and at the network the posts that its daemon had made.
async fn left_behind(stage: &Stage, schema: i64) {
    let mut conn = stage.database.open().await;
    migrate(&mut conn, 1).await;
    run(&mut conn, just_now(LEFT)).await;
    if schema > 1 {
        migrate(&mut conn, 2).await;
        run(&mut conn, just_now(LEFT_BY_THE_SECOND)).await;
        migrate(&mut conn, schema).await;
    }

    let sql = "SELECT account_id, post_id, request FROM delivery_attempts WHERE post_id IS NOT NULL \
               OR batch_id = 'batch_sent' ORDER BY slot";
    let options = metricool::Options::new(stage.sandbox.base_url(), "token".into(), "4000001");
    let http = http_client(&options.base_url, 1).unwrap();
    let metricool =
        metricool::Metricool::new(options, http, Arc::<MemoryFacts>::default(), Arc::new(SystemClock)).unwrap();
    for row in sqlx::query(sql).fetch_all(&mut conn).await.unwrap() {
        let (account, old): (String, Option<String>) = (row.get(0), row.get(1));
        let request: Request = serde_json::from_str(row.get(2)).unwrap();
        let post = metricool.create(&account.as_str().into(), &request).await.unwrap();
        let Some(old) = old else { continue };
        // The sandbox gives numbers of its own.
        let (new, at_facebook) = (post.id.as_str(), post.id.as_str().parse::<i64>().unwrap() + 600_000_000);
        run(
            &mut conn,
            format!(
                "UPDATE delivery_attempts SET post_id = '{new}' WHERE post_id = '{old}';
                 UPDATE publish_batch_clips SET facebook_post_id = '{at_facebook}'
                 WHERE metricool_post_id = '{old}' AND facebook_post_id IS NOT NULL;
                 UPDATE publish_batch_clips SET metricool_post_id = '{new}' WHERE metricool_post_id = '{old}';"
            ),
        )
        .await;
    }
    conn.close().await.unwrap();
}

/// How many migrations the database has.
async fn applied(database: &Database) -> usize {
    let mut remains = database.remains().await;
    let count = sqlx::query("SELECT COUNT(*) FROM _sqlx_migrations").fetch_one(&mut remains);
    let count: i64 = count.await.unwrap().get(0);
    remains.close().await.unwrap();
    usize::try_from(count).unwrap()
}

/// Starts daemons that die within the migrations, each a step later than the one before, until all migrations are durable;
/// gives how many died. Those within a migration leave none of it.
async fn dies_at_every_step_of_its_migrations(mut stage: Stage) -> (Stage, usize) {
    let (mut deaths, mut nth, mut before) = (0, 1, applied(&stage.database).await);
    while before < MIGRATIONS.iter().count() {
        stage = stage.set(CRASH, &format!("abort:migration:{nth}"));
        let mut process = stage.spawn();
        let status = process.ended().await;
        let log = process.log();
        assert!(!status.success() && log.contains("dies on purpose"), "{status} {log}");
        deaths += 1;
        let now = applied(&stage.database).await;
        let is_durable = log
            .lines()
            .any(|line| line.starts_with(&format!("passes Migration {nth}:")) && line.ends_with("applied"));
        assert_eq!(now - before, usize::from(is_durable), "{log}");
        nth = if is_durable { 1 } else { nth + 1 };
        before = now;
    }
    stage.unset(CRASH);
    (stage, deaths)
}

async fn an_older_schema_goes_on_with_its_batches(database: Database, schema: i64, dying: bool) {
    let begun = Instant::now();
    let mut stage = Stage::with(database, instant(json!({"confirm_ms": 20}))).await;
    left_behind(&stage, schema).await;
    let posts = stage.creates();
    let mut deaths = 0;
    if dying {
        (stage, deaths) = dies_at_every_step_of_its_migrations(stage).await;
        assert!(deaths >= MIGRATIONS.iter().count(), "{deaths} deaths");
    }
    let daemon = stage.start().await;
    let mut batches = Vec::new();
    for id in ["batch_done", "batch_waiting", "batch_sent", "batch_unsent"] {
        let batch = daemon.api.finished(id).await;
        ledger::all_published(&stage.sandbox, &batch);
        batches.push(batch);
    }
    let cancelled = daemon.api.finished("batch_cancelled").await;
    assert_eq!(cancelled["status"], "cancelled");
    ledger::live_once_in_order(&stage.sandbox, &cancelled, []);
    batches.push(cancelled);
    let decided = usize::from(schema > 1);
    if decided > 0 {
        let batch = daemon.api.finished("batch_held").await;
        ledger::all_published(&stage.sandbox, &batch);
        batches.push(batch);
    }
    // Beside what a person decided to send again: the third clip that waited, the second of the lost answer, the one that never arrived.
    assert_eq!(
        stage.creates() - posts,
        3 + decided,
        "what the old daemon had sent is not sent again"
    );
    daemon.stop().await;

    let mut remains = stage.database.remains().await;
    let mut total = Tally::default();
    for batch in &batches {
        total += Tally::of(&stage.sandbox, batch, &mut remains).await;
        // The first events of the batch that is held are not among the rows.
        if batch["batchId"] != "batch_held" {
            events_are_numbered_once(&mut remains, batch).await;
        }
    }
    remains.close().await.unwrap();
    assert_eq!(applied(&stage.database).await, MIGRATIONS.iter().count());
    let (engine, took) = (stage.database.engine(), begun.elapsed());
    tell(&format!(
        "{engine}, upgrade from schema {schema}: {deaths} deaths within migrations, {total}, in {took:?}"
    ));
    total.is_clean();
    stage.clear().await;
}

/// From every older schema, the first of them also by daemons that die on the way.
async fn all_older_schemas_go_on(fresh: impl AsyncFn() -> Option<Database>) {
    let upgrades = older_schemas()
        .into_iter()
        .flat_map(|schema| [(schema, false), (schema, true)]);
    let upgrades = upgrades
        .filter(|(schema, dying)| *schema == 1 || !dying)
        .map(async |(schema, dying)| {
            if let Some(database) = fresh().await {
                an_older_schema_goes_on_with_its_batches(database, schema, dying).await;
            }
        });
    join_all(upgrades).await;
}

#[tokio::test]
async fn an_older_sqlite_file_is_upgraded_with_batches_in_flight() {
    all_older_schemas_go_on(async || Some(Database::sqlite())).await;
}

#[tokio::test]
async fn an_older_postgresql_is_upgraded_with_batches_in_flight() {
    all_older_schemas_go_on(Database::postgres).await;
}
