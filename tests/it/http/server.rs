//! The router on a free port, over a store on a temporary SQLite file, with a control that only takes notes.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection;
use storyclip::{
    http::{
        Ahead, AppState, BrandSource, Brands, Connections, Control, CorsOrigins, Keys, Notices, Patience, RateLimit,
        Readiness, Rules, TenantAccounts, Vital, Vitals, router, serve,
    },
    providers::{BestHours, metricool::Brand},
    store::{Options, Store},
    stream::Hub,
};
use storyclip_actors::{
    error::ProviderError,
    model::{AccountId, BatchId, BatchStatus, Network as NetworkName, Timestamp},
    ports::Clock,
};

pub const KEYS: &str = "stories:sk_full_1:publish+read,stories:sk_read_1:read,stories:sk_send_1:publish,\
                        stories:sk_root_1:admin,other:sk_other_1:publish+read,ops:sk_scrape_1:metrics";
pub const ACCOUNTS: &str = "stories:5372118+77,other:99";
pub const FULL: &str = "sk_full_1";

/// How a server differs from the usual one.
pub struct Setup {
    pub keys: &'static str,
    pub accounts: &'static str,
    pub ring: usize,
    pub configured: bool,
    pub cors: &'static str,
    pub per_minute: u32,
    pub head_within: Duration,
    pub connections: usize,
    pub private_addresses: bool,
    pub push_key: Option<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            keys: KEYS,
            accounts: ACCOUNTS,
            ring: 32,
            configured: true,
            cors: "",
            per_minute: 0,
            head_within: Duration::from_secs(60),
            connections: 1_000,
            private_addresses: false,
            push_key: None,
        }
    }
}

pub struct Server {
    pub url: String,
    pub store: Store,
    pub hub: Arc<Hub>,
    pub notes: Arc<Notes>,
    pub network: Arc<Network>,
    pub clock: Arc<SetClock>,
    pub client: Client,
    dir: Arc<Dir>,
    serving: tokio::task::JoinHandle<()>,
}

/// A control that takes notes, and answers commands as told.
#[derive(Default)]
pub struct Notes {
    pub created: Mutex<Vec<BatchId>>,
    pub reconciled: Mutex<Vec<BatchId>>,
    pub commanded: Mutex<Vec<BatchId>>,
    pub answer: Mutex<Option<BatchStatus>>,
    pub panics: AtomicBool,
    pub draining: AtomicBool,
    /// What Metricool answers; counts how often it was asked.
    pub brands: Mutex<Option<Result<Vec<Brand>, ProviderError>>>,
    pub brands_asked: AtomicU64,
}

#[async_trait]
impl Control for Notes {
    fn created(&self, batch: &BatchId) {
        self.created.lock().unwrap().push(batch.clone());
    }

    async fn command(&self, batch: &BatchId) -> Option<BatchStatus> {
        self.commanded.lock().unwrap().push(batch.clone());
        *self.answer.lock().unwrap()
    }

    fn reconcile(&self, batch: &BatchId) {
        assert!(!self.panics.load(Ordering::Relaxed), "told to panic");
        self.reconciled.lock().unwrap().push(batch.clone());
    }
}

#[async_trait]
impl BrandSource for Notes {
    async fn brands(&self) -> Result<Vec<Brand>, ProviderError> {
        self.brands_asked.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        self.brands.lock().unwrap().clone().expect("Metricool's answer is set")
    }
}

/// What is asked before a batch exists, answered as told; everything is well unless something else is said.
pub struct Network {
    pub connected: Mutex<Result<bool, ProviderError>>,
    pub media: Mutex<HashMap<String, ProviderError>>,
    pub hours: Mutex<Result<BestHours, ProviderError>>,
    /// The URLs asked about, and the zones of best hours.
    pub asked: Mutex<Vec<String>>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            connected: Mutex::new(Ok(true)),
            media: Mutex::default(),
            hours: Mutex::new(Ok(BestHours::default())),
            asked: Mutex::default(),
        }
    }
}

#[async_trait]
impl Ahead for Network {
    async fn is_connected(&self, _: &AccountId, _: NetworkName) -> Result<bool, ProviderError> {
        self.connected.lock().unwrap().clone()
    }

    async fn media(&self, _: &AccountId, url: &str) -> Result<(), ProviderError> {
        self.asked.lock().unwrap().push(url.to_owned());
        self.media.lock().unwrap().get(url).cloned().map_or(Ok(()), Err)
    }

    async fn best_hours(
        &self,
        _: &AccountId,
        _: NetworkName,
        _: Timestamp,
        zone: &TimeZone,
    ) -> Result<BestHours, ProviderError> {
        let zone = zone.iana_name().unwrap_or("UTC").to_owned();
        self.asked.lock().unwrap().push(zone);
        self.hours.lock().unwrap().clone()
    }
}

