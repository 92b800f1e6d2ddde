//! Plain data: a batch, its clips, and the words of their statuses.
//!
//! Everything in this crate reads it and the store fills it from rows; it holds no behaviour beyond what a value knows
//! about itself, so nothing is lost when a process dies with it.

mod command;
mod id;
mod time;
mod words;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use command::{Command, Resolution, UnreadableDetail, Wish};
pub use id::{AccountId, BatchId, CommandId, NodeId, PostId, Tenant, UserId};
pub use time::Timestamp;
pub use words::{BatchStatus, ClipStatus, CommandKind, Network, OnFailure, PublishMode, Ruling, Speed, UnknownWord};

/// Why a clip or a batch is where it is, in a word for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Stable upper-snake code, as in `CONFIRMATION_TIMEOUT`.
    pub code: Arc<str>,
    /// One sentence for a person; never a secret, never a raw body.
    pub message: Arc<str>,
}

impl Trouble {
    /// A trouble of this code and message.
    pub fn new(code: &str, message: impl AsRef<str>) -> Self {
        Self {
            code: code.into(),
            message: message.as_ref().into(),
        }
    }
}

/// The stable codes that this crate itself gives; a provider adds its own.
pub mod code {
    /// The network had not confirmed when the batch's speed ran out; the post is looked at later.
    pub const CONFIRMATION_TIMEOUT: &str = "CONFIRMATION_TIMEOUT";
    /// The network's own word that the post failed.
    pub const PROVIDER_ERROR: &str = "PROVIDER_ERROR";
    /// A token or brand was refused; work goes on when it is accepted again.
    pub const ACCOUNT_UNAUTHORIZED: &str = "ACCOUNT_UNAUTHORIZED";
    /// The provider asked for a pause.
    pub const RATE_LIMITED: &str = "RATE_LIMITED";
    /// The provider could not be reached or did not answer usefully.
    pub const PROVIDER_UNAVAILABLE: &str = "PROVIDER_UNAVAILABLE";
    /// The answer of a create call was lost.
    pub const ANSWER_LOST: &str = "ANSWER_LOST";
    /// The post was looked for and proved absent, and no retry is left.
    pub const NOT_CREATED: &str = "NOT_CREATED";
    /// The network's list holds posts that may or may not be this clip.
    pub const AMBIGUOUS_POST: &str = "AMBIGUOUS_POST";
    /// The network could not tell whether the post exists.
    pub const CANNOT_TELL: &str = "CANNOT_TELL";
    /// A post that was created is no longer known to the provider.
    pub const POST_VANISHED: &str = "POST_VANISHED";
    /// Only held clips are left; a person decides.
    pub const CLIP_HELD: &str = "CLIP_HELD";
    /// A clip failed in a batch whose policy is `stop` or `hold`.
    pub const CLIP_FAILED: &str = "CLIP_FAILED";
    /// A person paused the batch.
    pub const PAUSED: &str = "PAUSED";
    /// A person asked for another try of a failed clip: the network is being asked about the old post.
    pub const RETRY_REQUESTED: &str = "RETRY_REQUESTED";
    /// A person decided that a held clip is not to be published.
    pub const DROPPED: &str = "DROPPED";
    /// A person named a post for a held clip that belongs to another clip or attempt.
    pub const POST_TAKEN: &str = "POST_TAKEN";
    /// The slot that was planned could not be kept: the clip has a later one.
    pub const SLOT_MOVED: &str = "SLOT_MOVED";
    /// The batch's actor died again and again.
    pub const BATCH_KEEPS_FAILING: &str = "BATCH_KEEPS_FAILING";
}

/// A post as its provider knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostRef {
    /// The provider's handle; changes when a person edits the post in Metricool's planner.
    pub id: PostId,
    /// Metricool's `uuid`: a signed 64-bit number as text, kept across edits.
    pub uuid: Option<Arc<str>>,
}

/// The exact request of one create call: the intent that is durable before the call and compared with listings after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Where the story goes.
    pub network: Network,
    /// The prepared (normalised) media URL.
    pub media: Arc<str>,
    /// What is sent as text; empty for stories.
    pub text: Arc<str>,
    /// The instant at which the network is to publish.
    pub slot: Timestamp,
}

