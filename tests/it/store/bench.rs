//! A fresh database, its store, and short ways to make batches and steps.

use std::{
    env, fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{AnyPool, AssertSqlSafe, Row, any::AnyPoolOptions};
use storyclip::store::{CommitListener, Committed, NewBatch, NewClip, Options, Store, StoredEvent, StreamScope};
use storyclip_actors::{
    events::{Event, EventKind},
    model::{
        BatchId, BatchStatus, ClipStatus, Network, NodeId, OnFailure, PublishMode, Request, Speed, Tenant, Timestamp,
        Totals, UserId,
    },
    ports::{AttemptWrite, BatchWrite, Change, ClipWrite, Snapshot},
};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The instant at which every test begins.
pub const T0: Timestamp = Timestamp::from_millis(1_780_000_000_000);

pub fn at(seconds: u64) -> Timestamp {
    T0 + Duration::from_secs(seconds)
}

pub fn node(name: &str) -> NodeId {
    NodeId::from(name)
}

/// A directory that goes away with its owner.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("storyclip-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn url(&self) -> String {
        format!("sqlite://{}", self.0.join("story clip.db").display())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Remembers what it was told.
#[derive(Default)]
pub struct Ears(pub Mutex<Vec<Committed>>);

impl CommitListener for Ears {
    fn listens(&self) -> bool {
        true
    }

    fn committed(&self, events: &[Committed]) {
        self.0.lock().unwrap().extend_from_slice(events);
    }
}

pub struct Bench {
    pub store: Store,
    pub ears: Arc<Ears>,
    pub options: Options,
    /// The same database as other daemons have it open.
    pub others: Mutex<Vec<Store>>,
    /// Looks at the tables beside the store.
    pub probe: AnyPool,
    /// Where databases are made and dropped; `None` on SQLite.
    server: Option<(AnyPool, String)>,
    _dir: Option<TempDir>,
}

impl Bench {
    pub async fn sqlite() -> Self {
        let dir = TempDir::new();
        Self::open(dir.url(), None, Some(dir)).await
    }

    /// `None` when no server is named and none is required.
    pub async fn postgres() -> Option<Self> {
        let Ok(url) = env::var("STORYCLIP_TEST_POSTGRES_URL") else {
            let required = env::var("STORYCLIP_TEST_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(
                !required,
                "STORYCLIP_TEST_POSTGRES_URL is not set, but PostgreSQL is required"
            );
            eprintln!("skipped: STORYCLIP_TEST_POSTGRES_URL is not set");
            return None;
        };
        sqlx::any::install_default_drivers();
        let server = AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "storyclip_test_{}_{number}_{:08x}",
            std::process::id(),
            rand::random::<u32>()
        );
        let create = format!("CREATE DATABASE {name}");
        sqlx::query(AssertSqlSafe(create)).execute(&server).await.unwrap();
        let (base, query) = url
            .split_once('?')
            .map_or((&*url, String::new()), |(base, q)| (base, format!("?{q}")));
        let (root, _) = base.rsplit_once('/').unwrap();
        Some(Self::open(format!("{root}/{name}{query}"), Some((server, name)), None).await)
    }

    async fn open(url: String, server: Option<(AnyPool, String)>, dir: Option<TempDir>) -> Self {
        let options = Options { url, readers: 3 };
        let ears = Arc::new(Ears::default());
        let store = Store::open(&options, ears.clone()).await.unwrap();
        let probe = AnyPoolOptions::new()
            .max_connections(1)
            .connect_lazy(&options.url.replace(' ', "%20"))
            .unwrap();
        Self {
            store,
            ears,
            options,
            others: Mutex::default(),
            probe,
            server,
            _dir: dir,
        }
    }

    pub async fn end(self) {
        self.store.close().await;
        let others = std::mem::take(&mut *self.others.lock().unwrap());
        for other in others {
            other.close().await;
        }
        self.probe.close().await;
        self.drop_database().await;
    }

    /// PostgreSQL only: takes the database away, whoever uses it.
    pub async fn drop_database(&self) {
        if let Some((server, name)) = &self.server {
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            sqlx::query(AssertSqlSafe(drop)).execute(server).await.unwrap();
        }
    }

    /// PostgreSQL only: cuts every connection to the database. Whether there was anything to cut.
    pub async fn cut_connections(&self) -> bool {
        let Some((server, name)) = &self.server else {
            return false;
        };
        let cut =
            format!("SELECT CAST(pg_terminate_backend(pid) AS text) FROM pg_stat_activity WHERE datname = '{name}'");
        sqlx::query(AssertSqlSafe(cut)).execute(server).await.unwrap();
        true
    }

    /// The events of a batch from the first on.
    pub async fn events_of(&self, batch: &BatchId) -> Vec<StoredEvent> {
        let scope = StreamScope::Batch(batch.clone());
        self.store.events_after(&scope, 0, 10_000).await.unwrap()
    }

    /// Reads one number with a query of the test.
    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query(AssertSqlSafe(sql))
            .fetch_one(&self.probe)
            .await
            .unwrap()
            .get(0)
    }

    /// Changes rows behind the store's back.
    pub async fn meddle(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql)).execute(&self.probe).await.unwrap();
    }
}

