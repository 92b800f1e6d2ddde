//! Why a command failed, in a sentence that says what to do about it. Printed once, by [`super::main`].

use std::{fmt, io};

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::{config::ConfigError, daemon::StartError, notifications::PushError, telemetry::TelemetryError};

/// See the module.
#[derive(Debug, Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error("cannot listen on {address}: {reason}")]
    Listen { address: String, reason: io::Error },
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("cannot make keys: {0}")]
    Keys(#[from] PushError),
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    #[error("{0} came again: ended at once, without waiting for what was under way")]
    Interrupted(&'static str),
    #[error("the sandbox failed: {0}")]
    Sandbox(io::Error),
    #[error(
        "the supervisor, the store or the listener died: the process ends so that it is started again and its batches go on"
    )]
    Died,
    #[error("the demo's daemon died: run it again with STORYCLIP_LOG=info to see why")]
    DemoDied,
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    #[error("{name}: {reason}")]
    Input { name: String, reason: String },
    #[error("\"{0}\" is no address of a daemon: --url and STORYCLIP_URL want one as in http://127.0.0.1:8080")]
    Url(String),
    #[error("the API key cannot be sent: it has characters that no key has")]
    Key,
    #[error("cannot make an HTTP client: {0}")]
    Client(String),
    #[error(
        "no StoryClip daemon answers at {url} ({reason}). Start one with `storyclip serve`, or say where it is with --url or STORYCLIP_URL"
    )]
    Unreachable { url: String, reason: String },
    #[error("{url} answers with something that is not StoryClip's: {reason}")]
    Strange { url: String, reason: String },
    #[error("the answer of {url} was lost ({reason})")]
    Lost { url: String, reason: String },
    #[error(
        "the answer of {url} was lost again and again ({reason}), so the batch may have been accepted or not. To find out without publishing twice, run the command again with --idempotency-key {key}"
    )]
    Unanswered { url: String, reason: String, key: String },
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl CliError {
    /// The error for programs: the daemon's problem as it came, else an object with the two members that every problem has.
    pub(super) fn json(&self) -> Value {
        if let Self::Refused(problem) = self
            && let Some(document) = &problem.document
        {
            return document.clone();
        }
        json!({"error": self.to_string(), "code": self.code()})
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::Url(_) | Self::Key => "INVALID_CONFIGURATION",
            Self::Input { .. } => "INVALID_INPUT",
            Self::Unreachable { .. } => "DAEMON_UNREACHABLE",
            Self::Lost { .. } | Self::Unanswered { .. } => "ANSWER_LOST",
            Self::Strange { .. } | Self::Refused(_) => "STRANGE_ANSWER",
            Self::Telemetry(_)
            | Self::Runtime(_)
            | Self::Listen { .. }
            | Self::Start(_)
            | Self::Keys(_)
            | Self::Signals(_)
            | Self::Interrupted(_)
            | Self::Sandbox(_)
            | Self::Died
            | Self::DemoDied
            | Self::Output(_)
            | Self::Client(_) => "COMMAND_FAILED",
        }
    }

    /// Whether the reader of the output went away, which is no news to it.
    pub(super) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(reason) if reason.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// An error answer of the API (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    /// The HTTP status, taken from the answer's head.
    #[serde(skip)]
    pub(super) status: u16,
    pub(super) code: Option<String>,
    detail: Option<String>,
    error: Option<String>,
    title: Option<String>,
    errors: Vec<FieldError>,
    /// The answer as it came, if it is a problem.
    #[serde(skip)]
    document: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldError {
    field: String,
    message: String,
}

impl Problem {
    /// The problem in this body; a body that is none gives a problem that says so.
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        let problem: Self = serde_json::from_slice(body).unwrap_or_default();
        let document = serde_json::from_slice(body).ok().filter(|_| problem.code.is_some());
        Self {
            status,
            document,
            ..problem
        }
    }
}

impl Problem {
    /// What is wrong, without the fields and without advice.
    pub(super) fn sentence(&self) -> String {
        let detail = [&self.detail, &self.error, &self.title]
            .into_iter()
            .find_map(Option::as_deref);
        let detail = detail.unwrap_or("the answer is no StoryClip answer; is something else running there?");
        match &self.code {
            Some(code) => format!("{detail} ({code}, HTTP {})", self.status),
            None => format!("{detail} (HTTP {})", self.status),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())?;
        for FieldError { field, message } in &self.errors {
            write!(f, "\n  {field}: {message}")?;
        }
        if self.status == 401 {
            f.write_str("\n  give the API key in STORYCLIP_API_KEY or with --api-key")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_prints_detail_code_and_fields() {
        let body = br#"{"title":"Bad Request","status":400,"detail":"the batch is not valid","code":"INVALID_BODY",
            "error":"invalid","errors":[{"field":"posts[0].url","message":"must be absolute"}]}"#;
        assert_eq!(
            Problem::read(400, body).to_string(),
            "the batch is not valid (INVALID_BODY, HTTP 400)\n  posts[0].url: must be absolute"
        );
    }

    #[test]
    fn a_problem_is_handed_on_as_it_came_and_anything_else_is_made_one() {
        let body = br#"{"code":"BATCH_NOT_FOUND","error":"batch not found","instance":"/x","status":404}"#;
        let refused = |status, body| CliError::Refused(Box::new(Problem::read(status, body)));
        assert_eq!(
            refused(404, body).json(),
            serde_json::from_slice::<Value>(body).unwrap_or_default()
        );
        let strange = refused(502, b"<html>").json();
        assert_eq!(strange["code"], "STRANGE_ANSWER");
        assert!(
            strange["error"]
                .as_str()
                .is_some_and(|error| error.contains("HTTP 502")),
            "{strange}"
        );
    }

    #[test]
    fn something_else_on_the_port_is_told_apart() {
        let text = Problem::read(404, b"<html>").to_string();
        assert!(
            text.contains("no StoryClip answer") && text.contains("HTTP 404"),
            "{text}"
        );
    }

    #[test]
    fn a_missing_key_says_where_to_give_it() {
        let text = Problem::read(401, br#"{"detail":"an API key is needed"}"#).to_string();
        assert!(text.contains("STORYCLIP_API_KEY"), "{text}");
    }
}
