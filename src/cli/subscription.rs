//! The live events of one batch over connections that may break.
//!
//! [`super::watch`] reads it. It remembers the number of the last stored event and goes on after it, so none is missed and
//! none comes twice; it starts at the beginning, so that a watcher sees what happened before it came.

use std::{collections::VecDeque, time::Duration};

use reqwest::Response;

use super::{
    client::Client,
    error::CliError,
    sse::{Message, Parser},
};

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A message.
    Message(Message),
    /// The connection ended; the next call waits this long and connects again.
    Lost {
        /// Whether the daemon closed it, as it does after the last message of a batch.
        closed: bool,
        /// How long.
        wait: Duration,
        /// Why, for a person.
        reason: String,
    },
}

/// See the module.
pub(super) struct Subscription<'a> {
    client: &'a Client,
    batch: &'a str,
    last_event_id: String,
    /// The newest number that the daemon is known to have given out.
    head: u64,
    connection: Option<(Response, Parser)>,
    ready: VecDeque<Message>,
    /// Whether there ever was a connection: a daemon that was never there is an error, one that went away comes back.
    connected: bool,
    failures: u32,
    /// How long to wait after this many failures in a row.
    wait: fn(u32) -> Duration,
}

impl<'a> Subscription<'a> {
    pub(super) fn new(client: &'a Client, batch: &'a str) -> Self {
        Self {
            client,
            batch,
            last_event_id: "0".into(),
            head: 0,
            connection: None,
            ready: VecDeque::new(),
            connected: false,
            failures: 0,
            wait: backoff,
        }
    }

    /// The next message or loss. Fails when the daemon refuses (an unknown batch, a wrong key) or was never reached.
    pub(super) async fn next(&mut self) -> Result<Step, CliError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                if let Some(id) = &message.id {
                    self.last_event_id.clone_from(id);
                }
                return Ok(Step::Message(message));
            }
            let Some((response, parser)) = &mut self.connection else {
                if let Some(lost) = self.connect().await? {
                    return Ok(lost);
                }
                continue;
            };
            match self.client.chunk(response).await {
                Ok(Some(bytes)) => {
                    self.failures = 0;
                    self.ready.extend(parser.push(&bytes));
                }
                Ok(None) => return Ok(self.lost(true, "the daemon closed the stream".into())),
                Err(error) => return Ok(self.lost(false, brief(&error))),
            }
        }
    }

    /// Whether nothing is recorded that is newer than what was read. If the daemon cannot be asked, there may be.
    pub(super) async fn is_at_the_head(&mut self) -> Result<bool, CliError> {
        let read = number(&self.last_event_id);
        if read < self.head {
            return Ok(false);
        }
        match self.ask_for_the_head().await {
            Ok(Some(head)) => self.head = head,
            Ok(None) => return Ok(false),
            Err(error) if may_pass(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(read >= self.head)
    }

    /// A stream that begins now says first from which number it goes on.
    async fn ask_for_the_head(&self) -> Result<Option<u64>, CliError> {
        let mut response = self.client.stream(self.batch, None).await?;
        let mut parser = Parser::default();
        while parser.place().is_none()
            && let Some(bytes) = self.client.chunk(&mut response).await?
        {
            parser.push(&bytes);
        }
        Ok(parser.place().map(number))
    }

    async fn connect(&mut self) -> Result<Option<Step>, CliError> {
        if self.failures > 0 {
            tokio::time::sleep((self.wait)(self.failures)).await;
        }
        match self.client.stream(self.batch, Some(&self.last_event_id)).await {
            Ok(response) => {
                self.connected = true;
                self.connection = Some((response, Parser::default()));
                Ok(None)
            }
            Err(error) if self.connected && may_pass(&error) => Ok(Some(self.lost(false, brief(&error)))),
            Err(error) => Err(error),
        }
    }

    fn lost(&mut self, closed: bool, reason: String) -> Step {
        self.connection = None;
        self.failures += 1;
        Step::Lost {
            closed,
            wait: (self.wait)(self.failures),
            reason,
        }
    }
}

/// The number of an event; one that is no number is behind every other.
fn number(id: &str) -> u64 {
    id.parse().unwrap_or(0)
}

/// 1, 2, 4, 8, then 15 s.
fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(4)).min(Duration::from_secs(15))
}

/// The reason alone; where the daemon is and how to start it is known by now.
fn brief(error: &CliError) -> String {
    match error {
        CliError::Unreachable { reason, .. } | CliError::Lost { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// Whether the same question may be answered later: not when the daemon has understood it and said no.
pub(super) fn may_pass(error: &CliError) -> bool {
    match error {
        CliError::Unreachable { .. } | CliError::Lost { .. } => true,
        CliError::Refused(problem) => problem.status >= 500 || matches!(problem.status, 408 | 429),
        CliError::Config(_)
        | CliError::Telemetry(_)
        | CliError::Runtime(_)
        | CliError::Listen { .. }
        | CliError::Start(_)
        | CliError::Signals(_)
        | CliError::Interrupted(_)
        | CliError::Sandbox(_)
        | CliError::Died
        | CliError::DemoDied
        | CliError::Output(_)
        | CliError::Input { .. }
        | CliError::Url(_)
        | CliError::Key
        | CliError::Client(_)
        | CliError::Strange { .. }
        | CliError::Keys(_)
        | CliError::Unanswered { .. } => false,
    }
}

#[cfg(test)]
mod tests;
