//! What subscribers are told: the JSON bodies of the live stream, exactly as in API.md.
//!
//! The batch actor makes them, the store numbers them in the transaction of the change they tell about, and the stream
//! sends the stored text as it is.

use serde::Serialize;

use crate::model::{Batch, BatchStatus, Clip, ClipStatus, Timestamp, Totals, code};

/// A stored event before the store has numbered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which of the stored ones.
    pub kind: EventKind,
    /// The clip it is about, from 1.
    pub clip: Option<u32>,
    /// The JSON object that subscribers receive.
    pub body: String,
}

/// The `type` of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// How the batch stands: first on a stream, and not stored. An earlier version stored it where now `Resumed` is.
    Connected,
    /// A clip moved.
    Progress,
    /// The batch is done.
    Completed,
    /// The batch was cancelled and its last clip in flight is settled.
    Cancelled,
    /// The batch failed. An earlier version told so of a pause, too.
    Error,
    /// The batch rests until a person lets it go on; the stream stays open.
    Paused,
    /// A batch goes on that had stopped or ended, or its first slot has come.
    Resumed,
}

impl EventKind {
    /// The word in the message and in `batch_events.kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Progress => "progress",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
        }
    }
}

/// How far a wait for confirmation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WaitProgress {
    /// Whole seconds since the slot.
    pub elapsed: u64,
    /// Whole seconds of the batch's timeout.
    pub total: u64,
    /// Number of looks so far.
    pub attempt: u32,
    /// The provider's own word.
    pub current_status: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    r#type: EventKind,
    batch_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<u32>,
    total: u32,
    published: u32,
    errors: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_story: Option<&'a str>,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_progress: Option<&'a WaitProgress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    planned_for: Option<Timestamp>,
    timestamp: Timestamp,
}

impl Body<'_> {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The word of a clip's status in a `progress` message: `uncertain` is shown as `waiting_confirmation`, because what a
/// watcher can do about either is the same: wait. So it is with a clip that was reopened and waits for its turn: `queued`.
fn progress_word(status: ClipStatus) -> &'static str {
    match status {
        ClipStatus::Uncertain => ClipStatus::WaitingConfirmation.as_str(),
        ClipStatus::Pending => ClipStatus::Queued.as_str(),
        ClipStatus::Queued
        | ClipStatus::Uploading
        | ClipStatus::WaitingConfirmation
        | ClipStatus::Retrying
        | ClipStatus::Held
        | ClipStatus::Published
        | ClipStatus::Failed
        | ClipStatus::Cancelled => status.as_str(),
    }
}

/// Whether the clip is with the network and its slot, which a person chose, lies ahead.
fn is_scheduled(batch: &Batch, clip: &Clip, at: Timestamp) -> bool {
    batch.mode.is_by_slots()
        && clip.status == ClipStatus::WaitingConfirmation
        && clip.slot().is_some_and(|slot| slot > at)
}

/// A clip moved to the status it now has.
///
/// One that is with the network before a slot of its own is `scheduled`, and `scheduledAt` says when; if that is not what
/// was planned the code is `SLOT_MOVED`, and `plannedFor` says what was.
pub fn progress(batch: &Batch, clip: &Clip, totals: Totals, late: bool, at: Timestamp) -> Event {
    let slot = clip.slot().filter(|_| is_scheduled(batch, clip, at));
    let planned = clip
        .planned_for
        .filter(|planned| slot.is_some_and(|slot| slot != *planned));
    let code = clip.error.as_ref().map(|error| &*error.code);
    let body = Body {
        r#type: EventKind::Progress,
        batch_id: batch.id.as_str(),
        current: Some(clip.index),
        total: totals.total,
        published: totals.published,
        errors: totals.failed,
        current_story: Some(&clip.id),
        status: if slot.is_some() {
            "scheduled"
        } else {
            progress_word(clip.status)
        },
        wait_progress: None,
        error: clip.error.as_ref().map(|error| &*error.message),
        code: code.or(planned.map(|_| code::SLOT_MOVED)),
        late,
        scheduled_at: slot,
        planned_for: planned,
        timestamp: at,
    };
    Event {
        kind: EventKind::Progress,
        clip: Some(clip.index),
        body: body.text(),
    }
}

/// A look that found nothing new; sent, not stored.
pub fn waiting(batch: &Batch, clip: &Clip, totals: Totals, wait: &WaitProgress, at: Timestamp) -> String {
    Body {
        r#type: EventKind::Progress,
        batch_id: batch.id.as_str(),
        current: Some(clip.index),
        total: totals.total,
        published: totals.published,
        errors: totals.failed,
        current_story: Some(&clip.id),
        status: "waiting",
        wait_progress: Some(wait),
        error: None,
        code: None,
        late: false,
        scheduled_at: None,
        planned_for: None,
        timestamp: at,
    }
    .text()
}

/// The batch is at work (again): a person let one go on that had stopped or ended, or its first slot has come.
pub fn going_on(batch: &Batch, totals: Totals, at: Timestamp) -> Event {
    let kind = EventKind::Resumed;
    Event {
        kind,
        clip: None,
        body: summary(kind, batch.id.as_str(), batch.status, totals, batch.error.as_ref(), at),
    }
}

/// The batch came to an end (`completed`, `cancelled`, `error`) or to a stop (`paused`).
pub fn ending(batch: &Batch, totals: Totals, at: Timestamp) -> Event {
    let kind = match batch.status {
        BatchStatus::Completed => EventKind::Completed,
        BatchStatus::Cancelled => EventKind::Cancelled,
        BatchStatus::Paused => EventKind::Paused,
        BatchStatus::Draft | BatchStatus::Scheduled | BatchStatus::Processing | BatchStatus::Failed => EventKind::Error,
    };
    Event {
        kind,
        clip: None,
        body: summary(kind, batch.id.as_str(), batch.status, totals, batch.error.as_ref(), at),
    }
}

/// The body of every message that is about the batch and no clip.
pub fn summary(
    kind: EventKind,
    batch_id: &str,
    status: BatchStatus,
    totals: Totals,
    error: Option<&crate::model::Trouble>,
    at: Timestamp,
) -> String {
    Body {
        r#type: kind,
        batch_id,
        current: None,
        total: totals.total,
        published: totals.published,
        errors: totals.failed,
        current_story: None,
        status: status.as_str(),
        wait_progress: None,
        error: error.map(|error| &*error.message),
        code: error.map(|error| &*error.code),
        late: false,
        scheduled_at: None,
        planned_for: None,
        timestamp: at,
    }
    .text()
}
