//! The only place where all parts meet: starts them, stops them in order.
//!
//! The command line (and the demo) calls [`start`]. If the process dies instead of being stopped, nothing is different but
//! the leases: on SQLite the next start clears them, elsewhere they lapse.

mod ahead;
mod brands;
mod control;
mod descriptors;
mod facts;
mod hold;
mod http_threads;
mod key_watch;
mod lifetime;
mod notifying;
mod start_error;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ractor::{Actor, ActorRef};
use secrecy::ExposeSecret;
use storyclip_actors::{
    context::{Context, LeaseClock, Rules},
    directory::Directory,
    limiter::Limiter,
    messages::SupervisorMessage,
    model::NodeId,
    ports::{self, Clock, Provider},
    root::Root,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    clock::SystemClock,
    config::{Config, ListShowsPublished},
    http::{self, AppState, BrandSource, Brands, Connections, CorsOrigins, Keys, RateLimit, TenantAccounts},
    metrics::{Calls, Measured},
    notifications::Notifications,
    providers::{
        self,
        metricool::{self, Metricool},
        unconfigured::Unconfigured,
    },
    store::{Options, Store},
    stream::Hub,
    tasks::{Deaths, Tasks},
};
use ahead::AskMetricool;
use brands::LimitedBrands;
use control::ActorControl;
use facts::StoreFacts;
use http_threads::HttpThreads;
use lifetime::Lifetime;

pub use key_watch::ShowKey;
pub use start_error::StartError;

/// Connections that serve reads.
const READERS: u32 = 4;

/// How long open HTTP requests may take once the actors are done.
const HTTP_GRACE: Duration = Duration::from_secs(2);

/// How long the database may take over what it was given before.
const STORE_GRACE: Duration = Duration::from_secs(5);

/// A running daemon.
pub struct Daemon {
    address: SocketAddr,
    grace: Duration,
    store: Store,
    hub: Arc<Hub>,
    lifetime: Arc<Lifetime>,
    supervisor: ActorRef<SupervisorMessage>,
    supervising: JoinHandle<()>,
    keys: Arc<Keys>,
    tasks: Tasks,
    notifications: Notifications,
    close: watch::Sender<bool>,
    server: JoinHandle<()>,
    http_threads: HttpThreads,
    #[cfg(feature = "otel")]
    exporting: Option<crate::traces::Exporting>,
}

