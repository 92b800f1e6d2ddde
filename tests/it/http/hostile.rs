//! Clients that mean no good, on bare sockets: each gets a clear 4xx or a closed connection, and the server goes on.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::server::{FULL, PUBLISH, Server, Setup, body_of, problem};

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("http://").unwrap())
        .await
        .unwrap()
}

/// What comes until the server closes, as text. A reset is a close, too.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        let mut chunk = [0; 4_096];
        while let Ok(1..) = stream
            .read(&mut chunk)
            .await
            .inspect(|&n| bytes.extend_from_slice(&chunk[..n]))
        {}
    };
    assert!(
        tokio::time::timeout(PATIENCE, reading).await.is_ok(),
        "the connection stays open"
    );
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Nothing, or a problem: a 4xx that says what is wrong, with the length that it announces.
fn closed_or_told(told: &str, what: &str) {
    if told.is_empty() {
        return;
    }
    let (head, body) = told.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 4"), "{what}: {told}");
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{what}: {told}: {error}"));
    assert_eq!(
        head[9..12].parse::<u64>().ok(),
        body["status"].as_u64(),
        "{what}: {told}"
    );
    assert!(body["code"].is_string() && body["error"].is_string(), "{what}: {told}");
    let head = head.to_lowercase();
    for line in [
        "content-type: application/problem+json",
        "x-request-id: req_",
        "connection: close",
    ] {
        assert!(head.contains(line), "{what}: {told}");
    }
}

async fn goes_on(server: &Server) {
    assert_eq!(server.get("/healthz").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let setup = Setup {
        head_within: Duration::from_millis(300),
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    for begun in [
        "",
        "G",
        "GET /healthz HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a\r\nx-a: ",
    ] {
        let mut stream = connect(&server).await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let told = rest(&mut stream).await;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 408 "), "{begun}: {told}");
    }
    // One that sends a little all the time is no better off.
    let (mut reader, mut writer) = connect(&server).await.into_split();
    let dripping = tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        writer.write_all(b"GET /healthz HTTP/1.1\r\nx-a: ").await.unwrap();
        while writer.write_all(b"a").await.is_ok() {
            every.tick().await;
        }
    });
    let mut told = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut told)).await;
    assert!(ended.is_ok(), "the connection stays open");
    dripping.abort();
    // An answer ends the wait, however long it took to come.
    let mut stream = connect(&server).await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 "));
    goes_on(&server).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_a_problem_and_a_huge_one_closes_the_connection() {
    let server = Server::start().await;
    let long = "a".repeat(17 * 1_024);
    let response = server.get("/healthz").header("x-a", &long).send().await.unwrap();
    problem(response, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE").await;
    let many = (0..101).fold(server.get("/healthz"), |request, n| {
        request.header(format!("x-{n}"), "a")
    });
    problem(many.send().await.unwrap(), 431, "REQUEST_HEADER_FIELDS_TOO_LARGE").await;
    let path = format!("/healthz?{}", "a".repeat(9 * 1_024));
    problem(server.get(&path).send().await.unwrap(), 414, "URI_TOO_LONG").await;

    for head in [
        format!(
            "GET /healthz HTTP/1.1\r\nhost: a\r\nx-a: {}\r\n\r\n",
            "a".repeat(1_048_576)
        ),
        format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(1_048_576)),
        format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x-a: a\r\n".repeat(100_000)),
        format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x-a: a\r\n".repeat(1_000)),
    ] {
        let mut stream = connect(&server).await;
        // The server may close before it has taken all.
        let _: Result<(), _> = stream.write_all(head.as_bytes()).await;
        let told = rest(&mut stream).await;
        closed_or_told(&told, &head[..60]);
    }
    goes_on(&server).await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start().await;
    // What a person might type is told, not only refused.
    let mut stream = connect(&server).await;
    let typed = b"GET /api/metricool/status?batchId=\"b\" HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(typed).await.unwrap();
    assert!(rest(&mut stream).await.contains("\"code\":\"INVALID_REQUEST\""));
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-a: \xff\x00\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    ] {
        let mut stream = connect(&server).await;
        stream.write_all(bytes).await.unwrap();
        let told = rest(&mut stream).await;
        closed_or_told(&told, &String::from_utf8_lossy(bytes));
    }
    goes_on(&server).await;
}

#[tokio::test]
async fn a_body_that_is_made_to_hurt_is_a_clear_400() {
    let server = Server::start().await;
    let megabyte = 1_048_576;
    let keys: Vec<String> = (0..70_000).map(|n| format!("\"{n:06}\":0")).collect();
    let posts = vec!["{}"; 300_000].join(",");
    let nested = |open: &str| open.repeat(megabyte / open.len());
    for (body, code) in [
        (nested("["), "MALFORMED_JSON"),
        (nested("{\"a\":"), "MALFORMED_JSON"),
        (
            format!("{{\"posts\":{}", nested("[[")[..megabyte - 20].to_owned()),
            "MALFORMED_JSON",
        ),
        (format!("{{{}}}", keys.join(",")), "BODY_TOO_COMPLEX"),
        (format!("{{\"posts\":[{posts}]}}"), "BODY_TOO_COMPLEX"),
        (format!("\"{}\"", "\u{fffd}".repeat(300_000)), "INVALID_BODY"),
        (" ".repeat(megabyte), "MALFORMED_JSON"),
        ("1".repeat(megabyte), "MALFORMED_JSON"),
    ] {
        assert!(body.len() <= megabyte);
        let request = server.post(PUBLISH).header("content-type", "application/json");
        problem(request.body(body).send().await.unwrap(), 400, code).await;
    }
    for bytes in [&b"{\"userId\":\"\xff\"}"[..], b"\xfe\xff{\0}", b"\xed\xa0\x80"] {
        let request = server.post(PUBLISH).header("content-type", "application/json");
        problem(request.body(bytes).send().await.unwrap(), 400, "INVALID_UTF8").await;
    }
    assert_eq!(server.rows().await, [0; 6]);
    let good = server.publish(&body_of(100)).send().await.unwrap();
    assert_eq!(good.status(), StatusCode::ACCEPTED, "the largest batch has room");
}

#[tokio::test]
async fn a_body_that_breaks_off_creates_nothing() {
    let server = Server::start().await;
    let head = format!(
        "POST {PUBLISH} HTTP/1.1\r\nhost: a\r\nx-api-key: {FULL}\r\ncontent-type: application/json\r\n\
         content-length: 5000\r\n\r\n{}",
        body_of(1)
    );
    let mut stream = connect(&server).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let told = rest(&mut stream).await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 400 "), "{told}");
    goes_on(&server).await;
    assert_eq!(server.rows().await, [0; 6]);
}
