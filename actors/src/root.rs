//! Root: the parent of the supervisor and of every batch's actor, so that the end of the one is not the end of the others.
//!
//! The daemon spawns it and talks to it as to the supervisor: it decides nothing, it passes on what it hears. A supervisor
//! that dies is followed by another at once, which finds in the directory who lives, and takes up an orderly stop. If too
//! many follow each other, or the root itself dies, the daemon ends: leases lapse, and the next start (or another node)
//! claims what was running.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::{
    context::Context,
    directory::Directory,
    messages::{Departure, SupervisorMessage},
    model::Timestamp,
    supervisor::Supervisor,
};

/// The deaths of supervisors that are counted together, like those of a batch's actor.
const WINDOW: Duration = Duration::from_secs(600);

/// See the file's first paragraph.
pub struct Root;

/// A root's memory.
pub struct RootState {
    context: Arc<Context>,
    directory: Arc<Directory>,
    supervisor: ActorRef<SupervisorMessage>,
    /// When supervisors died, within the window.
    deaths: VecDeque<Timestamp>,
    /// Whether the supervisor was told to come to an end.
    draining: bool,
    /// Who waits for that end.
    asked: Option<RpcReplyPort<()>>,
}

#[ractor::async_trait]
impl Actor for Root {
    type Msg = SupervisorMessage;
    type State = RootState;
    type Arguments = (Arc<Context>, Arc<Directory>);

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        (context, directory): Self::Arguments,
    ) -> Result<RootState, ActorProcessingErr> {
        Ok(RootState {
            supervisor: spawn(&myself, &context, &directory, false).await?,
            context,
            directory,
            deaths: VecDeque::new(),
            draining: false,
            asked: None,
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::Drain(reply) => state.drain(reply),
            other => state.pass_on(other),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut RootState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, cause) if actor.get_id() == state.supervisor.get_id() => {
                state.supervisor_died(&myself, cause).await
            }
            SupervisionEvent::ActorTerminated(actor, ..) if actor.get_id() == state.supervisor.get_id() => {
                state.supervisor_ended(&myself);
                Ok(())
            }
            SupervisionEvent::ActorFailed(actor, cause) => {
                let died = Departure::Died(cause.to_string());
                state.pass_on(SupervisorMessage::Left(actor.get_id(), died));
                Ok(())
            }
            SupervisionEvent::ActorTerminated(actor, _, reason) => {
                let departure = match reason {
                    None => Departure::Done,
                    Some(_) => Departure::LeaseLost,
                };
                state.pass_on(SupervisorMessage::Left(actor.get_id(), departure));
                Ok(())
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

impl RootState {
    /// One that just died hears nothing: whoever waits for its answer is told that there is none, and its follower finds out
    /// what is to be done.
    fn pass_on(&self, message: SupervisorMessage) {
        let _: Result<(), _> = self.supervisor.cast(message);
    }

    /// A supervisor that dies of it has a follower who is told the same, so that whoever waits need not ask again.
    fn drain(&mut self, asked: Option<RpcReplyPort<()>>) {
        self.draining = true;
        self.asked = asked;
        self.pass_on(SupervisorMessage::Drain(None));
    }

    fn supervisor_ended(&mut self, myself: &ActorRef<SupervisorMessage>) {
        if let Some(asked) = self.asked.take() {
            // Whoever asked may be gone.
            let _: Result<(), _> = asked.send(());
        }
        myself.stop(None);
    }

    async fn supervisor_died(
        &mut self,
        myself: &ActorRef<SupervisorMessage>,
        cause: ActorProcessingErr,
    ) -> Result<(), ActorProcessingErr> {
        tracing::error!(%cause, "supervisor died");
        let now = self.context.now();
        self.deaths.retain(|at| now.since(*at) < WINDOW);
        self.deaths.push_back(now);
        if self.deaths.len() > self.context.rules.max_restarts as usize {
            return Err(cause);
        }
        self.supervisor = spawn(myself, &self.context, &self.directory, self.draining).await?;
        Ok(())
    }
}

async fn spawn(
    myself: &ActorRef<SupervisorMessage>,
    context: &Arc<Context>,
    directory: &Arc<Directory>,
    draining: bool,
) -> Result<ActorRef<SupervisorMessage>, ActorProcessingErr> {
    let arguments = (context.clone(), directory.clone(), myself.get_cell(), draining);
    Ok(Actor::spawn_linked(None, Supervisor, arguments, myself.get_cell())
        .await?
        .0)
}
