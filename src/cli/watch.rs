//! `storyclip watch`: follows a batch until it ends. `publish --watch` and `demo` end with it, too.

use super::{
    Connection, Ending,
    client::Client,
    error::CliError,
    event::Event,
    progress::Progress,
    screen::Screen,
    subscription::{Step, Subscription, may_pass},
};

pub(super) async fn run(connection: &Connection, batch: &str) -> Result<Ending, CliError> {
    Ok(follow(&Client::new(connection)?, batch).await?.ending())
}

/// Shows the batch live and gives its last state. Connections that break are taken up again.
pub(super) async fn follow(client: &Client, batch: &str) -> Result<Progress, CliError> {
    let screen = Screen::new();
    let mut progress = Progress::default();
    let mut subscription = Subscription::new(client, batch);
    loop {
        match subscription.next().await? {
            Step::Message(message) => {
                let event: Event = client.parse(message.data.as_bytes())?;
                progress.apply(&event);
                screen.show(&event, &progress)?;
                if progress.is_over(false) && ended(client, batch, &mut progress).await? {
                    break;
                }
            }
            Step::Lost { .. } if progress.is_over(true) => break,
            Step::Lost { wait, reason } => {
                screen.note(&format!("connection lost ({reason}), next try in {} s", wait.as_secs()))?;
            }
        }
    }
    screen.end(&format!("{batch} {}", progress.summary()))?;
    Ok(progress)
}

/// Whether the message of an end was that of *the* end. A stream tells what happened from the start, so it may hold the
/// end of a batch that was opened again; the batch itself knows. If it cannot be asked, the message stands.
async fn ended(client: &Client, batch: &str, progress: &mut Progress) -> Result<bool, CliError> {
    match client.get("/api/metricool/status", &[("batchId", batch)]).await {
        Ok(answer) => {
            progress.settle(client.json(&answer)?);
            Ok(progress.is_over(false))
        }
        Err(error) if may_pass(&error) => Ok(true),
        Err(error) => Err(error),
    }
}
