//! kill -9 at random instants: whatever the daemon was at, each clip is live once, in order, and nobody missed an event.

use serde_json::json;
use storyclip::sandbox::Route;

use super::{experiment::Experiment, ledger, stage::clips};

const CLIPS: usize = 50;
const KILLS: usize = 100;

/// Of 100 kills so many at least must meet a clip in `uploading`.
const UPLOADING: usize = 15;

/// A hundred kills, after which every clip is published.
async fn a_hundred_kills(urls: Vec<String>, faults: serde_json::Value) {
    let mut experiment = Experiment::new(urls, KILLS, faults);
    let (stage, batch) = experiment.run().await;
    ledger::all_published(&stage.sandbox, &batch);
    let uploading = experiment.tally.get("uploading").copied().unwrap_or_default();
    assert!(uploading >= UPLOADING, "{:?}", experiment.tally);
    stage.clear().await;
}

#[tokio::test]
async fn a_hundred_kills_leave_one_live_post_per_clip() {
    a_hundred_kills(clips(CLIPS), json!({})).await;
}

#[tokio::test]
async fn a_hundred_kills_leave_one_live_post_per_clip_when_all_clips_are_the_same_file() {
    let url = "https://cdn.example/clip.mp4";
    a_hundred_kills(vec![url.to_owned(); CLIPS], json!({})).await;
}

#[tokio::test]
async fn a_hundred_kills_leave_one_live_post_per_clip_when_answers_are_lost_too() {
    a_hundred_kills(clips(CLIPS), json!({"error_after_commit": {"probability": 0.1}})).await;
}

#[tokio::test]
async fn a_hundred_kills_leave_one_live_post_per_clip_when_what_the_list_shows_was_learned() {
    let mut experiment = Experiment::new(clips(CLIPS), KILLS, json!({})).learning();
    let (stage, batch) = experiment.run().await;
    // So that no clip was held, by which an absence that cannot be proved would show.
    ledger::all_published(&stage.sandbox, &batch);
    let looked = stage.asked(Route::List);
    assert!(looked > 1, "nothing was looked for after the lesson");
    stage.clear().await;
}

#[tokio::test]
async fn kills_leave_one_live_post_per_clip_of_instagram_when_answers_are_lost_too() {
    let faults = json!({"error_after_commit": {"probability": 0.1}});
    let mut experiment = Experiment::new(clips(20), 40, faults).to("instagram");
    let (stage, batch) = experiment.run().await;
    assert_eq!(batch["network"], "instagram");
    ledger::all_published(&stage.sandbox, &batch);
    stage.clear().await;
}

#[tokio::test]
async fn kills_leave_no_clip_twice_when_everything_else_goes_wrong_too() {
    let faults = json!({
        "error_before_commit": {"probability": 0.05},
        "error_after_commit": {"probability": 0.05},
        "cut_before_commit": {"probability": 0.05},
        "cut_after_commit": {"probability": 0.05},
        "answer_without_id": {"probability": 0.05},
        "html_body": {"probability": 0.02},
        "throttle": {"probability": 0.02, "retry_after_s": 1},
        "unavailable": {"probability": 0.01},
        "failed": {"probability": 0.1},
        "not_visible_ms": 100,
        "list_lag_ms": 100,
    });
    let mut experiment = Experiment::new(clips(20), 40, faults);
    let (stage, batch) = experiment.run().await;
    assert_eq!(batch["status"], "completed", "{batch:#}");
    ledger::published_is_live_once(&stage.sandbox, &batch);
    stage.clear().await;
}
