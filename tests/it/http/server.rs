//! The router on a free port, over a store on a temporary SQLite file, with a control that only takes notes.

mod answer;
mod clock;
mod network;
mod notes;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection;
use storyclip::{
    http::{
        AppState, BrandSource, Brands, Connections, CorsOrigins, Keys, Notices, Patience, RateLimit, Rules,
        TenantAccounts, router, serve,
    },
    store::{Options, Store},
    stream::Hub,
};
use storyclip_actors::model::BatchId;

pub use self::{
    answer::{problem, read},
    clock::{START, SetClock},
    network::Network,
    notes::Notes,
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
