//! `POST …/publish/stories`: what is taken on, and what is refused as a whole.

use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::server::{FULL, PUBLISH, Server, Setup, body_of, problem, read};

#[tokio::test]
async fn the_answer_says_what_was_taken_on() {
    let server = Server::start().await;
    let body = json!({
        "userId": "u1", "unknown": {"is": "named"},
        "posts": [
            {"url": "https://cdn.example/1.mp4", "text": "hello", "title": "One", "more": 1},
            {"id": "mine", "url": "HTTP://CDN.example/2.MP4", "text": null},
        ],
        "schedule": {"mode": "now", "scheduledAt": null, "timezone": "Europe/Madrid"},
        "settings": {
            "metricoolAccountId": "5372118", "publishSpeed": "hyper", "network": "instagram", "onFailure": "stop",
            "maxRetries": 0, "webhookUrl": "https://hooks.example/x"
        },
    });
    let (status, answer) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let id = answer["batchId"].as_str().unwrap().to_owned();
    let [word, millis, random] = id.split('_').collect::<Vec<_>>()[..] else {
        panic!("{id}");
    };
    assert_eq!((word, millis, random.len()), ("batch", "1767225600000", 9));
    let expected = json!({
        "batchId": id, "tenant": "stories", "status": "processing", "posts": {"total": 2, "queued": 2},
        "schedule": {"mode": "now", "scheduledAt": null, "timezone": null},
        "settings": {
            "accountId": "5372118", "publishSpeed": "hyper", "network": "instagram", "onFailure": "stop",
            "maxRetries": 0, "webhookUrl": "https://hooks.example/x"
        },
        "createdAt": "2026-01-01T00:00:00.000Z",
        "warnings": [
            {"field": "posts[0].text", "message": "is stored and not sent: a story carries no text"},
            {"field": "unknown", "message": "is not known; the members here are jobId, userId, posts, schedule, settings"},
            {"field": "posts[0].more", "message": "is not known; the members here are id, url, title, text"},
            answer["warnings"][3],
        ],
    });
    assert_eq!(
        answer["warnings"][3]["field"], "settings.webhookUrl",
        "nothing signs its messages yet"
    );
    assert_eq!(answer, expected);
    assert_eq!(server.rows().await, [1, 2, 0, 0, 0, 0]);
    assert_eq!(server.notes.created.lock().unwrap()[0].as_str(), id);
    let (_, batch) = read(server.get(&format!("/api/metricool/batch/{id}")).send().await.unwrap()).await;
    let clips = &batch["batch"]["clips"];
    assert_eq!((&clips[0]["id"], &clips[1]["id"]), (&json!("clip_1"), &json!("mine")));
    assert_eq!(clips[0]["title"], "One");
    assert_eq!(clips[1]["url"], "http://CDN.example/2.MP4", "only a scheme has no case");
}

