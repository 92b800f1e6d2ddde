//! Every operation of the OpenAPI document by every way in which it can end: its success, nobody's and another tenant's try,
//! and each problem that the document promises. A route or a code that nothing here provokes fails these tests.

mod document;
mod hindered;
mod request;
mod stage;
mod wrong;

use std::{collections::BTreeSet, path::Path};

use reqwest::{Method, StatusCode};

use self::{
    document::{Operation, operations},
    stage::{OTHER, Stage},
};
use super::server::problem;

/// What no request provokes here, and the tests that are about it.
const ELSEWHERE: [(&str, &str); 4] = [
    ("INTERNAL_ERROR", "a_panic_ends_one_request_and_nothing_else"),
    (
        "QUOTA_EXCEEDED",
        "more_posts_in_a_day_than_a_network_takes_are_told_before_they_are_sent",
    ),
    (
        "REQUEST_TIMEOUT",
        "a_body_that_does_not_come_is_not_waited_for_and_one_that_breaks_off_is_no_body",
    ),
    (
        "INCOMPLETE_BODY",
        "a_body_that_does_not_come_is_not_waited_for_and_one_that_breaks_off_is_no_body",
    ),
];

/// The text of every source file below this folder of the project.
fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

/// A test that is gone, renamed or never run provokes nothing.
#[test]
fn the_tests_that_are_elsewhere_are_there() {
    let texts = [sources("src"), sources("tests")].concat();
    for (code, name) in ELSEWHERE {
        let is_test = texts.iter().any(|text| {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let heads = [format!("async fn {name}() {{"), format!("fn {name}() {{")];
            lines.windows(2).any(|two| {
                ["#[tokio::test]", "#[tokio::test(start_paused = true)]", "#[test]"].contains(&two[0])
                    && heads.iter().any(|head| head == two[1])
            })
        });
        assert!(is_test, "no test {name} is about {code}");
    }
}

#[tokio::test]
async fn every_operation_succeeds_as_the_document_says() {
    for operation in operations() {
        let mut seen = BTreeSet::new();
        let stage = Stage::new().await;
        let right = stage.right(&operation);
        if operation.query.iter().any(|name| name == "dryRun") {
            let dry = right.clone().query("dryRun", Some("true"));
            seen.insert(dry.send(&stage.server).await.status().as_u16());
        }
        let answer = right.clone().send(&stage.server).await;
        seen.insert(answer.status().as_u16());
        if let Some(tag) = answer.headers().get("etag") {
            let known = right.header("if-none-match", Some(tag.to_str().unwrap()));
            seen.insert(known.send(&stage.server).await.status().as_u16());
        }
        assert_eq!(seen, operation.answers, "{}", operation.id);
    }
}

#[tokio::test]
async fn every_problem_of_the_document_is_answered_where_it_belongs() {
    let mut wrong = Vec::new();
    for operation in operations() {
        let stage = Stage::new().await;
        let elsewhere = |code: &str| ELSEWHERE.iter().any(|(other, _)| *other == code);
        for (status, code) in operation.problems.iter().filter(|(_, code)| !elsewhere(code)) {
            let answer = match wrong::provoke(&stage, &operation, code).await {
                Some(answer) => Some(answer),
                // What stands in the way of one request is not to stand in that of the next.
                None => hindered::provoke(&mut Stage::new().await, &operation, code).await,
            };
            let Some(answer) = answer else {
                wrong.push(format!("{} {code}: nothing here provokes it", operation.id));
                continue;
            };
            if answer.status().as_u16() != *status {
                wrong.push(format!("{} {code}: {}", operation.id, answer.status()));
                continue;
            }
            problem(answer, *status, code).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// 404 for whatever another tenant's request names, and nothing of it in answers that name nothing.
#[tokio::test]
async fn another_tenant_neither_sees_nor_changes_anything() {
    let stage = Stage::new().await;
    let before = stage.server.rows().await;
    let of_a_key = |operation: &Operation| operation.scope.as_deref().is_some_and(|scope| scope != "metrics");
    for operation in operations().into_iter().filter(of_a_key) {
        let request = stage.right(&operation).key(Some(OTHER));
        let said = format!(
            "{} {:?} {:?}",
            request.path,
            request.query,
            request.body.as_deref().map(String::from_utf8_lossy)
        );
        let names = stage.ids().iter().any(|id| said.contains(id));
        let answer = request.send(&stage.server).await;
        if names && let Some(code) = operation.not_found() {
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{}", operation.id);
            problem(answer, 404, code).await;
            continue;
        }
        assert!(answer.status().is_success(), "{}: {}", operation.id, answer.status());
        let told = answer.text().await.unwrap();
        for id in stage.ids() {
            assert!(!told.contains(id), "{} tells of {id}: {told}", operation.id);
        }
    }
    assert_eq!(stage.server.rows().await, before, "nothing was written to batches");
    assert_eq!(stage.server.notes.created.lock().unwrap().len(), 1, "the stage's own");
    assert!(stage.server.notes.commanded.lock().unwrap().is_empty());
    assert!(stage.server.notes.reconciled.lock().unwrap().is_empty());
    let found = |operation: &Operation| operation.method == Method::GET && operation.not_found().is_some();
    for operation in operations().iter().filter(|operation| found(operation)) {
        let answer = stage.right(operation).send(&stage.server).await;
        assert!(
            answer.status().is_success(),
            "{} finds it no more: {}",
            operation.id,
            answer.status()
        );
    }
}
