//! Everything that a daemon writes, at the most talkative, searched for everything that is secret.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use reqwest::Method;
use serde_json::json;

use super::stage::{ACCOUNT, Stage, clips, stories};
use crate::http::sse::Sse;

const KEY: &str = "sk_owner_3f9a51c2";
const SCRAPER: &str = "sk_scraper_77d1e0";
const TOKEN: &str = "metricool-token-b81c44";
const PASSWORD: &str = "proxy-password-9be2";
const WRONG: &str = "sk_wrong_c0ffee";
const CRON: &str = "cron-secret-51ab";

/// What must not be found in anything that a daemon writes.
const SECRETS: [&str; 6] = [KEY, SCRAPER, TOKEN, PASSWORD, WRONG, CRON];

fn holds_no_secret(text: &str) {
    for secret in SECRETS {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret} is in: {line:?}");
    }
}

/// A file for the standard output of a process.
fn output() -> (Stdio, PathBuf) {
    let path = std::env::temp_dir().join(format!("storyclip-out-{:016x}", rand::random::<u64>()));
    (File::create_new(&path).unwrap().into(), path)
}

fn read_and_remove(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::remove_file(file).unwrap();
    text
}

async fn stage(format: &str) -> Stage {
    let stage = Stage::new(json!({"confirm_ms": 20})).await;
    let url = stage
        .sandbox
        .base_url()
        .replace("http://", &format!("http://me:{PASSWORD}@"));
    stage
        .set(
            "STORYCLIP_API_KEYS",
            &format!("stories:{KEY}:publish+read,ops:{SCRAPER}:metrics"),
        )
        .set("METRICOOL_USER_TOKEN", TOKEN)
        .set("STORYCLIP_METRICOOL_URL", &url)
        .set("STORYCLIP_LOG", "trace")
        .set("STORYCLIP_LOG_FORMAT", format)
}

/// A batch from its beginning to its end, every way to present a key, and a refused token; gives what was written.
async fn talkative_life(format: &str) -> String {
    let stage = stage(format).await;
    let (out, file) = output();
    let mut process = stage.spawn_to(out);
    let line = process.logged("listening").await;
    let address = line
        .split(['"', '=', ' '])
        .find(|word| word.starts_with("127.0.0.1:"))
        .unwrap();
    let api = super::stage::Api::new(format!("http://{address}"), KEY);
    let id = api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    let stream = format!("/api/metricool/stream?batchId={id}&lastEventId=0");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let bare = |method: Method, path: &str| client.request(method, format!("{}{path}", api.url));
    let live = Sse::open(bare(Method::GET, &format!("{stream}&apiKey={KEY}"))).await;
    live.rest().await;
    assert_eq!(api.batch(&id).await["status"], "completed");
    let runner = "/api/social-auto-poster/runner";
    for (request, status) in [
        (
            bare(Method::GET, &format!("/api/metricool/batch/{id}")).bearer_auth(KEY),
            200,
        ),
        (bare(Method::GET, "/metrics").bearer_auth(SCRAPER), 200),
        (bare(Method::GET, "/metrics").header("x-api-key", WRONG), 401),
        (bare(Method::GET, &format!("{stream}&apiKey={WRONG}")), 401),
    ] {
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    // Whatever is answered there: the secret of a caller is not for the log.
    let asked = bare(Method::GET, &format!("{runner}?secret={CRON}"));
    asked.send().await.unwrap();
    let asked = bare(Method::POST, runner).header("x-cron-secret", CRON);
    asked.send().await.unwrap();
    // The body of a request is not for the log either.
    api.post(
        "/api/metricool/publish/stories",
        &json!({"apiKey": WRONG, "secret": CRON}),
    )
    .await;
    stage.faults(json!({"unauthorized": true}));
    let parked = api.publish(&stories(ACCOUNT, &clips(1), json!({}))).await;
    api.hears(&parked, |event| event["code"] == "ACCOUNT_UNAUTHORIZED")
        .await;
    process.terminate();
    assert_eq!(process.ended().await.code(), Some(0));
    let written = format!("{}\n{}", process.log(), read_and_remove(&file));
    stage.clear().await;
    written.trim_end().to_owned()
}

#[tokio::test]
async fn nothing_secret_is_written_for_people_even_at_trace() {
    let written = talkative_life("human").await;
    assert!(written.contains("TRACE") && written.contains("clip moved"), "{written}");
    holds_no_secret(&written);
}

#[tokio::test]
async fn nothing_secret_is_written_for_machines_even_at_trace() {
    let written = talkative_life("json").await;
    for line in written.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    holds_no_secret(&written);
}

#[tokio::test]
async fn a_start_that_fails_shows_no_setting_that_is_secret() {
    for (name, value) in [
        ("STORYCLIP_API_KEYS", format!("stories:{KEY}")),
        (
            "STORYCLIP_API_KEYS",
            format!("stories:{KEY}:sing,ops:{SCRAPER}:metrics"),
        ),
        (
            "STORYCLIP_DATABASE_URL",
            format!("postgres://me:{PASSWORD}@127.0.0.1:1/none"),
        ),
        (
            "STORYCLIP_DATABASE_URL",
            format!("mysql://me:{PASSWORD}@127.0.0.1:1/none"),
        ),
        ("STORYCLIP_METRICOOL_URL", format!("ftp://me:{PASSWORD}@there")),
        ("METRICOOL_USER_TOKEN", format!("{TOKEN}\n")),
    ] {
        let stage = stage("human").await.set(name, &value);
        let (out, file) = output();
        let mut process = stage.spawn_to(out);
        assert_eq!(process.ended().await.code(), Some(1), "{name}");
        holds_no_secret(&process.log());
        holds_no_secret(&read_and_remove(&file));
        stage.clear().await;
    }
}
