//! As many connections as there may be, and what is told to those who come then.

use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::server::{PUBLISH, Server, Setup, body_of, problem};

const MOST: usize = 3;

/// A connection that was answered once and stays open.
pub async fn lingering(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stream
}

/// Over a connection of its own.
async fn ask(server: &Server, method: Method, path: &str, key: &str) -> Response {
    let request = Client::new().request(method, format!("{}{path}", server.url));
    request.bearer_auth(key).json(&body_of(1)).send().await.unwrap()
}

#[tokio::test]
async fn whoever_comes_when_all_places_are_taken_is_told_so_and_health_still_answers() {
    let setup = Setup {
        connections: MOST,
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    let mut open = Vec::new();
    for _ in 0..MOST {
        open.push(lingering(&server).await);
    }
    for path in [
        "/api/metricool/batches/active?userId=u1",
        "/api/metricool/stream?userId=u1",
        "/docs",
        "/nowhere",
    ] {
        let response = ask(&server, Method::GET, path, "sk_full_1").await;
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["connection"], "close");
        problem(response, 503, "TOO_MANY_CONNECTIONS").await;
    }
    let response = ask(&server, Method::POST, PUBLISH, "sk_full_1").await;
    problem(response, 503, "TOO_MANY_CONNECTIONS").await;
    assert_eq!(server.rows().await, [0; 6]);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(&server, Method::GET, path, "").await.status(), StatusCode::OK);
    }
    let metrics = ask(&server, Method::GET, "/metrics", "sk_scrape_1")
        .await
        .text()
        .await
        .unwrap();
    for line in [
        format!("storyclip_http_connections {}", MOST + 1),
        format!("storyclip_http_connections_most {MOST}"),
        "storyclip_http_connections_turned_away_total 8".to_owned(),
    ] {
        assert!(
            metrics.lines().any(|told| told == line),
            "{line} is missing:\n{metrics}"
        );
    }

    // Those who are there are served on, and one who leaves makes room.
    open[0]
        .write_all(b"GET /docs HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut rest = String::new();
    open[0].read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("HTTP/1.1 200 OK"), "{rest}");
    let room = async { while ask(&server, Method::GET, "/docs", "").await.status() != StatusCode::OK {} };
    assert!(tokio::time::timeout(Duration::from_secs(60), room).await.is_ok());
}

#[tokio::test]
async fn a_crowd_beyond_the_spare_places_waits_and_is_answered() {
    let setup = Setup {
        connections: 1,
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    let _open = lingering(&server).await;
    let crowd = (0..200).map(|_| ask(&server, Method::GET, "/readyz", ""));
    for response in futures_util::future::join_all(crowd).await {
        assert_eq!(response.status(), StatusCode::OK);
    }
}
