//! What tests put into the in-memory store and read back from its ledger.

use std::time::Duration;

use crate::{
    model::{Clip, ClipStatus, OnFailure, Speed},
    ports::AttemptWrite,
};

/// What a test submits.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are the columns")]
pub struct NewBatch {
    pub id: &'static str,
    pub account: &'static str,
    pub urls: Vec<String>,
    pub speed: Speed,
    pub on_failure: OnFailure,
    pub max_retries: u32,
    /// How far ahead the first slot lies and how far apart they are; `None`: mode `now`.
    pub scheduled: Option<(Duration, Duration)>,
}

impl NewBatch {
    /// `clips` clips with a URL each, the defaults of the API otherwise.
    pub fn of(id: &'static str, clips: usize) -> Self {
        let urls = (1..=clips)
            .map(|n| format!("https://cdn.example/{id}/{n}.mp4"))
            .collect();
        Self {
            id,
            account: "77",
            urls,
            speed: Speed::Fast,
            on_failure: OnFailure::Skip,
            max_retries: 2,
            scheduled: None,
        }
    }
}

/// One row of the ledger.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names are the columns")]
pub struct AttemptRow {
    pub batch: String,
    pub account: String,
    pub write: AttemptWrite,
}

/// A clip as the HTTP route writes it.
pub fn fresh_clip(index: u32, url: &str) -> Clip {
    Clip {
        index,
        id: format!("clip_{index}").into(),
        url: url.into(),
        status: ClipStatus::Pending,
        attempt: 0,
        retries: 0,
        post: None,
        network_post_id: None,
        permalink: None,
        error: None,
        next_attempt_at: None,
        uploaded_at: None,
        published_at: None,
        timed_out_at: None,
        late_looks: 0,
        ruling: None,
        planned_for: None,
        request: None,
        intent_at: None,
    }
}

/// What a later write leaves out stays as it was.
pub(super) fn merge(row: &mut AttemptWrite, write: &AttemptWrite) {
    macro_rules! keep {
        ($($field:ident),*) => {$( if write.$field.is_some() { row.$field = write.$field.clone(); } )*};
    }
    (row.clip, row.attempt) = (write.clip, write.attempt);
    row.vacates |= write.vacates;
    keep!(
        request,
        intent_at,
        outcome_at,
        verdict,
        code,
        message,
        http_status,
        request_id,
        post,
        permalink
    );
}
