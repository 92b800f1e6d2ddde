//! What goes into the store and what is read from it, as plain structs of columns.
//!
//! HTTP and the stream make and read them; the actors' own types are in `storyclip_actors::ports`. They are copies: the
//! rows are the truth, so nothing is lost with them.

use bytes::Bytes;
use storyclip_actors::{
    events::{Event, EventKind},
    model::{
        AccountId, BatchId, BatchStatus, ClipStatus, Network, OnFailure, PostId, PublishMode, Speed, Tenant, Timestamp,
        Totals, Trouble, UserId,
    },
};

use super::{notices::DisabledReason, rows::clean};

/// A batch to create, with everything that its rows hold at birth.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are the columns of publish_batches")]
pub struct NewBatch {
    pub id: BatchId,
    pub tenant: Tenant,
    pub job_id: Option<String>,
    pub user: UserId,
    pub account: AccountId,
    pub network: Network,
    pub mode: PublishMode,
    pub speed: Speed,
    pub on_failure: OnFailure,
    pub max_retries: u32,
    pub webhook_url: Option<String>,
    pub status: BatchStatus,
    pub scheduled_for: Option<Timestamp>,
    /// Also its `wake_at` and `updated_at`: a daemon claims it at once.
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    /// In order; the first gets index 1.
    pub clips: Vec<NewClip>,
    /// Numbered and stored in the same transaction.
    pub events: Vec<Event>,
    /// The key under which a repeat of the request finds the first answer.
    pub idempotency: Option<IdempotencyEntry>,
    /// The span under which it is created, as a W3C traceparent, where traces are exported.
    pub trace_parent: Option<String>,
}

impl NewBatch {
    /// Without U+0000 in the texts by which rows are found again; the others lose it on their way into a statement.
    pub(super) fn cleaned(mut self) -> Self {
        self.id = clean(self.id.as_str()).into();
        self.tenant = clean(self.tenant.as_str()).into();
        self.user = clean(self.user.as_str()).into();
        if let Some(entry) = &mut self.idempotency {
            entry.tenant = clean(entry.tenant.as_str()).into();
            entry.route = clean(&entry.route);
            entry.key = clean(&entry.key);
        }
        self
    }
}

/// A clip to create; it begins as `pending`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of publish_batch_clips")]
pub struct NewClip {
    pub id: String,
    pub url: String,
    pub title: Option<String>,
    pub text: String,
    /// Its slot, in a batch that is ordered by slots.
    pub planned_for: Option<Timestamp>,
}

/// One row of `idempotency_keys`, written with the batch that it answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of idempotency_keys")]
pub struct IdempotencyEntry {
    pub tenant: Tenant,
    pub route: String,
    pub key: String,
    pub body_hash: String,
    /// The body of the first answer, given again to every repeat.
    pub answer: String,
}

/// What became of a creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The rows are durable.
    New,
    /// The key existed already: nothing was created.
    Replayed {
        /// Of the first request; a caller with another body has made a mistake.
        body_hash: String,
        /// The first answer.
        answer: String,
    },
}

/// One batch as its row says, with its clips; all of it read in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of publish_batches")]
pub struct BatchView {
    pub id: BatchId,
    pub tenant: Tenant,
    pub job_id: Option<String>,
    pub user: UserId,
    pub account: AccountId,
    pub network: Network,
    pub mode: PublishMode,
    pub speed: Speed,
    pub on_failure: OnFailure,
    pub max_retries: u32,
    pub webhook_url: Option<String>,
    pub status: BatchStatus,
    /// As the row counts them, of the same statement as `status` and `last_event`.
    pub totals: Totals,
    pub scheduled_for: Option<Timestamp>,
    pub error: Option<Trouble>,
    pub restarts: u32,
    /// The newest number on the batch's stream; 0 before the first event.
    pub last_event: i64,
    pub wake_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    /// By index, from 1.
    pub clips: Vec<ClipView>,
}