/// Starts everything: when it returns, due batches are being claimed and the listener is served. Where there never was a key,
/// one is made and shown.
///
/// # Errors
/// See [`StartError`].
pub async fn start(config: Config, listener: TcpListener, show_key: impl ShowKey) -> Result<Daemon, StartError> {
    let address = listener.local_addr()?;
    let keys = Arc::new(Keys::parse(config.api_keys.expose_secret()).map_err(StartError::Keys)?);
    let accounts = TenantAccounts::parse(&config.tenant_accounts).map_err(StartError::Accounts)?;
    let cors = CorsOrigins::parse(&config.cors_origins).map_err(StartError::Cors)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let hub = Arc::new(Hub::default());
    let options = Options {
        url: config.database_url.expose_secret().to_owned(),
        readers: READERS,
    };
    let store = Store::open(&options, hub.clone()).await?;
    key_watch::begin(&store, &keys, clock.now(), show_key).await?;
    key_watch::warn_of_tenants_without_brands(&keys, &accounts);
    let abandoned = store.release_dead_leases().await?;
    if abandoned > 0 {
        tracing::info!(batches = abandoned, "taking over what an earlier run left");
    }

    let metricool_configured = !config.metricool_user_token.expose_secret().is_empty();
    let metricool = match metricool_configured {
        true => Some(Arc::new(metricool_client(&config, &store, &clock)?)),
        false => None,
    };
    let provider: Arc<dyn Provider> = match &metricool {
        Some(metricool) => metricool.clone(),
        None => {
            tracing::warn!("METRICOOL_USER_TOKEN is not set: nothing can be published");
            Arc::new(Unconfigured)
        }
    };
    let rows: Arc<dyn ports::Store> = Arc::new(store.clone());
    let calls = Arc::new(Calls::default());
    let provider: Arc<dyn Provider> = Arc::new(Measured::new(provider, calls.clone()));
    #[cfg(feature = "crash-points")]
    let (rows, provider) = crate::crash_points::around(rows, provider);
    #[cfg(feature = "otel")]
    let exporting = crate::traces::start(&store)?;
    #[cfg(feature = "otel")]
    let rows = exporting.iter().fold(rows, |rows, exporting| exporting.around(rows));
    let context = Arc::new(Context {
        node: NodeId::from(format!("node-{}-{:08x}", std::process::id(), rand::random::<u32>())),
        store: rows,
        limiter: Limiter::new(config.metricool_max_in_flight, provider.clone(), clock.clone()),
        provider,
        clock: clock.clone(),
        bell: hub.clone(),
        rules: rules(&config),
        lease: LeaseClock::default(),
    });
    let directory = Arc::new(Directory::default());
    let limiter = context.limiter.clone();
    let brands = metricool.clone().map(|metricool| {
        let limiter = limiter.clone();
        Arc::new(LimitedBrands { metricool, limiter }) as Arc<dyn BrandSource>
    });
    let deaths = Deaths::default();
    let (notices, notifications) = notifying::start(&config, &store, &clock, deaths.clone())?;
    let mut tasks = Tasks::new(deaths.clone());
    let of_hold = (store.clone(), limiter.clone());
    tasks.keep("hold", move || {
        let (store, limiter) = of_hold.clone();
        hold::hold_calls_while_away(store, limiter)
    });
    let root = Root;
    #[cfg(feature = "crash-points")]
    let root = crate::crash_points::DyingRoot(root);
    let (supervisor, supervising) = Actor::spawn(None, root, (context.clone(), directory.clone())).await?;

    let ahead = Arc::new(AskMetricool {
        metricool,
        limiter: limiter.clone(),
    });
    let connections = Arc::new(Connections::new(descriptors::connections(config.max_connections)));
    let lifetime = Arc::new(Lifetime::new(
        supervisor.clone(),
        directory.clone(),
        store.clone(),
        context,
        deaths,
    ));
    let app = http::router(AppState {
        store: store.clone(),
        hub: hub.clone(),
        keys: keys.clone(),
        rate: RateLimit::new(config.requests_per_minute),
        cors,
        accounts,
        brands: Brands::new(brands),
        control: Arc::new(ActorControl {
            supervisor: supervisor.clone(),
            directory,
        }),
        clock,
        rules: http::Rules {
            timeouts: config.timeouts,
            looks: config.looks.clone(),
            slots: config.slots,
        },
        ahead,
        ready: lifetime.clone(),
        vitals: lifetime.clone(),
        connections: connections.clone(),
        calls,
        metricool_configured,
        notices,
    });
    #[cfg(feature = "otel")]
    let app = exporting
        .iter()
        .fold(app, |app, exporting| http::traced(app, exporting.traces.clone()));
    let of_keys = (store.clone(), keys.clone());
    tasks.keep("keys", move || {
        let (store, keys) = of_keys.clone();
        key_watch::keep(store, keys)
    });
    let (close, mut closing) = watch::channel(false);
    let closing = async move {
        // A sender that is gone means the same as one that says so.
        let _: Result<_, _> = closing.wait_for(|closed| *closed).await;
    };
    let patience = http::Patience {
        write: config.write_timeout,
        ..http::Patience::default()
    };
    let http_threads = HttpThreads::start()?;
    let server = http_threads.serve(listener, app, patience, connections, closing)?;
    let grace = config.shutdown_grace;
    Ok(Daemon {
        address,
        grace,
        store,
        hub,
        lifetime,
        supervisor,
        supervising,
        keys,
        tasks,
        notifications,
        close,
        server,
        http_threads,
        #[cfg(feature = "otel")]
        exporting,
    })
}

