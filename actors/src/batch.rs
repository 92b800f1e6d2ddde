//! BatchActor: runs one batch. Holds its lease, is the only writer of its rows, and never awaits the network: its two
//! children do. The supervisor spawns it with what it claimed; whoever has a message for the batch finds it in the
//! directory. If it dies, the supervisor claims the batch again and the next one plans from the rows.

mod acts;
mod answers;
mod commit;
mod looking;
mod run;
mod searching;
mod sending;

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::{
    clip_publisher::{ClipPublisher, PublisherArguments},
    context::Context,
    error::{ProviderError, Refused},
    limiter::Permit,
    model::{BatchStatus, PostRef},
    poller::{Poller, PollerArguments},
    ports::{Listing, Reading, Snapshot, Withdrawal},
    work::{Call, CallKind},
};
use run::{Children, Run};

/// How many deaths of its children a batch's actor lives through before it gives up itself.
const MAX_CHILD_DEATHS: u32 = 3;

/// What a BatchActor hears. Answers name the clip and the attempt they answer; a stale one is ignored.
#[derive(Debug)]
pub enum BatchMessage {
    /// Plan again: time has come, or something that was closed is open.
    Wake,
    /// A command row is durable; answers with the batch's status once it is applied.
    Command(Option<RpcReplyPort<BatchStatus>>),
    /// Look now at what the network was not asked about for a while.
    Reconcile,
    /// Start nothing more and stop when the call under way is recorded.
    Drain,
    /// A permit to send a clip, or why there is none.
    Permit(u32, Result<Permit, Refused>),
    /// Media is ready, or not.
    Prepared(u32, Result<Arc<str>, ProviderError>),
    /// The create call ended; `None`: it was not made, because the lease was too short.
    Created(Call, Option<Result<PostRef, ProviderError>>),
    /// A listing for an uncertain clip.
    Listed(Call, Result<Listing, ProviderError>),
    /// The end of a wish to withdraw.
    Withdrawn(Call, Result<Withdrawal, ProviderError>),
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

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

/// See the file's first paragraph.
pub struct BatchActor;

#[ractor::async_trait]
impl Actor for BatchActor {
    type Msg = BatchMessage;
    /// Boxed, like the snapshot: what a future holds by value is held once more by each future around it.
    type State = Box<Run>;
    type Arguments = (Arc<Context>, Box<Snapshot>);

    async fn pre_start(
        &self,
        myself: ActorRef<BatchMessage>,
        (context, snapshot): Self::Arguments,
    ) -> Result<Box<Run>, ActorProcessingErr> {
        let children = Children {
            publisher: spawn_publisher(&myself, &context, &snapshot).await?,
            poller: spawn_poller(&myself, &context, &snapshot).await?,
            deaths: 0,
        };
        Ok(Box::new(Run::new(context, *snapshot, children)))
    }

    async fn handle(
        &self,
        myself: ActorRef<BatchMessage>,
        message: BatchMessage,
        run: &mut Box<Run>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            BatchMessage::Wake => run.on_wake(),
            BatchMessage::Command(reply) => run.on_command(reply).await?,
            BatchMessage::Reconcile => run.on_reconcile()?,
            BatchMessage::Drain => run.on_drain(),
            BatchMessage::Permit(clip, permit) => run.on_permit(clip, permit)?,
            BatchMessage::Prepared(clip, result) => run.on_prepared(clip, result)?,
            BatchMessage::Created(call, result) => run.on_created(call, result)?,
            BatchMessage::Listed(call, result) => run.on_listed(call, result).await?,
            BatchMessage::Withdrawn(call, result) => run.on_withdrawn(call, result)?,
            BatchMessage::Looked(look) => run.on_looked(look)?,
        }
        run.advance(&myself).await
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<BatchMessage>,
        event: SupervisionEvent,
        run: &mut Box<Run>,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(dead, cause) = event else {
            return Ok(());
        };
        tracing::error!(batch.id = %run.batch.id, %cause, "child of a batch died");
        run.children.deaths += 1;
        if run.children.deaths > MAX_CHILD_DEATHS {
            return Err(cause);
        }
        let snapshot = run.snapshot();
        if dead.get_id() == run.children.publisher.get_id() {
            run.children.publisher = spawn_publisher(&myself, &run.context, &snapshot).await?;
            run.forget_publisher();
        } else {
            run.children.poller = spawn_poller(&myself, &run.context, &snapshot).await?;
            run.forget_poller();
        }
        run.advance(&myself).await
    }
}

async fn spawn_publisher(
    myself: &ActorRef<BatchMessage>,
    context: &Arc<Context>,
    snapshot: &Snapshot,
) -> Result<ActorRef<crate::clip_publisher::PublisherMessage>, ActorProcessingErr> {
    let arguments = PublisherArguments {
        context: context.clone(),
        batch: myself.clone(),
        account: snapshot.batch.account.clone(),
        network: snapshot.batch.network,
    };
    Ok(Actor::spawn_linked(None, ClipPublisher, arguments, myself.get_cell())
        .await?
        .0)
}

async fn spawn_poller(
    myself: &ActorRef<BatchMessage>,
    context: &Arc<Context>,
    snapshot: &Snapshot,
) -> Result<ActorRef<crate::poller::PollerMessage>, ActorProcessingErr> {
    let arguments = PollerArguments {
        context: context.clone(),
        batch: myself.clone(),
        account: snapshot.batch.account.clone(),
        network: snapshot.batch.network,
    };
    Ok(Actor::spawn_linked(None, Poller, arguments, myself.get_cell()).await?.0)
}

/// The call of this clip's current attempt.
fn call(kind: CallKind, clip: &crate::model::Clip) -> Call {
    Call {
        kind,
        clip: clip.index,
        attempt: clip.attempt,
    }
}
