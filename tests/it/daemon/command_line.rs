//! The client commands against a daemon that runs.

use std::process::Stdio;

use serde_json::json;

use super::{
    ledger,
    process::storyclip,
    stage::{ACCOUNT, KEY, Stage, clips, stories},
};

#[tokio::test]
async fn publish_with_watch_prints_the_progress_and_ends_with_zero() {
    let stage = Stage::new(json!({"confirm_ms": 100})).await;
    let daemon = stage.start().await;
    let file = std::env::temp_dir().join(format!("storyclip-batch-{:016x}.json", rand::random::<u64>()));
    std::fs::write(&file, stories(ACCOUNT, &clips(3), json!({})).to_string()).unwrap();
    let mut publish = storyclip("publish");
    publish
        .arg(&file)
        .arg("--watch")
        .env("STORYCLIP_URL", &daemon.api.url)
        .env("STORYCLIP_API_KEY", KEY)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || publish.output().unwrap())
        .await
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    for clip in 1..=3 {
        assert_eq!(
            out.matches(&format!("{clip}/3 clip_{clip}: published")).count(),
            1,
            "{out}"
        );
    }
    assert!(out.contains("completed: 3 published, 0 failed of 3"), "{out}");
    let id = out.split_whitespace().next().unwrap();
    ledger::all_published(&stage.sandbox, &daemon.api.batch(id).await);
    daemon.stop().await;
    stage.clear().await;
}
