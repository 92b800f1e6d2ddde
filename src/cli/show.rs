//! `storyclip show`: one batch with its clips, and what a person has to decide about it.

use clap::Args;
use serde::Deserialize;

use super::{
    Connection, Ending, Output,
    client::Client,
    error::CliError,
    table::{plain, table},
};

/// The arguments of `show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The batch, as `publish` and `batches` print it.
    batch: String,
    /// Print the daemon's answer as it is.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Answer {
    batch: Batch,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    batch_id: String,
    job_id: Option<String>,
    user_id: String,
    account_id: String,
    network: String,
    status: String,
    publish_mode: String,
    total: u32,
    published: u32,
    failed: u32,
    cancelled: u32,
    scheduled_for: Option<String>,
    created_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    error: Option<String>,
    clips: Vec<Clip>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Clip {
    index: u32,
    id: String,
    status: String,
    metricool_post_id: Option<String>,
    permalink: Option<String>,
    error: Option<String>,
    error_code: Option<String>,
    attempts: u32,
    scheduled_at: Option<String>,
    next_attempt_at: Option<String>,
    published_at: Option<String>,
}

impl Show {
    pub(super) async fn run(self, connection: &Connection) -> Result<Ending, CliError> {
        let client = Client::new(connection)?;
        let answer = client.batch(&[&self.batch]).await?;
        if self.json {
            return Output.text(&answer.text());
        }
        let Answer { batch } = client.json(&answer)?;
        Output.text(&batch.text())?;
        for hint in batch.hints() {
            eprintln!("{hint}");
        }
        Ok(Ending::Done)
    }
}

impl Batch {
    fn text(&self) -> String {
        format!(
            "{}\n{}",
            self.head(),
            table(CLIP_HEAD, self.clips.iter().map(Clip::row))
        )
    }

    /// What the batch is and how it stands, a fact a line.
    fn head(&self) -> String {
        let mut counts = format!("{} of {} published, {} failed", self.published, self.total, self.failed);
        if self.cancelled > 0 {
            counts += &format!(", {} cancelled", self.cancelled);
        }
        let facts = [
            ("batch", Some(&self.batch_id)),
            ("job", self.job_id.as_ref()),
            ("user", Some(&self.user_id)),
            ("account", Some(&self.account_id)),
            ("network", Some(&self.network)),
            ("mode", Some(&self.publish_mode)),
            ("status", Some(&self.status)),
            ("clips", Some(&counts)),
            ("scheduled", self.scheduled_for.as_ref()),
            ("created", Some(&self.created_at)),
            ("started", self.started_at.as_ref()),
            ("completed", self.completed_at.as_ref()),
            ("error", self.error.as_ref()),
        ];
        facts
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name:10} {}\n", plain(value?))))
            .collect()
    }

    /// What can be done about it, where only a person can.
    fn hints(&self) -> Vec<String> {
        let id = plain(&self.batch_id);
        let numbers = |status: &str| {
            let of_status = self.clips.iter().filter(|clip| clip.status == status);
            of_status.map(|clip| clip.index.to_string()).collect::<Vec<_>>()
        };
        // What would send again is refused for a batch that is cancelled.
        let sends = self.status != "cancelled";
        let mut hints = Vec::new();
        if let [first, ..] = &numbers("held")[..] {
            let held = numbers("held").join(", ");
            let ways = if sends {
                "adopt POST-ID | retry | drop"
            } else {
                "adopt POST-ID | drop"
            };
            hints.push(format!(
                "held: {held}. Look at the network, then: storyclip resolve {id} {first} {ways}"
            ));
        }
        let failed = numbers("failed");
        if !failed.is_empty() && sends {
            hints.push(format!(
                "failed: {}. Try again: storyclip retry {id}",
                failed.join(", ")
            ));
        }
        if self.status == "paused" {
            hints.push(format!("paused. Go on: storyclip resume {id}"));
        }
        hints
    }
}

const CLIP_HEAD: [&str; 7] = ["CLIP", "ID", "STATUS", "TRIES", "WHEN", "POST", "WHERE OR WHY"];

