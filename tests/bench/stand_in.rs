//! An instant stand-in for Metricool: the smallest server that the client takes for it, so that what is measured is the
//! daemon and not the sandbox. It runs in the benchmark's process; a script says when posts are live.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Query, Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
    serve::ListenerExt,
};
use serde::Deserialize;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::Outcome;

const POSTS: &str = "/api/v2/scheduler/posts";

/// What happens to posts. Brands are numbers: every batch has its own, so that requests can be told apart.
pub trait Script: Send + Sync + 'static {
    /// A create request arrived.
    fn created(&self, brand: u32, body: &[u8], arrived: Instant);

    /// A status request arrived; whether the post is live. The answer leaves when this returns.
    fn live(&self, brand: u32, arrived: Instant) -> bool;

    /// Whether status requests are answered at all; those that are not stay open until the client gives up.
    fn answers_looks(&self) -> bool {
        true
    }

    /// A request of any kind arrived that names a brand.
    fn asked(&self, _brand: u32, _arrived: Instant) {}
}

/// A running stand-in.
pub struct StandIn<S> {
    pub script: Arc<S>,
    address: SocketAddr,
    gate: watch::Sender<bool>,
    counts: Arc<Counts>,
    server: JoinHandle<std::io::Result<()>>,
}

/// What was answered so far.
#[derive(Default)]
pub struct Counts {
    creates: AtomicU64,
    looks: AtomicU64,
    confirmed: AtomicU64,
    connections: AtomicU64,
}

impl Counts {
    /// Connections that were taken. A client that keeps and reuses them has opened as many as it ever had calls in flight
    /// at once.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Create requests.
    pub fn creates(&self) -> u64 {
        self.creates.load(Ordering::Relaxed)
    }

    /// Status requests.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Status requests that were answered with PUBLISHED.
    pub fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }
}

struct World<S> {
    script: Arc<S>,
    gate: watch::Receiver<bool>,
    counts: Arc<Counts>,
}

impl<S: Script> StandIn<S> {
    /// Serves on a free port; media are only prepared once the gate is open.
    pub async fn start(script: S) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (script, counts) = (Arc::new(script), Arc::new(Counts::default()));
        let (gate, closed) = watch::channel(false);
        let world = World {
            script: script.clone(),
            gate: closed,
            counts: counts.clone(),
        };
        let router = Router::new().fallback(answer::<S>).with_state(Arc::new(world));
        let taken = counts.clone();
        let listener = listener.tap_io(move |_| {
            taken.connections.fetch_add(1, Ordering::Relaxed);
        });
        let server = tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self {
            script,
            address,
            gate,
            counts,
            server,
        })
    }

    /// What a client is configured with.
    pub fn url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// Lets media be prepared from now on.
    pub fn open(&self) {
        self.gate.send_replace(true);
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl<S> Drop for StandIn<S> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    blog_id: Option<u32>,
    url: Option<String>,
}

async fn answer<S: Script>(State(world): State<Arc<World<S>>>, request: Request) -> Response {
    let arrived = Instant::now();
    let (parts, body) = request.into_parts();
    let Ok(Query(params)) = Query::<Params>::try_from_uri(&parts.uri) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if let Some(brand) = params.blog_id {
        world.script.asked(brand, arrived);
    }
    let brand = params.blog_id.unwrap_or_default();
    match (&parts.method, parts.uri.path()) {
        (&Method::POST, POSTS) => {
            let Ok(body) = to_bytes(body, usize::MAX).await else {
                return StatusCode::BAD_REQUEST.into_response();
            };
            world.create(brand, &body, arrived)
        }
        (&Method::GET, POSTS) => json(r#"{"data":[]}"#.to_owned()),
        (&Method::GET, "/api/actions/normalize/image/url") => world.normalize(params.url.unwrap_or_default()).await,
        (&Method::GET, "/api/admin/simpleProfiles") => json("[]".to_owned()),
        (&Method::GET, path) => match path.strip_prefix(POSTS).and_then(|path| path.strip_prefix('/')) {
            Some(post) => world.look(brand, post, arrived).await,
            None => StatusCode::NOT_FOUND.into_response(),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

impl<S: Script> World<S> {
    async fn normalize(&self, url: String) -> Response {
        // A sender that is gone has no one waiting for an answer.
        let _: Result<_, _> = self.gate.clone().wait_for(|open| *open).await;
        url.into_response()
    }

    fn create(&self, brand: u32, body: &Bytes, arrived: Instant) -> Response {
        let post = self.counts.creates.fetch_add(1, Ordering::Relaxed);
        self.script.created(brand, body, arrived);
        json(format!(r#"{{"data":{{"id":{post},"uuid":"{post}"}}}}"#))
    }

    async fn look(&self, brand: u32, post: &str, arrived: Instant) -> Response {
        self.counts.looks.fetch_add(1, Ordering::Relaxed);
        if !self.script.answers_looks() {
            std::future::pending::<()>().await;
        }
        let status = if self.script.live(brand, arrived) {
            self.counts.confirmed.fetch_add(1, Ordering::Relaxed);
            r#""PUBLISHED","publicUrl":"https://network.example/story""#
        } else {
            r#""PENDING""#
        };
        json(format!(
            r#"{{"data":{{"id":{post},"uuid":"{post}","providers":[{{"network":"facebook","id":"{post}","status":{status}}}]}}}}"#
        ))
    }
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
