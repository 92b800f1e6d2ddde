//! What stays while daemons come and go: the sandbox, the database, the settings; and a client of the daemon that runs.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use storyclip::sandbox::{Options, Route, Sandbox, Settings};
use tokio::net::TcpListener;

use super::{
    database::Database,
    process::{PATIENCE, Process},
};
use crate::http::sse::{Message, Sse};

pub const KEY: &str = "sk_stage_1";
pub const ACCOUNT: &str = "5372118";

/// See the file's first line.
pub struct Stage {
    pub sandbox: Sandbox,
    pub database: Database,
    settings: BTreeMap<String, String>,
}

/// A daemon that listens.
pub struct Daemon {
    pub process: Process,
    pub api: Api,
}

/// A client of one daemon with one key.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    pub url: String,
    key: String,
}

/// Posts are published at once, at any millisecond, and go live soon after.
pub fn instant(faults: Value) -> Options {
    let faults: Settings = serde_json::from_value(faults).unwrap();
    Options {
        granularity: Duration::ZERO,
        faults,
        ..Options::default()
    }
}

impl Stage {
    /// On a SQLite file, with a sandbox that publishes at once.
    pub async fn new(faults: Value) -> Self {
        Self::with(Database::sqlite(), instant(faults)).await
    }

    pub async fn with(database: Database, sandbox: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, sandbox).unwrap();
        let settings = [
            ("STORYCLIP_LISTEN", "127.0.0.1:0".to_owned()),
            ("STORYCLIP_DATABASE_URL", database.url()),
            ("STORYCLIP_API_KEYS", format!("stories:{KEY}:publish+read")),
            ("STORYCLIP_METRICOOL_URL", sandbox.base_url()),
            ("METRICOOL_USER_TOKEN", "token".to_owned()),
            ("METRICOOL_USER_ID", "4000001".to_owned()),
            ("STORYCLIP_METRICOOL_LEAD_SECONDS", "0".to_owned()),
            ("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0".to_owned()),
            ("STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED", "yes".to_owned()),
            ("STORYCLIP_FIND_SETTLE_SECONDS", "0.4".to_owned()),
            ("STORYCLIP_LOOK_WAITS_SECONDS", "0.05".to_owned()),
        ];
        Self {
            sandbox,
            database,
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    /// Changes an environment variable of the daemons that start from now on.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes one back.
    pub fn unset(&mut self, name: &str) {
        self.settings.remove(name);
    }

    /// A process that may not listen yet.
    pub fn spawn(&self) -> Process {
        self.spawn_to(Stdio::null())
    }

    /// The same with this as its standard output.
    pub fn spawn_to(&self, out: Stdio) -> Process {
        Process::spawn(&self.environment(), out)
    }

    /// The environment of a daemon.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.settings.clone().into_iter().collect()
    }

    pub async fn start(&self) -> Daemon {
        let mut process = self.spawn();
        let url = process.listening().await;
        let api = Api::new(url, KEY);
        assert_eq!(api.get("/healthz").await.0, StatusCode::OK);
        Daemon { process, api }
    }

    /// Changes the sandbox's faults.
    pub fn faults(&self, update: Value) {
        self.sandbox.faults().set(update).unwrap();
    }

    /// Waits for something to be true of the sandbox, which the test cannot hear of in any other way.
    pub async fn until(&self, what: &str, holds: impl Fn(&Sandbox) -> bool) {
        let reached = async {
            while !holds(&self.sandbox) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, reached).await.is_ok(),
            "never happened: {what}"
        );
    }

    /// Requests of any kind that the sandbox has had.
    pub fn requests(&self) -> u64 {
        self.sandbox.requests().values().map(|asked| asked.count).sum()
    }

    /// Requests to one of its routes that the sandbox has had.
    pub fn asked(&self, route: Route) -> u64 {
        self.sandbox.requests().get(&route).map_or(0, |asked| asked.count)
    }

    /// Create requests that the sandbox has had.
    pub fn creates(&self) -> usize {
        self.sandbox.ledger().order.len()
    }

    /// Removes the database; a test that fails leaves it to be looked at.
    pub async fn clear(self) {
        self.sandbox.stop().await.unwrap();
        self.database.remove().await;
    }
}

impl Daemon {
    /// SIGTERM, exit status 0.
    pub async fn stop(self) {
        self.process.stop().await;
    }
}

