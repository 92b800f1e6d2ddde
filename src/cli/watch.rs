//! `storyclip watch`: follows a batch until it ends, or waits for a person. `publish --watch` and `demo` end with it, too.

use clap::Args;

use super::{
    Connection, Ending,
    client::Client,
    error::CliError,
    event::Event,
    progress::Progress,
    screen::Screen,
    subscription::{Step, Subscription, may_pass},
};

/// The arguments of `watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// The batch, as `publish` and `batches` print it.
    batch: String,
    /// Print each message of the stream as the daemon sends it, one JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Watch {
    pub(super) async fn run(self, connection: &Connection) -> Result<Ending, CliError> {
        run(connection, &self.batch, self.json).await
    }
}

/// Shows the batch live and ends as it ends.
pub(super) async fn run(connection: &Connection, batch: &str, json: bool) -> Result<Ending, CliError> {
    let progress = follow(&Client::new(connection)?, batch, Screen::new(json)).await?;
    Ok(progress.ending())
}

/// Shows the batch live and gives its last state. Connections that break are taken up again.
pub(super) async fn follow(client: &Client, batch: &str, screen: Screen) -> Result<Progress, CliError> {
    let mut progress = Progress::default();
    let mut subscription = Subscription::new(client, batch);
    loop {
        match subscription.next().await? {
            Step::Message(message) => {
                let event: Event = client.parse(message.data.as_bytes())?;
                progress.apply(&event);
                screen.show(&message.data, &event, &progress)?;
                // The daemon keeps the stream of a paused batch open: what waits for a person is left to that person.
                if progress.is_paused()
                    && subscription.is_at_the_head().await?
                    && is_at_rest(client, batch, &mut progress).await?
                {
                    break;
                }
            }
            Step::Lost { closed, wait, reason } => {
                if closed && progress.is_ended() && is_at_rest(client, batch, &mut progress).await? {
                    break;
                }
                screen.note(&format!("connection lost ({reason}), next try in {} s", wait.as_secs()))?;
            }
        }
    }
    screen.end(&format!("{batch} {}", progress.summary()))?;
    Ok(progress)
}

/// Whether the batch itself says what its stream told last. If it cannot be asked, the message stands.
async fn is_at_rest(client: &Client, batch: &str, progress: &mut Progress) -> Result<bool, CliError> {
    match client.get("/api/metricool/status", &[("batchId", batch)]).await {
        Ok(answer) => Ok(progress.settle(&client.json(&answer)?)),
        Err(error) if may_pass(&error) => Ok(true),
        Err(error) => Err(error),
    }
}
