//! `storyclip history` against a stand-in that answers what the contract says and keeps what it was asked.

use super::{answering::answering, err, out, storyclip};

const PAGE: &str = r#"{"success":true,"count":1,"batches":[{"batchId":"batch_9","jobId":null,"userId":"u1","accountId":"7",
"network":"facebook","status":"failed","publishMode":"now","total":5,"published":2,"failed":1,"cancelled":0,"pending":2,
"createdAt":"2026-01-01T00:00:00.000Z","startedAt":"2026-01-01T00:00:01.000Z","completedAt":"2026-01-01T00:01:11.000Z",
"durations":{"queuedMs":1000,"runningMs":70000,"totalMs":71000},"error":null}],"nextCursor":"eyJh"}"#;

#[test]
fn what_is_asked_for_is_passed_on_and_a_next_page_is_named() {
    let (url, asked) = answering(&[PAGE]);
    let arguments = [
        "history",
        "--user",
        "u 1",
        "--status",
        "failed",
        "--from",
        "2026-01-01T00:00:00Z",
    ];
    let output = storyclip(&arguments)
        .args(["--to", "2026-02-01T00:00:00+01:00", "--limit", "7", "--cursor", "a=b"])
        .env("STORYCLIP_URL", url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(
        asked.join().unwrap(),
        [
            "GET /api/metricool/history?userId=u+1&status=failed&from=2026-01-01T00%3A00%3A00Z\
          &to=2026-02-01T00%3A00%3A00%2B01%3A00&limit=7&cursor=a%3Db HTTP/1.1"
        ]
    );
    let text = out(&output);
    let line = text.lines().last().unwrap();
    assert!(line.starts_with("batch_9  u1") && line.ends_with("1m10s"), "{text}");
    assert!(err(&output).contains("--cursor eyJh"), "{}", err(&output));
}

#[test]
fn json_is_the_answer_as_it_came() {
    let (url, asked) = answering(&[PAGE]);
    let output = storyclip(&["history", "--json"])
        .env("STORYCLIP_URL", url)
        .output()
        .unwrap();
    assert_eq!(asked.join().unwrap(), ["GET /api/metricool/history?limit=50 HTTP/1.1"]);
    assert_eq!(out(&output), format!("{PAGE}\n"));
    assert_eq!(err(&output), "", "a program finds the cursor in the answer");
}

#[test]
fn a_status_that_is_no_end_is_a_usage_error() {
    for arguments in [["--status", "processing"], ["--limit", "201"], ["--limit", "0"]] {
        let output = storyclip(&["history"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
