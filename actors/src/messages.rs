//! What the actors say to each other. The actors send and receive it; a message that is lost with
//! a process is made again by the next plan.

use std::sync::Arc;

use ractor::{ActorId, RpcReplyPort};

use crate::{
    error::{ProviderError, Refused},
    limiter::Reservation,
    model::{BatchId, BatchStatus, PostRef, Request, Timestamp},
    ports::{Listing, Reading, Withdrawal},
    work::Call,
};

/// What the supervisor hears.
#[derive(Debug)]
pub enum SupervisorMessage {
    /// Claim what is due.
    Claim,
    /// A second has passed.
    Sweep,
    /// See that this batch is run, by exactly one actor; answers whether it is run here.
    Ensure(BatchId, Option<RpcReplyPort<bool>>),
    /// A command row of this batch is durable; the batch's actor answers when it is applied.
    Command(BatchId, RpcReplyPort<BatchStatus>),
    /// Ask the network about this batch if that was not done just now.
    Reconcile(BatchId),
    /// A credential is refused, or something that was closed is open again: every batch plans.
    AccountsChanged,
    /// Start nothing more, let calls under way be recorded, give the leases back, stop. The root keeps the port and answers
    /// when that is done.
    Drain(Option<RpcReplyPort<()>>),
    /// The actor of a batch is gone.
    Left(ActorId, Departure),
}

/// Why the actor of a batch is gone.
#[derive(Debug)]
pub enum Departure {
    /// There was nothing left to do, or it was told to stop.
    Done,
    /// Its lease is not this node's any more, as far as it knows.
    LeaseLost,
    /// It died, of this.
    Died(String),
}

/// What a BatchActor hears. Answers name the clip and the attempt they answer; a stale one is ignored.
#[derive(Debug)]
pub enum BatchMessage {
    /// Plan again: time has come, or something that was closed is open.
    Wake,
    /// A command row is durable; answers with the batch's status once it is applied.
    Command(Option<RpcReplyPort<BatchStatus>>),
    /// Look now at what the network was not asked about for a while.
    Reconcile,
    /// Start nothing more and stop when a call under way that changes the network is recorded.
    Drain,
    /// The right to state a clip's intent, or why there is none.
    Reserved(u32, Result<Reservation, Refused>),
    /// Media is ready, or not.
    Prepared(u32, Result<Arc<str>, ProviderError>),
    /// Making media ready panicked.
    PreparingDied(u32),
    /// The create call ended; `None`: it was not made, because it could not leave in time.
    Created(Call, Option<Result<PostRef, ProviderError>>),
    /// A listing for an uncertain clip.
    Listed(Call, Result<Listing, ProviderError>),
    /// The end of a wish to withdraw; `None`: the call was not made, because the daemon stops or the lease is too short.
    Withdrawn(Call, Option<Result<Withdrawal, ProviderError>>),
    /// A look at a post.
    Looked(Look),
}

/// One look at a post.
#[derive(Debug)]
pub struct Look {
    /// Of this clip.
    pub clip: u32,
    /// Of this attempt.
    pub attempt: u32,
    /// Which look it was, from 1.
    pub number: u32,
    /// Whether no further look follows before the timeout.
    pub last: bool,
    /// What the network said.
    pub result: Result<Reading, ProviderError>,
}

/// What ClipPublisher is asked to do.
#[derive(Debug)]
pub enum PublisherMessage {
    /// Make the media of this clip ready, beside everything else.
    Prepare(u32, Arc<str>),
    /// Wait for the right to state this clip's intent.
    Reserve(u32),
    /// Create the post; the intent is durable since the instant given.
    Create(Call, Request, Timestamp, Reservation),
    /// List the posts around the request's slot.
    Find(Call, Request),
    /// Take the post back.
    Withdraw {
        /// The call.
        call: Call,
        /// What is to be taken back.
        post: PostRef,
        /// When it is to go live.
        slot: Timestamp,
        /// When the batch was last seen to be this node's.
        ours_at: Timestamp,
    },
}

/// A post to be watched until it is settled or its time is up.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Watch {
    pub clip: u32,
    pub attempt: u32,
    pub post: PostRef,
    pub slot: Timestamp,
    /// Once a look at or after this instant is answered, no other follows.
    pub deadline: Timestamp,
    /// For a while after this a 404 means "not visible yet".
    pub created_at: Timestamp,
}

/// What Poller is asked to do.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum PollerMessage {
    /// Watch this post instead of any other.
    Watch(Watch),
    /// The look that was due has come (its number tells a stale timer).
    Due(u64),
    /// Look now at what is watched, unless it was answered just now.
    LookNow,
    /// One look at a timed-out post.
    Once { clip: u32, attempt: u32, post: PostRef },
}
