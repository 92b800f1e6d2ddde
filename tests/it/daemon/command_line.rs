//! The client commands against a daemon that runs.

use std::process::Stdio;

use serde_json::{Value, json};

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

/// Runs a client command and gives its output; it must end with this code.
async fn type_in(url: &str, arguments: &[&str], code: i32) -> String {
    let (command, rest) = arguments.split_first().unwrap();
    let mut process = storyclip(command);
    process
        .args(rest)
        .env("STORYCLIP_URL", url)
        .env("STORYCLIP_API_KEY", KEY)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || process.output().unwrap())
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}{errors}");
    text
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn every_answer_is_for_people_or_as_json_and_what_happened_is_counted() {
    let stage = Stage::new(json!({"confirm_ms": 50})).await;
    let keys = format!("stories:{KEY}:publish+read,ops:sk_scrape_1:metrics");
    let stage = stage.set("STORYCLIP_API_KEYS", &keys);
    let daemon = stage.start().await;
    let url = daemon.api.url.clone();
    let file = std::env::temp_dir().join(format!("storyclip-batch-{:016x}.json", rand::random::<u64>()));
    std::fs::write(&file, stories(ACCOUNT, &clips(2), json!({})).to_string()).unwrap();
    let printed = type_in(&url, &["publish", file.to_str().unwrap(), "--watch", "--json"], 0).await;
    std::fs::remove_file(&file).unwrap();
    let lines: Vec<Value> = printed.lines().map(parsed).collect();
    let id = lines[0]["batchId"].as_str().unwrap();
    assert_eq!(lines.last().unwrap()["type"], "completed", "{printed}");

    let shown = type_in(&url, &["show", id], 0).await;
    assert!(
        shown.contains("status     completed\nclips      2 of 2 published"),
        "{shown}"
    );
    assert!(shown.lines().last().unwrap().contains("clip_2  published"), "{shown}");
    let shown = parsed(&type_in(&url, &["show", id, "--json"], 0).await);
    assert_eq!(shown["batch"], daemon.api.batch(id).await);
    type_in(&url, &["show", "batch_of/nobody?"], 1).await;
    let watched = type_in(&url, &["watch", id, "--json"], 0).await;
    assert!(
        watched.lines().map(parsed).any(|event| event["type"] == "completed"),
        "{watched}"
    );
    let done = parsed(&type_in(&url, &["retry", id, "--json"], 0).await);
    assert_eq!((&done["batchId"], &done["status"]), (&json!(id), &json!("completed")));
    let active = parsed(&type_in(&url, &["batches", "--user", "u1", "--json"], 0).await);
    assert_eq!(active["count"], 0);

    let (_, page) = daemon.api.with_key("sk_scrape_1").get("/metrics").await;
    let page = page.as_str().unwrap();
    for line in [
        "storyclip_attempts_total{network=\"facebook\",verdict=\"created\"} 2",
        "storyclip_attempts_total{network=\"facebook\",verdict=\"published\"} 2",
        "storyclip_lateness_seconds_count{network=\"facebook\"} 2",
        "storyclip_provider_calls_total{operation=\"create\",outcome=\"answered\"} 2",
        "storyclip_polls_total{reading=\"published\"} 2",
    ] {
        assert!(page.lines().any(|told| told == line), "{line} is missing:\n{page}");
    }
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn every_command_of_a_person_prints_the_daemons_answer_as_json() {
    // Nobody can say what became of the first clip's post; no other one is ever confirmed.
    let stage = Stage::new(json!({
        "list_lag_ms": 3_600_000, "list_hides_published": true,
        "answer_without_id": {"media": "clip_1.", "next": 1}, "stuck": {"media": "clip_2."},
    }))
    .await
    .set("STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED", "no")
    .set("STORYCLIP_API_KEYS", &format!("stories:{KEY}:admin"));
    let daemon = stage.start().await;
    let say = async |arguments: &[&str]| {
        let printed = type_in(&daemon.api.url, &[arguments, &["--json"]].concat(), 0).await;
        assert_eq!(printed.lines().count(), 1, "{printed}");
        parsed(&printed)
    };
    let commanded = |told: &Value, id: &str, action: &str, status: &str| {
        assert_eq!(
            (&told["success"], &told["batchId"], &told["action"], &told["status"]),
            (&json!(true), &json!(id), &json!(action), &json!(status)),
            "{told}"
        );
        assert!(told["timestamp"].is_string(), "{told}");
    };
    let id = daemon
        .api
        .publish(&stories(ACCOUNT, &clips(2), json!({"onFailure": "hold"})))
        .await;
    let held = daemon.api.hears(&id, |event| event["code"] == "CLIP_HELD");
    assert_eq!(held.await.data["status"], "paused");
    let told = say(&["resolve", &id, "1", "drop"]).await;
    commanded(&told, &id, "resolve", "processing");
    assert_eq!(told["clip"], json!({"index": 1, "status": "failed"}));
    commanded(&say(&["pause", &id]).await, &id, "pause", "paused");
    commanded(&say(&["resume", &id]).await, &id, "resume", "processing");
    commanded(&say(&["cancel", &id]).await, &id, "cancel", "cancelled");
    let refused = type_in(&daemon.api.url, &["resume", &id, "--json"], 1).await;
    assert_eq!(refused, "", "what is refused is no answer");

    let made = say(&["keys", "create", "--scope", "read", "--name", "shop"]).await;
    let (key, secret) = (made["key"]["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!((&made["success"], &made["key"]["name"]), (&json!(true), &json!("shop")));
    let reads = async || {
        daemon
            .api
            .with_key(secret)
            .get("/api/metricool/batches/active?userId=u1")
            .await
            .0
    };
    assert_eq!(reads().await, 200);
    let listed = say(&["keys", "list"]).await;
    assert_eq!(listed["keys"][0]["id"], *key);
    let revoked = say(&["keys", "revoke", key]).await;
    assert_eq!((&revoked["success"], &revoked["id"]), (&json!(true), &json!(key)));
    assert!(revoked["revokedAt"].is_string(), "{revoked}");
    assert_eq!(reads().await, 401);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn watch_reads_on_at_an_old_pause_and_ends_at_the_one_that_is() {
    let stage = Stage::new(json!({"confirm_ms": 1_000})).await;
    let daemon = stage.start().await;
    let url = daemon.api.url.clone();
    let id = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
    type_in(&url, &["pause", &id], 0).await;
    let resting = type_in(&url, &["watch", &id], 3).await;
    let last = resting.lines().last().unwrap();
    assert!(last.starts_with(&format!("{id} paused: ")), "{resting}");
    assert!(
        last.ends_with("(a person paused the batch; resume lets it go on)"),
        "{resting}"
    );

    stage.faults(json!({"confirm_ms": 20}));
    type_in(&url, &["resume", &id], 0).await;
    type_in(&url, &["pause", &id], 0).await;
    type_in(&url, &["resume", &id], 0).await;
    let batch = daemon.api.finished(&id).await;
    ledger::all_published(&stage.sandbox, &batch);
    let watched = type_in(&url, &["watch", &id], 0).await;
    for clip in 1..=3 {
        assert!(
            watched.contains(&format!("{clip}/3 clip_{clip}: published")),
            "{watched}"
        );
    }
    let last = format!("{id} completed: 3 published, 0 failed of 3");
    assert_eq!(watched.lines().last(), Some(&*last), "{watched}");
    let watched = type_in(&url, &["watch", &id, "--json"], 0).await;
    let told: Vec<Value> = watched.lines().map(parsed).collect();
    let recorded: Vec<Value> = (daemon.api.events(&id).await.rest().await.into_iter())
        .filter(|message| message.id.is_some())
        .map(|message| message.data)
        .collect();
    assert_eq!(told[0]["type"], "connected");
    assert_eq!(told[1..], recorded, "everything that happened, once");
    assert_eq!(recorded.last().unwrap()["type"], "completed");

    // Cancelled out of a pause: what it was paused for is not what it ended for.
    stage.faults(json!({"confirm_ms": 1_000}));
    let other = daemon.api.publish(&stories(ACCOUNT, &clips(3), json!({}))).await;
    type_in(&url, &["pause", &other], 0).await;
    type_in(&url, &["cancel", &other], 0).await;
    let watched = type_in(&url, &["watch", &other], 3).await;
    let last = watched.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("{other} cancelled: ")) && last.ends_with(" of 3"),
        "{watched}"
    );
    daemon.stop().await;
    stage.clear().await;
}
