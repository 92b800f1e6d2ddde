//! Upgrades: rows of every older schema, with batches in flight, under the present binary; and a schema that it cannot know.

use std::sync::Arc;

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
    ledger,
    stage::{Stage, clips, instant, stories},
};
use crate::rehearsal::MemoryFacts;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Rows as the binary of the first schema wrote them.
const LEFT: &str = include_str!("schema_1.sql");

/// What that of the second may have written beside them.
const LEFT_BY_THE_SECOND: &str = include_str!("schema_2.sql");

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

async fn an_older_schema_goes_on_with_its_batches(database: Database, schema: i64) {
    let stage = Stage::with(database, instant(json!({"confirm_ms": 20}))).await;
    left_behind(&stage, schema).await;
    let posts = stage.creates();
    let daemon = stage.start().await;
    for id in ["batch_done", "batch_waiting", "batch_sent", "batch_unsent"] {
        let batch = daemon.api.finished(id).await;
        ledger::all_published(&stage.sandbox, &batch);
    }
    let cancelled = daemon.api.finished("batch_cancelled").await;
    assert_eq!(cancelled["status"], "cancelled");
    ledger::live_once_in_order(&stage.sandbox, &cancelled, []);
    let decided = usize::from(schema > 1);
    if decided > 0 {
        ledger::all_published(&stage.sandbox, &daemon.api.finished("batch_held").await);
    }
    // Beside what a person decided to send again: the third clip that waited, the second of the lost answer, the one that never arrived.
    assert_eq!(
        stage.creates() - posts,
        3 + decided,
        "what the old daemon had sent is not sent again"
    );
    daemon.stop().await;

    let mut remains = stage.database.remains().await;
    for id in ["batch_done", "batch_waiting", "batch_sent", "batch_unsent"] {
        let total = if id == "batch_waiting" {
            3
        } else {
            1 + i64::from(id == "batch_sent")
        };
        let batch = json!({"batchId": id, "total": total});
        events_are_numbered_once(&mut remains, &batch).await;
    }
    let applied = sqlx::query("SELECT COUNT(*) FROM _sqlx_migrations")
        .fetch_one(&mut remains)
        .await
        .unwrap();
    assert_eq!(applied.get::<i64, _>(0), MIGRATIONS.iter().count() as i64);
    remains.close().await.unwrap();
    stage.clear().await;
}

#[tokio::test]
async fn an_older_sqlite_file_is_upgraded_with_batches_in_flight() {
    for schema in older_schemas() {
        an_older_schema_goes_on_with_its_batches(Database::sqlite(), schema).await;
    }
}

#[tokio::test]
async fn an_older_postgresql_is_upgraded_with_batches_in_flight() {
    for schema in older_schemas() {
        if let Some(database) = Database::postgres().await {
            an_older_schema_goes_on_with_its_batches(database, schema).await;
        }
    }
}

/// Every row of every table that counts, as text.
async fn content(database: &Database) -> Vec<String> {
    let mut remains = database.remains().await;
    let mut content = Vec::new();
    for (table, columns) in [
        (
            "_sqlx_migrations",
            "CAST(version AS TEXT) || description || CAST(success AS TEXT)",
        ),
        (
            "publish_batches",
            "batch_id || status || updated_at || CAST(lease_epoch AS TEXT)",
        ),
        ("publish_batch_clips", "batch_id || status || updated_at"),
        ("batch_events", "batch_id || body"),
        ("provider_facts", "name || value"),
    ] {
        let sql = format!("SELECT {columns} FROM {table} ORDER BY 1");
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut remains).await.unwrap();
        content.extend(rows.iter().map(|row| format!("{table}: {}", row.get::<&str, _>(0))));
    }
    remains.close().await.unwrap();
    content
}

async fn a_schema_that_is_not_known_is_refused(database: Database) {
    let stage = Stage::with(database, instant(json!({"stuck": true}))).await;
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories("5372118", &clips(2), json!({}))).await;
    daemon.api.clip_is(&id, 1, "waiting_confirmation").await;
    daemon.stop().await;

    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 SELECT 9000, 'from the future', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1";
    let foreign = "UPDATE _sqlx_migrations SET version = 0 WHERE version = 1";
    let unfinished = "UPDATE _sqlx_migrations SET success = false WHERE version = 1";
    for (tampering, repair, said) in [
        (
            newer,
            "DELETE FROM _sqlx_migrations WHERE version = 9000",
            "upgraded by a newer StoryClip: it has migration 9000",
        ),
        (
            foreign,
            "UPDATE _sqlx_migrations SET version = 1 WHERE version = 0",
            "is not this StoryClip's",
        ),
        (
            unfinished,
            "UPDATE _sqlx_migrations SET success = true WHERE version = 1",
            "begun and not finished",
        ),
    ] {
        let mut conn = stage.database.open().await;
        run(&mut conn, tampering.to_owned()).await;
        conn.close().await.unwrap();
        let (before, requests) = (content(&stage.database).await, stage.requests());
        let mut refused = stage.spawn();
        assert_eq!(refused.ended().await.code(), Some(1), "{}", refused.log());
        let log = refused.log();
        assert!(log.contains(said) && log.contains("Nothing was changed"), "{log}");
        assert_eq!(content(&stage.database).await, before);
        assert_eq!(stage.requests(), requests, "no call was made");
        let mut conn = stage.database.open().await;
        run(&mut conn, repair.to_owned()).await;
        conn.close().await.unwrap();
    }
    let daemon = stage.start().await;
    assert_eq!(daemon.api.batch(&id).await["status"], "processing");
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_sqlite_file_of_an_unknown_schema_is_refused_and_left_alone() {
    a_schema_that_is_not_known_is_refused(Database::sqlite()).await;
}

#[tokio::test]
async fn a_postgresql_of_an_unknown_schema_is_refused_and_left_alone() {
    if let Some(database) = Database::postgres().await {
        a_schema_that_is_not_known_is_refused(database).await;
    }
}
