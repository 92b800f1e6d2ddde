//! What an event tells the outside, if anything: the notice with its JSON, and whether it is mailed or pushed. Pure.
//!
//! The dispatcher asks it about every event. The JSON is stored once and sent as it is, so that every try is the same.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use storyclip_actors::{
    events::EventKind,
    model::{BatchStatus, Tenant, Timestamp, code},
};

use crate::store::{News, Notice, NoticeKind};

/// What is needed of a stored event's own JSON.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    total: u32,
    published: u32,
    errors: u32,
    error: Option<String>,
    code: Option<String>,
    #[serde(default)]
    late: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: NoticeKind,
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    batch_id: &'a str,
    job_id: Option<&'a str>,
    user_id: &'a str,
    account_id: &'a str,
    network: &'a str,
    posts: Posts,
    #[serde(flatten)]
    about: About<'a>,
}

#[derive(Serialize)]
struct Posts {
    total: u32,
    published: u32,
    failed: u32,
}

#[derive(Serialize)]
#[serde(untagged)]
enum About<'a> {
    Clip {
        clip: Clip<'a>,
    },
    #[serde(rename_all = "camelCase")]
    Batch {
        status: &'a str,
        error: Option<&'a str>,
        error_code: Option<&'a str>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Clip<'a> {
    index: Option<u32>,
    id: Option<&'a str>,
    url: Option<&'a str>,
    title: Option<&'a str>,
    status: &'a str,
    metricool_post_id: Option<&'a str>,
    facebook_post_id: Option<&'a str>,
    permalink: Option<&'a str>,
    /// Whether the network confirmed it after it had been given up.
    late: bool,
    error: Option<&'a str>,
    error_code: Option<&'a str>,
}

/// Who is mailed about a tenant's batches, and since when.
#[derive(Clone, Debug)]
pub struct Mailed {
    /// To whom.
    pub addresses: Vec<String>,
    /// Older events are told to nobody.
    pub since: Timestamp,
}

/// The notice of an event; `None` if it is nobody's business outside.
pub fn notice(news: &News, mailed: &BTreeMap<Tenant, Mailed>, push: bool) -> Option<Notice> {
    let told: Told<'_> = serde_json::from_str(&news.body).ok()?;
    let kind = kind(news.kind, &told)?;
    let reaches_people = match kind {
        NoticeKind::BatchFailed | NoticeKind::BatchPaused => true,
        NoticeKind::BatchCompleted | NoticeKind::BatchCancelled => told.errors > 0,
        NoticeKind::ClipPublished | NoticeKind::ClipFailed | NoticeKind::ClipHeld | NoticeKind::Test => false,
    };
    let is_an_end = match kind {
        NoticeKind::BatchCompleted | NoticeKind::BatchFailed | NoticeKind::BatchCancelled => true,
        NoticeKind::BatchPaused
        | NoticeKind::ClipPublished
        | NoticeKind::ClipFailed
        | NoticeKind::ClipHeld
        | NoticeKind::Test => false,
    };
    let mailed = mailed.get(&news.tenant).filter(|_| reaches_people);
    let emails = mailed.filter(|mailed| mailed.since <= news.created_at);
    Some(Notice {
        id: format!("msg_{}_{}", news.batch, news.batch_seq),
        tenant: news.tenant.clone(),
        user: news.user.clone(),
        batch: news.batch.clone(),
        kind,
        body: text(&message(news, &told, kind)),
        created_at: news.created_at,
        pushed: push && (reaches_people || is_an_end),
        webhook_url: news.webhook_url.clone().filter(|_| kind.is_offered()),
        emails: emails.map(|mailed| mailed.addresses.clone()).unwrap_or_default(),
    })
}

fn kind(event: EventKind, told: &Told<'_>) -> Option<NoticeKind> {
    match event {
        EventKind::Connected | EventKind::Resumed => None,
        EventKind::Progress => match &*told.status {
            "published" => Some(NoticeKind::ClipPublished),
            "failed" => Some(NoticeKind::ClipFailed),
            "held" => Some(NoticeKind::ClipHeld),
            _ => None,
        },
        EventKind::Completed => Some(NoticeKind::BatchCompleted),
        EventKind::Cancelled => Some(NoticeKind::BatchCancelled),
        EventKind::Paused => paused(told),
        EventKind::Error => match told.status.parse() {
            Ok(BatchStatus::Failed) => Some(NoticeKind::BatchFailed),
            // As an earlier version stored it.
            Ok(BatchStatus::Paused) => paused(told),
            Ok(
                BatchStatus::Draft
                | BatchStatus::Scheduled
                | BatchStatus::Processing
                | BatchStatus::Completed
                | BatchStatus::Cancelled,
            )
            | Err(_) => None,
        },
    }
}

/// Who paused it needs not be told.
fn paused(told: &Told<'_>) -> Option<NoticeKind> {
    let by_a_person = told.code.as_deref() == Some(code::PAUSED);
    (!by_a_person).then_some(NoticeKind::BatchPaused)
}

fn message<'a>(news: &'a News, told: &'a Told<'_>, kind: NoticeKind) -> Message<'a> {
    let about = match news.clip_index {
        Some(index) => About::Clip {
            clip: Clip {
                index: Some(index),
                id: news.clip_id.as_deref(),
                url: news.clip_url.as_deref(),
                title: news.clip_title.as_deref(),
                status: &told.status,
                metricool_post_id: news.post_id.as_deref(),
                facebook_post_id: news.network_post_id.as_deref(),
                permalink: news.permalink.as_deref(),
                late: told.late,
                error: told.error.as_deref(),
                error_code: told.code.as_deref(),
            },
        },
        None => About::Batch {
            status: &told.status,
            error: told.error.as_deref(),
            error_code: told.code.as_deref(),
        },
    };
    Message {
        r#type: kind,
        timestamp: news.created_at,
        data: Data {
            batch_id: news.batch.as_str(),
            job_id: news.job_id.as_deref(),
            user_id: news.user.as_str(),
            account_id: &news.account,
            network: &news.network,
            posts: Posts {
                total: told.total,
                published: told.published,
                failed: told.errors,
            },
            about,
        },
    }
}

