//! Clients that publish, as bare TCP: a process with one thread that keeps some connections busy, each with one request
//! after the other. `publish` starts it against the daemon and against the bare route, and it says as JSON how it went.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

use super::{Outcome, samples::Samples};

/// Where both servers take batches.
pub const PATH: &str = "/api/metricool/publish/stories";

/// Clips of a batch.
const CLIPS: u32 = 10;

/// What the process is to do.
pub struct Order {
    /// Host and port.
    pub address: String,
    /// The API key.
    pub key: String,
    pub connections: u32,
    pub requests: u32,
    /// Numbers users, brands and media.
    pub first: u32,
}

/// How it went.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// Requests answered per second, between a fifth and four fifths of all.
    pub per_second: f64,
    /// Of the time from a request's first byte to the last of its answer, in nanoseconds.
    pub median: u64,
    pub p99: u64,
    pub max: u64,
}

impl Order {
    pub const ROLE: &'static str = "publishers";

    pub fn arguments(&self) -> [String; 6] {
        let [connections, requests, first] = [self.connections, self.requests, self.first].map(|n| n.to_string());
        [
            Self::ROLE.into(),
            self.address.clone(),
            self.key.clone(),
            connections,
            requests,
            first,
        ]
    }

    pub fn read(arguments: &[String]) -> Outcome<Self> {
        let [address, key, connections, requests, first] = arguments else {
            return Err("--role publishers ADDRESS KEY CONNECTIONS REQUESTS FIRST".into());
        };
        Ok(Self {
            address: address.clone(),
            key: key.clone(),
            connections: connections.parse()?,
            requests: requests.parse()?,
            first: first.parse()?,
        })
    }

    fn request(&self, number: u32) -> String {
        let number = self.first + number;
        let posts: Vec<_> = (1..=CLIPS)
            .map(|clip| {
                let url = format!("https://cdn.example/stories/{number}/{clip}.mp4");
                json!({"id": format!("clip_{clip}"), "url": url})
            })
            .collect();
        let body = json!({
            "userId": format!("user_{number}"), "posts": posts, "schedule": {"mode": "now"},
            "settings": {"accountId": number.to_string(), "publishSpeed": "hyper"},
        })
        .to_string();
        let (address, key, length) = (&self.address, &self.key, body.len());
        format!(
            "POST {PATH} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
    }
}

/// The process.
pub async fn role(order: Order) -> Outcome<()> {
    let answered = LocalSet::new().run_until(publish_all(Rc::new(order))).await?;
    let mut at: Vec<Instant> = answered.iter().map(|(at, _)| *at).collect();
    at.sort_unstable();
    let (from, to) = (at.len() / 5, at.len() / 5 * 4);
    let samples = Samples::new(answered.into_iter().map(|(_, took)| took).collect());
    let nanos = |duration: Duration| duration.as_nanos() as u64;
    let report = Report {
        per_second: (to - from) as f64 / (at[to] - at[from]).as_secs_f64(),
        median: nanos(samples.median()),
        p99: nanos(samples.p99()),
        max: nanos(samples.max()),
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// When each request was answered, and how long that took.
async fn publish_all(order: Rc<Order>) -> Outcome<Vec<(Instant, Duration)>> {
    let next = Rc::new(Cell::new(0));
    let mut tasks = Vec::new();
    for _ in 0..order.connections {
        let stream = TcpStream::connect(&order.address).await?;
        stream.set_nodelay(true)?;
        tasks.push(tokio::task::spawn_local(publish(stream, order.clone(), next.clone())));
    }
    let mut answered = Vec::new();
    for task in tasks {
        answered.extend(task.await??);
    }
    Ok(answered)
}

async fn publish(mut stream: TcpStream, order: Rc<Order>, next: Rc<Cell<u32>>) -> Outcome<Vec<(Instant, Duration)>> {
    let mut answered = Vec::new();
    let mut answer = Vec::new();
    loop {
        let number = next.replace(next.get() + 1);
        if number >= order.requests {
            return Ok(answered);
        }
        let request = order.request(number);
        let asked = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        while !is_complete(&answer)? {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err("the connection ended without an answer".into());
            }
        }
        let now = Instant::now();
        answered.push((now, now - asked));
    }
}

/// Whether a whole answer 202 has come.
fn is_complete(answer: &[u8]) -> Outcome<bool> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.ok_or("an answer without its length")?.parse()?;
    if answer.len() < end + 4 + length {
        return Ok(false);
    }
    if !head.starts_with("http/1.1 202") {
        return Err(format!("a batch was answered with {}", String::from_utf8_lossy(answer)).into());
    }
    Ok(true)
}
