//! What the actors need of the world: a store, a provider, a clock and a bell.
//!
//! The root package implements them on a database, HTTP and the system clock; tests implement them in memory.
//! The actors call them; what a death in the middle of each call leaves behind is said at the call.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;

use crate::{
    error::{ProviderError, StoreError, Verdict},
    events::Event,
    model::{
        AccountId, Batch, BatchId, BatchStatus, Clip, ClipStatus, Command, CommandId, Network, NodeId, PostId, PostRef,
        Request, Tenant, Timestamp, Totals, UserId,
    },
};

/// Everything that is known about a batch, read in one go.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The batch's row, with the epoch that this claim gave it.
    pub batch: Batch,
    /// Its clips by index.
    pub clips: Vec<Clip>,
    /// Commands that are durable and not applied yet, oldest first.
    pub commands: Vec<Command>,
}

/// Which batches a claim is after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Up to this many that are due (`wake_at` has come, or a command waits) and have no live lease.
    Due(usize),
    /// This one, if it has no live lease and there is something to do or to look at (a batch that is not finished, a
    /// `wake_at`, a waiting command, or a clip that timed out).
    Named(BatchId),
    /// This one, whose lease this node holds itself but whose actor died: counted as a restart.
    Respawn(BatchId),
}

/// A clip's new state, and the status in which the row is expected.
#[derive(Clone, Debug)]
pub struct ClipWrite {
    /// Only a row of this status is changed.
    pub expected: ClipStatus,
    /// The whole new state.
    pub clip: Clip,
}

/// The batch's own new state; the store writes it under the lease epoch.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are the columns")]
pub struct BatchWrite {
    /// Only a row of this status is changed.
    pub expected: BatchStatus,
    pub status: BatchStatus,
    pub error: Option<crate::model::Trouble>,
    pub totals: Totals,
    pub wake_at: Option<Timestamp>,
    /// The row's `wake_at` is as it should be: it is indexed, and writing it costs.
    pub wake_stays: bool,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// Of its actor; as it was claimed, or 0 once a person said resume.
    pub restarts: u32,
    /// Gives the lease back in the same transaction; the actor stops after it.
    pub release: bool,
}

/// One row of the ledger `delivery_attempts`: inserted with the intent, completed by the outcome.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are the columns")]
pub struct AttemptWrite {
    pub clip: u32,
    pub attempt: u32,
    /// `None` leaves the stored request as it is; likewise every other `None`.
    pub request: Option<Request>,
    pub intent_at: Option<Timestamp>,
    pub outcome_at: Option<Timestamp>,
    pub verdict: Option<AttemptVerdict>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub http_status: Option<u16>,
    pub request_id: Option<String>,
    pub post: Option<PostRef>,
    pub permalink: Option<Arc<str>>,
    /// Whether its slot is free again for the same media: the post was withdrawn and its clip never goes again.
    pub vacates: bool,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptVerdict {
    /// The provider answered with a post id.
    Created,
    /// The post was found by listing after a lost answer.
    Found,
    /// A person named the post after nobody could tell.
    Adopted,
    /// The post was looked for and proved absent.
    Absent,
    /// It cannot be told whether the post exists.
    CannotTell,
    /// The network says it is live.
    Published,
    /// The network says it failed.
    Errored,
    /// No word within the batch's timeout.
    TimedOut,
    /// Provably withdrawn before it went live.
    Withdrawn,
    /// The call itself failed.
    Refused(Verdict),
}

impl AttemptVerdict {
    /// The word in `delivery_attempts.verdict`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Found => "found",
            Self::Adopted => "adopted",
            Self::Absent => "absent",
            Self::CannotTell => "cannot_tell",
            Self::Published => "published",
            Self::Errored => "errored",
            Self::TimedOut => "timed_out",
            Self::Withdrawn => "withdrawn",
            Self::Refused(verdict) => verdict.as_str(),
        }
    }
}

/// One durable step of one batch: all of it or nothing, under the lease epoch.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each field's type says what it is")]
pub struct Change {
    pub batch: BatchId,
    pub tenant: Tenant,
    pub user: UserId,
    pub account: AccountId,
    pub network: Network,
    pub epoch: i64,
    pub at: Timestamp,
    pub head: BatchWrite,
    pub clips: Vec<ClipWrite>,
    pub attempts: Vec<AttemptWrite>,
    pub events: Vec<Event>,
    pub applied: Vec<CommandId>,
}

