//! `storyclip pause | resume | cancel | retry | resolve`: a person's wishes about a batch, over HTTP like all others.
//!
//! Each is durable in the daemon before it answers, and repeating one is harmless: whoever lost the answer runs it again.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Connection, Ending, Output, client::Client, error::CliError};

/// The arguments of `pause`, `resume` and `cancel`.
#[derive(Debug, Args)]
pub(super) struct OfBatch {
    /// The batch, as `publish` and `batches` print it.
    batch: String,
    /// Print the daemon's answer as it is.
    #[arg(long)]
    json: bool,
}

/// The arguments of `retry`.
#[derive(Debug, Args)]
pub(super) struct Retry {
    /// The batch, as `publish` and `batches` print it.
    batch: String,
    /// Numbers of the clips, from 1; without any, every failed clip.
    #[arg(value_name = "CLIP", value_parser = clap::value_parser!(u32).range(1..))]
    clips: Vec<u32>,
    /// Print the daemon's answer as it is.
    #[arg(long)]
    json: bool,
}

/// The arguments of `resolve`.
#[derive(Debug, Args)]
pub(super) struct Resolve {
    /// The batch, as `publish` and `batches` print it.
    batch: String,
    /// Number of the held clip, from 1.
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    clip: u32,
    /// Print the daemon's answer as it is.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    how: How,
}

/// How a person decides.
#[derive(Debug, Subcommand)]
enum How {
    /// This post is the clip's; the network still has to say that it is live.
    Adopt {
        /// The provider's id of the post, as the planner shows it.
        post_id: String,
    },
    /// It is not live: send it again.
    Retry,
    /// Leave it: it counts as failed, and the batch goes on.
    Drop,
}

/// What the daemon answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    batch_id: String,
    status: String,
    #[serde(default = "yes")]
    applied: bool,
    clips: Option<Vec<u32>>,
    clip: Option<ClipNow>,
}

#[derive(Debug, Deserialize)]
struct ClipNow {
    index: u32,
    status: String,
}

const fn yes() -> bool {
    true
}

impl OfBatch {
    /// `action` is the last word of the route.
    pub(super) async fn run(self, action: &str, connection: &Connection) -> Result<Ending, CliError> {
        send(connection, &[&self.batch, action], json!({}), self.json).await
    }
}

impl Retry {
    pub(super) async fn run(self, connection: &Connection) -> Result<Ending, CliError> {
        let body = match self.clips.is_empty() {
            true => json!({}),
            false => json!({ "clips": self.clips }),
        };
        send(connection, &[&self.batch, "retry-failed"], body, self.json).await
    }
}

impl Resolve {
    pub(super) async fn run(self, connection: &Connection) -> Result<Ending, CliError> {
        let body = match self.how {
            How::Adopt { post_id } => json!({ "action": "adopt", "postId": post_id }),
            How::Retry => json!({ "action": "retry" }),
            How::Drop => json!({ "action": "drop" }),
        };
        let clip = self.clip.to_string();
        send(connection, &[&self.batch, "clips", &clip, "resolve"], body, self.json).await
    }
}

async fn send(connection: &Connection, path: &[&str], body: Value, as_it_is: bool) -> Result<Ending, CliError> {
    let client = Client::new(connection)?;
    let answer = client
        .command(path, body.to_string())
        .await
        .map_err(|error| match error {
            CliError::Lost { url, reason } => CliError::Lost {
                url,
                reason: format!("{reason}; running the command again does no harm"),
            },
            other => other,
        })?;
    let done: Done = client.json(&answer)?;
    if as_it_is {
        return Output.text(&answer.text());
    }
    Output.line(&done.line())?;
    if !done.applied {
        eprintln!("stored; the daemon has not carried it out yet");
    }
    Ok(Ending::Done)
}

impl Done {
    /// `batch_1 processing, clips 3 and 5 are tried again`: what became of it, for a person.
    fn line(&self) -> String {
        let mut line = format!("{} {}", self.batch_id, self.status);
        if let Some(ClipNow { index, status }) = &self.clip {
            line += &format!(", clip {index} is {status}");
        }
        match self.clips.as_deref() {
            None => {}
            Some([]) => line += ", no clip of these has failed",
            Some([one]) => line += &format!(", clip {one} is tried again"),
            Some([several @ .., last]) => {
                let several: Vec<String> = several.iter().map(u32::to_string).collect();
                line += &format!(", clips {} and {last} are tried again", several.join(", "));
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_became_of_it() {
        for (json, line) in [
            (r#"{"batchId":"b","status":"paused","applied":true}"#, "b paused"),
            (
                r#"{"batchId":"b","status":"processing","clips":[3]}"#,
                "b processing, clip 3 is tried again",
            ),
            (
                r#"{"batchId":"b","status":"processing","clips":[1,3,5]}"#,
                "b processing, clips 1, 3 and 5 are tried again",
            ),
            (
                r#"{"batchId":"b","status":"completed","clips":[]}"#,
                "b completed, no clip of these has failed",
            ),
            (
                r#"{"batchId":"b","status":"processing","clip":{"index":2,"status":"waiting_confirmation"}}"#,
                "b processing, clip 2 is waiting_confirmation",
            ),
        ] {
            let done: Done = serde_json::from_str(json).unwrap();
            assert_eq!(done.line(), line);
        }
    }
}
