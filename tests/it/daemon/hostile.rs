//! The real process under clients that mean no good: what they cost it in memory, and that a trace can be followed.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::stage::{ACCOUNT, Api, Stage, clips, stories};

/// Clients at once.
const CLIENTS: usize = 32;

/// What all of them together may cost, in KiB: each has a body of 1 MiB under way and what is read of it.
const COST: u64 = 128 * 1_024;

/// Connections that only wait.
const LINGERING: usize = 500;

/// Bodies of nearly 1 MiB that would become large trees, or are no text.
fn bodies() -> [Vec<u8>; 4] {
    let keys: Vec<String> = (0..100_000).map(|n| format!("\"{n:x}\":0")).collect();
    let bodies = [
        "[".repeat(1_000_000).into_bytes(),
        format!("{{{}}}", keys.join(",")).into_bytes(),
        format!("{{\"posts\":[{}]}}", vec!["{}"; 300_000].join(",")).into_bytes(),
        vec![0xff; 1_000_000],
    ];
    assert!(
        bodies.iter().all(|body| body.len() <= 1_048_576),
        "none is merely too long"
    );
    bodies
}

/// Heads of 1 MiB, in one line and in many.
fn heads() -> [String; 2] {
    let begin = "GET /healthz HTTP/1.1\r\nhost: a\r\n";
    [
        format!("{begin}x-a: {}\r\n\r\n", "a".repeat(1_048_576)),
        format!("{begin}{}\r\n", "x-a: a\r\n".repeat(131_072)),
    ]
}

/// A head is answered 4xx, or the connection is closed while it is still being sent.
async fn refuses_head(address: &str, head: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _: Result<(), _> = stream.write_all(head.as_bytes()).await;
    let mut told = Vec::new();
    let _: Result<usize, _> = stream.read_to_end(&mut told).await;
    let told = String::from_utf8_lossy(&told);
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
}

async fn attack(api: &Api, rounds: usize) {
    let (bodies, heads) = (bodies(), heads());
    let address = api.url.strip_prefix("http://").unwrap();
    for round in 0..rounds {
        join_all((0..CLIENTS).map(|client| refuses_head(address, &heads[client % heads.len()]))).await;
        let sends = (0..CLIENTS).map(|client| {
            let body = bodies[(round + client) % bodies.len()].clone();
            let request = api.request(Method::POST, "/api/metricool/publish/stories");
            request.header("content-type", "application/json").body(body).send()
        });
        for answer in join_all(sends).await {
            assert_eq!(answer.unwrap().status(), StatusCode::BAD_REQUEST);
        }
    }
}

#[tokio::test]
async fn hostile_bodies_and_heads_leave_the_memory_flat() {
    let stage = Stage::new(json!({})).await;
    let daemon = stage.start().await;
    let before = daemon.process.most_memory();
    attack(&daemon.api, 4).await;
    let once = daemon.process.most_memory();
    assert!(once < before + COST, "from {before} to {once} KiB");

    let address = daemon.api.url.strip_prefix("http://").unwrap();
    let mut lingering = Vec::new();
    for _ in 0..LINGERING {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nx-a: ").await.unwrap();
        lingering.push(stream);
    }
    attack(&daemon.api, 12).await;
    let often = daemon.process.most_memory();
    assert!(often < once + COST / 2, "it grows: from {once} to {often} KiB");
    let answer = tokio::time::timeout(Duration::from_secs(10), daemon.api.get("/readyz")).await;
    assert_eq!(
        answer.unwrap().0,
        StatusCode::OK,
        "beside {} that linger",
        lingering.len()
    );
    println!(
        "most resident memory: {before} KiB at rest, {once} after {} hostile bodies and as many heads, {often} after {}",
        4 * CLIENTS,
        16 * CLIENTS
    );
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn the_log_names_the_request_and_its_trace() {
    let stage = Stage::new(json!({})).await;
    let mut daemon = stage.start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = daemon.api.request(Method::POST, "/api/metricool/publish/stories");
    let request = request
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .header("x-request-id", "req-of-the-client");
    let sent = request
        .json(&stories(ACCOUNT, &clips(1), json!({})))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
    let line = daemon.process.logged("batch created").await;
    assert!(line.contains(trace) && line.contains("req-of-the-client"), "{line}");
    daemon.stop().await;
    stage.clear().await;
}
