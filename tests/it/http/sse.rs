//! A reader of `text/event-stream` that keeps what a test wants to look at.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;

pub struct Sse {
    response: Response,
    text: String,
    pub retry: Option<String>,
    pub comments: usize,
}

#[derive(Debug)]
pub struct Message {
    pub id: Option<i64>,
    pub data: Value,
}

impl Message {
    pub fn kind(&self) -> &str {
        self.data["type"].as_str().unwrap()
    }
}

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

impl Sse {
    pub async fn open(request: RequestBuilder) -> Self {
        Self::try_open(request).await.expect("the server answers")
    }

    /// `None` when the server is gone before it answers.
    pub async fn try_open(request: RequestBuilder) -> Option<Self> {
        let response = request.send().await.ok()?;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Some(Self {
            response,
            text: String::new(),
            retry: None,
            comments: 0,
        })
    }

    /// The next message; `None` when the server has closed the stream.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if let Some(message) = self.read(&block) {
                    return Some(message);
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("the stream says nothing").ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The next message, which must be there.
    pub async fn message(&mut self) -> Message {
        self.next().await.expect("the stream goes on")
    }

    /// Everything up to the end.
    pub async fn rest(mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    fn read(&mut self, block: &str) -> Option<Message> {
        let (mut id, mut data) = (None, None);
        for line in block.lines() {
            match line.split_once(':').map(|(name, value)| (name, value.trim_start())) {
                Some(("", _)) => self.comments += 1,
                Some(("id", value)) => id = Some(value.parse().unwrap()),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                Some(("retry", value)) => self.retry = Some(value.into()),
                Some(_) => panic!("unexpected field {line:?}"),
                None => assert!(line.is_empty(), "{line:?}"),
            }
        }
        data.map(|data| Message { id, data })
    }
}
