//! A schema that the present binary cannot know is refused with a sentence, and nothing is changed.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::run;
use crate::daemon::{
    database::Database,
    stage::{Stage, clips, instant, stories},
};

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
