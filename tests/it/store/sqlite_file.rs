//! What holds for the SQLite file only: one daemon, and the queries that the user's documents print.

use std::{fs, process::Command, sync::Arc};

use storyclip::store::{OpenError, Options, Store};

use super::{
    bench::{Bench, Ears, TempDir, at, batch, intent, tenant},
    subject::Subject as _,
};
use storyclip_actors::{model::PostRef, ports::Store as _};

#[tokio::test]
async fn a_second_daemon_is_refused_with_the_reason() {
    let bench = Bench::sqlite().await;
    let refused = Store::open(&bench.options, bench.ears.clone()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    let text = refused.to_string();
    assert!(
        text.contains("story clip.db.lock") && text.contains(&std::process::id().to_string()),
        "{text}"
    );
    assert!(text.contains("another daemon"), "{text}");
    bench.store.close().await;
    let second = Store::open(&bench.options, bench.ears.clone()).await.unwrap();
    second.close().await;
}

#[tokio::test]
async fn an_alias_of_the_file_shares_its_lock() {
    let bench = Bench::sqlite().await;
    let dir = TempDir::new();
    let file = bench.options.url.strip_prefix("sqlite://").unwrap();
    let alias = dir.0.join("alias.db");
    std::os::unix::fs::symlink(file, &alias).unwrap();
    let options = Options {
        url: format!("sqlite:{}", alias.display()),
        readers: 1,
    };
    assert!(matches!(
        Store::open(&options, bench.ears.clone()).await.err(),
        Some(OpenError::Locked { .. })
    ));
    bench.end().await;
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let dir = TempDir::new();
    let options = Options {
        url: format!("sqlite://{}/no/such.db", dir.0.display()),
        readers: 1,
    };
    let error = Store::open(&options, Arc::new(Ears::default()))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("no"), "{error}");
    assert!(fs::read_dir(&dir.0).unwrap().next().is_none(), "nothing is left behind");
}

#[tokio::test]
async fn durability_is_on() {
    let bench = Bench::sqlite().await;
    bench.live("b1", 1).await;
    let mode: (String,) = sqlx::query_as("PRAGMA journal_mode")
        .fetch_one(&bench.probe)
        .await
        .unwrap();
    assert_eq!(mode.0, "wal");
    bench.end().await;
}

#[tokio::test]
async fn a_writer_from_outside_is_waited_for() {
    let bench = Bench::sqlite().await;
    let snapshot = bench.live("b1", 1).await;
    let mut outside = bench.probe.begin().await.unwrap();
    let update = "UPDATE publish_batches SET job_id = 'other'";
    sqlx::query(update).execute(&mut *outside).await.unwrap();
    let mut commit = bench.store.commit(Arc::new(intent(&snapshot, "m", at(60))));
    assert!(futures_util::poll!(&mut commit).is_pending());
    let view = bench.store.batch(&tenant(), &"b1".into()).await.unwrap().unwrap();
    assert_eq!(
        view.job_id.as_deref(),
        Some("job_1"),
        "readers are not blocked and see what is committed"
    );
    outside.commit().await.unwrap();
    commit.await.unwrap();
    let view = bench.store.batch(&tenant(), &"b1".into()).await.unwrap().unwrap();
    assert_eq!((view.job_id.as_deref(), view.last_event), (Some("other"), 1));
    bench.end().await;
}

/// The queries of seeds 001 and 002, character by character.
#[tokio::test]
async fn the_printed_queries_run_unchanged() {
    let bench = Bench::sqlite().await;
    let snapshot = bench.live("BATCH_ID_AQUI", 2).await;
    let mut change = intent(&snapshot, "m", at(60));
    change.clips[0].clip.post = Some(PostRef {
        id: "p1".into(),
        uuid: None,
    });
    change.clips[0].clip.network_post_id = Some("fb1".into());
    bench.store.commit(Arc::new(change)).await.unwrap();
    let mut done = batch("done", 1);
    done.status = storyclip_actors::model::BatchStatus::Completed;
    done.created_at = at(1);
    bench.store.create_batch(done).await.unwrap();
    let file = bench.options.url.strip_prefix("sqlite://").unwrap();
    for (query, expected) in [
        (
            "SELECT batch_id, status, publish_mode, total_clips, published_clips, failed_clips
   FROM publish_batches
   ORDER BY created_at DESC
   LIMIT 10;",
            "done|completed|now|1|0|0\nBATCH_ID_AQUI|processing|now|2|0|0\n",
        ),
        (
            "SELECT batch_id, clip_index, status, metricool_post_id, facebook_post_id
   FROM publish_batch_clips
   WHERE batch_id = 'BATCH_ID_AQUI';",
            "BATCH_ID_AQUI|1|uploading|p1|fb1\nBATCH_ID_AQUI|2|pending||\n",
        ),
        (
            "SELECT batch_id, status, published_clips, failed_clips, total_clips
   FROM publish_batches
   WHERE status = 'processing';",
            "BATCH_ID_AQUI|processing|0|0|2\n",
        ),
        (
            "SELECT clip_index, status, metricool_post_id
   FROM publish_batch_clips
   WHERE batch_id = 'BATCH_ID_AQUI'
   ORDER BY clip_index;",
            "1|uploading|p1\n2|pending|\n",
        ),
    ] {
        let output = Command::new("sqlite3")
            .arg(file)
            .arg(query)
            .output()
            .expect("the sqlite3 command is installed");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
    bench.end().await;
}
