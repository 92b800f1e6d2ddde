//! `storyclip history`: batches that have ended, newest first, a page at a time.

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::{Connection, Ending, Output, batches, client::Client, error::CliError, table::table};

/// The arguments of `history`.
#[derive(Debug, Args)]
pub(super) struct History {
    /// Only this user's; without it the whole tenant's, for which the key needs the scope admin.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only those that ended like this.
    #[arg(long, value_name = "STATUS")]
    status: Option<Ended>,
    /// Only from this instant on, as in 2026-12-01T00:00:00Z.
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// Only before this instant.
    #[arg(long, value_name = "INSTANT")]
    to: Option<String>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Where the page before ended, as that one said.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Print the daemon's answer as it is.
    #[arg(long)]
    json: bool,
}

/// How a batch ends.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ended {
    /// Every clip is settled, even if some failed.
    Completed,
    /// It could not go on.
    Failed,
    /// A person cancelled it.
    Cancelled,
}

impl Ended {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    batches: Vec<Past>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Past {
    #[serde(flatten)]
    batch: batches::Row,
    started_at: Option<String>,
    completed_at: Option<String>,
}

impl History {
    pub(super) async fn run(self, connection: &Connection) -> Result<Ending, CliError> {
        let client = Client::new(connection)?;
        let limit = self.limit.to_string();
        let query: Vec<(&str, &str)> = [
            ("userId", self.user.as_deref()),
            ("status", self.status.map(Ended::as_str)),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
            ("limit", Some(&limit)),
            ("cursor", self.cursor.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let answer = client.get("/api/metricool/history", &query).await?;
        if self.json {
            return Output.text(&answer.text());
        }
        let Answer { batches, next_cursor } = client.json(&answer)?;
        if batches.is_empty() {
            eprintln!("no batch has ended that is asked for");
            return Ok(Ending::Done);
        }
        Output.text(&lines(&batches))?;
        if let Some(cursor) = next_cursor {
            eprintln!("there are more: the same command with --cursor {cursor}");
        }
        Ok(Ending::Done)
    }
}

fn lines(batches: &[Past]) -> String {
    let [batch, user, account, network, status, published, failed, created] = batches::HEAD;
    let head = [
        batch, user, account, network, status, published, failed, created, "TOOK",
    ];
    table(head, batches.iter().map(Past::cells))
}

impl Past {
    fn cells(&self) -> [String; 9] {
        let [batch, user, account, network, status, published, failed, created] = self.batch.cells();
        let took = self.took().unwrap_or_default();
        [batch, user, account, network, status, published, failed, created, took]
    }

    /// From its start to its end in whole seconds: `41s`, `3m07s`, `2h03m`.
    fn took(&self) -> Option<String> {
        let instant = |text: &Option<String>| text.as_ref()?.parse::<jiff::Timestamp>().ok();
        let seconds = instant(&self.completed_at)?
            .duration_since(instant(&self.started_at)?)
            .as_secs();
        Some(match seconds {
            ..60 => format!("{seconds}s"),
            60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
            3_600.. => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(started: &str, completed: &str) -> Past {
        serde_json::from_value(serde_json::json!({
            "batchId": "batch_1", "jobId": null, "userId": "u1", "accountId": "7", "network": "facebook",
            "status": "completed", "total": 5, "published": 4, "failed": 1, "cancelled": 0,
            "createdAt": "2026-01-01T00:00:00.000Z", "startedAt": started, "completedAt": completed,
        }))
        .unwrap()
    }

    #[test]
    fn a_line_tells_totals_and_how_long_it_took() {
        let text = lines(&[row("2026-01-01T00:00:01.000Z", "2026-01-01T00:03:08.400Z")]);
        let last = text.lines().last().unwrap();
        assert!(last.contains("completed  4/5        1"), "{text}");
        assert!(last.ends_with("2026-01-01T00:00:00.000Z  3m07s"), "{text}");
    }

    #[test]
    fn a_time_is_as_long_as_needed_and_left_out_where_it_is_not_known() {
        let took = |completed: &str| row("2026-01-01T00:00:00Z", completed).took();
        assert_eq!(took("2026-01-01T00:00:41.900Z").as_deref(), Some("41s"));
        assert_eq!(took("2026-01-01T02:03:04Z").as_deref(), Some("2h03m"));
        assert_eq!(took("soon"), None);
    }
}
