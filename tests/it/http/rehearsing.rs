//! `POST …/publish/stories?dryRun=true`: everything is checked and nothing is created.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storyclip_actors::{
    error::{Refused, Verdict},
    model::{BatchId, BatchStatus, ClipStatus},
};

use super::{
    runner::Runner,
    scheduling::{at, error},
    server::{FULL, PUBLISH, Server, Setup, body_of, problem, read},
};

#[tokio::test]
async fn a_dry_run_checks_everything_and_creates_nothing() {
    let server = Server::start().await;
    let path = format!("{PUBLISH}?dryRun=true");
    let dry = |body: Value| server.post(&path).header("idempotency-key", "k1").json(&body).send();
    let (status, answer) = read(dry(body_of(3)).await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!((&answer["dryRun"], &answer["batchId"]), (&json!(true), &Value::Null));
    assert_eq!(
        (&answer["status"], &answer["createdAt"]),
        (&json!("processing"), &Value::Null)
    );
    let expected: Vec<_> = answer["plan"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["scheduledAt"])
        .collect();
    assert_eq!(
        expected,
        [
            "2026-01-01T00:01:00.000Z",
            "2026-01-01T00:03:00.000Z",
            "2026-01-01T00:05:00.000Z"
        ]
    );
    assert_eq!(
        server.network.asked.lock().unwrap().len(),
        3,
        "every media was asked about"
    );

    let later = at(json!({"mode": "scheduled", "scheduledAt": "2026-12-01T18:00:00Z"}));
    let (_, answer) = read(dry(later).await.unwrap()).await;
    assert_eq!(answer["plan"][1]["scheduledAt"], "2026-12-01T18:01:00.000Z");
    assert_eq!(answer["status"], "scheduled");
    assert_eq!(server.rows().await, [0; 6]);
    assert!(server.notes.created.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_dry_run_finds_what_the_network_would_refuse() {
    let server = Server::start().await;
    let path = format!("{PUBLISH}?dryRun=true");
    let dry = async || server.post(&path).json(&body_of(3)).send().await.unwrap();
    let url = |n: usize| format!("https://cdn.example/clip_{n}.mp4");
    {
        let mut media = server.network.media.lock().unwrap();
        media.insert(url(1), error(Verdict::Rejected, false));
        media.insert(url(3), error(Verdict::Unavailable, false));
    }
    let told = problem(dry().await, 422, "MEDIA_NOT_READABLE").await;
    let fields: Vec<_> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["field"])
        .collect();
    assert_eq!(fields, ["posts[0].url", "posts[2].url"]);
    server
        .network
        .media
        .lock()
        .unwrap()
        .insert(url(2), error(Verdict::Unavailable, true));
    let told = problem(dry().await, 503, "PROVIDER_UNAVAILABLE").await;
    assert!(told["detail"].as_str().unwrap().contains("Nothing was created"));

    *server.network.connected.lock().unwrap() = Ok(false);
    let told = problem(dry().await, 422, "NETWORK_NOT_CONNECTED").await;
    assert_eq!(told["errors"][0]["field"], "settings.network");
    *server.network.connected.lock().unwrap() = Err(error(Verdict::Unauthorized(Refused::Brand), false));
    let told = problem(dry().await, 422, "ACCOUNT_UNAUTHORIZED").await;
    assert_eq!(told["errors"][0]["field"], "settings.accountId");
    *server.network.connected.lock().unwrap() = Err(error(Verdict::Unauthorized(Refused::Token), false));
    problem(dry().await, 503, "PROVIDER_UNAVAILABLE").await;

    let mut other = body_of(1);
    other["settings"]["accountId"] = json!("99");
    let response = server.post(&path).json(&other).send().await.unwrap();
    problem(response, 404, "ACCOUNT_NOT_FOUND").await;
    problem(
        server.post(&path).json(&json!({})).send().await.unwrap(),
        400,
        "MISSING_POSTS",
    )
    .await;
    let response = server.bare(Method::POST, &path).json(&body_of(1)).send().await.unwrap();
    problem(response, 401, "MISSING_API_KEY").await;
    let reader = server.bare(Method::POST, &path).header("x-api-key", "sk_read_1");
    problem(
        reader.json(&body_of(1)).send().await.unwrap(),
        403,
        "INSUFFICIENT_SCOPE",
    )
    .await;
    let odd = server
        .post(&format!("{PUBLISH}?dryRun=maybe"))
        .json(&body_of(1))
        .send()
        .await
        .unwrap();
    problem(odd, 400, "INVALID_QUERY").await;
    assert_eq!(server.rows().await, [0; 6]);
}

#[tokio::test]
async fn more_posts_in_a_day_than_a_network_takes_are_told_before_they_are_sent() {
    let server = Server::start().await;
    let body = |clips: usize, network: &str| {
        let mut body = body_of(clips);
        body["settings"]["network"] = json!(network);
        body
    };
    let path = format!("{PUBLISH}?dryRun=true");
    let dry = async |clips, network| server.post(&path).json(&body(clips, network)).send().await.unwrap();
    let warned = async |clips, network| {
        let (status, answer) = read(dry(clips, network).await).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["warnings"].clone()
    };
    assert_eq!(warned(25, "instagram").await, json!([]));
    let told = "make 26 of this account within 24 hours, with those that it has: instagram takes 25 to 100, by account";
    assert_eq!(
        warned(26, "instagram").await,
        json!([{"field": "posts", "message": told}])
    );
    assert_eq!(warned(100, "facebook").await, json!([]), "no number is known");

    let (_, answer) = read(server.post(PUBLISH).json(&body(60, "instagram")).send().await.unwrap()).await;
    let mut runner = Runner::claim(&server, &BatchId::from(answer["batchId"].as_str().unwrap())).await;
    for clip in 1..=60 {
        runner.clip(clip, ClipStatus::Uploading).await;
        runner.clip(clip, ClipStatus::WaitingConfirmation).await;
    }
    let told = warned(40, "instagram").await;
    assert!(
        told[0]["message"].as_str().unwrap().starts_with("make 100 of"),
        "{told}"
    );
    let told = problem(dry(41, "instagram").await, 422, "QUOTA_EXCEEDED").await;
    assert_eq!(told["errors"][0]["field"], "posts");
    let tomorrow = |mut body: Value| {
        body["schedule"] = json!({"mode": "scheduled", "scheduledAt": "2026-01-02T00:01:00Z"});
        body
    };
    let later = tomorrow(body(41, "instagram"));
    let (_, answer) = read(server.post(&path).json(&later).send().await.unwrap()).await;
    assert!(
        answer["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("make 41 of"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_other_batches_are_still_to_send_counts_too() {
    let server = Server::start_with(Setup {
        accounts: "stories:5372118+77,other:5372118",
        ..Setup::default()
    })
    .await;
    let body = |clips: usize, account: &str, network: &str| {
        let mut body = body_of(clips);
        body["settings"] = json!({"accountId": account, "network": network});
        body
    };
    let on = |day: &str, mut body: Value| {
        let at = format!("2026-01-{day}T12:00:00Z");
        body["schedule"] = json!({"mode": "scheduled", "scheduledAt": at});
        body
    };
    let create = async |key: &str, body: Value| {
        let request = server.bare(Method::POST, PUBLISH).header("x-api-key", key).json(&body);
        let (status, answer) = read(request.send().await.unwrap()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        BatchId::from(answer["batchId"].as_str().unwrap())
    };
    // How many are too many or may be, with a day of that many.
    let path = format!("{PUBLISH}?dryRun=true");
    let told = async |body: Value| {
        let (status, answer) = read(server.post(&path).json(&body).send().await.unwrap()).await;
        let told = match status {
            StatusCode::OK => &answer["warnings"],
            _ => {
                assert_eq!(answer["code"], "QUOTA_EXCEEDED", "{answer}");
                &answer["errors"]
            }
        };
        let message = told[0]["message"].as_str().unwrap_or_default();
        let count = message.split(' ').nth(1).unwrap_or("0");
        (status.as_u16(), count.parse::<usize>().unwrap())
    };
    let own = |clips| body(clips, "5372118", "instagram");

    create(FULL, body(90, "77", "instagram")).await;
    create(FULL, body(90, "5372118", "facebook")).await;
    assert_eq!(told(own(90)).await, (200, 90), "another account, another network");
    let batch = create(FULL, own(90)).await;
    assert_eq!(told(own(90)).await, (422, 180));
    assert_eq!(told(own(10)).await, (200, 100));

    let mut runner = Runner::claim(&server, &batch).await;
    for clip in 1..=9 {
        runner.clip(clip, ClipStatus::Uploading).await;
        runner.clip(clip, ClipStatus::WaitingConfirmation).await;
    }
    assert_eq!(told(own(10)).await, (200, 100), "none counts twice");
    runner.clip(9, ClipStatus::Published).await;
    runner.turn(BatchStatus::Paused, false).await;
    assert_eq!(told(own(11)).await, (422, 101), "it will be resumed");
    runner.turn(BatchStatus::Failed, false).await;
    assert_eq!(told(own(90)).await, (200, 99), "no other clip of it is sent");

    // Whose batch it is makes no difference to the network, and a day counts what lies in it.
    create("sk_other_1", on("10", own(60))).await;
    assert_eq!(told(on("10", own(41))).await, (422, 101));
    assert_eq!(told(on("12", own(41))).await, (200, 41));
}