impl Clip {
    fn row(&self) -> [String; 7] {
        let when = [&self.published_at, &self.next_attempt_at, &self.scheduled_at];
        let when = when.into_iter().find_map(Option::as_ref);
        [
            self.index.to_string(),
            self.id.clone(),
            self.status.clone(),
            self.attempts.to_string(),
            when.cloned().unwrap_or_default(),
            self.metricool_post_id.clone().unwrap_or_default(),
            self.remark(),
        ]
    }

    /// Where it can be seen, or what is in its way.
    fn remark(&self) -> String {
        match (&self.error, &self.error_code) {
            (Some(error), Some(code)) => format!("{error} ({code})"),
            (Some(error), None) => error.clone(),
            (None, Some(code)) => code.clone(),
            (None, None) => self.permalink.clone().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_the_clips_and_what_a_person_can_do() {
        let answer: Answer = serde_json::from_str(
            r#"{"success":true,"batch":{"batchId":"batch_1","jobId":null,"userId":"u1","accountId":"7","network":"facebook",
            "status":"paused","publishMode":"now","total":3,"published":1,"failed":0,"cancelled":0,"currentIndex":1,
            "progress":33,"scheduledFor":null,"createdAt":"2026-01-01T00:00:00.000Z","startedAt":null,"completedAt":null,
            "error":"a clip is held","clips":[
            {"index":1,"id":"a","url":"u","title":null,"status":"published","metricoolPostId":"30","facebookPostId":"9",
             "permalink":"https://fb/9","error":null,"errorCode":null,"attempts":1,"scheduledAt":"s","nextAttemptAt":null,
             "uploadedAt":null,"publishedAt":"p"},
            {"index":2,"id":"b","url":"u","title":null,"status":"held","metricoolPostId":null,"facebookPostId":null,
             "permalink":null,"error":"nobody can tell","errorCode":"CLIP_HELD","attempts":1,"scheduledAt":"s",
             "nextAttemptAt":null,"uploadedAt":null,"publishedAt":null}]}}"#,
        )
        .unwrap();
        let text = answer.batch.text();
        assert!(
            text.contains("status     paused\nclips      1 of 3 published, 0 failed\n"),
            "{text}"
        );
        assert!(!text.contains("started"), "what is not known is left out:\n{text}");
        let lines: Vec<&str> = text.lines().rev().collect();
        assert_eq!(lines[2], "CLIP  ID  STATUS     TRIES  WHEN  POST  WHERE OR WHY");
        assert_eq!(lines[1], "1     a   published  1      p     30    https://fb/9");
        assert_eq!(
            lines[0],
            "2     b   held       1      s           nobody can tell (CLIP_HELD)"
        );
        let hints = answer.batch.hints();
        assert_eq!(hints.len(), 2);
        assert!(hints[0].starts_with("held: 2.") && hints[0].contains("storyclip resolve batch_1 2 adopt"));
        assert!(hints[1].ends_with("storyclip resume batch_1"));
    }

    #[test]
    fn nothing_is_advised_that_would_be_refused() {
        let hints = |status: &str, clip: &str| {
            let answer: Answer = serde_json::from_value(serde_json::json!({"batch": {
                "batchId": "batch_1", "userId": "u1", "accountId": "7", "network": "facebook", "status": status,
                "publishMode": "now", "total": 1, "published": 0, "failed": 1, "cancelled": 0,
                "createdAt": "2026-01-01T00:00:00.000Z",
                "clips": [{"index": 1, "id": "a", "status": clip, "attempts": 1}],
            }}))
            .unwrap();
            answer.batch.hints().join("\n")
        };
        for status in ["completed", "failed", "paused", "processing"] {
            assert!(hints(status, "failed").contains("storyclip retry batch_1"), "{status}");
            assert!(
                hints(status, "held").contains("adopt POST-ID | retry | drop"),
                "{status}"
            );
        }
        assert_eq!(hints("cancelled", "failed"), "");
        let held = hints("cancelled", "held");
        assert!(
            held.ends_with("storyclip resolve batch_1 1 adopt POST-ID | drop"),
            "{held}"
        );
    }
}
