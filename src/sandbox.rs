//! A local stand-in for Metricool that speaks its contract over real HTTP, with a ledger of what went live and knobs for
//! everything that can go wrong.
//!
//! `storyclip sandbox` runs it for people to rehearse against; the demo, the tests and the benchmark start it in their own
//! process. It keeps everything in memory: when it dies, its posts are gone, and the next one gives other ids.

mod answer;
mod api;
mod best_times;
mod control;
mod dates;
mod fault;
mod faults;
mod fields;
mod ledger;
mod line;
mod luck;
mod post;
mod route;
mod scheduled_post;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::http::HeaderMap;
use serde::Serialize;
use storyclip_actors::ports::Clock;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub use self::{
    best_times::BestTime,
    fault::{Away, Error, Failure, Fault, LiveAt, Plain, Span, Throttle, Word},
    faults::{Faults, Settings},
    ledger::{Counts, CreateView, LedgerView, PostView},
    post::State,
    route::{Asked, Route},
};
use self::{
    dates::Dates,
    ledger::Ledger,
    line::{CuttableListener, Line},
    route::Traffic,
};
use crate::clock::SystemClock;

/// Brands that are listed when none are configured.
const SAMPLE_BRANDS: [(&str, &str); 3] = [
    ("5372118", "Demo shop"),
    ("5372119", "Demo bakery"),
    ("5372120", "Demo band"),
];

/// How long a stop waits for answers that are under way.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// How the stand-in behaves when nothing goes wrong.
#[derive(Clone)]
pub struct Options {
    /// Slots are cut down to whole multiples of it, as Metricool drops seconds; zero keeps milliseconds.
    pub granularity: Duration,
    /// How long past a slot may be and still be taken. `None`: 5 s without granularity (a slot of "now" is a few
    /// milliseconds old when it arrives), else nothing, and a slot that equals now is refused.
    pub grace: Option<Duration>,
    /// Tokens that are accepted; empty accepts any that is not empty.
    pub tokens: Vec<String>,
    /// Brands (`blogId`) there are; empty accepts any number.
    pub brands: Vec<String>,
    /// What is in force at the start and after a reset.
    pub faults: Settings,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    /// Whole minutes as at the real Metricool, live 1 to 5 s after the slot, answers at once.
    fn default() -> Self {
        Self {
            granularity: Duration::from_secs(60),
            grace: None,
            tokens: Vec::new(),
            brands: Vec::new(),
            faults: Settings {
                confirm_ms: Span::new(Duration::from_secs(1), Duration::from_secs(5)),
                ..Settings::default()
            },
            clock: Arc::new(SystemClock),
        }
    }
}

/// What every request shares.
struct World {
    dates: Dates,
    tokens: Vec<String>,
    brands: Vec<String>,
    /// Brands that were named, where any is accepted: they are listed, too.
    named: Mutex<BTreeSet<String>>,
    ledger: Mutex<Ledger>,
    faults: Faults,
    traffic: Traffic,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    id: i64,
    user_id: i64,
    label: String,
    timezone: &'static str,
    facebook: String,
    facebook_page_id: String,
    instagram: String,
    tiktok: Option<String>,
    youtube: Option<String>,
    picture: Option<String>,
    deleted: bool,
    is_demo: bool,
}

impl World {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accepts_token(&self, headers: &HeaderMap) -> bool {
        let token = headers
            .get("x-mc-auth")
            .and_then(|token| token.to_str().ok())
            .unwrap_or_default();
        let known = self.tokens.is_empty() || self.tokens.iter().any(|known| known == token);
        !token.is_empty() && known && !self.faults.refuses_token()
    }

    fn accepts_brand(&self, brand: &str) -> bool {
        let known = if self.brands.is_empty() {
            let number = brand.parse::<i64>().is_ok();
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            if number && !named.contains(brand) {
                named.insert(brand.to_owned());
            }
            number
        } else {
            self.brands.iter().any(|known| known == brand)
        };
        known && !self.faults.refuses_brand(brand)
    }

    fn profiles(&self) -> Vec<Profile> {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = SAMPLE_BRANDS
            .iter()
            .filter(|_| self.brands.is_empty())
            .map(|(id, _)| *id);
        let ids: BTreeSet<&str> = samples
            .chain(self.brands.iter().chain(named.iter()).map(String::as_str))
            .collect();
        let allowed = ids.into_iter().filter(|id| !self.faults.refuses_brand(id));
        allowed.filter_map(profile).collect()
    }
}

fn profile(id: &str) -> Option<Profile> {
    let sample = SAMPLE_BRANDS.iter().find(|(sample, _)| *sample == id);
    let label = sample.map_or_else(|| format!("Brand {id}"), |(_, label)| (*label).to_owned());
    Some(Profile {
        id: id.parse().ok()?,
        user_id: 4_000_001,
        timezone: "Europe/Madrid",
        facebook: label.clone(),
        facebook_page_id: format!("1{id}"),
        instagram: label.to_lowercase().replace(' ', "_"),
        tiktok: None,
        youtube: None,
        picture: None,
        deleted: false,
        is_demo: false,
        label,
    })
}

/// A running stand-in. Dropping it leaves it running until the runtime ends; [`Sandbox::stop`] stops it.
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<World>,
    cut_all: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

impl Sandbox {
    /// Serves on this listener.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener, options: Options) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let grace = if options.granularity.is_zero() {
            Duration::from_secs(5)
        } else {
            Duration::ZERO
        };
        let world = Arc::new(World {
            dates: Dates {
                granularity: options.granularity,
                grace: options.grace.unwrap_or(grace),
            },
            tokens: options.tokens,
            brands: options.brands,
            named: Mutex::default(),
            ledger: Mutex::new(Ledger::starting(options.clock.now())),
            faults: Faults::new(options.faults),
            traffic: Traffic::default(),
            clock: options.clock,
        });
        let cut_all = Arc::new(AtomicBool::new(false));
        let listener = CuttableListener {
            listener,
            all: cut_all.clone(),
        };
        let router = control::routes().fallback(api::answer).with_state(world.clone());
        let service = router.into_make_service_with_connect_info::<Line>();
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, service).with_graceful_shutdown(async move {
            // A handle that was dropped is no wish to stop.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        let server = tokio::spawn(async move { serve.await });
        Ok(Self {
            address,
            world,
            cut_all,
            stop,
            server,
        })
    }

    /// What a client is configured with, as in `http://127.0.0.1:9900/api`.
    pub fn base_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The knobs.
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// Every post and create request so far.
    pub fn ledger(&self) -> LedgerView {
        self.world.ledger().view(self.world.clock.now())
    }

    /// Every post so far, by commit.
    pub fn posts(&self) -> Vec<PostView> {
        self.ledger().posts
    }

    /// How often each route was asked.
    pub fn requests(&self) -> BTreeMap<Route, Asked> {
        self.world.traffic.get()
    }

    /// Forgets posts and counts; ids go on.
    pub fn clear(&self) {
        self.world.ledger().clear();
        self.world.traffic.clear();
    }

    /// Stops listening, waits a second for answers under way, then cuts what is left. Creates under way still commit.
    ///
    /// # Errors
    /// When the server had ended with an error.
    pub async fn stop(mut self) -> io::Result<()> {
        let _already_ended = self.stop.send(());
        match tokio::time::timeout(STOP_WAIT, &mut self.server).await {
            Ok(ended) => ended.map_err(io::Error::other)?,
            Err(_elapsed) => {
                self.cut_all.store(true, Ordering::Relaxed);
                self.server.abort();
                Ok(())
            }
        }
    }
}
