//! E-mail about a batch that ended with failures, or that waits for a person, to the addresses of its tenant.
//!
//! The courier sends one mail per address and notice. A repeat after a crash has the same `Message-ID`, by which mail
//! programs tell it.

mod transport;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use secrecy::{ExposeSecret, SecretString};
use storyclip_actors::model::{BatchId, ClipStatus, Tenant};
use thiserror::Error;

use super::{
    retry::Answer,
    stored::{Stored, StoredData},
};
use crate::store::{BatchView, ClipView, Due, NoticeKind, Store};

/// Through whom, from whom and to whom.
pub struct EmailOptions {
    /// `smtps://user:password@host` or `smtp://host:port?tls=required`.
    pub url: SecretString,
    /// Certificates (PEM) of authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// An address, with or without a name.
    pub from: String,
    /// The addresses that are told of each tenant's batches.
    pub recipients: BTreeMap<Tenant, Vec<String>>,
}

/// A setting that cannot be used. Never shows the URL, which holds a password.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum EmailError {
    #[error("smtp_url cannot be used: {0}")]
    Url(String),
    #[error("smtp_ca_file: {0} cannot be used: {1}")]
    Authorities(String, String),
    #[error("email_from must be an e-mail address")]
    From,
    #[error("email_recipients: {0}")]
    Recipients(String),
}

/// Reads `tenant:address address,tenant:address`.
///
/// # Errors
/// Names the entry by its position.
pub fn recipients(text: &str) -> Result<BTreeMap<Tenant, Vec<String>>, EmailError> {
    let mut recipients = BTreeMap::new();
    for (position, entry) in (1..)
        .zip(text.split(',').map(str::trim))
        .filter(|(_, entry)| !entry.is_empty())
    {
        let wrong = |why: &str| EmailError::Recipients(format!("entry {position}: {why}"));
        let (tenant, addresses) = entry
            .split_once(':')
            .ok_or_else(|| wrong("expected tenant:address address"))?;
        let addresses: Vec<String> = addresses.split_whitespace().map(str::to_owned).collect();
        if tenant.trim().is_empty() || addresses.is_empty() {
            return Err(wrong("expected tenant:address address"));
        }
        if addresses
            .iter()
            .any(|address| address.parse::<lettre::Address>().is_err())
        {
            return Err(wrong("every address must be an e-mail address"));
        }
        if recipients.insert(Tenant::from(tenant.trim()), addresses).is_some() {
            return Err(wrong("the tenant is listed before"));
        }
    }
    Ok(recipients)
}

impl EmailOptions {
    /// The options of these settings; `None` when no server is set.
    ///
    /// # Errors
    /// When the recipients cannot be read.
    pub fn of(url: SecretString, ca_file: &str, from: String, to: &str) -> Result<Option<Self>, EmailError> {
        let recipients = recipients(to)?;
        if url.expose_secret().is_empty() {
            return Ok(None);
        }
        let ca_file = (!ca_file.is_empty()).then(|| PathBuf::from(ca_file));
        Ok(Some(Self {
            url,
            ca_file,
            from,
            recipients,
        }))
    }
}

