//! `storyclip batches`: what is scheduled, at work or paused, as a table or as the daemon's own JSON.

use clap::Args;
use serde::Deserialize;

use super::{Connection, Ending, Output, client::Client, error::CliError, table::table};

/// The arguments of `batches`.
#[derive(Debug, Args)]
pub(super) struct Batches {
    /// Only this user's; without it the whole tenant's, for which the key needs the scope admin.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Print the daemon's answers as they are, one for each page.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    batches: Vec<Row>,
    next_cursor: Option<String>,
}

/// What a line tells of a batch, here and in `history`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    batch_id: String,
    user_id: String,
    account_id: String,
    network: String,
    status: String,
    total: u32,
    published: u32,
    failed: u32,
    created_at: String,
}

impl Batches {
    pub(super) async fn run(self, connection: &Connection) -> Result<Ending, CliError> {
        let client = Client::new(connection)?;
        let mut batches = Vec::new();
        let mut cursor = None;
        loop {
            let query = [("userId", &self.user), ("cursor", &cursor)];
            let query: Vec<(&str, &str)> = (query.into_iter())
                .filter_map(|(name, value)| Some((name, value.as_deref()?)))
                .collect();
            let answer = client.get("/api/metricool/batches/active", &query).await?;
            let page: Answer = client.json(&answer)?;
            if self.json {
                Output.text(&answer.text())?;
            }
            batches.extend(page.batches);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if self.json {
            return Ok(Ending::Done);
        }
        if batches.is_empty() {
            eprintln!("no batch is scheduled, at work or paused");
            return Ok(Ending::Done);
        }
        Output.text(&lines(&batches))
    }
}

/// The heads of [`Row::cells`].
pub(super) const HEAD: [&str; 8] = [
    "BATCH",
    "USER",
    "ACCOUNT",
    "NETWORK",
    "STATUS",
    "PUBLISHED",
    "FAILED",
    "CREATED",
];

impl Row {
    pub(super) fn cells(&self) -> [String; 8] {
        [
            self.batch_id.clone(),
            self.user_id.clone(),
            self.account_id.clone(),
            self.network.clone(),
            self.status.clone(),
            format!("{}/{}", self.published, self.total),
            self.failed.to_string(),
            self.created_at.clone(),
        ]
    }
}

fn lines(batches: &[Row]) -> String {
    table(HEAD, batches.iter().map(Row::cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let answer: Answer = serde_json::from_str(
            r#"{"success":true,"count":1,"batches":[{"batchId":"batch_1","jobId":null,"userId":"u1","accountId":"5372118",
            "network":"facebook","status":"processing","total":5,"published":2,"failed":1,"cancelled":0,
            "createdAt":"2026-01-01T00:00:00.000Z","clips":[]}],"nextCursor":null}"#,
        )
        .unwrap();
        let text = lines(&answer.batches);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "BATCH    USER  ACCOUNT  NETWORK   STATUS      PUBLISHED  FAILED  CREATED"
        );
        assert_eq!(
            lines[1],
            "batch_1  u1    5372118  facebook  processing  2/5        1       2026-01-01T00:00:00.000Z"
        );
    }
}
