//! Keys of the real daemon: the first one, the commands that make others, and several daemons on one database.

use std::{
    fs::{self, File},
    time::Duration,
};

use reqwest::StatusCode;
use serde_json::json;

use super::{
    database::Database,
    process::{PATIENCE, storyclip},
    stage::{Api, Stage, clips, instant, stories},
};

const ACTIVE: &str = "/api/metricool/batches/active";

/// Runs a client command and gives its exit code and what it printed.
async fn run(api: &Api, key: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = storyclip("keys");
    command
        .args(args)
        .env("STORYCLIP_URL", &api.url)
        .env("STORYCLIP_API_KEY", key);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_first_start_without_a_key_makes_one_and_the_commands_make_others() {
    let stage = Stage::new(json!({})).await.set("STORYCLIP_API_KEYS", "");
    let printed = std::env::temp_dir().join(format!("storyclip-first-{:016x}", rand::random::<u64>()));
    let mut process = stage.spawn_to(File::create(&printed).unwrap().into());
    let url = process.listening().await;
    let shown = fs::read_to_string(&printed).unwrap();
    let root = shown
        .split_whitespace()
        .find(|word| word.starts_with("sk_"))
        .unwrap()
        .to_owned();
    assert_eq!(shown.matches(&root).count(), 1);
    let api = Api::new(url, &root);
    assert_eq!(api.get(ACTIVE).await.0, StatusCode::OK, "it is an admin");
    assert_eq!(api.get("/metrics").await.0, StatusCode::OK);

    let (code, secret, said) = run(
        &api,
        &root,
        &["create", "--scope", "publish", "--scope", "read", "--name", "shop"],
    )
    .await;
    assert_eq!(code, Some(0), "{said}");
    let secret = secret.trim_end();
    assert!(
        secret.starts_with("sk_") && !secret.contains('\n') && !said.contains(secret),
        "{secret}"
    );
    let shop = api.with_key(secret);
    shop.publish(&stories("5372118", &clips(1), json!({}))).await;
    let (code, table, _) = run(&api, &root, &["list"]).await;
    assert_eq!(code, Some(0));
    let line = table.lines().find(|line| line.contains("shop")).unwrap();
    assert!(
        line.contains("publish+read") && line.contains("in force") && table.contains("key_first"),
        "{table}"
    );
    let id = line.split_whitespace().next().unwrap().to_owned();
    let (code, json, _) = run(&api, &root, &["list", "--json"]).await;
    assert!(
        code == Some(0) && json.contains(&id) && !json.contains(secret),
        "{json}"
    );
    let (code, said, _) = run(&api, &root, &["revoke", &id]).await;
    assert!(code == Some(0) && said.contains(&id), "{said}");
    assert_eq!(
        shop.get("/api/metricool/batches/active?userId=u1").await.0,
        StatusCode::UNAUTHORIZED
    );
    let (code, _, said) = run(&api, &root, &["revoke", "key_none"]).await;
    assert!(code == Some(1) && said.contains("KEY_NOT_FOUND"), "{said}");
    let (code, _, said) = run(&api, secret, &["list"]).await;
    assert!(code == Some(1) && said.contains("INVALID_API_KEY"), "{said}");
    for wrong in [&["create"][..], &["create", "--scope", "fly"], &["revoke"], &[]] {
        assert_eq!(run(&api, &root, wrong).await.0, Some(2), "{wrong:?}");
    }
    let log = process.log();
    assert!(!log.contains(&root) && !log.contains(secret), "{log}");
    process.stop().await;

    // The key is the same at the next start, which makes no other; when it was used was written down.
    let mut process = stage.spawn_to(File::create(&printed).unwrap().into());
    let api = Api::new(process.listening().await, &root);
    assert_eq!(fs::read_to_string(&printed).unwrap(), "");
    let (status, list) = api.get("/api/keys").await;
    assert_eq!(status, StatusCode::OK);
    let revoked = list["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["id"] == id.as_str())
        .unwrap();
    assert!(revoked["revokedAt"].is_string(), "{list}");
    process.stop().await;
    fs::remove_file(&printed).unwrap();
    stage.clear().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_first_key_that_cannot_be_shown_is_not_made() {
    let stage = Stage::new(json!({})).await.set("STORYCLIP_API_KEYS", "");
    let mut process = stage.spawn_to(File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(process.ended().await.code(), Some(1));
    let log = process.log();
    assert!(
        log.contains("the first one cannot be shown") && !log.replace("sk_…", "").contains("sk_"),
        "{log}"
    );
    let printed = std::env::temp_dir().join(format!("storyclip-first-{:016x}", rand::random::<u64>()));
    let mut process = stage.spawn_to(File::create(&printed).unwrap().into());
    let url = process.listening().await;
    let shown = fs::read_to_string(&printed).unwrap();
    let root = shown.split_whitespace().find(|word| word.starts_with("sk_")).unwrap();
    assert_eq!(Api::new(url, root).get(ACTIVE).await.0, StatusCode::OK, "{shown}");
    process.stop().await;
    fs::remove_file(&printed).unwrap();
    stage.clear().await;
}

#[tokio::test]
async fn a_key_that_one_daemon_revokes_soon_works_on_no_other() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let stage = Stage::with(database, instant(json!({})))
        .await
        .set("STORYCLIP_API_KEYS", "stories:sk_root_1:admin");
    let (here, there) = (stage.start().await, stage.start().await);
    let root = here.api.with_key("sk_root_1");
    let (status, made) = root.post("/api/keys", &json!({"scopes": ["admin"]})).await;
    assert_eq!(status, StatusCode::CREATED);
    let secret = made["secret"].as_str().unwrap();
    let becomes = async |api: &Api, status: StatusCode| {
        let asking = async {
            while api.get(ACTIVE).await.0 != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, asking).await.is_ok(), "never {status}");
    };
    let (on_this, on_that) = (here.api.with_key(secret), there.api.with_key(secret));
    assert_eq!(on_this.get(ACTIVE).await.0, StatusCode::OK, "at once");
    becomes(&on_that, StatusCode::OK).await;
    let path = format!("/api/keys/{}", made["key"]["id"].as_str().unwrap());
    let revoked = root.request(reqwest::Method::DELETE, &path).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::OK);
    assert_eq!(on_this.get(ACTIVE).await.0, StatusCode::UNAUTHORIZED, "at once");
    becomes(&on_that, StatusCode::UNAUTHORIZED).await;
    here.stop().await;
    there.stop().await;
    stage.clear().await;
}