/// A mail server.
pub struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Email {
    pub fn new(options: EmailOptions, timeout: Duration) -> Result<Self, EmailError> {
        Ok(Self {
            transport: transport::connect(&options.url, options.ca_file.as_deref(), timeout)?,
            from: options.from.parse().map_err(|_| EmailError::From)?,
        })
    }

    /// Sends the mail of this delivery.
    pub async fn send(&self, store: &Store, due: &Due) -> Answer {
        let message: Stored = match serde_json::from_str(&due.body) {
            Ok(message) => message,
            Err(error) => return Answer::Refused(format!("the notice cannot be read: {error}")),
        };
        let batch = match store.batch(&due.tenant, &BatchId::from(&*message.data.batch_id)).await {
            Ok(batch) => batch,
            Err(error) => return Answer::Nothing(error.to_string()),
        };
        let mail = match self.mail(due, &message.data, batch.as_ref()) {
            Ok(mail) => mail,
            Err(why) => return Answer::Refused(why),
        };
        match self.transport.send(mail).await {
            Ok(_) => Answer::Taken,
            Err(error) if error.is_permanent() => Answer::Refused(error.to_string()),
            Err(error) => Answer::Nothing(error.to_string()),
        }
    }

    fn mail(&self, due: &Due, data: &StoredData, batch: Option<&BatchView>) -> Result<Message, String> {
        let to = due.target.parse().map_err(|_| "no e-mail address".to_owned())?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject(due.kind, data))
            .message_id(Some(format!("<{}.{}@storyclip>", due.notice, due.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(text(due.kind, data, batch))
            .map_err(|error| error.to_string())
    }
}

fn subject(kind: NoticeKind, data: &StoredData) -> String {
    let (failed, total) = (data.posts.failed, data.posts.total);
    let what = match kind {
        NoticeKind::BatchFailed => "failed",
        NoticeKind::BatchPaused => "is paused and waits for you",
        NoticeKind::BatchCancelled => "was cancelled",
        NoticeKind::BatchCompleted
        | NoticeKind::ClipPublished
        | NoticeKind::ClipFailed
        | NoticeKind::ClipHeld
        | NoticeKind::Test => "has ended",
    };
    format!("StoryClip: a batch {what}: {failed} of {total} clips failed")
}

/// Plain text: what happened, to which clips, and what can be done.
fn text(kind: NoticeKind, data: &StoredData, batch: Option<&BatchView>) -> String {
    let StoredData {
        batch_id,
        user_id,
        account_id,
        network,
        posts,
        error,
    } = data;
    let mut text = format!(
        "Batch {batch_id}\nof user {user_id}, account {account_id} on {network}.\n\n\
         {} published, {} failed, {} in all.\n",
        posts.published, posts.failed, posts.total
    );
    if let Some(error) = error {
        text += &format!("It stopped: {error}\n");
    }
    let clips = batch.map_or(&[][..], |batch| &batch.clips);
    for clip in clips.iter().filter(|clip| needs_a_person(clip)) {
        let error = clip
            .error
            .as_ref()
            .map(|error| format!(" ({}: {})", error.code, error.message));
        text += &format!(
            "\nClip {} ({}): {}{}",
            clip.index,
            clip.id,
            clip.status,
            error.unwrap_or_default()
        );
    }
    text += &match kind {
        NoticeKind::BatchPaused => format!("\n\nGo on with: storyclip resume {batch_id}\n"),
        NoticeKind::BatchCancelled => {
            "\n\nA cancelled batch is not tried again: what is still wanted goes into a new one.\n".to_owned()
        }
        NoticeKind::BatchFailed
        | NoticeKind::BatchCompleted
        | NoticeKind::ClipPublished
        | NoticeKind::ClipFailed
        | NoticeKind::ClipHeld
        | NoticeKind::Test => format!("\n\nTry the failed clips again with: storyclip retry {batch_id}\n"),
    };
    text
}

fn needs_a_person(clip: &ClipView) -> bool {
    match clip.status {
        ClipStatus::Failed | ClipStatus::Held => true,
        ClipStatus::Pending
        | ClipStatus::Queued
        | ClipStatus::Uploading
        | ClipStatus::WaitingConfirmation
        | ClipStatus::Retrying
        | ClipStatus::Uncertain
        | ClipStatus::Published
        | ClipStatus::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn recipients_are_lists_of_addresses_by_tenant() {
        let read = recipients("stories:ops@example.com dev+clips@example.com, other:x@example.org").unwrap();
        assert_eq!(
            read[&Tenant::from("stories")],
            ["ops@example.com", "dev+clips@example.com"]
        );
        assert_eq!(read.len(), 2);
        assert!(recipients("").unwrap().is_empty());
        for wrong in [
            "stories",
            "stories:",
            ":a@b.c",
            "stories:not an address",
            "a:a@b.c,a:d@e.f",
        ] {
            assert!(recipients(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_advice_is_one_that_the_daemon_takes() {
        let told = r#"{"data": {"batchId": "batch_1", "userId": "u1", "accountId": "7", "network": "facebook",
            "posts": {"total": 3, "published": 1, "failed": 2}, "error": null}}"#;
        let Stored { data } = serde_json::from_str(told).unwrap();
        for (kind, about, advice) in [
            (
                NoticeKind::BatchCompleted,
                "a batch has ended: 2 of 3",
                "storyclip retry batch_1",
            ),
            (
                NoticeKind::BatchFailed,
                "a batch failed: 2 of 3",
                "storyclip retry batch_1",
            ),
            (NoticeKind::BatchPaused, "a batch is paused", "storyclip resume batch_1"),
            (
                NoticeKind::BatchCancelled,
                "a batch was cancelled: 2 of 3",
                "into a new one",
            ),
        ] {
            assert!(subject(kind, &data).contains(about), "{kind:?}");
            assert!(text(kind, &data, None).contains(advice), "{kind:?}");
        }
        assert!(!text(NoticeKind::BatchCancelled, &data, None).contains("storyclip retry"));
    }

    #[test]
    fn a_wrong_server_or_sender_is_named_without_its_password() {
        let email = |url: &str, from: &str| {
            let options = EmailOptions {
                url: SecretString::from(url),
                ca_file: None,
                from: from.into(),
                recipients: BTreeMap::new(),
            };
            Email::new(options, Duration::from_secs(1)).map(drop)
        };
        email("smtp://127.0.0.1:2525", "StoryClip <storyclip@example.com>").unwrap();
        let error = email("http://user:secret@host", "a@example.com")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("smtp_url") && !error.contains("secret"), "{error}");
        assert!(matches!(email("smtp://127.0.0.1", "nobody"), Err(EmailError::From)));
    }
}
