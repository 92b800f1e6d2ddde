//! What nobody but a person can decide: a lost answer becomes a held clip, a scraper sees it, and the command line resolves
//! it in each of the three ways. Beside it the other commands, as a person types them.

use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::{
    ledger,
    process::storyclip,
    stage::{ACCOUNT, Daemon, KEY, Stage, clips, stories},
};

const SCRAPER: &str = "sk_scrape_1";

/// A stage whose daemons have a key for the scraper.
async fn stage(faults: Value) -> Stage {
    let keys = format!("stories:{KEY}:publish+read,ops:{SCRAPER}:metrics");
    Stage::new(faults).await.set("STORYCLIP_API_KEYS", &keys)
}

/// Runs a client command and gives its exit code, its output and its errors.
async fn type_in(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, String, String) {
    let (command, rest) = arguments.split_first().unwrap();
    let mut process = storyclip(command);
    process
        .args(rest)
        .env("STORYCLIP_URL", &daemon.api.url)
        .env("STORYCLIP_API_KEY", KEY)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || process.output().unwrap())
        .await
        .unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// What the scraper reads for this series.
async fn scraped(daemon: &Daemon, series: &str) -> i64 {
    let (status, text) = daemon.api.with_key(SCRAPER).get("/metrics").await;
    assert_eq!(status, 200, "{text}");
    let text = text.as_str().unwrap().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}"))
        .trim()
        .parse()
        .unwrap()
}

/// Waits until the batch has stopped for this many held clips.
async fn stopped_for(daemon: &Daemon, id: &str, held: i64) -> Value {
    let reason = format!("{held} clips are held");
    let message = daemon.api.hears(id, |event| {
        event["type"] == "paused" && event["error"].as_str().is_some_and(|error| error.starts_with(&reason))
    });
    assert_eq!(message.await.data["code"], "CLIP_HELD");
    assert_eq!(scraped(daemon, "storyclip_clips{status=\"held\"}").await, held);
    assert_eq!(scraped(daemon, "storyclip_batches{status=\"paused\"}").await, 1);
    daemon.api.batch(id).await
}

