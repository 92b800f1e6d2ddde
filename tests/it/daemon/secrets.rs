//! Everything that a daemon writes, at the most talkative, searched for everything that is secret.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use reqwest::Method;
use serde_json::json;

use super::{
    mail_server::MailServer,
    receiver::Receiver,
    stage::{ACCOUNT, Api, Stage, clips, stories},
};
use crate::http::sse::Sse;

const KEY: &str = "sk_owner_3f9a51c2";
const SCRAPER: &str = "sk_scraper_77d1e0";
const TOKEN: &str = "metricool-token-b81c44";
const PASSWORD: &str = "proxy-password-9be2";
const WRONG: &str = "sk_wrong_c0ffee";
const CRON: &str = "cron-secret-51ab";
const MAIL: &str = "mail-password-2d7f";
const COLLECTOR: &str = "collector-password-c3e8";
const COLLECTOR_KEY: &str = "collector-key-90fa";

/// What must not be found in anything that a daemon writes.
const SECRETS: [&str; 10] = [
    KEY,
    SCRAPER,
    TOKEN,
    PASSWORD,
    WRONG,
    CRON,
    MAIL,
    COLLECTOR,
    COLLECTOR_KEY,
    "whsec_",
];

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

async fn stage(format: &str, mail: &MailServer, collector: &Receiver) -> Stage {
    let stage = Stage::new(json!({"confirm_ms": 20})).await;
    let url = with_password(&stage.sandbox.base_url(), PASSWORD);
    stage
        .set(
            "STORYCLIP_API_KEYS",
            &format!("stories:{KEY}:publish+read+admin,ops:{SCRAPER}:metrics"),
        )
        .set("METRICOOL_USER_TOKEN", TOKEN)
        .set("STORYCLIP_METRICOOL_URL", &url)
        .set(
            "STORYCLIP_SMTP_URL",
            &with_password(&mail.url, MAIL).replace("smtp:", "smtps:"),
        )
        .set("STORYCLIP_EMAIL_FROM", "storyclip@example.com")
        .set("STORYCLIP_EMAIL_RECIPIENTS", "stories:ops@example.com")
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", &with_password(&collector.url, COLLECTOR))
        .set(
            "OTEL_EXPORTER_OTLP_HEADERS",
            &format!("x-collector-key={COLLECTOR_KEY}"),
        )
        .set("OTEL_BSP_SCHEDULE_DELAY", "50")
        .set("STORYCLIP_LOG", "trace")
        .set("STORYCLIP_LOG_FORMAT", format)
}

fn with_password(url: &str, password: &str) -> String {
    url.replacen("://", &format!("://me:{password}@"), 1)
}

/// An endpoint that gets a new secret, and a batch that fails and is mailed about.
async fn told(api: &Api, mail: &MailServer, stage: &Stage) {
    let (_, made) = api
        .post("/api/webhooks", &json!({"url": "https://hooks.example"}))
        .await;
    let id = made["endpoint"]["id"].as_str().unwrap();
    for path in [
        &*format!("/api/webhooks/{id}/rotate-secret"),
        "/api/webhooks/batch-secret",
    ] {
        let (status, answer) = api.post(path, &json!({})).await;
        assert_eq!(status, 201, "{answer}");
    }
    stage.faults(json!({"failed": {"probability": 1.0}}));
    let url = ["https://cdn.example/other.mp4".to_owned()];
    let failed = api.publish(&stories(ACCOUNT, &url, json!({"maxRetries": 0}))).await;
    api.finished(&failed).await;
    mail.called().await;
}

/// A batch from its beginning to its end, every way to present a key, and a refused token; gives what was written.
async fn talkative_life(format: &str) -> String {
    let (mail, collector) = (MailServer::start().await, Receiver::start().await);
    let stage = stage(format, &mail, &collector).await;
    let (out, file) = output();
    let mut process = stage.spawn_to(out);
    let line = process.logged("listening").await;
    let address = line
        .split(['"', '=', ' '])
        .find(|word| word.starts_with("127.0.0.1:"))
        .unwrap();
    let api = Api::new(format!("http://{address}"), KEY);
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
    told(&api, &mail, &stage).await;
    collector.until("an export", |calls| !calls.is_empty()).await;
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
        ("STORYCLIP_SMTP_URL", format!("http://me:{MAIL}@there")),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("ftp://me:{COLLECTOR}@there")),
    ] {
        let (mail, collector) = (MailServer::start().await, Receiver::start().await);
        let stage = stage("human", &mail, &collector).await.set(name, &value);
        let (out, file) = output();
        let mut process = stage.spawn_to(out);
        assert_eq!(process.ended().await.code(), Some(1), "{name}");
        holds_no_secret(&process.log());
        holds_no_secret(&read_and_remove(&file));
        stage.clear().await;
    }
}