/// The body of a batch of this brand with these media.
pub fn stories(account: &str, urls: &[String], settings: Value) -> Value {
    let posts: Vec<Value> = urls.iter().map(|url| json!({ "url": url })).collect();
    let mut body = json!({"userId": "u1", "posts": posts, "settings": {"accountId": account}});
    for (name, value) in settings.as_object().unwrap() {
        body["settings"][name] = value.clone();
    }
    body
}

/// `clip_1.mp4` to `clip_N.mp4`.
pub fn clips(count: usize) -> Vec<String> {
    (1..=count)
        .map(|index| format!("https://cdn.example/clip_{index}.mp4"))
        .collect()
}

impl Api {
    pub fn new(url: String, key: &str) -> Self {
        // Another test may have been first.
        let _: Result<_, _> = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().read_timeout(PATIENCE).build().unwrap();
        Self {
            http,
            url,
            key: key.to_owned(),
        }
    }

    /// The same daemon with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self::new(self.url.clone(), key)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("x-api-key", &self.key)
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(self.request(Method::GET, path)).await
    }

    /// `None` when the daemon is gone before it has answered.
    pub async fn try_get(&self, path: &str) -> Option<(StatusCode, Value)> {
        let response = self.request(Method::GET, path).send().await.ok()?;
        let status = response.status();
        Some((status, response.json().await.ok()?))
    }

    pub async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// Posts a batch and gives its id.
    pub async fn publish(&self, body: &Value) -> String {
        let (status, answer) = self.post("/api/metricool/publish/stories", body).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        answer["batchId"].as_str().unwrap().to_owned()
    }

    /// Posts a batch with an idempotency key; `None` when the daemon is gone before it has answered.
    pub async fn publish_once(&self, body: &Value, key: &str) -> Option<(StatusCode, Value)> {
        let request = self.request(Method::POST, "/api/metricool/publish/stories");
        let response = request.header("idempotency-key", key).json(body).send().await.ok()?;
        let status = response.status();
        Some((status, response.json().await.ok()?))
    }

    /// The full summary of a batch.
    pub async fn batch(&self, id: &str) -> Value {
        let (status, mut answer) = self.get(&format!("/api/metricool/batch/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["batch"].take()
    }

    /// Waits until `/readyz` says 503 and this; the daemon must not be gone before.
    pub async fn not_ready(&self, why: &str) {
        let asking = async {
            loop {
                let (status, answer) = self.get("/readyz").await;
                if status == StatusCode::SERVICE_UNAVAILABLE && answer["detail"].as_str().unwrap().contains(why) {
                    return assert_eq!(answer["code"], "NOT_READY");
                }
            }
        };
        let said = tokio::time::timeout(PATIENCE, asking).await;
        assert!(said.is_ok(), "it is always ready");
    }

    pub async fn cancel(&self, id: &str) -> (StatusCode, Value) {
        self.post(&format!("/api/metricool/batch/{id}/cancel"), &json!({}))
            .await
    }

    pub async fn reconcile(&self, id: &str) {
        let (status, answer) = self.get(&format!("/api/metricool/reconcile/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// The live events of a batch from the beginning.
    pub async fn events(&self, id: &str) -> Sse {
        Sse::open(self.request(
            Method::GET,
            &format!("/api/metricool/stream?batchId={id}&lastEventId=0"),
        ))
        .await
    }

    /// Waits for the first stored event for which this holds.
    pub async fn hears(&self, id: &str, holds: impl Fn(&Value) -> bool) -> Message {
        let mut events = self.events(id).await;
        loop {
            let message = events.message().await;
            if message.id.is_some() && holds(&message.data) {
                return message;
            }
        }
    }

    /// Waits until this clip (from 1) has this status.
    pub async fn clip_is(&self, id: &str, clip: u64, status: &str) {
        self.hears(id, |event| event["current"] == clip && event["status"] == status)
            .await;
    }

    /// Asks until the batch is completed, for when another daemon runs it, whose events are not heard here.
    pub async fn settled(&self, id: &str) -> Value {
        let asking = async {
            loop {
                let batch = self.batch(id).await;
                if batch["status"] != "processing" {
                    return batch;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(batch) => batch,
            Err(_) => panic!("still at work: {:#}", self.batch(id).await),
        }
    }

    /// Waits for the end of the batch and gives its summary.
    pub async fn finished(&self, id: &str) -> Value {
        let last = self
            .events(id)
            .await
            .rest()
            .await
            .pop()
            .expect("a stream ends with the end");
        assert!(
            ["completed", "cancelled", "error"].contains(&last.kind()),
            "{:?}",
            last.data
        );
        self.batch(id).await
    }
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
