//! BatchActor: runs one batch. Holds its lease, is the only writer of its rows, and never awaits the network: its two
//! children do. The supervisor spawns it with what it claimed; whoever has a message for the batch finds it in the
//! directory. If it dies, the supervisor claims the batch again and the next one plans from the rows.

mod acts;
mod answers;
mod commanding;
mod commit;
mod looking;
mod run;
mod searching;
mod sending;
mod steps;

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::{
    child::Child,
    clip_publisher::ClipPublisher,
    context::Context,
    messages::BatchMessage,
    model::{Batch, Clip},
    poller::Poller,
    ports::Snapshot,
    work::{Call, CallKind},
};
use run::{Children, Run};
#[cfg(feature = "testing")]
pub(crate) use sending::PREPARING_DIED;

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
            publisher: spawn(ClipPublisher, &myself, &context, &snapshot.batch).await?,
            poller: spawn(Poller, &myself, &context, &snapshot.batch).await?,
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
            BatchMessage::Reconcile => run.on_reconcile().await?,
            BatchMessage::Drain => run.on_drain(),
            BatchMessage::Reserved(clip, reservation) => run.on_reserved(clip, reservation)?,
            BatchMessage::Prepared(clip, result) => run.on_prepared(clip, result)?,
            BatchMessage::PreparingDied(clip) => run.on_preparing_died(clip)?,
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
        run.children.one_died(cause)?;
        if dead.get_id() == run.children.publisher.get_id() {
            run.children.publisher = spawn(ClipPublisher, &myself, &run.context, &run.batch).await?;
            run.forget_publisher();
        } else {
            run.children.poller = spawn(Poller, &myself, &run.context, &run.batch).await?;
            run.forget_poller();
        }
        run.advance(&myself).await
    }
}

async fn spawn<A: Actor<Arguments = Child>>(
    kind: A,
    myself: &ActorRef<BatchMessage>,
    context: &Arc<Context>,
    batch: &Batch,
) -> Result<ActorRef<A::Msg>, ActorProcessingErr> {
    let child = Child {
        context: context.clone(),
        batch: myself.clone(),
        account: batch.account.clone(),
        network: batch.network,
    };
    Ok(Actor::spawn_linked(None, kind, child, myself.get_cell()).await?.0)
}

/// The call of this clip's current attempt.
fn call(kind: CallKind, clip: &Clip) -> Call {
    Call {
        kind,
        clip: clip.index,
        attempt: clip.attempt,
    }
}
