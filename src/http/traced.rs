//! A span for each request, below the client's own where it sent a `traceparent`. Compiled with the feature `otel`.
//!
//! The daemon wraps the routes in it where traces are exported. A span has the route's pattern, never the path or the
//! query that was asked for: they may hold secrets.

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::Response,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, SpanKind, Status, TraceContextExt, Tracer},
};

use super::head;
use crate::traces::{self, Traces};

/// Asked over and over by machines: a span of each would tell nothing.
const UNTRACED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The routes with a span around each request.
pub fn traced(routes: Router, traces: Traces) -> Router {
    routes.layer(middleware::from_fn_with_state(traces, around))
}

async fn around(State(traces): State<Traces>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map(|route| route.as_str().to_owned());
    if route.as_deref().is_some_and(|route| UNTRACED.contains(&route)) {
        return next.run(request).await;
    }
    let context = begin(&traces, &request, route);
    let response = next.run(request).with_context(context.clone()).await;

    let (span, status) = (context.span(), response.status());
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
        span.set_status(Status::error(""));
    }
    span.end();
    response
}

fn begin(traces: &Traces, request: &Request, route: Option<String>) -> Context {
    let method = match request.method().as_str() {
        known @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS") => known.to_owned(),
        _ => "_OTHER".to_owned(),
    };
    let name = match &route {
        Some(route) => format!("{method} {route}"),
        None => method.clone(),
    };
    let mut attributes = vec![KeyValue::new("http.request.method", method)];
    attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
    let parent = head::trace_id(request.headers()).and_then(|_| request.headers().get("traceparent"));
    let parent = traces::below(parent.and_then(|parent| parent.to_str().ok()).map(str::to_owned));
    let span = traces.tracer().span_builder(name);
    let span = span.with_kind(SpanKind::Server).with_attributes(attributes);
    parent.with_span(traces.tracer().build_with_context(span, &parent))
}
