//! Mail by TLS: taken where the certificate fits, never sent in clear where it was to be secure, and tried again.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    mail_server::{Authority, MailServer, Tls},
    process::PATIENCE,
    stage::{ACCOUNT, Api, KEY, Stage, clips, stories},
};

const PASSWORD: &str = "mail-password-4f0c";

/// A daemon's world in which every batch fails and is mailed about through this URL.
async fn stage(url: &str, ca_file: Option<&Path>) -> Stage {
    let stage = Stage::new(json!({"failed": {"probability": 1.0}}))
        .await
        .set("STORYCLIP_API_KEYS", &format!("stories:{KEY}:admin"))
        .set("STORYCLIP_WEBHOOK_RETRY_SECONDS", "0,0")
        .set("STORYCLIP_SMTP_URL", url)
        .set("STORYCLIP_EMAIL_FROM", "storyclip@example.com")
        .set("STORYCLIP_EMAIL_RECIPIENTS", "stories:ops@example.com");
    match ca_file {
        Some(file) => stage.set("STORYCLIP_SMTP_CA_FILE", file.to_str().unwrap()),
        None => stage,
    }
}

fn with_password(url: &str) -> String {
    url.replace("://", &format!("://me:{PASSWORD}@"))
}

/// The URL with TLS from the start, or once it is asked for.
fn url(server: &MailServer, tls: Tls) -> String {
    let url = with_password(&server.url);
    match tls {
        Tls::Never => url,
        Tls::FromTheStart => url.replace("smtp://", "smtps://"),
        Tls::OnceAskedFor => url + "?tls=required",
    }
}

/// Publishes a batch that fails, and waits until its mail has gone or is given up.
async fn mailed(api: &Api) -> Value {
    let failing = stories(ACCOUNT, &clips(1), json!({"maxRetries": 0}));
    let batch = api.publish(&failing).await;
    let asking = async {
        loop {
            let (_, log) = api.get(&format!("/api/webhooks/deliveries?batchId={batch}")).await;
            let mail = log["deliveries"]
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["channel"] == "email");
            if let Some(mail) = mail.filter(|mail| mail["status"] != "pending") {
                return mail.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap()
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_private_authority_gets_the_mail_and_nothing_in_clear() {
    let authority = Authority::new();
    for tls in [Tls::FromTheStart, Tls::OnceAskedFor] {
        let server = MailServer::secure(tls, &authority, "127.0.0.1").await;
        let stage = stage(&url(&server, tls), Some(authority.file())).await;
        let daemon = stage.start().await;
        assert_eq!(mailed(&daemon.api).await["status"], "delivered", "{tls:?}");
        let mails = server.mails(1).await;
        assert!(
            mails[0].contains("RCPT TO:<ops@example.com>") && mails[0].contains("AUTH PLAIN"),
            "{mails:?}"
        );
        let in_clear = server.in_clear();
        let told_first = |line: &String| line.starts_with("EHLO") || line == "STARTTLS";
        assert!(in_clear.iter().all(told_first), "{tls:?}: {in_clear:?}");
        assert_eq!(in_clear.is_empty(), tls == Tls::FromTheStart);
        assert!(!daemon.process.log().contains(PASSWORD));
        daemon.stop().await;
        stage.clear().await;
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_an_error_that_is_tried_again() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (name, trusted, why) in [
        ("127.0.0.1", None, "certificate"),
        ("127.0.0.1", Some(other.file()), "certificate"),
        ("mail.example", Some(authority.file()), "certificate"),
    ] {
        for tls in [Tls::FromTheStart, Tls::OnceAskedFor] {
            let server = MailServer::secure(tls, &authority, name).await;
            let stage = stage(&url(&server, tls), trusted).await;
            let daemon = stage.start().await;
            let mail = mailed(&daemon.api).await;
            assert_eq!(
                (&mail["status"], &mail["attempts"]),
                (&json!("failed"), &json!(3)),
                "{mail:#}"
            );
            assert!(mail["error"].as_str().unwrap().contains(why), "{mail:#}");
            assert!(!mail.to_string().contains(PASSWORD));
            nothing_got_through(&server);
            daemon.stop().await;
            stage.clear().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_speaks_only_in_clear_gets_nothing_where_tls_was_asked_for() {
    let authority = Authority::new();
    for tls in [Tls::FromTheStart, Tls::OnceAskedFor] {
        for trusted in [None, Some(authority.file())] {
            let server = MailServer::start().await;
            let stage = stage(&url(&server, tls), trusted)
                .await
                .set("STORYCLIP_WEBHOOK_TIMEOUT_SECONDS", "1");
            let daemon = stage.start().await;
            let mail = mailed(&daemon.api).await;
            assert_eq!(
                (&mail["status"], &mail["attempts"]),
                (&json!("failed"), &json!(3)),
                "{mail:#}"
            );
            nothing_got_through(&server);
            daemon.stop().await;
            stage.clear().await;
        }
    }
}

fn nothing_got_through(server: &MailServer) {
    assert_eq!(server.taken(), 0);
    let in_clear = server.in_clear().join("\n");
    for command in ["AUTH", "MAIL", "RCPT", "DATA"] {
        assert!(!in_clear.contains(&format!("{command} ")), "{in_clear}");
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_said_at_the_start() {
    let authority = Authority::new();
    let no_certificate = authority.file().with_extension("txt");
    std::fs::write(&no_certificate, "nothing").unwrap();
    let missing = Path::new("/nonexistent/ca.pem");
    for (url, file, why) in [
        ("smtps://me:4f0c@127.0.0.1", missing, "No such file"),
        ("smtps://me:4f0c@127.0.0.1", &no_certificate, "no certificate"),
        ("smtp://me:4f0c@127.0.0.1", authority.file(), "only with smtps://"),
    ] {
        let stage = stage(url, Some(file)).await;
        let mut process = stage.spawn();
        assert_eq!(process.ended().await.code(), Some(1));
        let log = process.log();
        assert!(
            log.contains(why) && log.contains("smtp_ca_file") && !log.contains("4f0c"),
            "{log}"
        );
        stage.clear().await;
    }
    std::fs::remove_file(no_certificate).unwrap();
}

#[tokio::test]
async fn a_password_that_may_go_in_clear_is_warned_of() {
    for (tls, warned) in [("", true), ("?tls=opportunistic", true), ("?tls=required", false)] {
        let stage = stage(&format!("smtp://me:{PASSWORD}@127.0.0.1:1{tls}"), None).await;
        let daemon = stage.start().await;
        let log = daemon.process.log();
        assert_eq!(
            log.contains("the password may be sent in clear"),
            warned,
            "{tls}: {log}"
        );
        assert!(!log.contains(PASSWORD));
        daemon.stop().await;
        stage.clear().await;
    }
}
