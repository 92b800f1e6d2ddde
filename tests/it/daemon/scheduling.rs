//! Batches at slots through the real daemon: handed over at once, published by the network while no daemon runs, withdrawn
//! by a pause and a cancel, and killed at random instants.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};
use reqwest::StatusCode;
use serde_json::{Value, json};
use storyclip::{clock::SystemClock, sandbox::Route};
use storyclip_actors::ports::Clock;

use super::{
    experiment::seed,
    ledger,
    stage::{ACCOUNT, Stage, clips, stories},
};

/// A body of this brand whose slots begin so far ahead and are so many seconds apart.
pub fn scheduled(account: &str, count: usize, ahead: Duration, apart: u64) -> Value {
    let mut body = stories(account, &clips(count), json!({}));
    let at = (SystemClock.now() + ahead).to_string();
    body["schedule"] = json!({"mode": "scheduled", "scheduledAt": at, "intervalSeconds": apart});
    body
}

/// Asserts that every clip is live once, in order, at the slot that its row names.
pub fn all_published_at_their_slots(stage: &Stage, batch: &Value) {
    assert_eq!(
        (&batch["status"], &batch["published"]),
        (&json!("completed"), &batch["total"]),
        "{batch:#}"
    );
    ledger::published_is_live_once(&stage.sandbox, batch);
    let posts = stage.sandbox.posts();
    for clip in batch["clips"].as_array().unwrap() {
        let live = posts
            .iter()
            .find(|post| post.live.is_some() && clip["url"] == post.media[0]);
        assert_eq!(clip["scheduledAt"], live.unwrap().slot.to_string(), "{clip:#}");
    }
}