#[tokio::test]
async fn a_lost_answer_that_nobody_can_clear_up_is_held_seen_by_the_scraper_and_resolved_by_a_person() {
    // The first clip's post is made, those of the next two are not, and no list tells.
    let stage = stage(json!({
        "confirm_ms": 20, "list_lag_ms": 3_600_000, "list_hides_published": true,
        "answer_without_id": {"media": "clip_1.", "next": 1},
        "cut_before_commit": {"media": "clip_2.", "next": 1},
        "error_before_commit": {"media": "clip_3.", "next": 1},
    }))
    .await
    .set("STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED", "no");
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(4), json!({}))).await;
    let batch = stopped_for(&daemon, &id, 3).await;
    let statuses: Vec<_> = (0..4).map(|clip| &batch["clips"][clip]["status"]).collect();
    assert_eq!(statuses, ["held", "held", "held", "published"]);
    let (_, evidence) = daemon.api.get(&format!("/api/metricool/batch/{id}/attempts")).await;
    for attempt in &evidence["attempts"].as_array().unwrap()[..3] {
        assert_eq!(
            (&attempt["verdict"], &attempt["code"]),
            (&json!("cannot_tell"), &json!("CANNOT_TELL"))
        );
        let told = attempt["message"].as_str().unwrap();
        for look in [
            "looked at 20",
            "times more until",
            "posts listed",
            "never seen to show published",
        ] {
            assert!(told.contains(look), "every look is told: {told}");
        }
        assert!(
            attempt["request"]["media"].is_string() && attempt["intentAt"].is_string(),
            "{attempt:#}"
        );
    }

    let lost = stage.sandbox.posts()[0].id.to_string();
    let others = batch["clips"][3]["metricoolPostId"].as_str().unwrap().to_owned();
    let (code, out, err) = type_in(&daemon, &["resolve", &id, "1", "adopt", &others]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.contains("belongs to another clip") && err.contains("POST_TAKEN, HTTP 409"),
        "{err}"
    );

    let (code, out, err) = type_in(&daemon, &["resolve", &id, "1", "adopt", &lost]).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with(&format!("{id} processing, clip 1 is ")), "{out}");
    daemon.api.clip_is(&id, 1, "published").await;
    stopped_for(&daemon, &id, 2).await;
    let (code, out, _) = type_in(&daemon, &["resolve", &id, "1", "adopt", &lost]).await;
    assert_eq!(
        (code, out),
        (Some(0), format!("{id} paused, clip 1 is published\n")),
        "once more"
    );

    let (code, out, err) = type_in(&daemon, &["resolve", &id, "2", "retry"]).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with(&format!("{id} processing, clip 2 is ")), "{out}");
    daemon.api.clip_is(&id, 2, "published").await;
    stopped_for(&daemon, &id, 1).await;
    let (code, _, err) = type_in(&daemon, &["resolve", &id, "2", "retry"]).await;
    assert!(
        code == Some(1) && err.contains("clip 2 is published, not held (CLIP_NOT_HELD, HTTP 409)"),
        "{err}"
    );

    let (code, out, _) = type_in(&daemon, &["resolve", &id, "3", "drop"]).await;
    assert_eq!((code, out), (Some(0), format!("{id} completed, clip 3 is failed\n")));
    let batch = daemon.api.finished(&id).await;
    assert_eq!(
        (&batch["status"], &batch["published"]),
        (&json!("completed"), &json!(3))
    );
    assert_eq!(batch["clips"][2]["errorCode"], "DROPPED");
    ledger::live_once_if_published(&stage.sandbox, &batch);
    assert_eq!(scraped(&daemon, "storyclip_clips{status=\"held\"}").await, 0);
    assert_eq!(scraped(&daemon, "storyclip_clips{status=\"published\"}").await, 3);
    assert_eq!(scraped(&daemon, "storyclip_batches{status=\"completed\"}").await, 1);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn pause_resume_retry_and_cancel_are_typed_and_survive_a_kill() {
    // The second clip takes its time, so that what is typed comes in time on a busy machine, too.
    let stage = stage(json!({
        "confirm_ms": 100, "publish_at_ms": {"media": "clip_2.", "ms": 3_000},
        "failed": {"media": "clip_1.", "next": 1, "detail": "Error validating MP4"},
    }))
    .await;
    let daemon = stage.start().await;
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
    daemon.api.clip_is(&id, 2, "waiting_confirmation").await;
    let (code, out, err) = type_in(&daemon, &["pause", &id]).await;
    assert_eq!((code, out), (Some(0), format!("{id} paused\n")), "{err}");
    daemon.process.kill();

    let daemon = stage.start().await;
    daemon.api.clip_is(&id, 2, "published").await;
    let batch = daemon.api.batch(&id).await;
    let reason = "a person paused the batch; resume lets it go on";
    assert_eq!((&batch["status"], &batch["error"]), (&json!("paused"), &json!(reason)));
    assert_eq!(batch["clips"][2]["status"], "pending");
    let (code, out, _) = type_in(&daemon, &["retry", &id, "1"]).await;
    assert_eq!((code, out), (Some(0), format!("{id} paused, clip 1 is tried again\n")));
    daemon
        .api
        .hears(&id, |event| event["current"] == 1 && event["status"] == "retrying")
        .await;
    assert_eq!(
        stage.creates(),
        2,
        "the network is asked, and nothing is sent in a pause"
    );
    let (code, out, _) = type_in(&daemon, &["resume", &id]).await;
    assert_eq!((code, out), (Some(0), format!("{id} processing\n")));
    daemon.process.kill();

    let daemon = stage.start().await;
    let batch = daemon.api.finished(&id).await;
    assert_eq!(
        (&batch["status"], &batch["published"]),
        (&json!("completed"), &json!(3)),
        "{batch:#}"
    );
    ledger::live_once_if_published(&stage.sandbox, &batch);
    for command in ["cancel", "pause", "resume"] {
        let (code, _, err) = type_in(&daemon, &[command, &id]).await;
        assert!(
            code == Some(1) && err.contains("a completed batch cannot be"),
            "{command}: {err}"
        );
    }
    let (code, _, err) = type_in(&daemon, &["retry", &id, "4"]).await;
    assert!(
        code == Some(1) && err.contains("clips[0]: must be a clip of the batch, 1 to 3"),
        "{err}"
    );
    let (code, _, err) = type_in(&daemon, &["pause", "batch/../?x"]).await;
    assert!(code == Some(1) && err.contains("INVALID_BATCH_ID"), "{err}");

    let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
    daemon.api.clip_is(&id, 2, "waiting_confirmation").await;
    let (code, out, _) = type_in(&daemon, &["cancel", &id]).await;
    assert_eq!((code, out), (Some(0), format!("{id} cancelled\n")));
    assert_eq!(daemon.api.finished(&id).await["status"], "cancelled");
    daemon.stop().await;
    stage.clear().await;
}
