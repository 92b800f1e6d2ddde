//! A message on a batch's live stream, as a watcher reads it. Pure: [`super::watch`] parses it from what the daemon sends.

use serde::Deserialize;

/// The body of a message on the stream (API.md, live events).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event {
    pub(super) r#type: Kind,
    pub(super) current: Option<u32>,
    pub(super) total: u32,
    pub(super) published: u32,
    pub(super) errors: u32,
    current_story: Option<String>,
    pub(super) status: String,
    wait_progress: Option<WaitProgress>,
    pub(super) error: Option<String>,
    late: bool,
    scheduled_at: Option<String>,
}

/// The `type` of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// How the batch stands: first of each connection; of an earlier version also what `Resumed` is.
    Connected,
    /// A clip moved.
    Progress,
    /// The batch is done.
    Completed,
    /// The batch was cancelled and nothing is in flight any more.
    Cancelled,
    /// The batch failed; of an earlier version also what `Paused` is, with that status.
    Error,
    /// The batch waits for a person.
    Paused,
    /// A batch goes on that had stopped or ended.
    Resumed,
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
            ("scheduled", None) => {
                let slot = self.scheduled_at.as_deref().unwrap_or("later");
                return format!("with the network, to be published at {slot}");
            }
            ("published", None) if self.late => "published late, after its timeout",
            (word, None) => word,
        };
        match &self.error {
            Some(error) => format!("{state}: {error}"),
            None => state.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(json: &str) -> Event {
        serde_json::from_str(json).unwrap()
    }

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
            (
                r#"{"type":"progress","current":4,"total":5,"currentStory":"d","status":"scheduled",
                   "scheduledAt":"2026-12-01T17:00:00.000Z","code":"SLOT_MOVED"}"#,
                "4/5 d: with the network, to be published at 2026-12-01T17:00:00.000Z",
            ),
        ];
        for (json, line) in lines {
            assert_eq!(event(json).clip_line().as_deref(), Some(line));
        }
        assert_eq!(
            event(r#"{"type":"connected","status":"processing","total":2}"#).clip_line(),
            None
        );
    }
}
