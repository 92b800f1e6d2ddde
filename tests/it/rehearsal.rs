//! What the provider tests share: a sandbox and a client on one clock that stands still, and a server that says what it is told.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use storyclip::{
    providers::{
        Facts, http_client,
        metricool::{Metricool, Options},
    },
    sandbox::{self, Sandbox, Settings},
};
use storyclip_actors::{
    error::StoreError,
    model::{AccountId, Network, PostRef, Request, Timestamp},
    ports::Clock,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub const TOKEN: &str = "token-that-nobody-may-see";

/// A clock that moves only when it is told to.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(text.parse::<Timestamp>().unwrap().as_millis())))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Default)]
pub struct MemoryFacts(Mutex<HashMap<String, String>>);

impl MemoryFacts {
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

#[async_trait]
impl Facts for MemoryFacts {
    async fn get(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn set(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(name.into(), value.into());
        Ok(())
    }
}

/// A sandbox, a client of it, and their clock, at 2030-05-06T16:30:20Z.
pub struct Stage {
    pub sandbox: Sandbox,
    pub clock: Arc<HandClock>,
    pub facts: Arc<MemoryFacts>,
}

impl Stage {
    /// Without granularity; posts go live 2 s after their slot.
    pub async fn set() -> Self {
        Self::with(Duration::ZERO).await
    }

    pub async fn with(granularity: Duration) -> Self {
        Self::at(HandClock::at("2030-05-06T16:30:20Z"), granularity).await
    }

    /// On a clock that others may use, too.
    pub async fn at(clock: Arc<HandClock>, granularity: Duration) -> Self {
        let faults = Settings {
            confirm_ms: sandbox::Span::new(Duration::from_secs(2), Duration::from_secs(2)),
            ..Settings::default()
        };
        let options = sandbox::Options {
            granularity,
            faults,
            clock: clock.clone(),
            ..sandbox::Options::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, options).unwrap();
        Self {
            sandbox,
            clock,
            facts: Arc::default(),
        }
    }

    pub fn faults(&self, update: serde_json::Value) {
        self.sandbox.faults().set(update).unwrap();
    }

    pub fn metricool(&self) -> Metricool {
        self.client(|_| {})
    }

    pub fn client(&self, change: impl FnOnce(&mut Options)) -> Metricool {
        client(&self.sandbox.base_url(), self.clock.clone(), self.facts.clone(), change)
    }

    /// A story whose slot lies so far ahead.
    pub fn story(&self, ahead: Duration) -> Request {
        story(self.clock.now() + ahead)
    }

    /// A call to the sandbox by hand, with token, account and brand.
    pub async fn call(&self, method: &str, path: &str, body: Option<serde_json::Value>) -> (u16, serde_json::Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{joint}userId=1&blogId=5372118", self.sandbox.base_url());
        let http = http_client(&url, 1).unwrap();
        let mut request = http.request(method, url).header("X-Mc-Auth", TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default(),
        )
    }
}

pub fn client(
    base_url: &str,
    clock: Arc<HandClock>,
    facts: Arc<MemoryFacts>,
    change: impl FnOnce(&mut Options),
) -> Metricool {
    let mut options = Options::new(base_url, TOKEN.into(), "1");
    change(&mut options);
    let http = http_client(&options.base_url, 4).unwrap();
    Metricool::new(options, http, facts, clock).unwrap()
}

pub fn brand() -> AccountId {
    "5372118".into()
}

pub fn story(slot: Timestamp) -> Request {
    Request {
        network: Network::Facebook,
        media: "https://cdn.example/clip_1.mp4".into(),
        text: "".into(),
        slot,
    }
}

/// A post that is known by its id only.
pub fn handle(id: &str) -> PostRef {
    PostRef {
        id: id.into(),
        uuid: None,
    }
}

/// One answer of a [`Stub`].
pub enum Reply {
    /// Status line's number and body, as JSON.
    Json(u16, &'static str),
    /// 200 and this body, as text.
    Text(&'static str),
    /// The connection closes.
    Cut,
    /// The clock moves on first.
    After(Duration, Box<Reply>),
}

/// A server that gives prepared answers, one per connection, and keeps what it was sent.
pub struct Stub {
    pub base_url: String,
    pub seen: Arc<Mutex<Vec<String>>>,
    pub clock: Arc<HandClock>,
}

impl Stub {
    pub async fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/api", listener.local_addr().unwrap());
        let clock = HandClock::at("2030-05-06T16:30:20Z");
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        let (log, hand) = (seen.clone(), clock.clone());
        tokio::spawn(async move {
            while let Some(mut reply) = replies.pop_front() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = receive(&mut stream).await;
                log.lock().unwrap().push(request);
                while let Reply::After(by, then) = reply {
                    hand.advance(by);
                    reply = *then;
                }
                let (status, kind, body) = match reply {
                    Reply::Json(status, body) => (status, "application/json", body),
                    Reply::Text(body) => (200, "text/plain", body),
                    Reply::Cut | Reply::After(..) => continue,
                };
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n",
                    body.len()
                );
                let answer = format!("{head}connection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { base_url, seen, clock }
    }

    pub fn metricool(&self) -> Metricool {
        client(&self.base_url, self.clock.clone(), Arc::default(), |_| {})
    }

    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads one request, head and body, as text.
async fn receive(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        text.extend_from_slice(&buffer[..read]);
        let so_far = String::from_utf8_lossy(&text);
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else {
            assert!(read > 0, "the client went away within a request");
            continue;
        };
        let length = head
            .to_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return so_far.into_owned();
        }
    }
}