/// The JSON of a test message.
pub fn test(endpoint: &str, at: Timestamp) -> String {
    #[derive(Serialize)]
    struct Test<'a> {
        r#type: NoticeKind,
        timestamp: Timestamp,
        data: Endpoint<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Endpoint<'a> {
        endpoint_id: &'a str,
    }
    text(&Test {
        r#type: NoticeKind::Test,
        timestamp: at,
        data: Endpoint { endpoint_id: endpoint },
    })
}

fn text(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    fn news(kind: EventKind, body: Value, clip: Option<u32>) -> News {
        News {
            tenant: "stories".into(),
            user: "u1".into(),
            batch: "batch_1".into(),
            batch_seq: 7,
            kind,
            body: body.to_string(),
            created_at: AT,
            webhook_url: Some("https://hooks.example/x".into()),
            job_id: None,
            account: "5372118".into(),
            network: "facebook".into(),
            clip_index: clip,
            clip_id: clip.map(|index| format!("clip_{index}")),
            clip_url: None,
            clip_title: None,
            post_id: clip.map(|_| "300".into()),
            network_post_id: None,
            permalink: None,
        }
    }

    fn told(kind: EventKind, status: &str, errors: u32, code: Option<&str>) -> Option<Notice> {
        let clip = (kind == EventKind::Progress).then_some(2);
        let body = json!({"type": "x", "status": status, "total": 5, "published": 3, "errors": errors, "code": code});
        let mailed = Mailed {
            addresses: vec!["ops@example.com".to_owned()],
            since: AT,
        };
        let mailed = BTreeMap::from([(Tenant::from("stories"), mailed)]);
        notice(&news(kind, body, clip), &mailed, true)
    }

    #[test]
    fn every_event_is_told_as_what_it_is_or_not_at_all() {
        let kinds = |kind, status| told(kind, status, 0, Some("CODE")).map(|notice| notice.kind);
        assert_eq!(kinds(EventKind::Progress, "published"), Some(NoticeKind::ClipPublished));
        assert_eq!(kinds(EventKind::Progress, "failed"), Some(NoticeKind::ClipFailed));
        assert_eq!(kinds(EventKind::Progress, "held"), Some(NoticeKind::ClipHeld));
        for passing in [
            "uploading",
            "waiting_confirmation",
            "queued",
            "retrying",
            "scheduled",
            "a new word",
        ] {
            assert_eq!(kinds(EventKind::Progress, passing), None, "{passing}");
        }
        assert_eq!(
            kinds(EventKind::Completed, "completed"),
            Some(NoticeKind::BatchCompleted)
        );
        assert_eq!(
            kinds(EventKind::Cancelled, "cancelled"),
            Some(NoticeKind::BatchCancelled)
        );
        assert_eq!(kinds(EventKind::Error, "failed"), Some(NoticeKind::BatchFailed));
        for pause in [EventKind::Paused, EventKind::Error] {
            assert_eq!(kinds(pause, "paused"), Some(NoticeKind::BatchPaused));
            let by_a_person = told(pause, "paused", 0, Some(code::PAUSED));
            assert_eq!(by_a_person, None, "who did it needs not be told");
        }
        assert_eq!(kinds(EventKind::Connected, "processing"), None);
        assert_eq!(kinds(EventKind::Resumed, "processing"), None);
    }

    #[test]
    fn people_are_told_of_every_end_and_mailed_only_about_failures() {
        let to = |kind, status, errors| {
            let notice = told(kind, status, errors, Some("CODE")).unwrap();
            (notice.emails.len(), notice.pushed, notice.webhook_url.is_some())
        };
        assert_eq!(to(EventKind::Completed, "completed", 0), (0, true, true));
        assert_eq!(to(EventKind::Completed, "completed", 1), (1, true, true));
        assert_eq!(to(EventKind::Error, "failed", 1), (1, true, true));
        assert_eq!(
            to(EventKind::Paused, "paused", 1),
            (1, true, false),
            "webhooks do not know this type"
        );
        assert_eq!(to(EventKind::Cancelled, "cancelled", 0), (0, true, true));
        assert_eq!(
            to(EventKind::Cancelled, "cancelled", 1),
            (1, true, true),
            "it ended with a failure, whoever ended it"
        );
        assert_eq!(to(EventKind::Progress, "failed", 1), (0, false, true));
    }

    #[test]
    fn the_id_is_the_event_s_own_and_the_json_is_complete() {
        let notice = told(EventKind::Progress, "failed", 1, Some("MEDIA_REFUSED")).unwrap();
        assert_eq!(notice.id, "msg_batch_1_7");
        let body: Value = serde_json::from_str(&notice.body).unwrap();
        assert_eq!(body["type"], "clip.failed");
        assert_eq!(body["timestamp"], "2026-05-28T20:26:40.000Z");
        let data = &body["data"];
        assert_eq!(data["batchId"], "batch_1");
        assert_eq!(data["posts"], json!({"total": 5, "published": 3, "failed": 1}));
        assert_eq!(data["clip"]["index"], 2);
        assert_eq!(data["clip"]["metricoolPostId"], "300");
        assert_eq!(data["clip"]["errorCode"], "MEDIA_REFUSED");
        let ended = told(EventKind::Completed, "completed", 1, None).unwrap();
        let stored: crate::notifications::stored::Stored = serde_json::from_str(&ended.body).unwrap();
        assert_eq!((stored.data.posts.failed, &*stored.data.user_id), (1, "u1"));
    }
}
