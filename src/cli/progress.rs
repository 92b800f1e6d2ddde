//! What a watcher knows about a batch, from its live events. Pure: [`super::watch`] feeds it, [`super::screen`] shows it.

use serde::Deserialize;

use super::{
    Ending,
    event::{Event, Kind},
};

/// The part of `GET /api/metricool/status` that a watcher needs.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct State {
    status: String,
    posts: Posts,
}

#[derive(Clone, Debug, Deserialize)]
struct Posts {
    total: u32,
    published: u32,
    failed: u32,
    cancelled: u32,
}

fn is_finished(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "cancelled")
}

/// Where the batch is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) total: u32,
    pub(super) published: u32,
    pub(super) failed: u32,
    cancelled: u32,
    end: Option<End>,
}

#[derive(Clone, Debug)]
struct End {
    status: String,
    error: Option<String>,
    /// By the message of the end itself, not only by the greeting of a connection, after which that message may come.
    told: bool,
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
        let told = match event.r#type {
            Kind::Completed | Kind::Cancelled | Kind::Error | Kind::Paused => true,
            Kind::Connected if is_finished(&event.status) => false,
            Kind::Resumed => {
                self.end = None;
                return;
            }
            Kind::Connected | Kind::Progress | Kind::Unknown => return,
        };
        self.end = Some(End {
            status: event.status.clone(),
            error: event.error.clone(),
            told,
        });
    }

    /// Whether the message that ends the stream has come; once the daemon has `closed` the stream, whether there was
    /// none to come.
    pub(super) fn is_over(&self, closed: bool) -> bool {
        self.end.as_ref().is_some_and(|end| end.told || closed)
    }

    /// The daemon's own word after the message of an end: the counts may be newer than that message, and a batch that is at
    /// work, or came to another end, has gone on since.
    pub(super) fn settle(&mut self, state: State) {
        let Posts {
            total,
            published,
            failed,
            cancelled,
        } = state.posts;
        (self.total, self.published, self.failed, self.cancelled) = (total, published, failed, cancelled);
        self.end = self.end.take().filter(|end| end.status == state.status);
    }

    /// How many clips are done.
    pub(super) const fn settled(&self) -> u32 {
        self.published + self.failed + self.cancelled
    }

    /// Whether it ended with every clip live.
    fn all_published(&self) -> bool {
        let completed = self.end.as_ref().is_some_and(|end| end.status == "completed");
        completed && self.total > 0 && self.published == self.total
    }

    /// What a command that watched it ends with.
    pub(super) fn ending(&self) -> Ending {
        if self.all_published() {
            Ending::Done
        } else {
            Ending::NotAllPublished
        }
    }

    /// `completed: 4 published, 1 failed of 5`: the last line.
    pub(super) fn summary(&self) -> String {
        let status = self.end.as_ref().map_or("under way", |end| &end.status);
        let mut line = format!("{status}: {} published, {} failed", self.published, self.failed);
        if self.cancelled > 0 {
            line += &format!(", {} cancelled", self.cancelled);
        }
        line += &format!(" of {}", self.total);
        if let Some(error) = self.end.as_ref().and_then(|end| end.error.as_ref()) {
            line += &format!(" ({error})");
        }
        line
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
        // The second is the word of an earlier daemon.
        for r#type in ["paused", "error"] {
            let rest = r#""status":"paused","published":1,"errors":1,"total":3,"error":"a clip failed""#;
            let progress = after(&[CONNECTED, &format!(r#"{{"type":"{type}",{rest}}}"#)]);
            assert!(progress.is_over(false));
            assert_eq!(progress.summary(), "paused: 1 published, 1 failed of 3 (a clip failed)");
        }
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

    fn state(status: &str, published: u32, failed: u32, cancelled: u32) -> State {
        let posts = Posts {
            total: published + failed + cancelled,
            published,
            failed,
            cancelled,
        };
        State {
            status: status.into(),
            posts,
        }
    }

    #[test]
    fn the_daemons_word_after_the_end_is_newer_than_the_message_of_the_end() {
        let one_failed = COMPLETED.replace("\"published\":2,\"errors\":0", "\"published\":1,\"errors\":1");
        let mut progress = after(&[CONNECTED, &one_failed]);
        progress.settle(state("completed", 2, 0, 0));
        assert!(
            progress.is_over(false) && progress.all_published(),
            "the failed one went live later"
        );

        let mut progress = after(&[CONNECTED, r#"{"type":"cancelled","status":"cancelled","total":3}"#]);
        progress.settle(state("cancelled", 1, 0, 2));
        assert_eq!(progress.summary(), "cancelled: 1 published, 0 failed, 2 cancelled of 3");
    }

    #[test]
    fn the_message_of_an_earlier_end_ends_nothing() {
        let mut progress = after(&[
            CONNECTED,
            r#"{"type":"error","status":"paused","total":2,"error":"held"}"#,
        ]);
        progress.settle(state("processing", 1, 0, 0));
        assert!(!progress.is_over(true));
    }

    #[test]
    fn a_pause_that_is_over_is_neither_the_end_nor_its_reason() {
        const PAUSED: &str = r#"{"type":"paused","status":"paused","total":2,"error":"a person"}"#;
        for status in ["completed", "cancelled", "failed"] {
            let mut progress = after(&[CONNECTED, PAUSED]);
            progress.settle(state(status, 2, 0, 0));
            assert!(!progress.is_over(true), "{status}: its own message follows");
        }
        let resumed = r#"{"type":"resumed","status":"processing","total":2}"#;
        assert!(!after(&[CONNECTED, PAUSED, resumed]).is_over(true));
        let progress = after(&[CONNECTED, PAUSED, resumed, COMPLETED]);
        assert!(progress.is_over(false));
        assert_eq!(progress.summary(), "completed: 2 published, 0 failed of 2");
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
