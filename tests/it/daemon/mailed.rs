//! Which batches are mailed about, and how often: the end with a failure, once to each address, whoever brought it about.

use serde_json::{Value, json};

use super::{
    mail_server::MailServer,
    stage::{ACCOUNT, Api, KEY, Stage, stories},
};

const ADDRESSES: [&str; 2] = ["ops@example.com", "dev@example.com"];

/// A daemon's world without mail.
async fn stage(faults: Value) -> Stage {
    let keys = format!("stories:{KEY}:admin");
    Stage::new(faults).await.set("STORYCLIP_API_KEYS", &keys)
}

/// The same with mail to both addresses.
fn mailing(stage: Stage, server: &MailServer) -> Stage {
    stage
        .set("STORYCLIP_SMTP_URL", &server.url)
        .set("STORYCLIP_EMAIL_FROM", "StoryClip <storyclip@example.com>")
        .set(
            "STORYCLIP_EMAIL_RECIPIENTS",
            &format!("stories:{}", ADDRESSES.join(" ")),
        )
}

/// A batch of so many clips of this name.
fn batch_of(name: &str, count: usize) -> Value {
    let urls: Vec<String> = (1..=count)
        .map(|index| format!("https://cdn.example/{name}_{index}.mp4"))
        .collect();
    stories(ACCOUNT, &urls, json!({"maxRetries": 0}))
}

/// To whom mails about this batch were queued, in the order of the alphabet.
async fn mailed(api: &Api, batch: &str) -> Vec<String> {
    let (_, log) = api.get(&format!("/api/webhooks/deliveries?batchId={batch}")).await;
    let mails = log["deliveries"].as_array().unwrap().iter();
    let mut to: Vec<String> = mails
        .filter(|one| one["channel"] == "email")
        .map(|one| one["target"].as_str().unwrap().to_owned())
        .collect();
    to.sort();
    to
}

/// The mails without the breaks that quoted-printable puts into long lines.
fn unfolded(mails: Vec<String>) -> Vec<String> {
    mails.into_iter().map(|mail| mail.replace("=\n", "")).collect()
}

#[tokio::test]
async fn a_batch_that_ends_with_failures_is_mailed_about_once_but_none_from_before() {
    let server = MailServer::start().await;
    let stage = stage(json!({"failed": {"probability": 1.0}})).await;
    let daemon = stage.start().await;
    let before = daemon.api.publish(&batch_of("before", 2)).await;
    daemon.api.finished(&before).await;
    daemon.stop().await;

    let stage = mailing(stage, &server);
    let daemon = stage.start().await;
    let first = daemon.api.publish(&batch_of("first", 2)).await;
    server.mails(2).await;
    // Events are told in their order: when the second batch is, the first can bring no more.
    let second = daemon.api.publish(&batch_of("second", 1)).await;
    let mails = unfolded(server.mails(4).await);
    for (batch, about) in [(&first, "2 of 2 clips failed"), (&second, "1 of 1 clips failed")] {
        for address in ADDRESSES {
            let to = format!("RCPT TO:<{address}>");
            let mut sent = mails
                .iter()
                .filter(|mail| mail.contains(&to) && mail.contains(&**batch));
            let mail = sent.next().unwrap();
            assert!(sent.next().is_none(), "one mail for one batch");
            let command = format!("storyclip retry {batch}");
            for part in [about, "MAIL FROM:<storyclip@example.com>", &command] {
                assert!(mail.contains(part), "{part}: {mail}");
            }
        }
        assert_eq!(mailed(&daemon.api, batch).await, ["dev@example.com", "ops@example.com"]);
    }
    assert!(mails.concat().contains("Clip 1 (clip_1): failed"));
    assert_eq!(mailed(&daemon.api, &before).await, [""; 0]);
    assert_eq!(server.taken(), 4);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_batch_that_is_cancelled_is_mailed_about_where_a_clip_had_failed() {
    let server = MailServer::start().await;
    let stage = stage(json!({"failed": {"media": "late_1."}, "confirm_ms": 300})).await;
    let stage = mailing(stage, &server);
    let daemon = stage.start().await;
    let api = &daemon.api;
    // Each is cancelled while a clip is on its way that goes live; only in the second one another had failed before.
    let early = api.publish(&batch_of("early", 2)).await;
    api.clip_is(&early, 1, "waiting_confirmation").await;
    api.cancel(&early).await;
    let ended = api.finished(&early).await;
    assert_eq!((&ended["status"], &ended["failed"]), (&json!("cancelled"), &json!(0)));
    let late = api.publish(&batch_of("late", 3)).await;
    api.clip_is(&late, 1, "failed").await;
    api.clip_is(&late, 2, "waiting_confirmation").await;
    api.cancel(&late).await;
    let ended = api.finished(&late).await;
    assert_eq!((&ended["status"], &ended["failed"]), (&json!("cancelled"), &json!(1)));
    let mails = unfolded(server.mails(2).await);
    for mail in &mails {
        let about = "a batch was cancelled: 1 of 3 clips failed";
        assert!(mail.contains(about) && mail.contains(&late), "{mail}");
        assert!(!mail.contains("storyclip retry"), "it would be refused: {mail}");
    }
    assert_eq!(mailed(api, &late).await, ["dev@example.com", "ops@example.com"]);
    assert_eq!(mailed(api, &early).await, [""; 0]);
    daemon.stop().await;
    stage.clear().await;
}