/// One clip as its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of publish_batch_clips")]
pub struct ClipView {
    pub index: u32,
    pub id: String,
    pub url: String,
    pub title: Option<String>,
    pub text: String,
    pub status: ClipStatus,
    /// Number of the current or latest attempt; 0 before the first.
    pub attempts: u32,
    pub retries: u32,
    /// The provider's handle (`metricool_post_id`), whatever the provider.
    pub post_id: Option<PostId>,
    pub post_uuid: Option<String>,
    /// The network's own id (`facebook_post_id`), whatever the network.
    pub network_post_id: Option<String>,
    pub permalink: Option<String>,
    pub error: Option<Trouble>,
    /// The slot of the current attempt, or before it the one that is planned.
    pub scheduled_at: Option<Timestamp>,
    pub next_attempt_at: Option<Timestamp>,
    pub uploaded_at: Option<Timestamp>,
    pub published_at: Option<Timestamp>,
    pub timed_out_at: Option<Timestamp>,
    pub late_looks: u32,
    pub updated_at: Timestamp,
}

/// One row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of delivery_attempts")]
pub struct AttemptView {
    pub clip_index: u32,
    pub attempt: u32,
    pub account: AccountId,
    pub network: Network,
    /// JSON of the exact request (`storyclip_actors::model::Request`).
    pub request: Option<String>,
    pub slot: Option<Timestamp>,
    pub media: Option<String>,
    pub intent_at: Option<Timestamp>,
    pub outcome_at: Option<Timestamp>,
    /// A word of `AttemptVerdict::as_str`.
    pub verdict: Option<String>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub http_status: Option<u16>,
    pub request_id: Option<String>,
    pub post_id: Option<PostId>,
    pub post_uuid: Option<String>,
    pub permalink: Option<String>,
}

/// How many batches and clips are in which status: every status, in the order of its list; and what the outside waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Counts {
    pub batches: Vec<(BatchStatus, i64)>,
    pub clips: Vec<(ClipStatus, i64)>,
    /// Due, now or later.
    pub deliveries_pending: i64,
    /// Webhook endpoints that are not sent to, by the reason.
    pub endpoints_disabled: Vec<(DisabledReason, i64)>,
}

impl Counts {
    pub(super) fn none() -> Self {
        Self {
            batches: BatchStatus::ALL.iter().map(|status| (*status, 0)).collect(),
            clips: ClipStatus::ALL.iter().map(|status| (*status, 0)).collect(),
            deliveries_pending: 0,
            endpoints_disabled: DisabledReason::ALL.iter().map(|reason| (*reason, 0)).collect(),
        }
    }

    pub(super) fn add_batches(&mut self, status: BatchStatus, more: i64) {
        add(&mut self.batches, status, more);
    }

    pub(super) fn add_clips(&mut self, status: ClipStatus, more: i64) {
        add(&mut self.clips, status, more);
    }

    pub(super) fn add_disabled(&mut self, reason: DisabledReason, more: i64) {
        add(&mut self.endpoints_disabled, reason, more);
    }
}

fn add<S: PartialEq>(counts: &mut [(S, i64)], status: S, more: i64) {
    for (_, count) in counts.iter_mut().filter(|(counted, _)| *counted == status) {
        *count += more;
    }
}

/// Which of the two kinds of stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StreamScope {
    /// Numbered by `batch_seq`. The caller has checked whose batch it is.
    Batch(BatchId),
    /// All batches of a user, numbered by `user_seq`.
    User(Tenant, UserId),
}

/// An event as a stream sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The number on the stream that was asked for.
    pub seq: i64,
    /// The batch it is about.
    pub batch: BatchId,
    /// `progress`, `completed`, `cancelled` or `error`.
    pub kind: EventKind,
    /// The JSON object that subscribers receive.
    pub body: Bytes,
    /// By the clock of the node that wrote it, a moment before it became durable.
    pub created_at: Timestamp,
}

/// An event that has just become durable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of batch_events")]
pub struct Committed {
    pub batch: BatchId,
    pub tenant: Tenant,
    pub user: UserId,
    pub batch_seq: i64,
    pub user_seq: i64,
    pub kind: EventKind,
    pub body: Bytes,
}

/// Hears what was committed.
pub trait CommitListener: Send + Sync {
    /// Whether anybody wants to hear. Asked after COMMIT: whoever begins to listen later reads the table first.
    fn listens(&self) -> bool;

    /// Called by the committer after COMMIT, in order, before the waiters are answered. It must be cheap: everybody
    /// waits for it.
    fn committed(&self, events: &[Committed]);
}
