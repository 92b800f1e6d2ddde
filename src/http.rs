//! The HTTP control plane: what a backend, a browser or an operator may ask of the daemon.
//!
//! The daemon builds an [`AppState`] and serves [`router`]. Every answer is made from rows; if the process dies, nothing
//! that was answered is lost, and nothing that was not answered is half-written.

mod accounts;
mod active;
mod ahead;
mod api_keys;
mod attempts;
mod batch;
mod body;
mod brands;
mod caller;
mod command;
mod connections;
mod cors;
mod envelope;
mod etag;
mod fields;
mod head;
mod health;
mod history;
mod idempotency;
mod json;
mod keyring;
pub(crate) mod keys;
mod limits;
mod metrics;
pub(crate) mod openapi;
mod outgoing;
mod page;
mod problem;
mod publish;
mod push;
mod query;
mod rate;
mod reconcile;
mod refusal;
mod resolve;
mod retry_failed;
mod serve;
mod spelling;
mod status;
mod stream;
mod to_the_end;
#[cfg(feature = "otel")]
mod traced;
mod view;
mod webhooks;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    middleware,
    routing::{delete, get, post},
};
use storyclip_actors::{
    model::{BatchId, BatchStatus},
    ports::Clock,
    schedule::{LookRule, SlotRule, Timeouts},
};
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{CompressionLayer, predicate::SizeAbove},
};

#[cfg(feature = "otel")]
pub(crate) use self::traced::traced;
pub use self::{
    accounts::TenantAccounts,
    ahead::Ahead,
    brands::{BrandSource, Brands},
    connections::Connections,
    cors::CorsOrigins,
    keyring::Keys,
    keys::{Holder, Scope},
    problem::{FieldError, Problem},
    publish::check as check_publish,
    rate::RateLimit,
    serve::{Patience, serve},
    webhooks::Notices,
};
use crate::{metrics::Calls, store::Store, stream::Hub};

/// Everything the routes need.
pub struct AppState {
    /// Where batches are.
    pub store: Store,
    /// The bell of the live stream; the same that hears the store's commits.
    pub hub: Arc<Hub>,
    /// Who may call.
    pub keys: Arc<Keys>,
    /// How many requests each of them may make.
    pub rate: RateLimit,
    /// Which web pages may call.
    pub cors: CorsOrigins,
    /// Which brands a tenant may use.
    pub accounts: TenantAccounts,
    /// What Metricool says the brands are.
    pub brands: Brands,
    /// The supervisor's ear.
    pub control: Arc<dyn Control>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long confirmations are waited for, and when they are looked for.
    pub rules: Rules,
    /// The network, for what is asked before a batch exists.
    pub ahead: Arc<dyn Ahead>,
    /// Whether the daemon can take work.
    pub ready: Arc<dyn Readiness>,
    /// How the daemon is, for a scraper.
    pub vitals: Arc<dyn Vitals>,
    /// How many connections there are.
    pub connections: Arc<Connections>,
    /// What calls to the networks came to.
    pub calls: Arc<Calls>,
    /// Whether there is a Metricool token; without one publishing is refused.
    pub metricool_configured: bool,
    /// What the routes about webhooks and browsers need.
    pub notices: Notices,
}

/// The rules by which a wait for confirmation is shown and slots are planned.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the types say it")]
pub struct Rules {
    pub timeouts: Timeouts,
    pub looks: LookRule,
    pub slots: SlotRule,
}

/// What the routes tell the supervisor. Each is a nudge about something that is durable already: one that is lost costs
/// time, never work.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// A batch was created: claim it now.
    fn created(&self, batch: &BatchId);

    /// A command's row is durable. Waits, within bounds, for the status that the batch has after it was applied; `None`
    /// if that is not known in time, or if the batch is run elsewhere.
    async fn command(&self, batch: &BatchId) -> Option<BatchStatus>;

    /// Somebody wants the rows to be compared with the network now.
    fn reconcile(&self, batch: &BatchId);
}

