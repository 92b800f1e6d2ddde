//! The log of the real process: one line per transition of a clip and of a batch, each going on where the one before ended.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::stage::{Stage, clips, stories};

/// The (from, to) of the lines with this message about this batch, in order; those of clips by clip.
fn moves(log: &str, message: &str, batch: &str) -> BTreeMap<u64, Vec<(String, String)>> {
    let mut moves: BTreeMap<u64, Vec<(String, String)>> = BTreeMap::new();
    for line in log.lines() {
        let fields: Value = serde_json::from_str(line).expect("every line is JSON");
        if fields["message"] == message && fields["batch.id"] == batch {
            let word = |name: &str| {
                fields[name]
                    .as_str()
                    .unwrap_or_else(|| panic!("no {name} in {line}"))
                    .to_owned()
            };
            let clip = fields["clip.index"].as_u64().unwrap_or_default();
            moves.entry(clip).or_default().push((word("from"), word("to")));
        }
    }
    moves
}

/// Each clip's lines are one way from the beginning to its end.
fn clips_move_on(log: &str, batch: &Value) {
    let id = batch["batchId"].as_str().unwrap();
    let moves = moves(log, "clip moved", id);
    for clip in batch["clips"].as_array().unwrap() {
        let index = clip["index"].as_u64().unwrap();
        let way = &moves[&index];
        assert_eq!(way[0].0, "pending", "{way:?}");
        assert_eq!(way.last().unwrap().1, clip["status"], "{way:?}");
        for pair in way.windows(2) {
            assert_eq!(pair[0].1, pair[1].0, "{way:?}");
        }
        assert!(way.iter().all(|(from, to)| from != to), "{way:?}");
    }
}

#[tokio::test]
async fn each_transition_is_one_line() {
    let stage = Stage::new(json!({"confirm_ms": 300}))
        .await
        .set("STORYCLIP_LOG_FORMAT", "json");
    let daemon = stage.start().await;
    let submit = async |account: &str| daemon.api.publish(&stories(account, &clips(2), json!({}))).await;
    let (plain, paused, cancelled) = (submit("1").await, submit("2").await, submit("3").await);
    daemon.api.clip_is(&cancelled, 1, "waiting_confirmation").await;
    daemon.api.cancel(&cancelled).await;
    let command = async |what: &str| {
        let path = format!("/api/metricool/batch/{paused}/{what}");
        let (status, answer) = daemon.api.post(&path, &json!({})).await;
        assert_eq!(status, 200, "{answer}");
    };
    // Said twice, done once.
    command("pause").await;
    command("pause").await;
    command("resume").await;
    command("resume").await;
    let mut batches = Vec::new();
    for id in [&plain, &paused, &cancelled] {
        batches.push(daemon.api.finished(id).await);
    }
    let mut process = daemon.process;
    process.terminate();
    assert_eq!(process.ended().await.code(), Some(0));
    let log = process.log();
    for batch in &batches {
        clips_move_on(&log, batch);
    }
    let of_batch = |id: &str| moves(&log, "batch moved", id).remove(&0).unwrap_or_default();
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect()
    };
    assert_eq!(of_batch(&plain), pairs(&[("processing", "completed")]));
    assert_eq!(of_batch(&cancelled), pairs(&[("processing", "cancelled")]));
    assert_eq!(
        of_batch(&paused),
        pairs(&[
            ("processing", "paused"),
            ("paused", "processing"),
            ("processing", "completed")
        ])
    );
    stage.clear().await;
}
