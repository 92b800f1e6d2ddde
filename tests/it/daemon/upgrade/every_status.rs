//! Batches in every status that a daemon may leave: they are made by the present one, which is killed, and their rows are put
//! into a database of each older schema, without the columns that it does not have.
//!
//! What an older daemon wrote into those that it has means the same; where that was not so there would be rows of its own.

use std::time::Instant;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

use super::{CRASH, migrate, older_schemas};
use crate::daemon::{
    database::Database,
    experiment::tell,
    ledger::{self, Tally},
    stage::{Daemon, Stage, instant, stories},
};

/// How long the posts of the clips that wait take to go live: longer than everything until the kill.
const LIVE_AFTER_MS: u64 = 6_000;

/// One batch per brand, each in a status of its own.
const WAITING: &str = "1";
const UPLOADING: &str = "2";
const UNCERTAIN: &str = "3";
const RETRYING: &str = "4";
const PAUSED: &str = "5";
const CANCELLED: &str = "6";
const STOPPED: &str = "7";
/// The last, because what holds it up holds up all others of its token.
const QUEUED: &str = "8";
const BRANDS: [&str; 8] = [
    WAITING, UPLOADING, UNCERTAIN, RETRYING, PAUSED, CANCELLED, STOPPED, QUEUED,
];

/// Every table in which rows are left, those that others name first.
const TABLES: [&str; 7] = [
    "publish_batches",
    "publish_batch_clips",
    "delivery_attempts",
    "batch_events",
    "user_streams",
    "batch_commands",
    "provider_facts",
];

fn urls(brand: &str) -> Vec<String> {
    [1, 2]
        .map(|clip| format!("https://cdn.example/{brand}_{clip}.mp4"))
        .into()
}

