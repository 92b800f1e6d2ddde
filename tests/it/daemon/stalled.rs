//! A subscriber that never reads: it is cut off, and the one beside it misses nothing.

use std::{fmt::Write as _, io::ErrorKind, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use super::stage::{ACCOUNT, Api, KEY, Stage, clips, stories};
use crate::http::sse::{Message, Sse};

/// How often the deaf one asks for a finished batch's whole stream: all of them are more than the kernel keeps.
const STREAMS: usize = 150;

/// A batch with long messages.
fn batch(count: usize) -> Value {
    let mut body = stories(ACCOUNT, &clips(count), json!({}));
    for (index, post) in body["posts"].as_array_mut().unwrap().iter_mut().enumerate() {
        post["id"] = format!("{index:0>128}").into();
    }
    body
}

async fn listen(api: &Api, batch: &str) -> Sse {
    let path = format!("/api/metricool/stream?batchId={batch}&lastEventId=0");
    Sse::open(api.request(Method::GET, &path)).await
}

fn numbered(messages: &[Message]) -> Vec<i64> {
    messages.iter().filter_map(|message| message.id).collect()
}

#[tokio::test]
async fn a_subscriber_that_never_reads_is_cut_off_and_the_others_miss_nothing() {
    let stage = Stage::new(json!({}))
        .await
        .set("STORYCLIP_WRITE_TIMEOUT_SECONDS", "0.5");
    let mut daemon = stage.start().await;
    let address = daemon.api.url.strip_prefix("http://").unwrap().parse().unwrap();
    let finished = daemon.api.publish(&batch(50)).await;
    let told = listen(&daemon.api, &finished).await.rest().await;
    assert_eq!(told.last().map(Message::kind), Some("completed"));

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(address).await.unwrap();
    let mut requests = String::new();
    for _ in 0..STREAMS {
        let path = format!("/api/metricool/stream?batchId={finished}&lastEventId=0");
        write!(
            requests,
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {KEY}\r\n\r\n"
        )
        .unwrap();
    }
    deaf.write_all(requests.as_bytes()).await.unwrap();
    let other = daemon.api.publish(&batch(10)).await;
    let heard = listen(&daemon.api, &other).await.rest().await;
    assert_eq!(heard.last().map(Message::kind), Some("completed"));
    let numbers = numbered(&heard);
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());

    daemon.process.logged("a client that reads nothing is cut off").await;
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), deaf.read_to_end(&mut rest)).await;
    let error = end.expect("the connection is gone").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    daemon.stop().await;
    stage.clear().await;
}
