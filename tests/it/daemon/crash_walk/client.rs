//! The client of a crash walk, which outlives the daemons: it keeps what was answered, and asks again for what was not.
//!
//! Whatever it asks is `None` when the daemon is gone before it has answered; the course is then played on with the next.

use std::collections::{HashMap, HashSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storyclip::clock::SystemClock;
use storyclip_actors::{model::Timestamp, ports::Clock};

use crate::{daemon::stage::Api, http::sse::Sse};

/// See the file's first line.
#[derive(Debug, Default)]
pub struct Client {
    api: Option<Api>,
    /// The bodies of its batches, by the names that the course gives them.
    bodies: HashMap<String, Value>,
    /// The names of the commands that it has sent.
    asked: HashSet<String>,
    /// What came back, by the name of what was asked.
    answered: HashMap<String, Value>,
    /// When its commands were answered.
    answered_at: HashMap<String, Timestamp>,
    /// The last event that was read of a batch.
    places: HashMap<String, i64>,
    /// The posts that were gone from the network after a death while the rows knew nothing of it.
    pub unrecorded: Vec<String>,
}

impl Client {
    /// The daemon that it talks to from now on.
    pub fn meets(&mut self, api: Api) {
        self.api = Some(api);
    }

    fn api(&self) -> Api {
        self.api.clone().expect("it has met a daemon")
    }

    /// Whether a command of this name was sent, answered or not.
    pub fn has_asked(&self, name: &str) -> bool {
        self.asked.contains(name)
    }

    /// Whether a command of this name was answered.
    pub fn was_answered(&self, name: &str) -> bool {
        self.answered.contains_key(name)
    }

    /// When the answer to a command of this name was there.
    pub fn answered_at(&self, name: &str) -> Option<Timestamp> {
        self.answered_at.get(name).copied()
    }

    /// Posts the batch that is known by this name, unless that was answered, and gives its id. Whether an earlier daemon
    /// got as far as to store it or not: the same key is the same batch.
    pub async fn publishes(&mut self, name: &str, body: impl Fn() -> Value) -> Option<String> {
        while !self.answered.contains_key(name) {
            let once = self.bodies.entry(name.to_owned()).or_insert_with(&body).clone();
            let (status, answer) = self.api().publish_once(&once, name).await?;
            if answer["code"] == "SCHEDULED_AT_IN_THE_PAST" {
                // Nothing was stored before the slot passed, or the stored answer would have come: it is chosen anew.
                self.bodies.remove(name);
                continue;
            }
            assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
            self.answered.insert(name.to_owned(), answer);
        }
        Some(self.answered[name]["batchId"].as_str().unwrap().to_owned())
    }

    /// Sends a command of this name, unless that was answered. Of one that is sent again because its answer was lost it may be
    /// said that it stands in conflict with what it has brought about.
    pub async fn commands(&mut self, name: &str, path: &str, body: &Value) -> Option<()> {
        if self.answered.contains_key(name) {
            return Some(());
        }
        let again = !self.asked.insert(name.to_owned());
        let request = self.api().request(Method::POST, path).json(body);
        let response = request.send().await.ok()?;
        let status = response.status();
        let answer: Value = response.json().await.ok()?;
        let expected = status == StatusCode::OK || (again && status == StatusCode::CONFLICT);
        assert!(expected, "{name}: {status} {answer}");
        self.answered.insert(name.to_owned(), answer);
        self.answered_at.insert(name.to_owned(), SystemClock.now());
        Some(())
    }

    /// The summary of a batch.
    pub async fn batch(&self, id: &str) -> Option<Value> {
        let (status, mut answer) = self.api().try_get(&format!("/api/metricool/batch/{id}")).await?;
        assert_eq!(status, StatusCode::OK, "{answer}");
        Some(answer["batch"].take())
    }

    /// Looks at the batch after each of its events until it stands so, and gives it.
    pub async fn waits(&mut self, id: &str, stands: impl Fn(&Value) -> bool) -> Option<Value> {
        let place = self.places.get(id).copied().unwrap_or(0);
        let path = format!("/api/metricool/stream?batchId={id}&lastEventId={place}");
        let mut events = Sse::try_open(self.api().request(Method::GET, &path)).await?;
        loop {
            let batch = self.batch(id).await?;
            if stands(&batch) {
                return Some(batch);
            }
            if events.next().await.is_none() {
                let batch = self.batch(id).await?;
                assert!(stands(&batch), "it came to its end: {batch:#}");
                return Some(batch);
            }
            if let Some(place) = events.place {
                self.places.insert(id.to_owned(), place);
            }
        }
    }

    /// Waits for the end of the batch, whatever it is.
    pub async fn sees_the_end(&mut self, id: &str) -> Option<Value> {
        let path = format!("/api/metricool/stream?batchId={id}&lastEventId=0");
        let mut events = Sse::try_open(self.api().request(Method::GET, &path)).await?;
        let mut last = None;
        while let Some(message) = events.next().await {
            last = Some(message);
        }
        last.filter(|message| ["completed", "cancelled"].contains(&message.kind()))?;
        self.batch(id).await
    }
}

/// The body of a command that says no more than its path.
pub fn nothing() -> Value {
    json!({})
}

/// The statuses of the clips of a batch.
pub fn statuses(batch: &Value) -> Vec<&str> {
    let clips = batch["clips"].as_array().unwrap().iter();
    clips.map(|clip| clip["status"].as_str().unwrap()).collect()
}
