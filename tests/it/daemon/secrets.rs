//! Everything that a daemon writes, at the most talkative, searched for everything that is secret.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{
    mail_server::MailServer,
    process::storyclip,
    push::Browser,
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
/// Shaped as one, and half of no pair.
const VAPID: &str = "vapid-private-1dF4aQ0x7Jm2ZcVbN8sKeYt5uRw";

/// What must not be found in anything that a daemon writes.
const SECRETS: [&str; 11] = [
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
    VAPID,
];

/// What a daemon has written, and the secrets that came into being meanwhile.
struct Life {
    written: String,
    made: Vec<String>,
}

impl Life {
    fn holds_no_secret(&self) {
        holds_no_secret(&self.written);
        assert!(self.made.len() > 2 && self.made.iter().all(|secret| secret.len() > 16));
        for secret in &self.made {
            let line = self.written.lines().find(|line| line.contains(&**secret));
            assert!(line.is_none(), "a secret that was made is in: {line:?}");
        }
    }
}

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

/// A key that is made, presented in every way, revoked and presented again.
async fn a_key_of_its_own(api: &Api, bare: &impl Fn(Method, &str) -> RequestBuilder, stream: &str) -> String {
    let (status, made) = api
        .post("/api/keys", &json!({"name": "page", "scopes": ["read"]}))
        .await;
    assert_eq!(status, 201, "{made}");
    let (key, id) = (made["secret"].as_str().unwrap(), made["key"]["id"].as_str().unwrap());
    let path = "/api/metricool/batches/active?userId=u1";
    let ways = || {
        [
            bare(Method::GET, path).bearer_auth(key),
            bare(Method::GET, path).header("x-api-key", key),
            bare(Method::GET, &format!("{stream}&apiKey={key}")),
        ]
    };
    for way in ways() {
        assert_eq!(way.send().await.unwrap().status(), 200);
    }
    let revoked = api.request(Method::DELETE, &format!("/api/keys/{id}")).send().await;
    assert!(revoked.unwrap().status().is_success());
    for way in ways() {
        assert_eq!(way.send().await.unwrap().status(), 401);
    }
    key.to_owned()
}

/// A batch from its beginning to its end, every way to present a key, a browser that is told, and a refused token.
async fn talkative_life(format: &str) -> Life {
    let (mail, collector) = (MailServer::start().await, Receiver::start().await);
    let mut stage = stage(format, &mail, &collector).await;
    let mut made = Vec::new();
    let printed = String::from_utf8(storyclip("vapid").output().unwrap().stdout).unwrap();
    for line in printed.lines() {
        let (name, value) = line.split_once('=').unwrap();
        if name == "STORYCLIP_VAPID_PRIVATE_KEY" {
            made.push(value.to_owned());
        }
        stage = stage.set(name, value);
    }
    let stage = stage
        .set("STORYCLIP_VAPID_SUBJECT", "mailto:ops@example.com")
        .set("STORYCLIP_WEBHOOK_PRIVATE_ADDRESSES", "true");
    let (out, file) = output();
    let mut process = stage.spawn_to(out);
    let line = process.logged("listening").await;
    let address = line
        .split(['"', '=', ' '])
        .find(|word| word.starts_with("127.0.0.1:"))
        .unwrap();
    let api = Api::new(format!("http://{address}"), KEY);
    let (service, browser) = (Receiver::start().await, Browser::new());
    let subscription = browser.subscription(&format!("{}/send/1", service.url));
    made.push(subscription["keys"]["auth"].as_str().unwrap().to_owned());
    let wanted = json!({"userId": "u1", "subscription": subscription});
    let (status, subscribed) = api.post("/api/push/subscriptions", &wanted).await;
    assert_eq!(status, 201, "{subscribed}");
    let id = api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    service.until("a push", |calls| !calls.is_empty()).await;
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
    made.push(a_key_of_its_own(&api, &bare, &stream).await);
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
    let written = written.trim_end().to_owned();
    Life { written, made }
}

#[tokio::test]
async fn nothing_secret_is_written_for_people_even_at_trace() {
    let life = talkative_life("human").await;
    let written = &life.written;
    assert!(written.contains("TRACE") && written.contains("clip moved"), "{written}");
    life.holds_no_secret();
}

#[tokio::test]
async fn nothing_secret_is_written_for_machines_even_at_trace() {
    let life = talkative_life("json").await;
    for line in life.written.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    life.holds_no_secret();
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
        ("STORYCLIP_VAPID_PRIVATE_KEY", VAPID.to_owned()),
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
