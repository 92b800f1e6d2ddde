//! What a watcher knows about a batch, from its live events. Pure: [`super::watch`] feeds it, [`super::screen`] shows it.

use serde::Deserialize;

/// The body of a message on the stream (API.md, live events).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event {
    pub(super) r#type: Kind,
    pub(super) current: Option<u32>,
    total: u32,
    published: u32,
    errors: u32,
    current_story: Option<String>,
    pub(super) status: String,
    wait_progress: Option<WaitProgress>,
    error: Option<String>,
    late: bool,
}

/// The `type` of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// First of each connection.
    Connected,
    /// A clip moved.
    Progress,
    /// The batch is done.
    Completed,
    /// The batch was cancelled and nothing is in flight any more.
    Cancelled,
    /// The batch stopped.
    Error,
    /// Of a newer daemon.
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WaitProgress {
    elapsed: u64,
    total: u64,
    attempt: u32,
    current_status: String,
}

impl Event {
    /// Whether the clip it is about is done.
    pub(super) fn settles_a_clip(&self) -> bool {
        self.r#type == Kind::Progress && matches!(&*self.status, "published" | "failed" | "cancelled")
    }

    /// Whether it is a tick while a confirmation is waited for, which changes nothing.
    pub(super) fn is_tick(&self) -> bool {
        self.wait_progress.is_some()
    }

    /// `2/5 clip_2: waiting for confirmation, 7 of 90 s`: the clip and where it is, for a person.
    pub(super) fn clip_line(&self) -> Option<String> {
        let current = self.current?;
        let story = self.current_story.as_deref().unwrap_or("clip");
        Some(format!("{current}/{} {story}: {}", self.total, self.clip_state()))
    }

    fn clip_state(&self) -> String {
        let state = match (&*self.status, &self.wait_progress) {
            (_, Some(wait)) => {
                let said = if wait.current_status.is_empty() {
                    String::new()
                } else {
                    format!(", {}", wait.current_status)
                };
                return format!(
                    "waiting for confirmation, {} of {} s (look {}{said})",
                    wait.elapsed, wait.total, wait.attempt
                );
            }
            ("waiting" | "waiting_confirmation", None) => "sent, waiting for confirmation",
            ("retrying", None) => "will be tried again",
            ("queued", None) => "held back for now",
            ("held", None) => "held, a person must decide",
            ("published", None) if self.late => "published late, after its timeout",
            (word, None) => word,
        };
        match &self.error {
            Some(error) => format!("{state}: {error}"),
            None => state.to_owned(),
        }
    }
}

/// Where the batch is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) total: u32,
    pub(super) published: u32,
    pub(super) failed: u32,
    connected_to_the_finished: bool,
    ending: Option<(Kind, String, Option<String>)>,
}

