//! The real binary as a process of its own, configured by environment as an operator would, on a SQLite file.
//! It is killed when dropped.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Outcome, process::Process, role::with_open_files};

/// Its only key.
pub const KEY: &str = "sk_benchmark";

/// How many requests submit batches at once.
const SUBMITTERS: u32 = 16;

/// How many connections are kept open to it.
const CONNECTIONS: usize = 64;

/// How long a start may take.
const START: Duration = Duration::from_secs(20);

/// A daemon is at rest when it used less than one hundredth of a core for this long.
const REST: Duration = Duration::from_millis(1_500);

/// How long it may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(60);

/// A running daemon.
pub struct Daemon {
    child: Child,
    /// When the process was started.
    pub started: std::time::Instant,
    url: String,
    client: Client,
}

/// Where the database of a daemon in this folder is.
pub fn database(folder: &Path) -> PathBuf {
    folder.join("storyclip.db")
}

impl Daemon {
    /// Starts it on the database in this folder, fresh or left by another, with the stand-in at this URL and these settings beside.
    pub async fn start(folder: &Path, stand_in: &str, settings: &[(&str, &str)]) -> Outcome<Self> {
        // A port that was free a moment ago: the daemon says no other than in its log.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = with_open_files(env!("CARGO_BIN_EXE_storyclip"));
        for (name, _) in std::env::vars_os() {
            let ours = |name: &str| name.starts_with("STORYCLIP_") || name.starts_with("METRICOOL_");
            if name.to_str().is_some_and(ours) {
                command.env_remove(name);
            }
        }
        let log = File::create(folder.join("log"))?;
        let client = storyclip::providers::http_client(&format!("http://{address}"), CONNECTIONS)?;
        let started = std::time::Instant::now();
        let child = command
            .arg("serve")
            .env("STORYCLIP_LISTEN", address.to_string())
            .env(
                "STORYCLIP_DATABASE_URL",
                format!("sqlite://{}", database(folder).display()),
            )
            .env("STORYCLIP_API_KEYS", format!("bench:{KEY}:publish+read"))
            .env("STORYCLIP_REQUESTS_PER_MINUTE", "0")
            .env("STORYCLIP_METRICOOL_URL", stand_in)
            .env("METRICOOL_USER_TOKEN", "token")
            .env("METRICOOL_USER_ID", "1")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let daemon = Self {
            child,
            started,
            url: format!("http://{address}"),
            client,
        };
        daemon.ready(folder).await?;
        Ok(daemon)
    }

    async fn ready(&self, folder: &Path) -> Outcome<()> {
        let until = Instant::now() + START;
        while Instant::now() < until {
            if let Ok(answer) = self.client.get(format!("{}/readyz", self.url)).send().await
                && answer.status().is_success()
            {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        Err(format!("the daemon did not start; its log:\n{log}").into())
    }

    /// Where it listens: host and port.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// What it has used.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// kill -9, and no more than that.
    pub fn kill(mut self) -> Outcome<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Submits this many batches of so many clips and gives their ids; batch n goes to brand n, from 1.
    pub async fn submit(&self, batches: u32, clips: u32) -> Outcome<Vec<String>> {
        let next = Arc::new(AtomicU32::new(1));
        let mut tasks = Vec::new();
        for _ in 0..SUBMITTERS {
            let (next, client, url) = (next.clone(), self.client.clone(), self.url.clone());
            tasks.push(tokio::spawn(async move {
                let mut ids = Vec::new();
                loop {
                    let batch = next.fetch_add(1, Ordering::Relaxed);
                    if batch > batches {
                        return Ok(ids);
                    }
                    ids.push(submit_one(&client, &url, batch, clips).await?);
                }
            }));
        }
        let mut all = Vec::new();
        for task in tasks {
            let ids: Outcome<Vec<String>> = task.await?;
            all.extend(ids?);
        }
        Ok(all)
    }

    /// Submits one batch, for the brand of this number.
    pub async fn submit_batch(&self, batch: u32, clips: u32) -> Outcome<String> {
        submit_one(&self.client, &self.url, batch, clips).await
    }

    /// Cancels a batch and gives how long the answer took.
    pub async fn cancel(&self, batch: &str) -> Outcome<Duration> {
        let request = self
            .client
            .post(format!("{}/api/metricool/batch/{batch}/cancel", self.url));
        let asked = Instant::now();
        let answer = request.header("X-API-Key", KEY).send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        let took = asked.elapsed();
        let body: Value = serde_json::from_slice(&body)?;
        if status.is_success() && body["status"] == "cancelled" {
            Ok(took)
        } else {
            Err(format!("a cancel was answered with {status}: {body}").into())
        }
    }

    /// Waits until it has nothing to do but what its timers bring, told by the processor time it uses.
    pub async fn at_rest(&self) -> Outcome<()> {
        let until = Instant::now() + REST_WITHIN;
        while Instant::now() < until {
            let before = self.process().cpu()?;
            sleep(REST).await;
            if self.process().cpu()? - before <= REST / 50 {
                return Ok(());
            }
        }
        Err("the daemon did not come to rest".into())
    }
}

async fn submit_one(client: &Client, url: &str, batch: u32, clips: u32) -> Outcome<String> {
    let posts: Vec<Value> = (1..=clips)
        .map(|clip| json!({"id": format!("clip_{clip}"), "url": format!("https://cdn.example/stories/{batch}/{clip}.mp4")}))
        .collect();
    let body = json!({
        "userId": format!("user_{batch}"), "posts": posts, "schedule": {"mode": "now"},
        "settings": {"accountId": batch.to_string(), "publishSpeed": "hyper"},
    });
    let request = client.post(format!("{url}/api/metricool/publish/stories"));
    let answer = request.header("X-API-Key", KEY).json(&body).send().await?;
    match answer.status().as_u16() {
        202 => {
            let body: Value = answer.json().await?;
            Ok(body["batchId"]
                .as_str()
                .ok_or("an answer without a batchId")?
                .to_owned())
        }
        status => Err(format!("a batch was answered with {status}: {}", answer.text().await?).into()),
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have died by itself.
        let _: Result<_, _> = self.child.kill();
        let _: Result<_, _> = self.child.wait();
    }
}
