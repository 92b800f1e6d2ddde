//! `storyclip watch`: follows a batch until it ends. `publish --watch` and `demo` end with it, too.

use super::{
    Connection, Ending,
    client::Client,
    error::CliError,
    progress::{Event, Progress},
    screen::Screen,
    subscription::{Step, Subscription},
};

pub(super) async fn run(connection: &Connection, batch: &str) -> Result<Ending, CliError> {
    let progress = follow(&Client::new(connection)?, batch).await?;
    Ok(if progress.all_published() {
        Ending::Done
    } else {
        Ending::NotAllPublished
    })
}

/// Shows the batch live and gives its last state. Connections that break are taken up again.
pub(super) async fn follow(client: &Client, batch: &str) -> Result<Progress, CliError> {
    let screen = Screen::new();
    let mut progress = Progress::default();
    let mut subscription = Subscription::new(client, batch);
    loop {
        match subscription.next().await? {
            Step::Message(message) => {
                let event: Event = serde_json::from_str(&message.data).map_err(|error| CliError::Lost {
                    url: client.url().to_owned(),
                    reason: format!("the stream holds something that is no event: {error}"),
                })?;
                progress.apply(&event);
                screen.show(&event, &progress)?;
                if progress.is_over(false) {
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
