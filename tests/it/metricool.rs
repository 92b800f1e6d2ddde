//! The Metricool client's calls that send something, against the sandbox and against canned answers, over real sockets.

#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use serde_json::json;
use storyclip::sandbox::Route;
use storyclip_actors::{
    error::{Refused, Verdict},
    model::Network,
    ports::{Clock, Provider, Reading},
};

use crate::rehearsal::{HandClock, MemoryFacts, Reply, Stage, Stub, TOKEN, brand, handle, story};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_story_goes_from_its_media_to_the_networks_own_word() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    let media = metricool
        .prepare(&brand(), "https://cdn.example/a b.mp4?x=1&y=é")
        .await
        .unwrap();
    assert_eq!(
        &*media, "https://cdn.example/a b.mp4?x=1&y=é",
        "the sandbox echoes, so escaping is seen through"
    );
    let mut request = stage.story(SECOND);
    request.media = "https://cdn.example/clip_1.mp4".into();
    let post = metricool.create(&brand(), &request).await.unwrap();
    assert!(post.uuid.is_some());
    let status = async || metricool.status(&brand(), Network::Facebook, &post).await.unwrap();
    assert_eq!(status().await, Reading::Pending("PENDING".into()));
    stage.clock.advance(SECOND);
    assert_eq!(status().await, Reading::Pending("PUBLISHING".into()));
    stage.clock.advance(2 * SECOND);
    let Reading::Published {
        network_post_id: Some(id),
        permalink: Some(url),
    } = status().await
    else {
        panic!("not published");
    };
    assert!(url.contains(&*id));
    let posts = stage.sandbox.posts();
    assert_eq!((posts.len(), posts[0].live), (1, Some(request.slot + 2 * SECOND)));
    assert_eq!(posts[0].slot, request.slot);
}

#[tokio::test]
async fn every_end_of_a_create_has_its_verdict_and_the_ledger_knows_what_really_happened() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    let later = |seconds| Verdict::Throttled(stage.clock.now() + Duration::from_secs(seconds));
    let token = Verdict::Unauthorized(Refused::Token);
    let forbidden = Verdict::Unauthorized(Refused::Brand);
    for (fault, verdict, outage, code, posts) in [
        (
            json!({"error_before_commit": true}),
            Verdict::Unknown,
            true,
            "METRICOOL_UNAVAILABLE",
            0,
        ),
        (
            json!({"error_after_commit": {"status": 502}}),
            Verdict::Unknown,
            true,
            "METRICOOL_UNAVAILABLE",
            1,
        ),
        (
            json!({"cut_before_commit": true}),
            Verdict::Unknown,
            true,
            "METRICOOL_ANSWER_LOST",
            0,
        ),
        (
            json!({"cut_after_commit": true}),
            Verdict::Unknown,
            true,
            "METRICOOL_ANSWER_LOST",
            1,
        ),
        (
            json!({"answer_without_id": true}),
            Verdict::Unknown,
            false,
            "METRICOOL_NO_POST_ID",
            1,
        ),
        (
            json!({"html_body": true}),
            Verdict::Unknown,
            false,
            "METRICOOL_NO_POST_ID",
            1,
        ),
        (
            json!({"unavailable": true}),
            Verdict::Unknown,
            true,
            "METRICOOL_UNAVAILABLE",
            0,
        ),
        (
            json!({"throttle": {"retry_after_s": 7}}),
            later(7),
            false,
            "METRICOOL_RATE_LIMITED",
            0,
        ),
        (json!({"throttle": true}), later(30), false, "METRICOOL_RATE_LIMITED", 0),
        (json!({"unauthorized": true}), token, false, "METRICOOL_UNAUTHORIZED", 0),
        (
            json!({"forbidden_brands": ["5372118"]}),
            forbidden,
            false,
            "METRICOOL_FORBIDDEN",
            0,
        ),
    ] {
        stage.sandbox.clear();
        stage.sandbox.faults().reset();
        stage.faults(fault.clone());
        let error = metricool.create(&brand(), &stage.story(MINUTE)).await.unwrap_err();
        assert_eq!(
            (error.verdict, error.outage, error.code.as_str()),
            (verdict, outage, code),
            "{fault}"
        );
        assert_eq!(stage.sandbox.posts().len(), posts, "{fault}");
        assert_eq!(
            stage.sandbox.requests()[&Route::Create].count,
            1,
            "{fault}: nothing is sent twice"
        );
        assert!(!error.message.contains(TOKEN) && !error.message.is_empty());
    }
}

