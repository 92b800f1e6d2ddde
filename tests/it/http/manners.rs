//! What holds for every answer beside what it says: compression, pages of other origins, how often a key may ask.

use std::sync::atomic::Ordering;

use reqwest::{Method, Response, StatusCode};

use super::{
    server::{FULL, PUBLISH, START, Server, Setup, body_of, problem, read},
    sse::Sse,
};

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn long_answers_are_compressed_for_who_asks_and_streams_never_are() {
    let server = Server::start().await;
    let id = server.batch(100).await;
    let get = async |path: &str, encoding: &str| {
        let request = server.get(path).header("accept-encoding", encoding);
        request.send().await.unwrap()
    };
    let path = format!("/api/metricool/batch/{id}");
    let plain = get(&path, "identity").await;
    assert_eq!(header(&plain, "content-encoding"), None);
    let plain = plain.bytes().await.unwrap();
    let packed = get(&path, "br, gzip").await;
    assert_eq!(header(&packed, "content-encoding"), Some("gzip"));
    assert_eq!(header(&packed, "vary"), Some("accept-encoding"));
    let packed = packed.bytes().await.unwrap();
    assert_eq!(packed[..2], [0x1f, 0x8b]);
    assert!(packed.len() * 4 < plain.len(), "{} of {}", packed.len(), plain.len());
    assert_eq!(header(&get("/healthz", "gzip").await, "content-encoding"), None);

    let stream = format!("/api/metricool/stream?batchId={id}");
    let open = get(&stream, "gzip").await;
    assert_eq!(header(&open, "content-type"), Some("text/event-stream"));
    assert_eq!(header(&open, "content-encoding"), None);
    let mut events = Sse::open(server.get(&stream).header("accept-encoding", "gzip")).await;
    assert_eq!(events.message().await.kind(), "connected");
}

#[tokio::test]
async fn pages_of_the_configured_origins_may_call_and_read_also_what_failed() {
    let setup = Setup {
        cors: "https://app.example,http://localhost:3000",
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    let allowed = async |request: reqwest::RequestBuilder, origin: &str| {
        let response = request.header("origin", origin).send().await.unwrap();
        let allowed = header(&response, "access-control-allow-origin").map(str::to_owned);
        (response, allowed)
    };
    let preflight = server
        .bare(Method::OPTIONS, PUBLISH)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-api-key,content-type");
    let (response, origin) = allowed(preflight, "https://app.example").await;
    assert_eq!(response.status(), StatusCode::OK, "it takes no key");
    assert_eq!(origin.as_deref(), Some("https://app.example"));
    assert!(header(&response, "x-request-id").is_some());
    assert!(
        header(&response, "access-control-allow-methods")
            .unwrap()
            .contains("POST")
    );
    let headers = header(&response, "access-control-allow-headers").unwrap();
    for name in ["x-api-key", "content-type", "idempotency-key", "last-event-id"] {
        assert!(headers.contains(name), "{name}: {headers}");
    }

    let (response, origin) = allowed(server.get("/healthz"), "http://localhost:3000").await;
    assert_eq!(origin.as_deref(), Some("http://localhost:3000"));
    assert!(
        header(&response, "access-control-expose-headers")
            .unwrap()
            .contains("x-request-id")
    );
    let (response, origin) = allowed(server.bare(Method::GET, "/api/metricool/status"), "https://app.example").await;
    assert_eq!(origin.as_deref(), Some("https://app.example"));
    problem(response, 401, "MISSING_API_KEY").await;
    for foreign in ["https://evil.example", "https://app.example.evil", "null"] {
        assert_eq!(allowed(server.get("/healthz"), foreign).await.1, None, "{foreign}");
    }

    let closed = Server::start().await;
    assert_eq!(allowed(closed.get("/healthz"), "https://app.example").await.1, None);
    let every = Setup {
        cors: "*",
        ..Setup::default()
    };
    let every = Server::start_with(every).await;
    let (_, origin) = allowed(every.get("/healthz"), "https://any.example").await;
    assert_eq!(origin.as_deref(), Some("*"));
}

#[tokio::test]
async fn each_key_has_its_own_bucket_and_an_empty_one_creates_nothing() {
    let setup = Setup {
        per_minute: 3,
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    let publish = || server.publish(&body_of(1));
    for left in [2, 1, 0] {
        let response = publish().send().await.unwrap();
        assert_eq!(header(&response, "ratelimit-policy"), Some("\"key\";q=3;w=60"));
        let told = format!("\"key\";r={left};t={}", (3 - left) * 20);
        assert_eq!(header(&response, "ratelimit"), Some(told.as_str()));
        assert_eq!(read(response).await.0, StatusCode::ACCEPTED);
    }
    let before = server.rows().await;
    let stream = format!("/api/metricool/stream?userId=u1&apiKey={FULL}");
    for refused in [publish(), server.bare(Method::GET, &stream)] {
        let response = refused.send().await.unwrap();
        assert_eq!(header(&response, "retry-after"), Some("20"));
        assert_eq!(header(&response, "ratelimit"), Some("\"key\";r=0;t=60"));
        problem(response, 429, "RATE_LIMITED").await;
    }
    assert_eq!(server.rows().await, before);
    let other = server.bare(Method::GET, "/api/metricool/batches/active?userId=u1");
    let other = other.header("x-api-key", "sk_read_1").send().await.unwrap();
    assert_eq!(header(&other, "ratelimit"), Some("\"key\";r=2;t=20"));
    for open in ["/healthz", "/readyz"] {
        let response = server.get(open).send().await.unwrap();
        assert_eq!(
            (response.status(), header(&response, "ratelimit")),
            (StatusCode::OK, None)
        );
    }
    let unknown = server.bare(Method::GET, "/metrics").bearer_auth("sk_wrong_1").send();
    assert_eq!(header(&unknown.await.unwrap(), "ratelimit"), None);
    server.clock.0.store(START + 20_000, Ordering::Relaxed);
    assert_eq!(publish().send().await.unwrap().status(), StatusCode::ACCEPTED);
    problem(publish().send().await.unwrap(), 429, "RATE_LIMITED").await;
}