/// Whether the daemon can take work.
pub trait Readiness: Send + Sync + 'static {
    /// # Errors
    /// A sentence for an operator: what is missing, or that it is draining.
    fn ready(&self) -> Result<(), String>;

    /// Whether it is about to stop and takes no more work.
    fn is_draining(&self) -> bool;
}

/// How the daemon is.
pub trait Vitals: Send + Sync + 'static {
    /// At this instant.
    fn now(&self) -> Vital;
}

/// See [`Vitals`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Vital {
    /// Batches that have actors.
    pub actors: usize,
    /// How long ago the supervisor last looked for what is due.
    pub swept_ago: Duration,
    /// How long ago this node's leases were last renewed; as long as they last, once they have lapsed.
    pub lease_age: Duration,
    /// Whether no call may leave, because the database is away.
    pub calls_held: bool,
    /// How many tasks beside the actors died in this process.
    pub task_deaths: u64,
    /// Whether it is about to stop.
    pub draining: bool,
}

type App = State<Arc<AppState>>;

/// Answers that are shorter, in bytes, are sent as they are.
const COMPRESSED_FROM: u16 = 1_024;

/// All routes.
pub fn router(state: AppState) -> Router {
    let cors = state.cors.layer();
    let gzip = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESSED_FROM));
    let routes = Router::new()
        // publishing
        .route("/api/metricool/publish/stories", post(publish::stories))
        // reading
        .route("/api/metricool/status", get(status::show))
        .route("/api/metricool/batch/{batch_id}", get(batch::show))
        .route("/api/metricool/batch/{batch_id}/attempts", get(attempts::list))
        .route("/api/metricool/batches/active", get(active::list))
        .route("/api/metricool/batch/user-active", get(active::list))
        .route("/api/metricool/brands", get(brands::list))
        .route("/api/metricool/history", get(history::list))
        .route("/api/metricool/reconcile/{batch_id}", get(reconcile::show))
        // commanding
        .route("/api/metricool/batch/{batch_id}/cancel", post(command::cancel))
        .route("/api/metricool/batch/{batch_id}/pause", post(command::pause))
        .route("/api/metricool/batch/{batch_id}/resume", post(command::resume))
        .route(
            "/api/metricool/batch/{batch_id}/retry-failed",
            post(retry_failed::retry_failed),
        )
        .route(
            "/api/metricool/batch/{batch_id}/clips/{index}/resolve",
            post(resolve::resolve),
        )
        // telling others
        .route("/api/webhooks", get(webhooks::list).post(webhooks::create))
        .route(
            "/api/webhooks/{id}",
            get(webhooks::show).patch(webhooks::change).delete(webhooks::delete),
        )
        .route("/api/webhooks/{id}/test", post(webhooks::test))
        .route("/api/webhooks/{id}/rotate-secret", post(webhooks::rotate))
        .route("/api/webhooks/{id}/deliveries", get(webhooks::of_endpoint))
        .route("/api/webhooks/deliveries", get(webhooks::all))
        .route("/api/webhooks/deliveries/{id}", get(webhooks::show_delivery))
        .route("/api/webhooks/deliveries/{id}/replay", post(webhooks::replay))
        .route("/api/webhooks/batch-secret", post(webhooks::batch_secret))
        .route("/api/push/key", get(push::key))
        .route("/api/push/subscriptions", post(push::subscribe))
        .route("/api/push/subscriptions/{id}", delete(push::unsubscribe))
        // operating
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/openapi.json", get(openapi::show))
        .route("/docs", get(openapi::page))
        // keys
        .route("/api/keys", get(api_keys::list).post(api_keys::create))
        .route("/api/keys/{id}", delete(api_keys::revoke))
        .layer(gzip)
        // live events: after the compression, which would hold messages back
        .route("/api/metricool/stream", get(stream::open))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(envelope::panicked));
    let routes = match cors {
        Some(cors) => routes.layer(cors),
        None => routes,
    };
    routes
        .layer(middleware::from_fn(envelope::around))
        .with_state(Arc::new(state))
}

async fn no_such_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "ROUTE_NOT_FOUND", "there is no such path")
}

async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        "this path does not take this method",
    )
    .detail("This path does not take this method; the header Allow lists those it takes.")
}
