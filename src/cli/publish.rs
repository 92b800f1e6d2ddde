//! `storyclip publish`: sends a batch to a running daemon, once.
//!
//! If it dies before it prints the batch, `--idempotency-key` with the key of the failed call tells what became of it.

use std::{io::Read, time::Duration};

use clap::Args;
use serde::Deserialize;

use super::{
    Connection, Ending, Output,
    client::{Answer, Client},
    error::CliError,
    watch,
};

const PATH: &str = "/api/metricool/publish/stories";

/// Waits before the second and third try of a call whose answer was lost.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// The arguments of `publish`.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The batch as JSON; `-` reads standard input.
    #[arg(value_name = "FILE.json|-")]
    file: String,
    /// Follow the batch until it ends.
    #[arg(long)]
    watch: bool,
    /// Print the daemon's answer as it is, and with --watch each message of the stream, one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Key under which the daemon recognises a repeated call; a new random one if absent.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    batch_id: String,
    status: String,
    posts: Posts,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Debug, Deserialize)]
struct Warning {
    field: String,
    message: String,
}

#[derive(Debug, Deserialize)]
struct Posts {
    total: u32,
}

impl Publish {
    pub(super) async fn run(self, connection: &Connection) -> Result<Ending, CliError> {
        let body = read(&self.file)?;
        let client = Client::new(connection)?;
        let key = self.idempotency_key.unwrap_or_else(new_key);
        let batch = send(&client, body, &key, self.json).await?;
        if self.watch {
            return watch::run(connection, &batch, self.json).await;
        }
        eprintln!("follow it with: storyclip watch {batch}");
        Ok(Ending::Done)
    }
}

/// Sends the batch, prints what became of it (as it came, if `json`) and gives its id.
pub(super) async fn send(client: &Client, body: String, key: &str, json: bool) -> Result<String, CliError> {
    let answer = send_until_answered(client, body, key, &AGAIN_AFTER).await?;
    let accepted: Accepted = client.json(&answer)?;
    if answer.headers.contains_key("idempotency-replayed") {
        eprintln!("this batch was accepted by an earlier call with the same key; nothing new was published");
    }
    for Warning { field, message } in &accepted.warnings {
        eprintln!("warning: {field} {message}");
    }
    let Accepted {
        batch_id,
        status,
        posts,
        ..
    } = accepted;
    if json {
        Output.text(&answer.text())?;
        return Ok(batch_id);
    }
    let clips = if posts.total == 1 { "clip" } else { "clips" };
    Output.line(&format!("{batch_id} {status}, {} {clips}", posts.total))?;
    Ok(batch_id)
}

/// A key that no other call has.
pub(super) fn new_key() -> String {
    format!("cli-{:032x}", rand::random::<u128>())
}

/// Repeats a call whose answer was lost under the same key, and waits for the first one if that is still alive (409).
async fn send_until_answered(client: &Client, body: String, key: &str, waits: &[Duration]) -> Result<Answer, CliError> {
    let mut waits = waits.iter();
    let mut sent = false;
    loop {
        let reason = match client.post(PATH, body.clone(), key).await {
            Err(CliError::Lost { reason, .. }) => reason,
            Err(CliError::Unreachable { reason, .. }) if sent => reason,
            Err(CliError::Refused(problem)) if may_have_arrived(problem.status, sent) => problem.to_string(),
            outcome => return outcome,
        };
        sent = true;
        let Some(wait) = waits.next() else {
            return Err(CliError::Unanswered {
                url: client.url().to_owned(),
                reason,
                key: key.to_owned(),
            });
        };
        tokio::time::sleep(*wait).await;
    }
}

/// Whether an error answer leaves open what became of the batch: a proxy's word about a daemon behind it, or, once the
/// call was `sent` before, that the first one is alive (409) or that the daemon is in trouble.
fn may_have_arrived(status: u16, sent: bool) -> bool {
    matches!(status, 502..=504) || (sent && (status == 409 || status >= 500))
}

/// The file's text, which must be JSON: better said here, with the line, than by the daemon.
fn read(file: &str) -> Result<String, CliError> {
    let mut text = String::new();
    let (name, outcome) = match file {
        "-" => (
            "standard input",
            std::io::stdin().read_to_string(&mut text).map(|_| text),
        ),
        path => (path, std::fs::read_to_string(path)),
    };
    let bad = |reason: String| CliError::Input {
        name: name.to_owned(),
        reason,
    };
    let text = outcome.map_err(|error| bad(error.to_string()))?;
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(bad(format!("not valid JSON: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    const ALIVE: &str = "HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    const CUT: &str = "";

    /// A server that answers each connection as told, and the idempotency keys that it was given.
    async fn publish_to(answers: &[&'static str]) -> (Result<Answer, CliError>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = Connection {
            url: format!("http://{}", listener.local_addr().unwrap()),
            api_key: None,
        };
        let answers = answers.to_vec();
        let server = tokio::spawn(async move {
            let mut keys = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = String::new();
                while !request.ends_with("{\"a\":1}") {
                    let mut bytes = [0; 1024];
                    let read = socket.read(&mut bytes).await.unwrap();
                    request += std::str::from_utf8(&bytes[..read]).unwrap();
                }
                let key = request.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
                keys.push(key.unwrap().to_owned());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            keys
        });
        let client = Client::new(&connection).unwrap();
        let outcome = send_until_answered(&client, "{\"a\":1}".into(), "key_1", &[Duration::ZERO; 2]).await;
        (outcome, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_lost_answer_is_asked_for_again_under_the_same_key() {
        let (outcome, keys) = publish_to(&[CUT, ACCEPTED]).await;
        assert_eq!(outcome.unwrap().body, b"{}");
        assert_eq!(keys, ["key_1", "key_1"]);
    }

    #[tokio::test]
    async fn a_first_call_that_is_still_alive_is_waited_for() {
        let (outcome, keys) = publish_to(&[CUT, ALIVE, ACCEPTED]).await;
        assert!(outcome.is_ok());
        assert_eq!(keys.len(), 3);
    }

    #[tokio::test]
    async fn what_stays_unanswered_says_how_to_find_out() {
        let (outcome, _) = publish_to(&[CUT, CUT, CUT]).await;
        let text = outcome.err().unwrap().to_string();
        assert!(text.contains("--idempotency-key key_1"), "{text}");
    }

    #[tokio::test]
    async fn a_conflict_at_once_is_an_answer() {
        let (outcome, _) = publish_to(&[ALIVE]).await;
        assert!(matches!(outcome, Err(CliError::Refused(problem)) if problem.status == 409));
    }

    #[test]
    fn keys_differ() {
        assert_ne!(new_key(), new_key());
    }
}