fn statuses(batch: &Value) -> Vec<&str> {
    let clips = batch["clips"].as_array().unwrap().iter();
    clips.map(|clip| clip["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn clips_go_live_at_their_slots_while_no_daemon_runs() {
    let stage = Stage::new(json!({})).await;
    let daemon = stage.start().await;
    let body = scheduled(ACCOUNT, 3, Duration::from_secs(3), 1);
    let id = daemon.api.publish(&body).await;
    for clip in 1..=3 {
        daemon.api.clip_is(&id, clip, "scheduled").await;
    }
    let batch = daemon.api.batch(&id).await;
    assert_eq!(batch["status"], "scheduled");
    assert_eq!(statuses(&batch), ["scheduled"; 3]);
    daemon.process.kill();
    stage
        .until("all are live", |sandbox| {
            sandbox.posts().iter().all(|post| post.live.is_some())
        })
        .await;
    let daemon = stage.start().await;
    let batch = daemon.api.finished(&id).await;
    all_published_at_their_slots(&stage, &batch);
    assert_eq!(batch["scheduledFor"], body["schedule"]["scheduledAt"]);
    assert_eq!(
        batch["clips"][0]["scheduledAt"], batch["scheduledFor"],
        "nothing held it up"
    );
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_kill_at_any_instant_leaves_one_live_post_per_clip_in_order() {
    const KILLS: usize = 20;
    let seed = seed("scheduled kills");
    let mut rng = SmallRng::seed_from_u64(seed);
    let stage = Stage::new(json!({"create_delay_ms": [0, 60], "error_after_commit": {"probability": 0.1}})).await;
    let daemon = stage.start().await;
    let mut daemon = Some(daemon);
    let api = |daemon: &Option<super::stage::Daemon>| daemon.as_ref().unwrap().api.clone();
    let id = api(&daemon)
        .publish(&scheduled(ACCOUNT, 12, Duration::from_secs(3), 1))
        .await;
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(rng.random_range(1..400))).await;
        daemon.take().unwrap().process.kill();
        daemon = Some(stage.start().await);
    }
    let batch = api(&daemon).finished(&id).await;
    all_published_at_their_slots(&stage, &batch);
    daemon.unwrap().stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_pause_withdraws_a_resume_gives_new_slots_and_a_cancel_withdraws_again() {
    let stage = Stage::new(json!({})).await;
    let daemon = stage.start().await;
    let api = &daemon.api;
    let id = api
        .publish(&scheduled(ACCOUNT, 4, Duration::from_secs(3_600), 60))
        .await;
    let post = async |action: &str| {
        let (status, answer) = api
            .post(&format!("/api/metricool/batch/{id}/{action}"), &json!({}))
            .await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    };
    api.clip_is(&id, 4, "scheduled").await;
    assert_eq!(post("pause").await["status"], "paused");
    stage
        .until("all are withdrawn", |sandbox| {
            sandbox.posts().iter().all(|post| post.deleted)
        })
        .await;
    api.clip_is(&id, 4, "queued").await;
    let paused = api.batch(&id).await;
    assert_eq!(statuses(&paused), ["pending"; 4]);

    assert_eq!(post("resume").await["status"], "scheduled");
    stage
        .until("all are handed over again", |sandbox| {
            sandbox.posts().iter().filter(|post| !post.deleted).count() == 4
        })
        .await;
    let resumed = stage.sandbox.posts();
    for (before, after) in resumed[..4].iter().zip(&resumed[4..]) {
        assert!(after.slot > before.slot && after.media == before.media, "{resumed:?}");
    }
    assert_eq!(post("cancel").await["status"], "cancelled");
    let batch = api.finished(&id).await;
    assert_eq!(statuses(&batch), ["cancelled"; 4]);
    assert!(
        stage
            .sandbox
            .posts()
            .iter()
            .all(|post| post.deleted && post.live.is_none())
    );
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn the_best_times_of_metricool_become_the_slots_and_a_dry_run_shows_them_first() {
    let stage =
        Stage::new(json!({"best_times": [{"day": 3, "hour": 18, "value": 5.0}, {"day": 6, "hour": 9, "value": 9.0}]}))
            .await;
    let daemon = stage.start().await;
    let mut body = stories(ACCOUNT, &clips(2), json!({}));
    body["schedule"] = json!({"mode": "bestTime", "timezone": "Europe/Madrid"});
    let publish = "/api/metricool/publish/stories";
    let (status, dry) = daemon.api.post(&format!("{publish}?dryRun=true"), &body).await;
    assert_eq!((status, stage.creates()), (StatusCode::OK, 0), "{dry}");
    assert_eq!(stage.sandbox.requests()[&Route::Normalize].count, 2);
    let (_, none) = daemon.api.get("/api/metricool/batches/active?userId=u1").await;
    assert_eq!(none["count"], 0);

    let id = daemon.api.publish(&body).await;
    daemon.api.clip_is(&id, 2, "scheduled").await;
    let batch = daemon.api.batch(&id).await;
    assert_eq!(batch["publishMode"], "bestTime");
    for clip in 0..2 {
        assert_eq!(batch["clips"][clip]["scheduledAt"], dry["plan"][clip]["scheduledAt"]);
        let at: jiff::Timestamp = batch["clips"][clip]["scheduledAt"].as_str().unwrap().parse().unwrap();
        let local = at.in_tz("Europe/Madrid").unwrap();
        let day_and_hour = (local.weekday().to_monday_one_offset(), local.hour());
        assert!([(3, 18), (6, 9)].contains(&day_and_hour), "{local}");
    }
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_dry_run_says_what_metricool_would_refuse() {
    let stage = Stage::new(json!({"forbidden_brands": [ACCOUNT]})).await;
    let daemon = stage.start().await;
    let path = "/api/metricool/publish/stories?dryRun=true";
    let (status, told) = daemon.api.post(path, &stories(ACCOUNT, &clips(1), json!({}))).await;
    assert_eq!(
        (status, &told["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("ACCOUNT_UNAUTHORIZED"))
    );
    let (status, told) = daemon.api.post(path, &stories("5372119", &clips(2), json!({}))).await;
    assert_eq!((status, &told["dryRun"]), (StatusCode::OK, &json!(true)), "{told}");
    daemon.stop().await;
    stage.clear().await;
}
