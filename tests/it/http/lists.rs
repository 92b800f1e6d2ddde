//! History, and the lists that are read page by page.

use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storyclip_actors::model::{BatchId, BatchStatus, ClipStatus};

use super::{
    runner::Runner,
    server::{FULL, START, Server, body_of, problem, read},
};

const HISTORY: &str = "/api/metricool/history?userId=u1";

async fn get(server: &Server, path: &str) -> Value {
    let (status, body) = read(server.get(path).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

/// A batch that ended so, created this many seconds after the start.
async fn ended(server: &Server, seconds: i64, status: BatchStatus) -> BatchId {
    server.clock.0.store(START + seconds * 1_000, Ordering::Relaxed);
    let id = server.batch(1).await;
    Runner::claim(server, &id).await.turn(status, true).await;
    id
}

fn ids(list: &Value) -> Vec<&str> {
    let rows = list["batches"].as_array().unwrap();
    assert_eq!(list["count"], rows.len());
    rows.iter().map(|row| row["batchId"].as_str().unwrap()).collect()
}

/// All pages of this many rows, in order.
async fn pages(server: &Server, path: &str, limit: usize, rows: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(server, &format!("{path}&limit={limit}&cursor={cursor}")).await;
        pages.push(rows(&page));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn history_tells_what_became_of_each_batch_and_how_long_it_took() {
    let server = Server::start().await;
    let id = server.batch(3).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Published).await;
    runner.clip(2, ClipStatus::Failed).await;
    assert_eq!(ids(&get(&server, HISTORY).await), Vec::<&str>::new(), "it is under way");
    runner.turn(BatchStatus::Failed, true).await;
    let told = get(&server, HISTORY).await;
    let at = "2026-01-01T00:00:00.000Z";
    let expected = json!({"success": true, "count": 1, "nextCursor": null, "batches": [{
        "batchId": id, "jobId": "job_123", "userId": "u1", "accountId": "5372118", "network": "facebook",
        "status": "failed", "publishMode": "now", "total": 3, "published": 1, "failed": 1, "cancelled": 0, "pending": 1,
        "scheduledFor": null, "createdAt": at, "startedAt": at, "completedAt": at,
        "durations": {"queuedMs": 0, "runningMs": 0, "totalMs": 0}, "error": null, "errorCode": null,
    }]});
    assert_eq!(told, expected);
}

#[tokio::test]
async fn history_is_newest_first_and_can_be_narrowed() {
    let server = Server::start().await;
    let oldest = ended(&server, 0, BatchStatus::Completed).await;
    let middle = ended(&server, 60, BatchStatus::Failed).await;
    let newest = ended(&server, 120, BatchStatus::Cancelled).await;
    let active = server.batch(1).await;
    let (oldest, middle, newest) = (oldest.as_str(), middle.as_str(), newest.as_str());
    for (narrowed, expected) in [
        ("", vec![newest, middle, oldest]),
        ("&status=failed", vec![middle]),
        ("&status=completed", vec![oldest]),
        ("&status=cancelled", vec![newest]),
        ("&from=2026-01-01T00:01:00Z", vec![newest, middle]),
        ("&to=2026-01-01T00:01:00Z", vec![oldest]),
        (
            "&from=2026-01-01T01:00:00+01:00&to=2026-01-01T00:02:00Z",
            vec![middle, oldest],
        ),
        ("&from=2026-01-02", vec![]),
        ("&limit=2", vec![newest, middle]),
    ] {
        assert_eq!(
            ids(&get(&server, &format!("{HISTORY}{narrowed}")).await),
            expected,
            "{narrowed}"
        );
    }
    let list = ids(&get(&server, HISTORY).await).join(" ");
    assert!(!list.contains(active.as_str()));
    assert_eq!(get(&server, "/api/metricool/history?userId=u2").await["count"], 0);

    let whole = "/api/metricool/history";
    problem(server.get(whole).send().await.unwrap(), 400, "MISSING_USER_ID").await;
    for key in ["sk_root_1", FULL] {
        for lost in ["?userId=", "?userId"] {
            let request = server.bare(Method::GET, &format!("{whole}{lost}")).bearer_auth(key);
            problem(request.send().await.unwrap(), 400, "MISSING_USER_ID").await;
        }
    }
    let asked = async |key: &str, path: &str| {
        let request = server.bare(Method::GET, path).bearer_auth(key);
        read(request.send().await.unwrap()).await.1
    };
    assert_eq!(ids(&asked("sk_root_1", whole).await), [newest, middle, oldest]);
    assert_eq!(
        asked("sk_other_1", HISTORY).await["count"],
        0,
        "another tenant's u1 is somebody else"
    );
}

#[tokio::test]
async fn every_list_is_read_page_by_page_without_a_gap_or_a_repeat() {
    let server = Server::start().await;
    let names = |list: &Value| ids(list).into_iter().map(str::to_owned).collect::<Vec<_>>();
    // Several of one millisecond, so that the instant alone does not tell them apart.
    for n in 0..7 {
        ended(&server, n / 3, BatchStatus::Completed).await;
        server.batch(2).await;
    }
    for path in [HISTORY, "/api/metricool/batches/active?userId=u1"] {
        let whole = names(&get(&server, path).await);
        assert_eq!(whole.len(), 7);
        for limit in [1, 2, 3, 7, 8] {
            let pages = pages(&server, path, limit, names).await;
            assert!(pages[..pages.len() - 1].iter().all(|page| page.len() == limit));
            assert_eq!(pages.concat(), whole, "{path} by {limit}");
        }
    }
    // A row that is new when the second page is asked for belongs to neither.
    let first = get(&server, &format!("{HISTORY}&limit=3")).await;
    ended(&server, 100, BatchStatus::Completed).await;
    let second = get(
        &server,
        &format!("{HISTORY}&cursor={}", first["nextCursor"].as_str().unwrap()),
    )
    .await;
    assert_eq!((ids(&first).len(), ids(&second).len()), (3, 4));

    let id = server.batch(3).await;
    let mut runner = Runner::claim(&server, &id).await;
    for clip in 1..=3 {
        runner.clip(clip, ClipStatus::Uploading).await;
        runner.clip(clip, ClipStatus::WaitingConfirmation).await;
    }
    let ledger = |list: &Value| {
        let attempts = list["attempts"].as_array().unwrap().iter();
        attempts
            .map(|row| format!("{}.{}", row["index"], row["attempt"]))
            .collect::<Vec<_>>()
    };
    let path = format!("/api/metricool/batch/{id}/attempts?");
    assert_eq!(
        pages(&server, &path, 2, ledger).await,
        [vec!["1.1", "2.1"], vec!["3.1"]]
    );
}

#[tokio::test]
async fn a_wrong_parameter_of_a_list_is_named() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let page = get(&server, "/api/metricool/batches/active?userId=u1&limit=1").await;
    assert_eq!(page["nextCursor"], Value::Null, "there is no more");
    server.publish(&body_of(1)).send().await.unwrap();
    let page = get(&server, "/api/metricool/batches/active?userId=u1&limit=1").await;
    let foreign = page["nextCursor"].as_str().unwrap();
    let ledger = format!("/api/metricool/batch/{id}/attempts?a=");
    for (path, wrong, code, field) in [
        (HISTORY, "limit=0".to_owned(), "INVALID_LIMIT", "limit"),
        (HISTORY, "limit=201".into(), "INVALID_LIMIT", "limit"),
        (HISTORY, "cursor=x".into(), "INVALID_CURSOR", "cursor"),
        (HISTORY, format!("cursor={foreign}"), "INVALID_CURSOR", "cursor"),
        (HISTORY, "status=processing".into(), "INVALID_STATUS", "status"),
        (HISTORY, "status=done".into(), "INVALID_STATUS", "status"),
        (HISTORY, "from=yesterday".into(), "INVALID_QUERY", "from"),
        (HISTORY, "to=2026-02-30".into(), "INVALID_QUERY", "to"),
        (HISTORY, "from=2026-01-02&to=2026-01-01".into(), "INVALID_TO", "to"),
        (HISTORY, "userId=u2".into(), "INVALID_QUERY", "userId"),
        (
            "/api/metricool/batches/active?userId=u1",
            "limit=x".into(),
            "INVALID_LIMIT",
            "limit",
        ),
        (
            "/api/metricool/batch/user-active?userId=u1",
            "cursor=%00".into(),
            "INVALID_CURSOR",
            "cursor",
        ),
        (&ledger, "limit=-1".into(), "INVALID_LIMIT", "limit"),
        (&ledger, format!("cursor={foreign}"), "INVALID_CURSOR", "cursor"),
    ] {
        let response = server.get(&format!("{path}&{wrong}")).send().await.unwrap();
        let told = problem(response, 400, code).await;
        assert_eq!(told["errors"][0]["field"], field, "{path} {wrong}");
    }
}

#[tokio::test]
async fn who_has_the_newest_version_is_told_so_and_no_more() {
    let server = Server::start().await;
    let id = server.batch(2).await;
    let asked = async |path: &str, known: &str| {
        let response = server.get(path).header("if-none-match", known).send().await.unwrap();
        let status = response.status().as_u16();
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(response.headers()["cache-control"], "private, no-cache");
        assert!(response.headers().contains_key("x-request-id"));
        let length = response.bytes().await.unwrap().len();
        assert_eq!(length == 0, status == 304);
        (status, tag)
    };
    let mut runner = Runner::claim(&server, &id).await;
    let paths = [
        format!("/api/metricool/batch/{id}"),
        format!("/api/metricool/status?batchId={id}"),
    ];
    for path in &paths {
        let (status, tag) = asked(path, "\"none\"").await;
        assert_eq!(status, 200);
        assert_eq!(asked(path, &tag).await, (304, tag.clone()));
        assert_eq!(asked(path, &format!("\"a\", {tag}")).await.0, 304);
        runner.events(1).await;
        let (status, newer) = asked(path, &tag).await;
        assert_eq!(status, 200);
        assert_ne!(newer, tag);
    }
    // What is told of a wait changes with time alone.
    runner.clip(1, ClipStatus::Uploading).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    let [batch, status] = &paths;
    let (tag, waiting) = (asked(batch, "\"\"").await.1, asked(status, "\"\"").await.1);
    assert_eq!(asked(status, &waiting).await.0, 304);
    server.clock.0.store(START + 1_000, Ordering::Relaxed);
    assert_eq!(asked(status, &waiting).await.0, 200);
    assert_eq!(asked(batch, &tag).await.0, 304);
    let other = server.bare(Method::GET, batch).bearer_auth("sk_other_1");
    let other = other.header("if-none-match", &tag).send().await.unwrap();
    problem(other, 404, "BATCH_NOT_FOUND").await;
}

#[tokio::test]
async fn a_slot_that_passes_makes_another_version_although_no_row_changes() {
    let server = Server::start().await;
    let mut body = body_of(2);
    body["schedule"] = json!({"mode": "scheduled", "scheduledAt": "2026-01-02T00:00:00Z"});
    let (_, answer) = read(server.publish(&body).send().await.unwrap()).await;
    let id = BatchId::from(answer["batchId"].as_str().unwrap());
    let mut runner = Runner::claim(&server, &id).await;
    runner.clip(1, ClipStatus::Uploading).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    let path = format!("/api/metricool/batch/{id}");
    let asked = async |at: i64, known: &str| {
        server.clock.0.store(at, Ordering::Relaxed);
        let response = server.get(&path).header("if-none-match", known).send().await.unwrap();
        let tag = response.headers()["etag"].to_str().unwrap().to_owned();
        (response.status().as_u16(), tag)
    };
    let slot = START + 86_400_000;
    let (status, tag) = asked(slot - 60_000, "\"none\"").await;
    assert_eq!(status, 200);
    assert_eq!(asked(slot - 30_000, &tag).await, (304, tag.clone()));
    let (status, passed) = asked(slot, &tag).await;
    assert_eq!(status, 200);
    assert_ne!(passed, tag);
    assert_eq!(asked(slot + 60_000, &passed).await, (304, passed.clone()));
}