#[tokio::test]
async fn no_connection_is_certainly_no_post_and_no_answer_in_time_is_not() {
    let stage = Stage::set().await;
    let closed = stage.client(|options| options.base_url = "http://127.0.0.1:1/api".into());
    let error = closed.create(&brand(), &stage.story(MINUTE)).await.unwrap_err();
    assert_eq!((error.verdict, error.outage), (Verdict::Unavailable, true), "{error:?}");
    assert_eq!(error.code, "METRICOOL_UNREACHABLE");

    let hasty = stage.client(|options| {
        options.slow_timeout = Duration::from_millis(50);
        options.timeout = Duration::from_millis(50);
    });
    stage.faults(json!({"create_delay_ms": 60_000, "status_delay_ms": 60_000}));
    let error = hasty.create(&brand(), &stage.story(MINUTE)).await.unwrap_err();
    assert_eq!(
        (error.verdict, error.outage, error.code.as_str()),
        (Verdict::Unknown, true, "METRICOOL_TIMEOUT")
    );
    let error = hasty
        .status(&brand(), Network::Facebook, &handle("300000001"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.verdict, error.outage, error.code.as_str()),
        (Verdict::Unavailable, true, "METRICOOL_TIMEOUT")
    );
}

#[tokio::test]
async fn a_past_slot_is_passing_and_a_broken_rule_is_not() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    let past = metricool
        .create(&brand(), &story(stage.clock.now() - MINUTE))
        .await
        .unwrap_err();
    assert_eq!((past.verdict, past.outage), (Verdict::Unavailable, false));
    assert_eq!(
        (past.code.as_str(), past.http_status),
        ("METRICOOL_PAST_SLOT", Some(400))
    );
    assert!(past.request_id.is_some());
    let mut request = stage.story(MINUTE);
    request.text = "a story with text".into();
    let refused = metricool.create(&brand(), &request).await.unwrap_err();
    assert_eq!(
        (refused.verdict, refused.code.as_str()),
        (Verdict::Rejected, "METRICOOL_REJECTED")
    );
    assert!(refused.message.contains("at most 0 characters"), "{}", refused.message);
}

#[tokio::test]
async fn a_request_carries_what_metricool_knows_and_nothing_else() {
    let stub = Stub::answering([
        Reply::Text("https://static.example/copy.mp4"),
        Reply::Json(201, r#"{"data":{"id":"300000009","uuid":-8525485292235081787}}"#),
    ])
    .await;
    let metricool = stub.metricool();
    let media = metricool.prepare(&brand(), "https://cdn.example/a.mp4").await.unwrap();
    assert_eq!(&*media, "https://static.example/copy.mp4");
    let mut request = story("2030-05-06T20:30:00+02:00".parse().unwrap());
    request.network = Network::Instagram;
    let post = metricool.create(&brand(), &request).await.unwrap();
    assert_eq!(
        (post.id.as_str(), post.uuid.as_deref()),
        ("300000009", Some("-8525485292235081787"))
    );

    let requests = stub.requests();
    let normalise = requests[0].to_lowercase();
    let asked = "get /api/actions/normalize/image/url?userid=1&blogid=5372118&url=https%3a%2f%2fcdn.example%2fa.mp4 ";
    assert!(normalise.starts_with(asked), "{normalise}");
    assert!(
        normalise.contains("\r\naccept: */*\r\n") && !normalise.contains("application/json"),
        "{normalise}"
    );
    let (head, body) = requests[1].split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("POST /api/v2/scheduler/posts?userId=1&blogId=5372118 "),
        "{head}"
    );
    assert!(
        head.to_lowercase().contains(&format!("\r\nx-mc-auth: {TOKEN}\r\n")),
        "{head}"
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(body).unwrap(),
        json!({"text": "", "providers": [{"network": "instagram"}], "instagramData": {"type": "STORY"},
            "media": ["https://cdn.example/clip_1.mp4"], "autoPublish": true, "draft": false,
            "publicationDate": {"dateTime": "2030-05-06T18:30:00", "timezone": "UTC"}}),
        "a time in Madrid is sent as UTC"
    );
}

