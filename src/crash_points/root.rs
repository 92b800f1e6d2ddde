//! A root with points in it: after each message that it passed on, and each word of an actor below it.
//!
//! It has no port that only it uses, so the daemon spawns this one around it.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use storyclip_actors::{
    context::Context,
    directory::Directory,
    messages::SupervisorMessage,
    root::{Root, RootState},
};

use super::crash::{Point, pass};

/// See the file's first paragraph.
pub struct DyingRoot(pub Root);

#[ractor::async_trait]
impl Actor for DyingRoot {
    type Msg = SupervisorMessage;
    type State = RootState;
    type Arguments = (Arc<Context>, Arc<Directory>);

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        arguments: Self::Arguments,
    ) -> Result<RootState, ActorProcessingErr> {
        self.0.pre_start(myself, arguments).await
    }

    async fn handle(
        &self,
        myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let what = match &message {
            SupervisorMessage::Claim => "claim",
            SupervisorMessage::Sweep => "sweep",
            SupervisorMessage::Ensure(..) => "ensure",
            SupervisorMessage::Command(..) => "command",
            SupervisorMessage::Reconcile(_) => "reconcile",
            SupervisorMessage::AccountsChanged => "accounts changed",
            SupervisorMessage::Drain(_) => "drain",
            SupervisorMessage::Left(..) => "left",
        };
        let result = self.0.handle(myself, message, state).await;
        pass(Point::Root, None, what).await;
        result
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        let what = match &event {
            SupervisionEvent::ActorStarted(_) => "started",
            SupervisionEvent::ActorTerminated(..) => "ended",
            SupervisionEvent::ActorFailed(..) => "died",
            SupervisionEvent::ProcessGroupChanged(_) => "group",
        };
        let result = self.0.handle_supervisor_evt(myself, event, state).await;
        pass(Point::Root, None, what).await;
        result
    }
}
