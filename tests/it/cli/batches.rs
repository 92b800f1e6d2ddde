//! `storyclip batches` against a stand-in: all pages, as one table or as the answers that came.

use super::{answering::answering, out, storyclip};

const FIRST: &str = r#"{"success":true,"count":1,"batches":[{"batchId":"batch_2","jobId":null,"userId":"u1","accountId":"7",
"network":"facebook","status":"processing","total":5,"published":2,"failed":1,"cancelled":0,
"createdAt":"2026-01-01T00:00:00.000Z","clips":[]}],"nextCursor":"ey=h"}"#;

const LAST: &str = r#"{"success":true,"count":1,"batches":[{"batchId":"batch_1","jobId":null,"userId":"u1","accountId":"7",
"network":"facebook","status":"paused","total":5,"published":2,"failed":1,"cancelled":0,
"createdAt":"2026-01-01T00:00:00.000Z","clips":[]}],"nextCursor":null}"#;

#[test]
fn every_page_is_asked_for() {
    let (url, asked) = answering(&[FIRST, LAST]);
    let output = storyclip(&["batches", "--user", "u1"])
        .env("STORYCLIP_URL", url)
        .output()
        .unwrap();
    assert_eq!(
        asked.join().unwrap(),
        [
            "GET /api/metricool/batches/active?userId=u1 HTTP/1.1",
            "GET /api/metricool/batches/active?userId=u1&cursor=ey%3Dh HTTP/1.1",
        ]
    );
    let text = out(&output);
    let batches: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(batches, ["batch_2", "batch_1"], "{text}");
}

#[test]
fn json_is_the_answers_as_they_came() {
    let (url, asked) = answering(&[FIRST, LAST]);
    let output = storyclip(&["batches", "--json"])
        .env("STORYCLIP_URL", url)
        .output()
        .unwrap();
    assert_eq!(asked.join().unwrap().len(), 2);
    assert_eq!(out(&output), format!("{FIRST}\n{LAST}\n"));
}
