//! A browser that watches one batch through every restart: it comes back with the number of the last event that it saw.

use reqwest::Method;
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

use super::{process::PATIENCE, stage::Api};
use crate::http::sse::{Message, Sse};

/// Watches in a task of its own until the batch has ended.
pub struct Watcher {
    daemons: watch::Sender<Option<Api>>,
    task: JoinHandle<Vec<Message>>,
}

impl Watcher {
    pub fn of(batch: &str) -> Self {
        let (daemons, listening) = watch::channel(None);
        let task = tokio::spawn(follow(listening, batch.to_owned()));
        Self { daemons, task }
    }

    /// Tells where the daemon is now.
    pub fn is_at(&self, api: &Api) {
        self.daemons.send_replace(Some(api.clone()));
    }

    pub fn has_seen_the_end(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for the end; asserts that every number from 1 came exactly once and in order, and that the last was
    /// `completed`. Gives the bodies.
    pub async fn saw_everything_once(self) -> Vec<Value> {
        let seen = tokio::time::timeout(PATIENCE, self.task).await;
        let seen = seen.expect("the watcher hears of the end").unwrap();
        let numbers: Vec<i64> = seen.iter().filter_map(|message| message.id).collect();
        assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
        assert_eq!(seen.last().unwrap().kind(), "completed");
        seen.into_iter().map(|message| message.data).collect()
    }
}

/// The numbered messages up to the batch's end, over as many connections as it takes.
async fn follow(mut daemons: watch::Receiver<Option<Api>>, batch: String) -> Vec<Message> {
    let mut seen: Vec<Message> = Vec::new();
    while daemons.changed().await.is_ok() {
        let Some(api) = daemons.borrow_and_update().clone() else {
            continue;
        };
        let path = format!("/api/metricool/stream?batchId={batch}");
        let request = match seen.last().and_then(|message| message.id) {
            None => api.request(Method::GET, &format!("{path}&lastEventId=0")),
            Some(last) => api.request(Method::GET, &path).header("last-event-id", last),
        };
        // The daemon may have been killed again in the meantime.
        let Some(mut events) = Sse::try_open(request).await else {
            continue;
        };
        while let Some(message) = events.next().await {
            let ended = message.kind() == "completed";
            if message.id.is_some() {
                seen.push(message);
            }
            if ended {
                return seen;
            }
        }
    }
    seen
}