pub fn tenant() -> Tenant {
    Tenant::from("stories")
}

pub fn batch(id: &str, clips: usize) -> NewBatch {
    NewBatch {
        id: id.into(),
        tenant: tenant(),
        job_id: Some("job_1".into()),
        user: UserId::from("u1"),
        account: "5372118".into(),
        network: Network::Facebook,
        mode: PublishMode::Now,
        speed: Speed::Fast,
        on_failure: OnFailure::Skip,
        max_retries: 2,
        webhook_url: None,
        status: BatchStatus::Processing,
        scheduled_for: None,
        created_at: T0,
        started_at: Some(T0),
        clips: (1..=clips)
            .map(|n| NewClip {
                id: format!("clip_{n}"),
                url: format!("https://cdn.example/{id}/{n}.mp4"),
                title: None,
                text: String::new(),
                planned_for: None,
            })
            .collect(),
        events: Vec::new(),
        idempotency: None,
        trace_parent: None,
    }
}

pub fn event(body: &str) -> Event {
    Event {
        kind: EventKind::Progress,
        clip: Some(1),
        body: format!("{{\"body\":\"{body}\"}}"),
    }
}

pub fn request(media: &str, slot: Timestamp) -> Request {
    Request {
        network: Network::Facebook,
        media: media.into(),
        text: "".into(),
        slot,
    }
}

/// A step that changes nothing but the batch's row.
pub fn step(snapshot: &Snapshot) -> Change {
    let batch = &snapshot.batch;
    Change {
        batch: batch.id.clone(),
        tenant: batch.tenant.clone(),
        user: batch.user.clone(),
        account: batch.account.clone(),
        network: batch.network,
        epoch: batch.epoch,
        at: at(1),
        head: BatchWrite {
            expected: batch.status,
            status: batch.status,
            error: None,
            totals: Totals::of(&snapshot.clips),
            wake_at: batch.wake_at,
            wake_stays: false,
            started_at: batch.started_at,
            completed_at: None,
            restarts: batch.restarts,
            release: false,
        },
        clips: Vec::new(),
        attempts: Vec::new(),
        events: Vec::new(),
        applied: Vec::new(),
    }
}

/// A step in which the first clip becomes `uploading` with this intent.
pub fn intent(snapshot: &Snapshot, media: &str, slot: Timestamp) -> Change {
    let mut change = step(snapshot);
    let mut clip = snapshot.clips[0].clone();
    clip.status = ClipStatus::Uploading;
    clip.attempt = 1;
    clip.request = Some(request(media, slot));
    change.attempts.push(AttemptWrite {
        clip: 1,
        attempt: 1,
        request: clip.request.clone(),
        intent_at: Some(at(1)),
        ..AttemptWrite::default()
    });
    change.clips.push(ClipWrite {
        expected: ClipStatus::Pending,
        clip,
    });
    change.events.push(event(media));
    change
}
