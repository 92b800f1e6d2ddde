//! What is kept about the ways out: endpoints, subscriptions, notices and their deliveries, as plain structs of columns.
//!
//! HTTP and the notifications make and read them. They are copies: the rows are the truth.

use secrecy::SecretString;
use storyclip_actors::{
    events::EventKind,
    model::{BatchId, Tenant, Timestamp, UserId},
};

storyclip_actors::words! {
    /// What a notice tells: the `type` of a message.
    NoticeKind {
        /// Every clip is settled, even if some failed.
        BatchCompleted = "batch.completed",
        /// The batch itself cannot go on.
        BatchFailed = "batch.failed",
        /// It was cancelled, and its last clip on its way is settled.
        BatchCancelled = "batch.cancelled",
        /// It waits for a person: told by e-mail and Web Push only.
        BatchPaused = "batch.paused",
        /// The network confirmed the clip.
        ClipPublished = "clip.published",
        /// The clip failed.
        ClipFailed = "clip.failed",
        /// The network could not tell; a person decides.
        ClipHeld = "clip.held",
        /// Somebody wanted to see whether an endpoint works.
        Test = "webhook.test",
    }

    /// A way out.
    Channel {
        /// An endpoint of the tenant.
        Webhook = "webhook",
        /// The `webhookUrl` of a batch.
        Batch = "batch",
        /// An address of the operator's list.
        Email = "email",
        /// A browser.
        Push = "push",
    }

    /// Where a delivery is.
    DeliveryStatus {
        /// Due, now or later.
        Pending = "pending",
        /// Its endpoint is disabled; it goes on when that is enabled again.
        Paused = "paused",
        /// It was taken.
        Delivered = "delivered",
        /// It was given up; a replay begins anew.
        Failed = "failed",
    }

    /// Why an endpoint is not sent to.
    DisabledReason {
        /// A person said so.
        Person = "person",
        /// It answered 410.
        Gone = "gone",
        /// It took no message in a whole schedule of tries.
        Failing = "failing",
    }
}

storyclip_actors::word_schemas!(NoticeKind, Channel, DeliveryStatus, DisabledReason);

impl NoticeKind {
    /// Whether an endpoint can ask for it.
    pub const fn is_offered(self) -> bool {
        match self {
            Self::BatchCompleted
            | Self::BatchFailed
            | Self::BatchCancelled
            | Self::ClipPublished
            | Self::ClipFailed
            | Self::ClipHeld => true,
            Self::BatchPaused | Self::Test => false,
        }
    }
}

/// An endpoint to create.
#[allow(missing_docs, reason = "the fields are the columns of webhook_endpoints")]
pub struct NewEndpoint {
    pub id: String,
    pub tenant: Tenant,
    pub url: String,
    pub description: Option<String>,
    pub events: Vec<NoticeKind>,
    pub secret: SecretString,
    pub at: Timestamp,
}

/// An endpoint as its row says, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of webhook_endpoints")]
pub struct Endpoint {
    pub id: String,
    pub url: String,
    pub description: Option<String>,
    pub events: Vec<NoticeKind>,
    /// `None`: it is enabled.
    pub disabled_reason: Option<DisabledReason>,
    pub disabled_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What of an endpoint is to change; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    /// Where messages go from now on.
    pub url: Option<String>,
    /// `Some(None)` takes it away.
    pub description: Option<Option<String>>,
    /// The whole list.
    pub events: Option<Vec<NoticeKind>>,
    /// Enabling lets its paused deliveries go on, disabling pauses them.
    pub enabled: Option<bool>,
}

/// A browser that wants to hear of a user's batches.
#[allow(missing_docs, reason = "the fields are the columns of push_subscriptions")]
pub struct NewSubscription {
    pub id: String,
    pub tenant: Tenant,
    pub user: UserId,
    pub endpoint: String,
    pub p256dh: String,
    pub auth: String,
    pub at: Timestamp,
}

/// A delivery as the log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of notice_deliveries and notices")]
pub struct DeliveryView {
    pub id: String,
    pub notice: String,
    pub kind: NoticeKind,
    pub batch: Option<BatchId>,
    pub channel: Channel,
    pub target: String,
    pub status: DeliveryStatus,
    pub attempts: u32,
    pub due_at: Timestamp,
    pub http_status: Option<u16>,
    pub error: Option<String>,
    pub settled_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// One try of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of notice_attempts")]
pub struct TryView {
    pub attempt: u32,
    pub at: Timestamp,
    pub took_ms: i64,
    pub http_status: Option<u16>,
    pub error: Option<String>,
}

/// Which deliveries to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveriesOf {
    /// All of the tenant.
    Tenant,
    /// Those to one endpoint.
    Endpoint(String),
    /// Those about one batch.
    Batch(BatchId),
}

/// A user with events that were not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Whose user.
    pub tenant: Tenant,
    /// Which.
    pub user: UserId,
    /// The newest event that was read.
    pub read: i64,
    /// The newest that this round reads.
    pub until: i64,
}

/// An event that was not read before, with what its batch and its clip say now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are columns of batch_events, publish_batches and publish_batch_clips"
)]
pub struct News {
    pub tenant: Tenant,
    pub user: UserId,
    pub batch: BatchId,
    pub batch_seq: i64,
    pub kind: EventKind,
    pub body: String,
    pub created_at: Timestamp,
    pub webhook_url: Option<String>,
    pub job_id: Option<String>,
    pub account: String,
    pub network: String,
    pub clip_index: Option<u32>,
    pub clip_id: Option<String>,
    pub clip_url: Option<String>,
    pub clip_title: Option<String>,
    pub post_id: Option<String>,
    pub network_post_id: Option<String>,
    pub permalink: Option<String>,
}

/// What one event tells, and to whom beside the tenant's endpoints and the user's browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the columns of notices")]
pub struct Notice {
    pub id: String,
    pub tenant: Tenant,
    pub user: UserId,
    pub batch: BatchId,
    pub kind: NoticeKind,
    pub body: String,
    pub created_at: Timestamp,
    /// Whether the user's browsers are told.
    pub pushed: bool,
    pub webhook_url: Option<String>,
    /// Addresses.
    pub emails: Vec<String>,
}

/// What a round has read.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// The users.
    pub behind: Vec<Behind>,
    /// Their events, each user's in order.
    pub news: Vec<News>,
    /// Whether there is more than one round reads.
    pub more: bool,
}
