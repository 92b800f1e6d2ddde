//! The document says what the code does: it is the committed one, it has exactly the routes of the table, and every
//! reference in it leads somewhere.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::http::{api_keys, publish, push, resolve, retry_failed, webhooks};

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

/// The members of each object of a schema, alternatives put together.
fn members(schema: &serde_json::Value) -> BTreeSet<String> {
    let alternatives = ["oneOf", "anyOf"]
        .iter()
        .filter_map(|word| schema[word].as_array())
        .flatten();
    let inner = alternatives.flat_map(members);
    let own = schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(|own| own.keys().cloned());
    own.chain(inner).collect()
}

#[test]
fn the_document_has_the_members_that_are_read() {
    let publish = bodies::publish();
    let within = |name: &str| publish["properties"][name].clone();
    for (schema, read) in [
        (publish.clone(), publish::BODY),
        (within("settings"), publish::SETTINGS),
        (within("schedule"), publish::SCHEDULE),
        (publish["properties"]["posts"]["items"].clone(), publish::POST),
        (bodies::retry_failed(), retry_failed::MEMBERS),
        (bodies::resolve(), resolve::MEMBERS),
        (bodies::endpoint(true), webhooks::MEMBERS),
        (bodies::endpoint(false), webhooks::MEMBERS),
        (bodies::rotation(1, 2), webhooks::secrets::MEMBERS),
        (bodies::subscription(1), push::MEMBERS),
        (bodies::key(), api_keys::MEMBERS),
    ] {
        let read: BTreeSet<String> = read.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(members(&schema), read);
    }
}
