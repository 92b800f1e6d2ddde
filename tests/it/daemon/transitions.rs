//! The log of a daemon: one line per transition, no more and no less, and each says from where and to what.

use serde_json::{Value, json};

use super::stage::{ACCOUNT, Daemon, Stage, stories};

/// A line that tells of a move: the clip's number, or none of a batch, and the two statuses.
type Told = (Option<u64>, String, String);

/// What the log says about the moves of a batch, in its order.
fn moves(log: &str, batch: &str) -> Vec<Told> {
    let of_the_batch = format!(" batch.id={batch} ");
    (log.lines())
        .filter(|line| line.contains(" moved ") && line.contains(&of_the_batch))
        .map(|line| {
            let field = |name: &str| {
                line.split(' ')
                    .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
            };
            let clip = field("clip.index").map(|index| index.parse().unwrap());
            let [from, to] =
                ["from", "to"].map(|name| field(name).unwrap_or_else(|| panic!("no {name}: {line}")).to_owned());
            assert_ne!(from, to, "{line}");
            (clip, from, to)
        })
        .collect()
}

fn of_the_batch(moves: &[Told]) -> Vec<(&str, &str)> {
    (moves.iter())
        .filter(|(clip, ..)| clip.is_none())
        .map(|(_, from, to)| (&**from, &**to))
        .collect()
}

/// The clip and its new status, of each line about a clip.
fn of_clips(moves: &[Told]) -> Vec<(u64, &str)> {
    (moves.iter())
        .filter_map(|(clip, _, to)| Some(((*clip)?, &**to)))
        .collect()
}

/// What the stream told about clips, as `of_clips` has it.
async fn streamed(daemon: &Daemon, id: &str) -> Vec<(u64, String)> {
    let told = daemon.api.events(id).await.rest().await;
    (told.into_iter())
        .filter(|message| message.id.is_some())
        .filter_map(|message| {
            Some((
                message.data["current"].as_u64()?,
                message.data["status"].as_str()?.to_owned(),
            ))
        })
        .collect()
}

async fn says(daemon: &Daemon, id: &str, wish: &str) -> Value {
    let (status, answer) = daemon
        .api
        .post(&format!("/api/metricool/batch/{id}/{wish}"), &json!({}))
        .await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn every_move_is_one_line_that_says_from_where_and_to_what() {
    let stage = Stage::new(json!({"confirm_ms": 20})).await.set("STORYCLIP_LOG", "info");
    let mut daemon = stage.start().await;
    let publish = async |name: &str| {
        let urls: Vec<String> = (1..=3)
            .map(|index| format!("https://cdn.example/{name}_{index}.mp4"))
            .collect();
        daemon.api.publish(&stories(ACCOUNT, &urls, json!({}))).await
    };
    let normal = publish("normal").await;
    daemon.api.finished(&normal).await;

    stage.faults(json!({"confirm_ms": 500}));
    let cancelled = publish("cancelled").await;
    daemon.api.clip_is(&cancelled, 1, "waiting_confirmation").await;
    says(&daemon, &cancelled, "cancel").await;
    assert_eq!(
        daemon.api.finished(&cancelled).await["published"],
        1,
        "it was in flight"
    );

    let paused = publish("paused").await;
    daemon.api.clip_is(&paused, 1, "waiting_confirmation").await;
    says(&daemon, &paused, "pause").await;
    daemon.api.clip_is(&paused, 1, "published").await;
    says(&daemon, &paused, "resume").await;
    daemon.api.finished(&paused).await;

    let told = streamed(&daemon, &normal).await;
    daemon.process.terminate();
    assert_eq!(daemon.process.ended().await.code(), Some(0));
    let log = daemon.process.log();
    let [normal, cancelled, paused] = [normal, cancelled, paused].map(|id| moves(&log, &id));
    assert_eq!(of_the_batch(&normal), [("processing", "completed")]);
    let told: Vec<(u64, &str)> = told.iter().map(|(clip, status)| (*clip, &**status)).collect();
    assert_eq!(of_clips(&normal), told, "a line for each message about a clip");
    assert_eq!(of_the_batch(&cancelled), [("processing", "cancelled")]);
    assert_eq!(
        of_clips(&cancelled),
        [
            (1, "uploading"),
            (1, "waiting_confirmation"),
            (2, "cancelled"),
            (3, "cancelled"),
            (1, "published")
        ]
    );
    assert_eq!(
        of_the_batch(&paused),
        [
            ("processing", "paused"),
            ("paused", "processing"),
            ("processing", "completed")
        ]
    );
    stage.clear().await;
}
