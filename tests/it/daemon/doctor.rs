//! `storyclip doctor` before the first start, beside a daemon, after it, and when something is wrong.

use std::process::Stdio;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    database::Database,
    process::storyclip,
    stage::{ACCOUNT, KEY, Stage, clips, instant, stories},
};

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Its exit code and findings, with the settings of the stage and these.
async fn examine(stage: &Stage, more: &[(&str, &str)]) -> (Option<i32>, Vec<Value>) {
    let mut doctor = storyclip("doctor");
    doctor
        .arg("--json")
        .envs(stage.environment())
        .env("STORYCLIP_API_KEY", KEY)
        .env("STORYCLIP_URL", nobody())
        .envs(more.iter().copied())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || doctor.output().unwrap())
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(KEY), "{text}");
    assert!(
        !text.contains("\\n") && !text.contains('\u{fffd}'),
        "each finding is one line: {text}"
    );
    let mut report: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["ok"], output.status.code() == Some(0), "{report:#}");
    let Value::Array(findings) = report["checks"].take() else {
        panic!("{report:#}")
    };
    (output.status.code(), findings)
}

/// The finding of this check and state says this.
fn says(findings: &[Value], check: &str, state: &str, text: &str) {
    let found = findings
        .iter()
        .any(|one| one["check"] == check && one["state"] == state && one["found"].as_str().unwrap().contains(text));
    assert!(found, "no {check} {state} \"{text}\" in {findings:#?}");
}

