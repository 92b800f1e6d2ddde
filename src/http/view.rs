//! A batch and its clips as JSON, made from rows alone.
//!
//! Every route that shows a batch uses these; the field names are those of the user's documents.

use serde::Serialize;
use storyclip_actors::{
    events::WaitProgress,
    model::{BatchStatus, ClipStatus, Network, PublishMode, Timestamp, Totals},
};
use utoipa::ToSchema;

use super::Rules;
use crate::store::{BatchView, ClipView};

/// The full summary of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the fields of the answer")]
pub struct BatchBody {
    pub batch_id: String,
    pub job_id: Option<String>,
    pub user_id: String,
    pub account_id: String,
    pub network: Network,
    pub status: BatchStatus,
    pub publish_mode: PublishMode,
    pub total: u32,
    pub published: u32,
    pub failed: u32,
    pub cancelled: u32,
    /// Settled clips.
    pub current_index: u32,
    /// Whole percent of settled clips.
    pub progress: u32,
    pub scheduled_for: Option<Timestamp>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub error: Option<String>,
    pub clips: Vec<ClipBody>,
}

/// One clip.
#[derive(Serialize, ToSchema)]
#[schema(as = Clip)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the fields of the answer")]
pub struct ClipBody {
    pub index: u32,
    pub id: String,
    pub url: String,
    pub title: Option<String>,
    /// A word of `ClipStatus`, or `scheduled` for a clip that is with the network before a slot that was chosen for it.
    pub status: &'static str,
    pub metricool_post_id: Option<String>,
    pub facebook_post_id: Option<String>,
    pub permalink: Option<String>,
    pub error: Option<String>,
    pub error_code: Option<String>,
    pub attempts: u32,
    pub scheduled_at: Option<Timestamp>,
    pub next_attempt_at: Option<Timestamp>,
    pub uploaded_at: Option<Timestamp>,
    pub published_at: Option<Timestamp>,
}

/// How many clips are where.
#[derive(Serialize, ToSchema)]
#[schema(as = Posts)]
#[allow(missing_docs, reason = "the names are the fields of the answer")]
pub struct PostsBody {
    pub total: u32,
    pub published: u32,
    pub failed: u32,
    pub cancelled: u32,
    pub pending: u32,
}

impl BatchBody {
    /// The batch as it stands at this instant.
    pub fn of(batch: BatchView, now: Timestamp) -> Self {
        let clips = clips(&batch, now);
        Self {
            batch_id: batch.id.to_string(),
            job_id: batch.job_id,
            user_id: batch.user.to_string(),
            account_id: batch.account.to_string(),
            network: batch.network,
            status: batch.status,
            publish_mode: batch.mode,
            total: batch.totals.total,
            published: batch.totals.published,
            failed: batch.totals.failed,
            cancelled: batch.totals.cancelled,
            current_index: batch.totals.settled(),
            progress: progress(batch.totals),
            scheduled_for: batch.scheduled_for,
            created_at: batch.created_at,
            started_at: batch.started_at,
            completed_at: batch.completed_at,
            error: batch.error.map(|error| error.message.to_string()),
            clips,
        }
    }
}

/// The clips of a batch as they stand at this instant.
pub fn clips(batch: &BatchView, now: Timestamp) -> Vec<ClipBody> {
    let clip = |clip: &ClipView| ClipBody::of(clip, is_scheduled(batch, clip, now));
    batch.clips.iter().map(clip).collect()
}

/// How many clips are in the planner and shown as scheduled: the one thing shown of a batch that passes with time alone.
pub fn ahead(batch: &BatchView, now: Timestamp) -> usize {
    let ahead = batch.clips.iter().filter(|clip| is_scheduled(batch, clip, now));
    ahead.count()
}

/// Whether the network has the clip, and publishes it at a slot that lies ahead and was chosen for it.
fn is_scheduled(batch: &BatchView, clip: &ClipView, now: Timestamp) -> bool {
    batch.mode.is_by_slots()
        && clip.status == ClipStatus::WaitingConfirmation
        && clip.scheduled_at.is_some_and(|slot| slot > now)
}

impl ClipBody {
    fn of(clip: &ClipView, scheduled: bool) -> Self {
        let (error, error_code) = match &clip.error {
            Some(error) => (Some(error.message.to_string()), Some(error.code.to_string())),
            None => (None, None),
        };
        Self {
            index: clip.index,
            id: clip.id.clone(),
            url: clip.url.clone(),
            title: clip.title.clone(),
            status: if scheduled { "scheduled" } else { clip.status.as_str() },
            metricool_post_id: clip.post_id.as_ref().map(ToString::to_string),
            facebook_post_id: clip.network_post_id.clone(),
            permalink: clip.permalink.clone(),
            error,
            error_code,
            attempts: clip.attempts,
            scheduled_at: clip.scheduled_at,
            next_attempt_at: clip.next_attempt_at,
            uploaded_at: clip.uploaded_at,
            published_at: clip.published_at,
        }
    }
}

impl From<Totals> for PostsBody {
    fn from(totals: Totals) -> Self {
        Self {
            total: totals.total,
            published: totals.published,
            failed: totals.failed,
            cancelled: totals.cancelled,
            pending: totals.pending(),
        }
    }
}

/// Whole percent of settled clips.
pub fn progress(totals: Totals) -> u32 {
    (totals.settled() * 100).checked_div(totals.total).unwrap_or(0)
}

/// What a batch is doing, in the words of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// No clip is at work, and none has ended yet or the last one was cancelled.
    Idle,
    /// A clip is being prepared or created.
    Uploading,
    /// A clip waits: for the network's word, or for its next try.
    Waiting,
    /// Nothing is at work; the clip that ended last is live.
    Published,
    /// Nothing is at work; the clip that ended last failed.
    Failed,
}

/// The clip at work, and what the batch is doing. With none at work it is the end of the last settled clip that shows.
pub fn activity(clips: &[ClipView]) -> (Option<&ClipView>, Activity) {
    let mut ended = Activity::Idle;
    for clip in clips {
        match clip.status {
            ClipStatus::Uploading => return (Some(clip), Activity::Uploading),
            ClipStatus::WaitingConfirmation | ClipStatus::Uncertain | ClipStatus::Queued | ClipStatus::Retrying => {
                return (Some(clip), Activity::Waiting);
            }
            ClipStatus::Published => ended = Activity::Published,
            ClipStatus::Failed => ended = Activity::Failed,
            ClipStatus::Cancelled => ended = Activity::Idle,
            ClipStatus::Pending | ClipStatus::Held => {}
        }
    }
    (None, ended)
}

/// How far the wait for a clip's confirmation is, counted from its slot; `None` for a clip that waits for none, or
/// whose slot was chosen and lies ahead.
pub fn wait_progress(batch: &BatchView, clip: &ClipView, rules: &Rules, now: Timestamp) -> Option<WaitProgress> {
    if clip.status != ClipStatus::WaitingConfirmation || is_scheduled(batch, clip, now) {
        return None;
    }
    let total = rules.timeouts.of(batch.speed);
    let elapsed = now.since(clip.scheduled_at?).min(total);
    Some(WaitProgress {
        elapsed: elapsed.as_secs(),
        total: total.as_secs(),
        attempt: rules.looks.due_by(elapsed),
        current_status: "PENDING".into(),
    })
}
