//! The limit of clip steps: a loop that makes the same three requests per step with the same HTTP client, in a process of
//! its own, and stores nothing. The sections start it beside the daemon; with one resting task it measures a round trip.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Outcome, arguments::LoopOrder, process::Process, samples::Samples};

/// What a bare loop says when it is done.
#[derive(Default, Serialize, Deserialize)]
pub struct Report {
    /// Median of a status request's round trip, in nanoseconds.
    pub median: u64,
    /// 99th percentile of the same.
    pub p99: u64,
}

/// A bare loop in a process of its own; killed when dropped.
pub struct BareLoop(Child);

impl BareLoop {
    pub fn start(order: &LoopOrder) -> Outcome<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(order.arguments())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    pub fn process(&self) -> Process {
        Process(self.0.id())
    }

    /// Waits for its end.
    pub async fn report(mut self) -> Outcome<Report> {
        let mut output = self.0.stdout.take().ok_or("the bare loop's output is taken already")?;
        let text = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).map(|_| text)
        });
        Ok(serde_json::from_str(&text.await??)?)
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _: Result<_, _> = self.0.kill();
        let _: Result<_, _> = self.0.wait();
    }
}

/// The loop itself.
pub async fn role(order: LoopOrder) -> Outcome<()> {
    let client = storyclip::providers::http_client(&order.url, order.tasks as usize)?;
    let left = Arc::new(AtomicU32::new(order.steps));
    let mut tasks = Vec::new();
    for brand in 0..order.tasks {
        let looper = Looper {
            client: client.clone(),
            url: order.url.clone(),
            brand: brand.to_string(),
        };
        let (left, rest) = (left.clone(), Duration::from_millis(order.rest));
        tasks.push(tokio::spawn(async move { looper.run(&left, rest).await }));
    }
    let mut round_trips = Vec::new();
    for task in tasks {
        round_trips.extend(task.await??);
    }
    let samples = Samples::new(round_trips);
    let report = Report {
        median: samples.median().as_nanos() as u64,
        p99: samples.p99().as_nanos() as u64,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

struct Looper {
    client: Client,
    url: String,
    brand: String,
}

impl Looper {
    async fn run(&self, left: &AtomicU32, rest: Duration) -> Outcome<Vec<Duration>> {
        let take = |left: u32| left.checked_sub(1);
        let mut round_trips = Vec::new();
        while let Ok(left) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
            round_trips.push(self.step(left).await?);
        }
        Ok(round_trips)
    }

    /// Normalise, create, look; how long the look took.
    async fn step(&self, number: u32) -> Outcome<Duration> {
        let url = format!("https://cdn.example/{number}.mp4");
        let normalize = self.request(Method::GET, "/actions/normalize/image/url");
        let media = normalize.query(&[("url", &url)]).send().await?.text().await?;
        let create = self.request(Method::POST, "/v2/scheduler/posts").json(&json!({
            "text": "", "providers": [{"network": "facebook"}], "facebookData": {"type": "STORY"}, "media": [media],
            "autoPublish": true, "draft": false,
            "publicationDate": {"dateTime": "2030-01-01T00:00:00", "timezone": "UTC"},
        }));
        let post: Value = create.send().await?.json().await?;
        let began = Instant::now();
        let look = self.request(Method::GET, &format!("/v2/scheduler/posts/{}", post["data"]["id"]));
        let status: Value = look.send().await?.json().await?;
        let took = began.elapsed();
        match status["data"]["providers"][0]["status"].as_str() {
            Some("PUBLISHED") => Ok(took),
            other => Err(format!("not published but {other:?}").into()),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .query(&[("userId", "1"), ("blogId", &self.brand)])
            .header("X-Mc-Auth", "token")
            .timeout(Duration::from_secs(60))
    }
}
