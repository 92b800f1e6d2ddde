//! The OpenAPI 3.1 document of the HTTP API, made from the code, and the page that shows it.
//!
//! Schemas of answers are derived from the types that write them; what requests may be stands beside the bounds that check
//! them. `openapi.json` beside this file is the same document, kept for readers and generators: `storyclip openapi` writes
//! it, and a test refuses a build in which the two, or the document and the route table, differ.

mod bodies;
mod commanding;
mod keys;
mod operating;
mod operation;
mod publishing;
mod reading;
mod telling;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use axum::{
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use self::operation::{Operation, Schemas};
use super::problem;

/// The page; it reads `/openapi.json` and nothing else.
const PAGE: &str = include_str!("openapi/docs.html");

/// What the page may do: run its own script, have its own style, and ask this daemon.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

const ABOUT: &str = "\
Publishes batches of story clips to social networks, one clip after the other, and never says more than the network said.

Instants are RFC 3339 UTC with milliseconds. Every answer that is no success is an RFC 9457 problem with a stable `code`. \
A field that is `null` counts as absent, in requests; members that a body does not have are refused, or \
named in the `warnings` of a publish request, and unknown parameters are ignored but of that one. Another tenant's batch does \
not exist. A key opens what its scopes allow; each operation says which one it takes.";

static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));

/// The document as text: two spaces of indent, a newline at the end, members in order of their names.
pub fn text() -> &'static str {
    &TEXT
}

/// `GET /openapi.json`.
pub async fn show() -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ([kind, unchanging()], text()).into_response()
}

/// `GET /docs`.
pub async fn page() -> Response {
    let policy = (header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    ([policy, unchanging()], Html(PAGE)).into_response()
}

/// It changes with the daemon's version: a browser may keep it and must ask.
fn unchanging() -> (header::HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

fn operations() -> Vec<Operation> {
    [
        publishing::operations(),
        reading::operations(),
        commanding::operations(),
        telling::operations(),
        keys::operations(),
        operating::operations(),
    ]
    .concat()
}

fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas = Schemas::default();
    schemas.add::<problem::Body<'static>>();
    for operation in operations() {
        schemas.extend(&operation);
        let item = paths.entry(operation.path).or_insert_with(|| json!({}));
        item[operation.method] = operation.object();
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "StoryClip",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Publishes content to social networks and never lies about what happened",
            "description": ABOUT,
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/", "description": "The daemon that serves this document"}],
        "tags": [
            {"name": "publishing", "description": "Giving batches to the daemon"},
            {"name": "reading", "description": "Where batches are, and why that is believed"},
            {"name": "commanding", "description": "Stopping, continuing and deciding; durable before it is answered"},
            {"name": "live", "description": "What happens, while it happens"},
            {"name": "telling", "description": "Webhooks (Standard Webhooks 1.0) and Web Push"},
            {"name": "keys", "description": "Who may call"},
            {"name": "operating", "description": "For whatever watches the process"},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "headers": operation::headers(),
            "securitySchemes": operation::security_schemes(),
        },
    })
}
