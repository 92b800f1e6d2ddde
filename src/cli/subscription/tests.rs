//! A subscription against a real HTTP server whose connections end as the test says.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use super::*;
use crate::cli::Connection;

/// What each connection answers, and the `Last-Event-ID` with which each one came.
#[derive(Clone)]
struct Script(Arc<Mutex<Connections>>);

struct Connections {
    answers: VecDeque<(u16, &'static str)>,
    asked: Vec<String>,
}

impl Script {
    fn new(answers: &[(u16, &'static str)]) -> Self {
        Self(Arc::new(Mutex::new(Connections {
            answers: answers.iter().copied().collect(),
            asked: Vec::new(),
        })))
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    async fn serve(&self) -> Client {
        let app = Router::new()
            .route("/api/metricool/stream", get(answer))
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client(&format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(axum::serve(listener, app).into_future());
        client
    }
}

async fn answer(State(script): State<Script>, headers: HeaderMap) -> Response {
    let mut script = script.0.lock().unwrap();
    script.asked.push(headers["last-event-id"].to_str().unwrap().into());
    let (status, body) = script.answers.pop_front().unwrap_or((404, "{\"detail\":\"unknown\"}"));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn client(url: &str) -> Client {
    let connection = Connection {
        url: url.into(),
        api_key: None,
    };
    Client::new(&connection).unwrap()
}

fn at_once<'a>(client: &'a Client) -> Subscription<'a> {
    Subscription {
        wait: |_| Duration::ZERO,
        ..Subscription::new(client, "b")
    }
}

/// The data of all messages until the daemon refuses, and how many connections were lost.
async fn everything(mut subscription: Subscription<'_>) -> (Vec<String>, u32, CliError) {
    let (mut data, mut lost) = (Vec::new(), 0);
    loop {
        match subscription.next().await {
            Ok(Step::Message(message)) => data.push(message.data),
            Ok(Step::Lost { .. }) => lost += 1,
            Err(error) => return (data, lost, error),
        }
    }
}

#[tokio::test]
async fn lost_connections_are_taken_up_after_the_last_complete_event() {
    let script = Script::new(&[
        (
            200,
            "data: hello\n\nid: 1\ndata: one\n\nid: 2\ndata: two\n\ndata: tick\n\nid: 3\ndata: thr",
        ),
        (503, "{}"),
        (200, "id: 3\ndata: three\n\n"),
        (429, "{}"),
        (200, "id: 4\ndata: four\n\n"),
    ]);
    let client = script.serve().await;
    let (data, lost, error) = everything(at_once(&client)).await;
    assert_eq!(data, ["hello", "one", "two", "tick", "three", "four"]);
    assert_eq!(script.asked(), ["0", "2", "2", "3", "3", "4"]);
    assert_eq!(lost, 5);
    assert!(error.to_string().starts_with("unknown (HTTP 404)"), "{error}");
}

#[tokio::test]
async fn a_daemon_that_was_never_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client(&url);
    let (_, lost, error) = everything(at_once(&client)).await;
    assert_eq!(lost, 0);
    let text = error.to_string();
    assert!(
        text.contains(&url) && text.contains("storyclip serve") && text.contains("refused"),
        "{text}"
    );
}

#[test]
fn waits_double_up_to_fifteen_seconds() {
    let waits: Vec<u64> = (1..8).map(|failures| backoff(failures).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 15, 15, 15]);
}