#[tokio::test]
async fn the_token_is_never_repeated() {
    let stub = Stub::answering([Reply::Json(400, r#"{"detail":"bad token-that-nobody-may-see indeed"}"#)]).await;
    let error = stub
        .metricool()
        .create(&brand(), &story(stub.clock.now() + MINUTE))
        .await
        .unwrap_err();
    assert_eq!(error.message, "Metricool answered 400: bad [token] indeed");
    let options = storyclip::providers::metricool::Options::new("http://x", TOKEN.into(), "1");
    assert!(!format!("{options:?}").contains(TOKEN));
}

#[tokio::test]
async fn normalise_gives_a_url_or_fails() {
    let answers = [
        Reply::Text(""),
        Reply::Text("<html>"),
        Reply::Json(422, "{}"),
        Reply::Json(500, "{}"),
        Reply::Cut,
    ];
    let stub = Stub::answering(answers).await;
    let metricool = stub.metricool();
    for (verdict, outage) in [
        (Verdict::Unavailable, false),
        (Verdict::Unavailable, true),
        (Verdict::Rejected, false),
        (Verdict::Unavailable, true),
        (Verdict::Unavailable, true),
    ] {
        let error = metricool
            .prepare(&brand(), "https://cdn.example/a.mp4")
            .await
            .unwrap_err();
        assert_eq!((error.verdict, error.outage), (verdict, outage), "{error:?}");
    }
}

#[tokio::test]
async fn a_check_says_which_credential_is_refused() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    assert_eq!(metricool.check(None).await, Ok(()));
    assert_eq!(metricool.check(Some(&brand())).await, Ok(()));
    let brands = metricool.brands().await.unwrap();
    assert!(
        brands
            .iter()
            .any(|known| known.id == brand() && known.facebook.is_some())
    );

    stage.faults(json!({"forbidden_brands": ["5372118"]}));
    let error = metricool.check(Some(&brand())).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Unauthorized(Refused::Brand));
    assert_eq!(metricool.check(None).await, Ok(()), "the others go on");
    stage.faults(json!({"forbidden_brands": [], "unauthorized": true}));
    let error = metricool.check(None).await.unwrap_err();
    assert_eq!(error.verdict, Verdict::Unauthorized(Refused::Token));
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_at_the_start() {
    use storyclip::providers::{http_client, metricool::Metricool, metricool::Options};
    let clock = HandClock::at("2030-05-06T16:30:20Z");
    for (url, token, user) in [
        ("nonsense", "t", "1"),
        ("ftp://x/api", "t", "1"),
        ("http://x/api", "", "1"),
        ("http://x/api", "a\nb", "1"),
        ("http://x/api", "t", ""),
        ("http://x/api", "t", " "),
    ] {
        let options = Options::new(url, token.into(), user);
        let made = Metricool::new(
            options,
            http_client(url, 1).unwrap(),
            Arc::<MemoryFacts>::default(),
            clock.clone(),
        );
        assert!(made.is_err(), "{url} {token} {user}");
    }
}
