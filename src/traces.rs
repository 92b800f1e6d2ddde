//! Traces of requests, of clips' attempts and of commits, exported by OTLP over HTTP. Compiled with the feature `otel`.
//!
//! ```text
//! request ──> span ──(traceparent in the batch's row)──> attempt ──> create, confirm
//! durable changes ──(a queue that never makes anyone wait)──> clips ──> the exporter's thread ──> collector
//! ```
//!
//! The daemon starts it where `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Nothing waits for it: what the queues cannot take is
//! not exported, and if the process dies, the spans that had not left are missing. Attributes are chosen here one by one,
//! so that no URL, no header and no text of a client gets into them.

mod attempts;
mod collector;
mod told;

use std::{collections::HashMap, env, sync::Arc, time::Duration};

use opentelemetry::{
    Context,
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use storyclip_actors::ports;
use thiserror::Error;
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use crate::store::Store;
use attempts::Recorder;
use collector::Collector;
use told::{Told, ToldStore};

/// The header that names a trace, and the key of what is kept of it.
const TRACEPARENT: &str = "traceparent";

/// How many changes may wait to become spans.
const QUEUE: usize = 4_096;

/// How long what is left may take to leave once the daemon stops.
const FLUSH: Duration = Duration::from_secs(2);

/// How long the recorder may take before that.
const RECORD: Duration = Duration::from_secs(1);

/// Why nothing can be exported. Never shows the endpoint, which may hold a password.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum TracesError {
    #[error("{0} must be an http or https URL")]
    Endpoint(&'static str),
    #[error("{0} must be a number of milliseconds")]
    Timeout(&'static str),
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("the exporter cannot be set up: it speaks OTLP as http/protobuf, without compression")]
    Exporter,
}

/// What makes spans.
#[derive(Clone)]
pub struct Traces {
    tracer: SdkTracer,
    told: mpsc::Sender<Told>,
}

/// What is being run.
pub struct Exporting {
    /// To make spans with.
    pub traces: Traces,
    provider: SdkTracerProvider,
    recording: JoinHandle<()>,
}

/// Starts exporting to where the environment says; `None` if it names no collector.
///
/// # Errors
/// When a variable cannot be used.
pub fn start(store: &Store) -> Result<Option<Exporting>, TracesError> {
    let Some((name, endpoint)) = endpoint() else {
        return Ok(None);
    };
    let url = reqwest::Url::parse(&endpoint).map_err(|_| TracesError::Endpoint(name))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(TracesError::Endpoint(name));
    }
    let timeout = timeout()?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::new(timeout, Handle::current())?)
        .with_timeout(timeout)
        .build()
        .map_err(|_| TracesError::Exporter)?;
    let provider = SdkTracerProvider::builder()
        .with_resource(resource())
        .with_batch_exporter(exporter)
        .build();
    let (told, heard) = mpsc::channel(QUEUE);
    let tracer = provider.tracer("storyclip");
    let recorder = Recorder::new(store.clone(), tracer.clone());
    tracing::info!(collector = url.host_str(), "traces are exported");
    Ok(Some(Exporting {
        traces: Traces { tracer, told },
        provider,
        recording: tokio::spawn(recorder.run(heard)),
    }))
}

impl Exporting {
    /// Puts an ear to what the actors make durable.
    pub fn around(&self, rows: Arc<dyn ports::Store>) -> Arc<dyn ports::Store> {
        Arc::new(ToldStore::new(rows, self.traces.told.clone()))
    }

    /// Sends what is left, within a moment.
    pub async fn stop(self) {
        let mut recording = self.recording;
        let last = async {
            // If it is gone, there is nothing to wait for.
            let _gone: Result<_, _> = self.traces.told.send(Told::End).await;
            let _ended: Result<_, _> = (&mut recording).await;
        };
        if tokio::time::timeout(RECORD, last).await.is_err() {
            recording.abort();
        }
        let provider = self.provider;
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH));
        if !matches!(flushed.await, Ok(Ok(()))) {
            tracing::debug!("not all traces could be exported before the end");
        }
    }
}

impl Traces {
    /// What makes spans.
    pub fn tracer(&self) -> &SdkTracer {
        &self.tracer
    }
}

/// The span at work here as a W3C traceparent, if there is one.
pub fn current() -> Option<String> {
    let context = Context::current();
    if !context.has_active_span() {
        return None;
    }
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// The context below this traceparent; below nothing if it names none.
pub fn below(parent: Option<String>) -> Context {
    let carrier: HashMap<String, String> = parent
        .map(|parent| (TRACEPARENT.to_owned(), parent))
        .into_iter()
        .collect();
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// A variable that is set to something, and its name.
fn variable(names: [&'static str; 2]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| {
        let value = env::var(name).ok().filter(|value| !value.trim().is_empty());
        value.map(|value| (name, value))
    })
}

fn endpoint() -> Option<(&'static str, String)> {
    let says = |name: &str, word: &str| env::var(name).is_ok_and(|value| value.trim().eq_ignore_ascii_case(word));
    if says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    variable(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
}

/// How long one export may take: 10 s where nothing is said (OTLP exporter specification).
fn timeout() -> Result<Duration, TracesError> {
    match variable(["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]) {
        Some((name, millis)) => {
            let millis = millis.trim().parse().map_err(|_| TracesError::Timeout(name))?;
            Ok(Duration::from_millis(millis))
        }
        None => Ok(Duration::from_secs(10)),
    }
}

/// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, and who we are where they do not say it.
fn resource() -> Resource {
    let builder = Resource::builder();
    let named = variable(["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"])
        .is_some_and(|(name, value)| name == "OTEL_SERVICE_NAME" || value.contains("service.name="));
    match named {
        true => builder.build(),
        false => builder.with_service_name("storyclip").build(),
    }
}