impl Daemon {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves if the root (because too many supervisors died one after the other), the store's committer or the listener
    /// ends by itself: the daemon is of no use any more and the process should end. The other tasks are begun anew.
    pub async fn died(&mut self) {
        let who = tokio::select! {
            // However it ended, it ended.
            _ = &mut self.supervising => "root",
            () = self.store.ended() => "committer",
            _ = &mut self.server => "listener",
        };
        tracing::error!(task = who, "task died, without which nothing can go on");
    }

    /// Says at any time whether the daemon does what it is for, or waits for the database and keeps trying, or stops.
    pub fn pulse(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let lifetime = self.lifetime.clone();
        move || lifetime.is_alive()
    }

    /// Lets the root die, and with it the supervisor and all batches.
    #[cfg(test)]
    pub(crate) fn kill(&self) {
        self.supervisor.kill();
    }

    /// Stops in order: no new work, calls under way are recorded within the grace, leases go back, subscribers are told
    /// to come again, the database is closed.
    pub async fn stop(self) {
        self.lifetime.drain();
        let drained = self
            .supervisor
            .call(|reply| SupervisorMessage::Drain(Some(reply)), Some(self.grace))
            .await;
        if !matches!(drained, Ok(ractor::rpc::CallResult::Success(()))) {
            tracing::warn!("calls under way took longer than the grace: their ends are found out at the next start");
            self.lifetime.cut_short(STORE_GRACE).await;
        }
        self.close().await;
    }

    /// Ends what is left of a daemon that died: nothing is waited for but what the database was given already.
    pub async fn abandon(self) {
        self.lifetime.drain();
        self.supervisor.kill();
        self.close().await;
    }

    async fn close(self) {
        drop(self.tasks);
        self.notifications.stop().await;
        self.hub.shut_down();
        self.close.send_replace(true);
        let mut server = self.server;
        // One that died has been waited for.
        if !server.is_finished() && tokio::time::timeout(HTTP_GRACE, &mut server).await.is_err() {
            server.abort();
        }
        #[cfg(feature = "otel")]
        if let Some(exporting) = self.exporting {
            exporting.stop().await;
        }
        let last = async {
            key_watch::note_uses(&self.store, &self.keys).await;
            self.store.close().await;
        };
        if tokio::time::timeout(STORE_GRACE, last).await.is_err() {
            tracing::warn!(
                "the database does not answer: what was not written goes on from its rows at the next start"
            );
        }
        // Last: a connection to the database that a handler opened lives on these threads.
        drop(self.http_threads);
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        slots: config.slots,
        timeouts: config.timeouts,
        looks: config.looks.clone(),
        find_settle: config.find_settle,
        max_batches: config.max_batches,
        lease: config.lease,
        ..Rules::default()
    }
}

fn metricool_client(config: &Config, store: &Store, clock: &Arc<dyn Clock>) -> Result<Metricool, StartError> {
    let token = config.metricool_user_token.clone();
    let mut options = metricool::Options::new(&config.metricool_url, token, &config.metricool_user_id);
    options.list_shows_published = match config.metricool_list_shows_published {
        ListShowsPublished::Auto => metricool::ListShowsPublished::Auto,
        ListShowsPublished::Yes => metricool::ListShowsPublished::Yes,
        ListShowsPublished::No => metricool::ListShowsPublished::No,
    };
    options.weekdays = config.metricool_weekdays;
    let client = providers::http_client(&config.metricool_url, config.metricool_max_in_flight)?;
    let facts = Arc::new(StoreFacts {
        store: store.clone(),
        clock: clock.clone(),
    });
    Ok(Metricool::new(options, client, facts, clock.clone())?)
}