#[tokio::test]
async fn before_a_daemon_beside_it_and_after_it() {
    let stage = Stage::new(json!({})).await;
    let file = stage.database.file();
    let (code, before) = examine(&stage, &[]).await;
    assert_eq!(code, Some(0), "{before:#?}");
    says(&before, "database", "ok", "is not there yet and can be made");
    says(&before, "daemon", "skipped", "none answers");
    says(&before, "network", "ok", "answers");
    says(&before, "credentials", "ok", "the token is accepted");
    assert!(!file.exists(), "it makes nothing");

    let daemon = stage.start().await;
    let url = daemon.api.url.as_str();
    let (code, beside) = examine(&stage, &[("STORYCLIP_URL", url)]).await;
    assert_eq!(code, Some(0), "{beside:#?}");
    says(&beside, "database", "ok", "so it is not opened here");
    says(&beside, "daemon", "ok", "answers and takes work");
    says(&beside, "key", "ok", "accepted");
    says(&beside, "brands", "ok", "may publish to 3");
    let (code, wrong) = examine(&stage, &[("STORYCLIP_URL", url), ("STORYCLIP_API_KEY", "sk_wrong")]).await;
    assert_eq!(code, Some(1));
    says(
        &wrong,
        "key",
        "failed",
        "this API key is not valid (INVALID_API_KEY, HTTP 401)",
    );
    assert!(!wrong.iter().any(|one| one["check"] == "brands"), "{wrong:#?}");
    let (code, elsewhere) = examine(&stage, &[]).await;
    assert_eq!(code, Some(1));
    says(&elsewhere, "daemon", "failed", "has the database, but nothing answers");
    let link = file.with_file_name("link.db");
    std::fs::hard_link(&file, &link).unwrap();
    let linked = format!("sqlite://{}", link.display());
    let settings = [("STORYCLIP_URL", url), ("STORYCLIP_DATABASE_URL", &linked)];
    let (_, beside) = examine(&stage, &settings).await;
    says(&beside, "database", "ok", "under another name");

    daemon.stop().await;
    let (code, after) = examine(&stage, &[]).await;
    assert_eq!(code, Some(0), "{after:#?}");
    says(&after, "database", "ok", "SQLite, can be written");
    stage.start().await.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_token_without_its_user_starts_nothing() {
    let stage = Stage::new(json!({})).await.set("METRICOOL_USER_ID", "");
    let mut process = stage.spawn();
    assert_eq!(process.ended().await.code(), Some(1));
    let log = process.log();
    assert!(
        log.contains("METRICOOL_USER_ID is not set beside METRICOOL_USER_TOKEN"),
        "{log}"
    );
    stage.clear().await;
}

#[tokio::test]
async fn what_is_wrong_is_found_with_what_to_do() {
    let stage = Stage::new(json!({"unauthorized": true})).await;
    let (code, findings) = examine(&stage, &[]).await;
    assert_eq!(code, Some(1));
    says(&findings, "credentials", "failed", "METRICOOL_UNAUTHORIZED");
    let (_, findings) = examine(&stage, &[("METRICOOL_USER_TOKEN", "")]).await;
    says(&findings, "credentials", "failed", "METRICOOL_USER_TOKEN is not set");
    let (code, findings) = examine(&stage, &[("METRICOOL_USER_ID", ""), ("METRICOOL_USR_ID", "1")]).await;
    assert_eq!(code, Some(1));
    says(&findings, "credentials", "failed", "METRICOOL_USER_ID is not set");
    says(
        &findings,
        "settings",
        "warning",
        "METRICOOL_USR_ID is set, but no setting has that name",
    );
    let (code, findings) = examine(&stage, &[("STORYCLIP_METRICOOL_URL", &nobody())]).await;
    assert_eq!(code, Some(1));
    says(&findings, "network", "failed", "cannot be reached");
    says(&findings, "credentials", "skipped", "cannot be reached");
    let keys = "a:sk_aaaaa:read,b:sk_bbbbb:read";
    let (_, findings) = examine(&stage, &[("STORYCLIP_API_KEYS", keys)]).await;
    says(&findings, "keys", "failed", "several tenants");
    let unlisted = [("STORYCLIP_API_KEYS", keys), ("STORYCLIP_TENANT_ACCOUNTS", "b:5372118")];
    let (_, findings) = examine(&stage, &unlisted).await;
    says(&findings, "keys", "warning", "no brand belongs to a,");
    let (code, findings) = examine(&stage, &[("STORYCLIP_LEASE_SECONDS", "1")]).await;
    assert_eq!(code, Some(1));
    says(&findings, "settings", "failed", "lease_seconds must be");
    let folder = stage.database.file().join("no/such/folder.db");
    let url = format!("sqlite://{}", folder.display());
    let (_, findings) = examine(&stage, &[("STORYCLIP_DATABASE_URL", &url)]).await;
    says(&findings, "database", "failed", "directory");
    for finding in findings.iter().filter(|one| one["state"] == "failed") {
        assert_ne!(finding["todo"], Value::Null, "{finding:#}");
    }
    std::fs::write(stage.database.file(), "this is no database, and long enough to be none").unwrap();
    let (_, findings) = examine(&stage, &[]).await;
    says(&findings, "database", "failed", "not a database");
    stage.clear().await;
}

#[tokio::test]
async fn a_key_of_another_tenant_than_the_first_start_s_is_told_that_brands_must_be_assigned() {
    const WARNING: &str = "there are keys of several tenants";
    let stage = Stage::new(json!({})).await.set("STORYCLIP_API_KEYS", "");
    let daemon = stage.start().await;
    assert!(!daemon.process.log().contains(WARNING));
    daemon.stop().await;

    let stage = stage.set("STORYCLIP_API_KEYS", &format!("stories:{KEY}:publish+read"));
    let daemon = stage.start().await;
    let log = daemon.process.log();
    let line = log.lines().find(|line| line.contains(WARNING)).unwrap();
    for named in ["default, stories", "STORYCLIP_TENANT_ACCOUNTS", "key_first"] {
        assert!(line.contains(named), "{line}");
    }
    let (code, found) = examine(&stage, &[("STORYCLIP_URL", &daemon.api.url)]).await;
    assert_eq!(code, Some(1), "{found:#?}");
    says(&found, "brands", "failed", "it can publish nothing");
    let brands = found.iter().find(|one| one["check"] == "brands").unwrap();
    let todo = brands["todo"].as_str().unwrap();
    assert!(todo.contains("STORYCLIP_TENANT_ACCOUNTS=tenant:"), "{todo}");
    let publish = "/api/metricool/publish/stories";
    let body = stories(ACCOUNT, &clips(1), json!({}));
    let (status, refused) = daemon.api.post(publish, &body).await;
    assert_eq!((status.as_u16(), &refused["code"]), (404, &json!("ACCOUNT_NOT_FOUND")));
    let why = refused["detail"].as_str().unwrap();
    assert!(why.contains("STORYCLIP_TENANT_ACCOUNTS"), "{why}");
    daemon.stop().await;

    // Whoever says whose the brand is can go on; so can who is alone after the first key is revoked.
    let keys = format!("stories:{KEY}:publish+read,default:sk_root_1:admin");
    let stage = stage
        .set("STORYCLIP_API_KEYS", &keys)
        .set("STORYCLIP_TENANT_ACCOUNTS", &format!("stories:{ACCOUNT}"));
    let daemon = stage.start().await;
    let (code, found) = examine(&stage, &[("STORYCLIP_URL", &daemon.api.url)]).await;
    assert_eq!(code, Some(0), "{found:#?}");
    says(&found, "brands", "ok", "may publish to 1");
    daemon.api.publish(&body).await;
    let root = daemon.api.with_key("sk_root_1");
    let revoked = root
        .request(Method::DELETE, "/api/keys/key_first")
        .send()
        .await
        .unwrap();
    assert_eq!(revoked.status(), StatusCode::OK);
    daemon.stop().await;
    let stage = stage
        .set("STORYCLIP_API_KEYS", &format!("stories:{KEY}:publish+read"))
        .set("STORYCLIP_TENANT_ACCOUNTS", "");
    let daemon = stage.start().await;
    assert!(!daemon.process.log().contains(WARNING));
    let (_, all) = daemon.api.get("/api/metricool/brands").await;
    assert_eq!(all["count"], 3);
    daemon.stop().await;
    stage.clear().await;
}

#[tokio::test]
async fn a_database_of_a_newer_daemon_is_found_and_left_alone() {
    let stage = Stage::new(json!({})).await;
    stage.start().await.stop().await;
    let mut conn = stage.database.open().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'newer', TRUE, X'00', 0)";
    sqlx::query(newer).execute(&mut conn).await.unwrap();
    sqlx::Connection::close(conn).await.unwrap();
    let (code, findings) = examine(&stage, &[]).await;
    assert_eq!(code, Some(1));
    says(&findings, "database", "failed", "upgraded by a newer StoryClip");
    stage.clear().await;
}

#[tokio::test]
async fn a_postgresql_is_looked_at_beside_its_daemon() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let stage = Stage::with(database, instant(json!({}))).await;
    let (code, before) = examine(&stage, &[]).await;
    assert_eq!(code, Some(0), "{before:#?}");
    says(&before, "database", "ok", "the next start runs");
    let daemon = stage.start().await;
    let (code, beside) = examine(&stage, &[("STORYCLIP_URL", &daemon.api.url)]).await;
    assert_eq!(code, Some(0), "{beside:#?}");
    says(&beside, "database", "ok", "PostgreSQL, can be written");
    says(&beside, "clock", "ok", "database server");
    daemon.stop().await;
    stage.clear().await;
}