#[tokio::test]
async fn what_may_be_absent_has_its_default() {
    let server = Server::start().await;
    let (_, answer) = read(server.publish(&body_of(100)).send().await.unwrap()).await;
    assert_eq!(answer["posts"], json!({"total": 100, "queued": 100}));
    let settings = json!({
        "accountId": "5372118", "publishSpeed": "fast", "network": "facebook", "onFailure": "skip", "maxRetries": 2,
        "webhookUrl": null
    });
    assert_eq!(answer["settings"], settings);
    assert_eq!(answer["warnings"], json!([]));
    let kind = server
        .post(PUBLISH)
        .header("content-type", "Application/JSON; charset=\"UTF-8\"");
    let sent = kind.body(body_of(1).to_string()).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let server = Server::start().await;
    let send = async |kind: Option<&str>, body: Vec<u8>| {
        let mut request = server.post(PUBLISH).body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        request.send().await.unwrap()
    };
    let json = Some("application/json");
    let good = || body_of(1).to_string().into_bytes();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/json; charset=latin1"),
    ] {
        problem(send(kind, good()).await, 415, "UNSUPPORTED_MEDIA_TYPE").await;
    }
    let zipped = server
        .publish(&body_of(1))
        .header("content-encoding", "gzip")
        .send()
        .await
        .unwrap();
    problem(zipped, 415, "UNSUPPORTED_CONTENT_ENCODING").await;
    let deep = [b"{\"a\":".repeat(5_000), b"1".to_vec(), b"}".repeat(5_000)].concat();
    for (body, reason) in [
        (&b""[..], "EOF while parsing a value at line 1 column 0."),
        (b"{", "EOF while parsing"),
        (b"{\"posts\":\n[}", "at line 2 column 2."),
        (b"nonsense", "expected"),
        (b"{} {}", "trailing characters"),
        (b"\xef\xbb\xbf{}", "expected value at line 1 column 1."),
        (b"{\"a\":1e999}", "number out of range"),
        (&deep, "recursion limit exceeded"),
    ] {
        let told = problem(send(json, body.into()).await, 400, "MALFORMED_JSON").await;
        assert!(told["detail"].as_str().unwrap().contains(reason), "{told}");
    }
    for body in [&b"[]"[..], b"null", b"\"text\"", b"7"] {
        problem(send(json, body.into()).await, 400, "INVALID_BODY").await;
    }
    problem(send(json, b"{\"userId\":\"\xff\"}".into()).await, 400, "INVALID_UTF8").await;
    for length in [1024 * 1024 + 1, 3 * 1024 * 1024] {
        problem(send(json, vec![b' '; length]).await, 413, "PAYLOAD_TOO_LARGE").await;
    }
    let mut largest = good();
    largest.resize(1024 * 1024, b' ');
    assert_eq!(server.rows().await, [0; 6]);
    assert_eq!(send(json, largest).await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_post_without_an_id_gets_one_that_is_free() {
    let server = Server::start().await;
    let mut body = body_of(4);
    body["posts"][0]["id"] = json!("clip_2");
    body["posts"][3]["id"] = json!("clip_2_2");
    for n in [1, 2] {
        body["posts"][n].as_object_mut().unwrap().remove("id");
    }
    let (status, answer) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let path = format!("/api/metricool/batch/{}", answer["batchId"].as_str().unwrap());
    let (_, batch) = read(server.get(&path).send().await.unwrap()).await;
    let clips = batch["batch"]["clips"].as_array().unwrap();
    let ids: Vec<_> = clips.iter().map(|clip| &clip["id"]).collect();
    assert_eq!(ids, ["clip_2", "clip_2_3", "clip_3", "clip_2_2"]);
}

#[tokio::test]
async fn a_number_that_the_mode_does_not_use_is_a_warning() {
    let server = Server::start().await;
    let mut body = body_of(1);
    body["schedule"] = json!({"mode": "now", "intervalSeconds": 0, "minGapMinutes": 90});
    let (status, answer) = read(server.publish(&body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    let unused = json!([
        {"field": "schedule.intervalSeconds", "message": "is not used in mode now"},
        {"field": "schedule.minGapMinutes", "message": "is not used in mode now"},
    ]);
    assert_eq!(answer["warnings"], unused);
}

/// curl announces every body over 1 MiB like this and sends it only when told to go on.
#[tokio::test]
async fn a_body_that_is_announced_is_refused_before_it_is_sent() {
    let server = Server::start().await;
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    for (kind, length, status) in [
        ("application/json", 2_000_000, "413 Payload Too Large"),
        ("text/plain", 10, "415 Unsupported Media Type"),
        ("application/json", 10, "100 Continue"),
    ] {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST {PUBLISH} HTTP/1.1\r\nhost: x\r\nx-api-key: {FULL}\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut line = String::new();
        let read = BufReader::new(connection).read_line(&mut line).await;
        assert_eq!((read.is_ok(), line), (true, format!("HTTP/1.1 {status}\r\n")));
    }
}

#[tokio::test]
async fn a_dry_run_never_publishes() {
    let server = Server::start().await;
    let send = async |query: &str| {
        let path = format!("{PUBLISH}?{query}");
        server.post(&path).json(&body_of(1)).send().await.unwrap()
    };
    for wrong in [
        "dryRun=yes",
        "dryRun=%ff",
        "dryRun=false&dryRun=true",
        "dryRun",
        "dryRun=",
        "dryRun=True",
    ] {
        let told = problem(send(wrong).await, 400, "INVALID_QUERY").await;
        assert_eq!(told["errors"][0]["field"], "dryRun", "{wrong}");
    }
    for (misspelled, field) in [
        ("dryrun=true", "dryrun"),
        ("dry_run=true", "dry_run"),
        ("dry-run", "dry-run"),
        ("DryRun=true&dryRun=false", "DryRun"),
        ("dryRun=false&dryRum=true", "dryRum"),
    ] {
        let told = problem(send(misspelled).await, 400, "INVALID_QUERY").await;
        assert_eq!(told["errors"][0]["field"], field, "{misspelled}");
    }
    assert_eq!(server.rows().await, [0; 6]);
    assert_eq!(send("dryRun=false").await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn without_a_token_nothing_is_taken_on() {
    let setup = Setup {
        configured: false,
        ..Setup::default()
    };
    let server = Server::start_with(setup).await;
    problem(
        server.publish(&body_of(1)).send().await.unwrap(),
        500,
        "METRICOOL_NOT_CONFIGURED",
    )
    .await;
    assert_eq!(server.rows().await, [0; 6]);
}