impl Progress {
    /// Takes an event into account. Events that are told again after the fact never count backwards.
    pub(super) fn apply(&mut self, event: &Event) {
        if event.r#type == Kind::Unknown {
            return;
        }
        self.total = event.total.max(self.total);
        self.published = event.published.max(self.published);
        self.failed = event.errors;
        match event.r#type {
            Kind::Completed | Kind::Cancelled | Kind::Error => self.end(event),
            Kind::Connected => {
                self.connected_to_the_finished = matches!(&*event.status, "completed" | "failed" | "cancelled");
                if self.connected_to_the_finished {
                    self.end(event);
                }
            }
            Kind::Progress | Kind::Unknown => {}
        }
    }

    /// Whether the message that ends the stream has come, or there is none to come because the batch was finished before
    /// and the daemon has `closed` the stream.
    pub(super) fn is_over(&self, closed: bool) -> bool {
        self.ending.is_some() && (closed || !self.connected_to_the_finished)
    }

    /// How many clips are done.
    pub(super) const fn settled(&self) -> u32 {
        self.published + self.failed
    }

    /// Whether it ended with every clip live.
    pub(super) fn all_published(&self) -> bool {
        let completed = self.ending.as_ref().is_some_and(|(_, status, _)| status == "completed");
        completed && self.total > 0 && self.published == self.total
    }

    /// `completed: 4 published, 1 failed of 5`: the last line.
    pub(super) fn summary(&self) -> String {
        let (status, error) = match &self.ending {
            Some((_, status, error)) => (status.as_str(), error.as_deref()),
            None => ("under way", None),
        };
        let counts = format!("{} published, {} failed of {}", self.published, self.failed, self.total);
        match error {
            Some(error) => format!("{status}: {counts} ({error})"),
            None => format!("{status}: {counts}"),
        }
    }

    fn end(&mut self, event: &Event) {
        self.connected_to_the_finished = event.r#type == Kind::Connected;
        self.ending = Some((event.r#type, event.status.clone(), event.error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Event {
        serde_json::from_str(json).unwrap()
    }

    fn after(events: &[&str]) -> Progress {
        let mut progress = Progress::default();
        for json in events {
            progress.apply(&event(json));
        }
        progress
    }

    const CONNECTED: &str =
        r#"{"type":"connected","batchId":"b","status":"processing","published":0,"errors":0,"total":2}"#;
    const COMPLETED: &str =
        r#"{"type":"completed","batchId":"b","status":"completed","published":2,"errors":0,"total":2}"#;

    #[test]
    fn a_clip_line_says_where_the_clip_is() {
        let lines = [
            (
                r#"{"type":"progress","current":1,"total":5,"currentStory":"a","status":"uploading"}"#,
                "1/5 a: uploading",
            ),
            (
                r#"{"type":"progress","current":2,"total":5,"currentStory":"b","status":"waiting",
                   "waitProgress":{"elapsed":7,"total":90,"attempt":4,"currentStatus":"PENDING"}}"#,
                "2/5 b: waiting for confirmation, 7 of 90 s (look 4, PENDING)",
            ),
            (
                r#"{"type":"progress","current":3,"total":5,"currentStory":"c","status":"failed","error":"too long"}"#,
                "3/5 c: failed: too long",
            ),
            (
                r#"{"type":"progress","current":3,"total":5,"currentStory":"c","status":"published","late":true}"#,
                "3/5 c: published late, after its timeout",
            ),
        ];
        for (json, line) in lines {
            assert_eq!(event(json).clip_line().as_deref(), Some(line));
        }
        assert_eq!(event(CONNECTED).clip_line(), None);
    }

    #[test]
    fn all_published_needs_the_word_completed_and_every_clip() {
        assert!(after(&[CONNECTED, COMPLETED]).all_published());
        assert!(after(&[CONNECTED, COMPLETED]).is_over(false));
        let one_failed = COMPLETED.replace("\"published\":2,\"errors\":0", "\"published\":1,\"errors\":1");
        let progress = after(&[CONNECTED, &one_failed]);
        assert!(progress.is_over(false) && !progress.all_published());
        assert_eq!(progress.summary(), "completed: 1 published, 1 failed of 2");
        let cancelled = r#"{"type":"cancelled","status":"cancelled","published":2,"errors":0,"total":2}"#;
        assert!(!after(&[cancelled]).all_published());
    }

    #[test]
    fn a_pause_is_an_ending_that_says_why() {
        let json = r#"{"type":"error","status":"paused","published":1,"errors":1,"total":3,"error":"a clip failed"}"#;
        let progress = after(&[CONNECTED, json]);
        assert!(progress.is_over(false));
        assert_eq!(progress.summary(), "paused: 1 published, 1 failed of 3 (a clip failed)");
    }

    #[test]
    fn a_batch_that_was_finished_before_ends_when_the_stream_closes() {
        let connected = CONNECTED
            .replace("processing", "completed")
            .replace("\"published\":0", "\"published\":2");
        let progress = after(&[&connected]);
        assert!(!progress.is_over(false), "its own last event may follow");
        assert!(progress.is_over(true) && progress.all_published());
        assert!(after(&[&connected, COMPLETED]).is_over(false));
        assert!(!after(&[CONNECTED]).is_over(true), "the connection broke");
    }

    #[test]
    fn old_events_told_again_do_not_count_backwards() {
        let connected = CONNECTED.replace("\"published\":0", "\"published\":2");
        let old = r#"{"type":"progress","current":1,"total":2,"published":1,"errors":0,"status":"published"}"#;
        assert_eq!(after(&[&connected, old]).settled(), 2);
    }

    #[test]
    fn a_message_of_a_newer_daemon_is_passed_over() {
        let progress = after(&[CONNECTED, r#"{"type":"resting","status":"zzz"}"#]);
        assert_eq!(progress.total, 2);
        assert!(!progress.is_over(true));
    }
}
