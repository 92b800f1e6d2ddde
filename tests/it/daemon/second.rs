//! A second daemon on one SQLite file: whatever name it knows it by, it ends at once, says why, and harms nothing.

use std::fs;

use serde_json::json;

use super::{
    ledger,
    process::Process,
    stage::{ACCOUNT, Daemon, Stage, clips, stories},
};

/// It ends and says this.
async fn is_refused(mut second: Process, because: &[&str]) {
    let address = second.listening_or_ended().await;
    assert_eq!(address, None, "two daemons are at work on one file");
    assert_eq!(second.ended().await.code(), Some(1));
    let said = second.log();
    for text in because {
        assert!(said.contains(text), "no \"{text}\" in {said}");
    }
}

/// What the first one promises afterwards is there for the next.
async fn was_harmless(stage: Stage, first: Daemon) {
    let id = first.api.publish(&stories(ACCOUNT, &clips(1), json!({}))).await;
    ledger::all_published(&stage.sandbox, &first.api.finished(&id).await);
    first.stop().await;
    let next = stage.start().await;
    ledger::all_published(&stage.sandbox, &next.api.batch(&id).await);
    next.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_ends_with_one_and_says_why() {
    let stage = Stage::new(json!({})).await;
    let first = stage.start().await;
    let second = stage.spawn();
    let file = stage.database.file().canonicalize().unwrap();
    let lock = format!("{}.lock", file.display());
    is_refused(second, &["another daemon", &lock]).await;
    was_harmless(stage, first).await;
}

#[tokio::test]
async fn a_lock_file_that_was_removed_lets_no_second_daemon_in() {
    let stage = Stage::new(json!({})).await;
    let first = stage.start().await;
    fs::remove_file(stage.database.file().with_extension("db.lock")).unwrap();
    // The one that is refused makes the lock file anew, and it still lets nobody in.
    for _ in 0..2 {
        is_refused(stage.spawn(), &["another process has", "storyclip.db.lock removed"]).await;
    }
    was_harmless(stage, first).await;
}

#[tokio::test]
async fn a_hard_link_of_the_file_lets_no_second_daemon_in() {
    let stage = Stage::new(json!({})).await;
    let first = stage.start().await;
    let (file, url) = (stage.database.file(), stage.database.url());
    let link = file.with_file_name("link.db");
    fs::hard_link(&file, &link).unwrap();
    let stage = stage.set("STORYCLIP_DATABASE_URL", &format!("sqlite://{}", link.display()));
    let second = stage.spawn();
    let stage = stage.set("STORYCLIP_DATABASE_URL", &url);
    is_refused(second, &["link.db", "under another name"]).await;
    was_harmless(stage, first).await;
}
