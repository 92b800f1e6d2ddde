//! The document says what the code does: it is the committed one, it has exactly the routes of the table, and every
//! reference in it leads somewhere.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;

#[test]
fn the_committed_document_is_that_of_the_code() {
    let committed = include_str!("../openapi.json");
    let same = committed == text();
    assert!(same, "write it anew: cargo run -- openapi > src/http/openapi.json");
}

/// `method path` of everything in the route table, read from its source: the router itself does not tell.
fn routes() -> BTreeSet<String> {
    let table = include_str!("../../http.rs");
    let mut routes = BTreeSet::new();
    for call in table.split(".route(").skip(1) {
        let mut depth = 1;
        let end = call.find(|c| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        let (path, handlers) = call[..end.unwrap()].trim_start().split_once(',').unwrap();
        let path = path.trim_matches('"').replace("batch_id", "batchId");
        for method in ["get", "post", "put", "patch", "delete"] {
            if handlers.contains(&format!("{method}(")) {
                routes.insert(format!("{method} {path}"));
            }
        }
    }
    routes
}

#[test]
fn every_route_is_in_the_document_and_nothing_else_is() {
    let described = operations();
    let described: BTreeSet<String> = described
        .iter()
        .map(|one| format!("{} {}", one.method, one.path))
        .collect();
    let routes = routes();
    assert!(
        routes.len() > 30 && routes.contains("patch /api/webhooks/{id}"),
        "{routes:?}"
    );
    assert_eq!(described, routes);
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document = document();
    let text = document.to_string();
    let mut references = 0;
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        references += 1;
    }
    assert!(references > 100, "{references}");
    let names: BTreeSet<String> = operations()
        .iter()
        .map(|one| one.object()["operationId"].to_string())
        .collect();
    assert_eq!(names.len(), operations().len());
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!PAGE.contains(outside), "{outside}");
    }
}
