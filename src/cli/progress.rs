//! What a watcher knows about a batch, from its live events. Pure: [`super::watch`] feeds it, [`super::screen`] shows it.

use serde::Deserialize;

use super::{
    Ending,
    event::{Event, Kind},
};

/// The part of `GET /api/metricool/status` that a watcher needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    status: String,
    /// Not there while a cancelled batch has a clip on its way.
    completed_at: Option<String>,
    posts: Posts,
}

#[derive(Clone, Debug, Deserialize)]
struct Posts {
    total: u32,
    published: u32,
    failed: u32,
    cancelled: u32,
}

impl State {
    /// Whether nothing more happens until a person does something.
    fn is_at_rest(&self) -> bool {
        self.status == PAUSED || (is_finished(&self.status) && self.completed_at.is_some())
    }
}

const PAUSED: &str = "paused";

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
    stop: Option<Stop>,
}

/// The end or the pause that was told last, unless the batch goes on since.
#[derive(Clone, Debug)]
struct Stop {
    status: String,
    error: Option<String>,
}

impl Progress {
    /// Takes an event into account. Events that are told again after the fact never count backwards.
    pub(super) fn apply(&mut self, event: &Event) {
        let stops = match event.r#type {
            Kind::Unknown => return,
            Kind::Completed | Kind::Cancelled | Kind::Error | Kind::Paused => Some(true),
            Kind::Connected | Kind::Resumed => Some(is_finished(&event.status) || event.status == PAUSED),
            Kind::Progress => None,
        };
        self.total = event.total.max(self.total);
        self.published = event.published.max(self.published);
        self.failed = event.errors;
        if let Some(stops) = stops {
            self.stop = stops.then(|| Stop {
                status: event.status.clone(),
                error: event.error.clone(),
            });
        }
    }

    /// Whether the batch has ended, by what was told. More may follow: a stream tells what happened from the start, so
    /// it may hold the end of a batch that was opened again.
    pub(super) fn is_ended(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| is_finished(&stop.status))
    }

    /// Whether it is paused, by what was told. Here, too, more may follow.
    pub(super) fn is_paused(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.status == PAUSED)
    }

    /// The daemon's own word after the last message: the counts may be newer than that message. False of a batch that
    /// has gone on since, or has come to another end, which its stream tells.
    pub(super) fn settle(&mut self, state: &State) -> bool {
        let Posts {
            total,
            published,
            failed,
            cancelled,
        } = state.posts;
        (self.total, self.published, self.failed, self.cancelled) = (total, published, failed, cancelled);
        let stopped_so = self.stop.as_ref().is_some_and(|stop| stop.status == state.status);
        stopped_so && state.is_at_rest()
    }

    /// How many clips are done.
    pub(super) const fn settled(&self) -> u32 {
        self.published + self.failed + self.cancelled
    }

    /// Whether it ended with every clip live.
    fn all_published(&self) -> bool {
        let completed = self.stop.as_ref().is_some_and(|stop| stop.status == "completed");
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
        let status = self.stop.as_ref().map_or("under way", |stop| &stop.status);
        let mut line = format!("{status}: {} published, {} failed", self.published, self.failed);
        if self.cancelled > 0 {
            line += &format!(", {} cancelled", self.cancelled);
        }
        line += &format!(" of {}", self.total);
        if let Some(error) = self.stop.as_ref().and_then(|stop| stop.error.as_ref()) {
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

    const PAUSED_BY_A_PERSON: &str =
        r#"{"type":"paused","status":"paused","published":1,"errors":0,"total":2,"error":"a person paused it"}"#;
    const RESUMED: &str = r#"{"type":"resumed","status":"processing","published":1,"errors":0,"total":2}"#;

    #[test]
    fn all_published_needs_the_word_completed_and_every_clip() {
        assert!(after(&[CONNECTED, COMPLETED]).all_published());
        assert!(after(&[CONNECTED, COMPLETED]).is_ended());
        let one_failed = COMPLETED.replace("\"published\":2,\"errors\":0", "\"published\":1,\"errors\":1");
        let progress = after(&[CONNECTED, &one_failed]);
        assert!(progress.is_ended() && !progress.all_published());
        assert_eq!(progress.summary(), "completed: 1 published, 1 failed of 2");
        let cancelled = r#"{"type":"cancelled","status":"cancelled","published":2,"errors":0,"total":2}"#;
        assert!(!after(&[cancelled]).all_published());
    }

    #[test]
    fn a_pause_is_no_end_and_says_why() {
        let json = r#"{"type":"paused","status":"paused","published":1,"errors":1,"total":3,"error":"a clip failed"}"#;
        // As an earlier version told it.
        for json in [json, &json.replace(r#""type":"paused""#, r#""type":"error""#)] {
            let mut progress = after(&[CONNECTED, json]);
            assert!(progress.is_paused() && !progress.is_ended());
            assert_eq!(progress.summary(), "paused: 1 published, 1 failed of 3 (a clip failed)");
            assert!(progress.settle(&state(PAUSED, 1, 1, 1)));
        }
    }

    #[test]
    fn a_pause_is_over_with_the_resume_and_leaves_no_reason_behind() {
        let went_on = CONNECTED.replace("\"published\":0", "\"published\":1");
        for resumed in [RESUMED, &went_on] {
            let progress = after(&[CONNECTED, PAUSED_BY_A_PERSON, resumed]);
            assert!(!progress.is_paused() && !progress.is_ended());
            let progress = after(&[CONNECTED, PAUSED_BY_A_PERSON, resumed, COMPLETED]);
            assert_eq!(progress.summary(), "completed: 2 published, 0 failed of 2");
        }
        let cancelled = r#"{"type":"cancelled","status":"cancelled","published":1,"errors":0,"total":2}"#;
        let mut progress = after(&[CONNECTED, PAUSED_BY_A_PERSON, cancelled]);
        assert!(progress.settle(&state("cancelled", 1, 0, 1)));
        assert_eq!(progress.summary(), "cancelled: 1 published, 0 failed, 1 cancelled of 2");
    }

    #[test]
    fn a_batch_that_was_finished_before_has_ended() {
        let connected = CONNECTED
            .replace("processing", "completed")
            .replace("\"published\":0", "\"published\":2");
        let progress = after(&[&connected]);
        assert!(progress.is_ended() && progress.all_published());
        assert!(after(&[&connected, COMPLETED]).is_ended());
        assert!(!after(&[CONNECTED]).is_ended(), "the connection broke");
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
            completed_at: is_finished(status).then(|| "2026-12-01T17:00:00.000Z".into()),
            posts,
        }
    }

    #[test]
    fn the_daemons_word_after_the_end_is_newer_than_the_message_of_the_end() {
        let one_failed = COMPLETED.replace("\"published\":2,\"errors\":0", "\"published\":1,\"errors\":1");
        let mut progress = after(&[CONNECTED, &one_failed]);
        assert!(progress.settle(&state("completed", 2, 0, 0)));
        assert!(progress.all_published(), "the failed one went live later");

        let mut progress = after(&[CONNECTED, r#"{"type":"cancelled","status":"cancelled","total":3}"#]);
        assert!(progress.settle(&state("cancelled", 1, 0, 2)));
        assert_eq!(progress.summary(), "cancelled: 1 published, 0 failed, 2 cancelled of 3");
    }

    #[test]
    fn the_message_of_an_earlier_end_ends_nothing() {
        let mut progress = after(&[CONNECTED, PAUSED_BY_A_PERSON]);
        for now in [state("processing", 1, 0, 0), state("completed", 2, 0, 0)] {
            assert!(!progress.settle(&now), "{now:?}");
        }
        let mut progress = after(&[r#"{"type":"connected","status":"cancelled","total":2}"#]);
        let on_its_way = State {
            completed_at: None,
            ..state("cancelled", 1, 0, 1)
        };
        assert!(!progress.settle(&on_its_way), "a clip is still on its way");
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
        assert!(!progress.is_ended() && !progress.is_paused());
    }
}