/// The batches, by the order of their brands, once each is in its status.
async fn in_every_status(stage: &Stage, daemon: &Daemon) -> Vec<String> {
    let api = &daemon.api;
    let mut ids = Vec::new();
    for brand in BRANDS {
        let fault = |fields: Value| {
            let mut fault = json!({"media": urls(brand)[0], "next": 1});
            fault
                .as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            fault
        };
        let late = json!({"publish_at_ms": fault(json!({"ms": LIVE_AFTER_MS}))});
        let (faults, settings, status) = match brand {
            WAITING | CANCELLED | PAUSED => (late, json!({}), "waiting_confirmation"),
            UPLOADING => (json!({}), json!({}), "uploading"),
            // Shown as one that waits, until somebody has looked often enough.
            UNCERTAIN => (
                json!({"cut_before_commit": fault(json!({}))}),
                json!({}),
                "waiting_confirmation",
            ),
            RETRYING => {
                let failed =
                    fault(json!({"detail": "An unexpected error has occurred. Please retry your request later."}));
                (json!({"failed": failed}), json!({}), "retrying")
            }
            QUEUED => {
                let throttle = fault(json!({"route": "create", "retry_after_s": 5}));
                (json!({"throttle": throttle}), json!({}), "queued")
            }
            STOPPED => {
                let failed = fault(json!({"detail": "Error validating MP4"}));
                (json!({"failed": failed}), json!({"onFailure": "stop"}), "failed")
            }
            _ => panic!("there is no brand {brand}"),
        };
        stage.faults(faults);
        let id = api.publish(&stories(brand, &urls(brand), settings)).await;
        api.clip_is(&id, 1, status).await;
        let command = match brand {
            CANCELLED => Some("cancel"),
            PAUSED => Some("pause"),
            _ => None,
        };
        if let Some(command) = command {
            let (status, answer) = api
                .post(&format!("/api/metricool/batch/{id}/{command}"), &json!({}))
                .await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
        ids.push(id);
    }
    ids
}

/// The columns of a table that a database has.
async fn columns(database: &Database, conn: &mut AnyConnection, table: &str) -> Vec<String> {
    let sql = match database {
        Database::Sqlite(_) => format!("SELECT name FROM pragma_table_info('{table}')"),
        Database::Postgres { .. } => format!(
            "SELECT CAST(column_name AS TEXT) FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = '{table}'"
        ),
    };
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(conn).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A database of this schema with what the other one has of it.
async fn older(newer: &Database, fresh: Database, schema: i64) -> Database {
    let (mut from, mut to) = (newer.remains().await, fresh.open().await);
    migrate(&mut to, schema).await;
    for table in TABLES {
        let columns = columns(&fresh, &mut to, table).await;
        let texts: Vec<String> = columns.iter().map(|name| format!("CAST({name} AS TEXT)")).collect();
        let sql = format!("SELECT {} FROM {table}", texts.join(", "));
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut from).await.unwrap() {
            let value = |at| match row.get::<Option<String>, _>(at) {
                Some(text) => format!("'{}'", text.replace('\'', "''")),
                None => "NULL".to_owned(),
            };
            let values: Vec<String> = (0..columns.len()).map(value).collect();
            let sql = format!(
                "INSERT INTO {table} ({}) VALUES ({})",
                columns.join(", "),
                values.join(", ")
            );
            sqlx::query(AssertSqlSafe(sql)).execute(&mut to).await.unwrap();
        }
    }
    from.close().await.unwrap();
    to.close().await.unwrap();
    fresh
}

/// The statuses of the first clips of all batches, in the order of their brands.
async fn left(database: &Database) -> Vec<String> {
    let sql = "SELECT b.status || '/' || c.status FROM publish_batches b JOIN publish_batch_clips c \
               ON c.batch_id = b.batch_id WHERE c.clip_index = 1 ORDER BY b.account_id";
    let mut remains = database.remains().await;
    let rows = sqlx::query(sql).fetch_all(&mut remains).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn goes_on_from(database: Database, fresh: Database, schema: i64) {
    let begun = Instant::now();
    let media = &urls(UPLOADING)[0];
    let mut stage = Stage::with(database, instant(json!({"confirm_ms": 20})))
        .await
        .set("STORYCLIP_LEASE_SECONDS", "8")
        .set("STORYCLIP_FIND_SETTLE_SECONDS", "60")
        .set(CRASH, &format!("hang:answer:1~create {media}"));
    let daemon = stage.start().await;
    let ids = in_every_status(&stage, &daemon).await;
    daemon.process.kill();
    let statuses = left(&stage.database).await;
    let expected = [
        "processing/waiting_confirmation",
        "processing/uploading",
        "processing/uncertain",
        "processing/retrying",
        "paused/waiting_confirmation",
        "cancelled/waiting_confirmation",
        "failed/failed",
        "processing/queued",
    ];
    // A clip that is tried again after two seconds may be on its way again.
    for (at, (left, expected)) in statuses.iter().zip(expected).enumerate() {
        assert!(left == expected || BRANDS[at] == RETRYING, "{statuses:?}");
    }
    let older = older(&stage.database, fresh, schema).await;
    let newer = std::mem::replace(&mut stage.database, older);
    newer.remove().await;
    stage.unset(CRASH);
    let url = stage.database.url();
    let stage = stage
        .set("STORYCLIP_FIND_SETTLE_SECONDS", "0.4")
        .set("STORYCLIP_DATABASE_URL", &url);

    let daemon = stage.start().await;
    for (brand, command) in [(PAUSED, "resume"), (STOPPED, "retry-failed")] {
        let at = BRANDS.iter().position(|other| *other == brand).unwrap();
        let path = format!("/api/metricool/batch/{}/{command}", ids[at]);
        let (status, answer) = daemon.api.post(&path, &json!({})).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let mut batches = Vec::new();
    for (brand, id) in BRANDS.iter().zip(&ids) {
        let ends = if *brand == CANCELLED { "cancelled" } else { "completed" };
        let ended = daemon.api.hears(id, |event| event["type"] == ends);
        ended.await;
        let batch = daemon.api.batch(id).await;
        let published = if *brand == CANCELLED { 1 } else { 2 };
        assert_eq!(
            (&batch["status"], &batch["published"]),
            (&json!(ends), &json!(published)),
            "{batch:#}"
        );
        ledger::published_is_live_once(&stage.sandbox, &batch);
        batches.push(batch);
    }
    daemon.stop().await;
    let mut total = Tally::default();
    let mut remains = stage.database.remains().await;
    for batch in &batches {
        total += Tally::of(&stage.sandbox, batch, &mut remains).await;
    }
    remains.close().await.unwrap();
    let (engine, took) = (stage.database.engine(), begun.elapsed());
    tell(&format!(
        "{engine}, upgrade from schema {schema}: {} batches in {} statuses, {total}, in {took:?}",
        batches.len(),
        expected.len()
    ));
    total.is_clean();
    stage.clear().await;
}

#[tokio::test]
async fn batches_in_every_status_are_upgraded_from_each_older_schema_on_sqlite() {
    let upgrades = older_schemas()
        .into_iter()
        .map(|schema| goes_on_from(Database::sqlite(), Database::sqlite(), schema));
    join_all(upgrades).await;
}

#[tokio::test]
async fn batches_in_every_status_are_upgraded_from_each_older_schema_on_postgresql() {
    let upgrades = older_schemas().into_iter().map(async |schema| {
        if let (Some(newer), Some(fresh)) = (Database::postgres().await, Database::postgres().await) {
            goes_on_from(newer, fresh, schema).await;
        }
    });
    join_all(upgrades).await;
}