/// Where batches live. Every write is durable when its future is ready, and nothing of it is visible before.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Takes leases: sets owner, expiry and a new epoch, and reads what was taken.
    async fn claim(
        &self,
        node: &NodeId,
        what: Claim,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Vec<Snapshot>, StoreError>;

    /// Prolongs every lease of this node in one statement.
    async fn renew(&self, node: &NodeId, lease_until: Timestamp) -> Result<(), StoreError>;

    /// Gives back every lease of this node but those of some batches, at an orderly stop.
    async fn release_all(&self, node: &NodeId, but: &[BatchId]) -> Result<(), StoreError>;

    /// The batches whose lease is this node's, expired or not.
    async fn leased(&self, node: &NodeId) -> Result<Vec<BatchId>, StoreError>;

    /// Commits one step.
    async fn commit(&self, change: Arc<Change>) -> Result<(), StoreError>;

    /// Commands of a batch that are durable and not applied yet, oldest first.
    async fn commands(&self, batch: &BatchId) -> Result<Vec<Command>, StoreError>;

    /// The slots from this one on in which the account has this media on this network, in order: where an attempt of it would
    /// be refused. A cancelled clip
    /// whose post was withdrawn leaves its slot free.
    async fn taken_slots(
        &self,
        account: &AccountId,
        network: Network,
        media: &str,
        from: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError>;

    /// Which of these posts of the account belong to another attempt than this one of this clip.
    async fn owned(
        &self,
        account: &AccountId,
        posts: &[Candidate],
        except: (&BatchId, u32, u32),
    ) -> Result<Owned, StoreError>;
}

/// What the network says about a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Not final; the provider's own word is kept for people.
    Pending(String),
    /// Live.
    Published {
        /// The network's own post id, where given.
        network_post_id: Option<Arc<str>>,
        /// Where it can be seen, where given.
        permalink: Option<Arc<str>>,
    },
    /// The network gave up.
    Failed(PublishFailure),
    /// The provider does not know this id.
    Missing,
}

/// A publish-time failure and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishFailure {
    /// What may follow.
    pub kind: FailureKind,
    /// The provider's text.
    pub detail: String,
}

/// What may follow a publish-time failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The content or a rule: repeating changes nothing.
    Permanent,
    /// Worth a retry.
    Passing,
    /// The brand's connection to the network is gone.
    Connection,
}

/// A post in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Candidate {
    pub post: PostRef,
    pub network: Option<Network>,
    pub slot: Timestamp,
    pub media: Vec<String>,
    pub text: String,
    pub created_at: Option<Timestamp>,
}

/// Which posts of a listing belong to another attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// That attempt knows them: by their id, or by the uuid that they kept when a person edited them.
    pub known: HashSet<PostId>,
    /// They have the network, the slot and the media that another clip's attempt asked for whose end is not known: its
    /// answer is on its way, or was lost.
    pub intended: HashSet<PostId>,
}

/// One answered listing around a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Every post of the brand in the window.
    pub posts: Vec<Candidate>,
    /// Whether the provider said that this is all of it.
    pub complete: bool,
    /// Whether this token's list is known to show published posts (seen, remembered or configured).
    pub shows_published: bool,
}

/// The end of a wish to withdraw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// Gone before it could go live, and that is proved.
    Withdrawn,
    /// Not withdrawn: too near its slot, or no longer pending. The reading is the proof.
    Refused(Reading),
}

/// A network's API. Calls take as long as they take; the caller limits how many there are.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Makes the media ready and gives the URL to send. Invisible and repeatable.
    async fn prepare(&self, account: &AccountId, url: &str) -> Result<Arc<str>, ProviderError>;

    /// Creates the post. A death during it leaves an intent whose end is unknown.
    async fn create(&self, account: &AccountId, request: &Request) -> Result<PostRef, ProviderError>;

    /// What the network says about the post now.
    async fn status(&self, account: &AccountId, network: Network, post: &PostRef) -> Result<Reading, ProviderError>;

    /// The brand's posts around the slot of this request.
    async fn find(&self, account: &AccountId, request: &Request) -> Result<Listing, ProviderError>;

    /// Reads afresh and deletes only where [`crate::schedule::may_withdraw`] says so.
    async fn withdraw(
        &self,
        account: &AccountId,
        network: Network,
        post: &PostRef,
        slot: Timestamp,
    ) -> Result<Withdrawal, ProviderError>;

    /// A harmless read that shows whether the token (and, if given, the brand) is accepted.
    async fn check(&self, account: Option<&AccountId>) -> Result<(), ProviderError>;
}

/// The time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Tells subscribers that something happens which is not stored.
pub trait Bell: Send + Sync + 'static {
    /// Whether anybody listens to this batch or its user: a tick nobody hears is not made.
    fn heard(&self, batch: &Batch) -> bool;

    /// Passes on one message that has no number.
    fn tick(&self, batch: &Batch, body: String);
}