/// One batch, as its row says.
#[derive(Clone, Debug)]
#[allow(
    missing_docs,
    reason = "the fields are the columns of publish_batches, described in the migration"
)]
pub struct Batch {
    pub id: BatchId,
    pub tenant: Tenant,
    pub user: UserId,
    pub account: AccountId,
    pub network: Network,
    pub mode: PublishMode,
    pub speed: Speed,
    pub on_failure: OnFailure,
    pub max_retries: u32,
    pub status: BatchStatus,
    pub error: Option<Trouble>,
    pub restarts: u32,
    pub epoch: i64,
    pub wake_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

/// One clip, as its row and the row of its latest attempt say.
#[derive(Clone, Debug)]
#[allow(
    missing_docs,
    reason = "the fields are the columns of publish_batch_clips, described in the migration"
)]
pub struct Clip {
    /// Position in the batch, from 1.
    pub index: u32,
    /// The client's own name of the clip.
    pub id: Arc<str>,
    pub url: Arc<str>,
    pub status: ClipStatus,
    /// Number of the current or latest attempt; 0 before the first.
    pub attempt: u32,
    /// How many of the batch's `max_retries` are spent.
    pub retries: u32,
    pub post: Option<PostRef>,
    pub network_post_id: Option<Arc<str>>,
    pub permalink: Option<Arc<str>>,
    pub error: Option<Trouble>,
    pub next_attempt_at: Option<Timestamp>,
    pub uploaded_at: Option<Timestamp>,
    pub published_at: Option<Timestamp>,
    pub timed_out_at: Option<Timestamp>,
    /// How many of the looks after a timeout are done.
    pub late_looks: u32,
    /// What a person ruled about it, until that is done.
    pub ruling: Option<Ruling>,
    /// The slot that was chosen for it at birth; `None` in mode `now`. The one it gets may be later.
    pub planned_for: Option<Timestamp>,
    /// The intent of the current attempt; `None` until it is durable.
    pub request: Option<Request>,
    /// When that intent became durable.
    pub intent_at: Option<Timestamp>,
}

impl Clip {
    /// The instant at which the network is, or was, to publish the current attempt.
    pub fn slot(&self) -> Option<Timestamp> {
        self.request.as_ref().map(|request| request.slot)
    }

    /// Whether a call that publishes may be under way or have happened, without a final word about it.
    pub fn in_flight(&self) -> bool {
        match self.status {
            ClipStatus::Uploading => self.request.is_some(),
            ClipStatus::WaitingConfirmation | ClipStatus::Uncertain => true,
            ClipStatus::Pending
            | ClipStatus::Queued
            | ClipStatus::Retrying
            | ClipStatus::Held
            | ClipStatus::Published
            | ClipStatus::Failed
            | ClipStatus::Cancelled => false,
        }
    }

    /// Whether this clip failed and can be tried again: what became of its latest attempt is known or can be asked.
    pub fn may_be_reopened(&self) -> bool {
        self.status == ClipStatus::Failed && (self.post.is_none() || self.request.is_some())
    }

    /// Whether a person asked for another try of it and the network has not answered yet.
    pub fn retry_is_asked_for(&self) -> bool {
        self.ruling == Some(Ruling::Retry)
    }

    /// Whether this clip failed by a timeout and its post may still go live.
    pub fn timed_out(&self) -> bool {
        self.status == ClipStatus::Failed
            && self.post.is_some()
            && self
                .error
                .as_ref()
                .is_some_and(|error| &*error.code == code::CONFIRMATION_TIMEOUT)
    }
}

/// How many clips are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the statuses")]
pub struct Totals {
    pub total: u32,
    pub published: u32,
    pub failed: u32,
    pub cancelled: u32,
}

impl Totals {
    /// Counts the clips.
    pub fn of(clips: &[Clip]) -> Self {
        let count = |status| clips.iter().filter(|clip| clip.status == status).count() as u32;
        Self {
            total: clips.len() as u32,
            published: count(ClipStatus::Published),
            failed: count(ClipStatus::Failed),
            cancelled: count(ClipStatus::Cancelled),
        }
    }

    /// Clips that are done, whatever their end.
    pub fn settled(self) -> u32 {
        self.published + self.failed + self.cancelled
    }

    /// Clips that are not.
    pub fn pending(self) -> u32 {
        self.total.saturating_sub(self.settled())
    }
}
