//! What watches the process, and this document, in the document.

use serde_json::json;

use super::operation::Operation;
use crate::http::{health::Health, keys::Scope};

pub fn operations() -> Vec<Operation> {
    let open = |path, id, summary| Operation::new("operating", ("get", path), id, summary);
    let text = || json!({"type": "string"});
    vec![
        open("/healthz", "isAlive", "Tell that the process answers").answers::<Health>(200, "It does"),
        open("/readyz", "isReady", "Tell whether the daemon can take work")
            .answers::<Health>(200, "It can")
            .fails(503, &["NOT_READY"]),
        open(
            "/metrics",
            "getMetrics",
            "Count batches and clips of all tenants, for Prometheus",
        )
        .takes(Scope::Metrics)
        .answers_as(200, "Prometheus' text format 0.0.4", "text/plain", text()),
        open("/openapi.json", "getOpenapi", "Give this document").answers_as(
            200,
            "OpenAPI 3.1",
            "application/json",
            json!({"type": "object", "required": ["openapi", "info", "paths"]}),
        ),
        open("/docs", "getDocs", "Show this document as a page").answers_as(200, "HTML", "text/html", text()),
    ]
}
