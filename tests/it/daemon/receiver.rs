//! A stand-in for those who are told by HTTP: it keeps every call, and checks signatures.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};

use super::process::PATIENCE;

/// A call that was received.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// Whether the reference implementation takes it for genuine.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let verifier = standardwebhooks::Webhook::new(secret).unwrap();
        verifier.verify(&self.body, &self.headers).is_ok()
    }
}

/// What the receiver answers next.
#[derive(Clone, Copy, Debug)]
pub enum Say {
    Status(u16),
    /// To a path of this receiver.
    Redirect,
    /// Never.
    Nothing,
}

#[derive(Clone)]
struct Heard {
    calls: watch::Sender<Vec<Call>>,
    says: Arc<Mutex<VecDeque<Say>>>,
}

/// Listens on loopback; answers 204 unless it was told otherwise.
pub struct Receiver {
    pub url: String,
    heard: Heard,
    serving: tokio::task::JoinHandle<()>,
}

impl Receiver {
    pub async fn start() -> Self {
        let heard = Heard {
            calls: watch::Sender::new(Vec::new()),
            says: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(receive).with_state(heard.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, heard, serving }
    }

    /// The answers to the next calls, in order.
    pub fn says(&self, says: impl IntoIterator<Item = Say>) {
        self.heard.says.lock().unwrap().extend(says);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.heard.calls.borrow().clone()
    }

    /// Waits until what was received is enough.
    pub async fn until(&self, what: &str, holds: impl Fn(&[Call]) -> bool) -> Vec<Call> {
        let mut calls = self.heard.calls.subscribe();
        let waiting = calls.wait_for(|calls| holds(calls));
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(calls) => calls.unwrap().clone(),
            Err(_) => panic!("never received: {what}; but {:#?}", self.calls()),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(heard): State<Heard>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let say = heard.says.lock().unwrap().pop_front().unwrap_or(Say::Status(204));
    heard
        .calls
        .send_modify(|calls| calls.push(Call { path, headers, body }));
    match say {
        Say::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Say::Redirect => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Say::Nothing => std::future::pending().await,
    }
}