impl Readiness for Notes {
    fn ready(&self) -> Result<(), String> {
        match self.is_draining() {
            true => Err("draining".into()),
            false => Ok(()),
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl Vitals for Notes {
    fn now(&self) -> Vital {
        Vital {
            actors: 7,
            draining: self.is_draining(),
            ..Vital::default()
        }
    }
}

/// A clock that stands where it was set.
pub struct SetClock(pub AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// 2026-01-01T00:00:00.000Z.
pub const START: i64 = 1_767_225_600_000;

struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("storyclip-http-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub async fn start_with(setup: Setup) -> Self {
        let already = rustls::crypto::ring::default_provider().install_default();
        drop(already);
        Self::on(Arc::new(Dir::new()), setup).await
    }

    /// Ends it in an orderly way and starts another on the same file.
    pub async fn restart(self, setup: Setup) -> Self {
        self.hub.shut_down();
        self.serving.abort();
        self.store.close().await;
        let dir = self.dir.clone();
        drop(self);
        Self::on(dir, setup).await
    }

    async fn on(dir: Arc<Dir>, setup: Setup) -> Self {
        let hub = Arc::new(Hub::with_ring(setup.ring));
        let options = Options {
            url: format!("sqlite://{}", dir.0.join("test.db").display()),
            readers: 4,
        };
        let store = Store::open(&options, hub.clone()).await.unwrap();
        let keys = Arc::new(Keys::parse(setup.keys).unwrap());
        keys.change().await.reload(&store).await.unwrap();
        let notes = Arc::new(Notes::default());
        let clock = Arc::new(SetClock(AtomicI64::new(START)));
        let network = Arc::new(Network::default());
        let connections = Arc::new(Connections::new(setup.connections));
        let app = router(AppState {
            store: store.clone(),
            hub: hub.clone(),
            keys,
            rate: RateLimit::new(setup.per_minute),
            cors: CorsOrigins::parse(setup.cors).unwrap(),
            accounts: TenantAccounts::parse(setup.accounts).unwrap(),
            brands: Brands::new(setup.configured.then(|| notes.clone() as Arc<dyn BrandSource>)),
            control: notes.clone(),
            clock: clock.clone(),
            rules: Rules::default(),
            ahead: network.clone(),
            ready: notes.clone(),
            vitals: notes.clone(),
            connections: connections.clone(),
            calls: Arc::default(),
            metricool_configured: setup.configured,
            notices: Notices {
                private_addresses: setup.private_addresses,
                push_key: setup.push_key.map(Arc::from),
                ..Notices::default()
            },
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let patience = Patience {
            head: setup.head_within,
            ..Patience::default()
        };
        let serving = tokio::spawn(serve(listener, app, patience, connections, std::future::pending()));
        Self {
            url,
            store,
            hub,
            notes,
            network,
            clock,
            client: Client::new(),
            dir,
            serving,
        }
    }

    /// A request without a key.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.bare(Method::GET, path).header("x-api-key", FULL)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.bare(Method::POST, path).header("x-api-key", FULL)
    }

    pub fn publish(&self, body: &Value) -> RequestBuilder {
        self.post(PUBLISH).json(body)
    }

    /// Creates a batch of this many clips for user `u1`.
    pub async fn batch(&self, clips: usize) -> BatchId {
        let response = self.publish(&body_of(clips)).send().await.unwrap();
        let (status, body) = read(response).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        body["batchId"].as_str().unwrap().into()
    }

    /// The bytes of the database's files.
    pub fn database(&self) -> Vec<u8> {
        let files = std::fs::read_dir(&self.dir.0).unwrap();
        files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    /// Rows of every table that a request could write.
    pub async fn rows(&self) -> Vec<i64> {
        let url = format!("sqlite://{}", self.dir.0.join("test.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let mut counts = Vec::new();
        for query in [
            "SELECT COUNT(*) FROM publish_batches",
            "SELECT COUNT(*) FROM publish_batch_clips",
            "SELECT COUNT(*) FROM batch_events",
            "SELECT COUNT(*) FROM batch_commands",
            "SELECT COUNT(*) FROM idempotency_keys",
            "SELECT COUNT(*) FROM delivery_attempts",
        ] {
            counts.push(sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap());
        }
        counts
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub const PUBLISH: &str = "/api/metricool/publish/stories";

/// A good body with this many clips.
pub fn body_of(clips: usize) -> Value {
    let posts: Vec<Value> = (1..=clips)
        .map(|n| json!({"id": format!("clip_{n}"), "url": format!("https://cdn.example/clip_{n}.mp4"), "text": ""}))
        .collect();
    json!({"jobId": "job_123", "userId": "u1", "posts": posts, "settings": {"accountId": "5372118"}})
}

/// Status and JSON of an answer.
pub async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {text:?}: {error}"));
    (status, body)
}

/// Checks that an answer is a complete problem of this status and code, and gives it.
pub async fn problem(response: Response, status: u16, code: &str) -> Value {
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let id = response.headers().get("x-request-id").cloned();
    let path = response.url().path().to_owned();
    let (actual, body) = read(response).await;
    assert_eq!((actual.as_u16(), body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(kind, "application/problem+json");
    assert_eq!(body["status"], status);
    assert_eq!(body["instance"], path);
    assert!(id.is_some_and(|id| !id.is_empty()));
    for member in ["type", "title", "detail", "error"] {
        assert!(
            body[member].as_str().is_some_and(|text| !text.is_empty()),
            "{member}: {body}"
        );
    }
    body
}
