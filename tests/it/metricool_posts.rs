//! What the Metricool client makes of posts that exist: status, find and withdraw, over real sockets.

#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use serde_json::json;
use storyclip::providers::metricool::ListShowsPublished;
use storyclip_actors::{
    error::{Refused, Verdict},
    model::Network,
    ports::{Clock, FailureKind, Provider, Reading, Withdrawal},
};

use crate::rehearsal::{MemoryFacts, Reply, Stage, Stub, TOKEN, brand, client, handle};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_cut_after_the_commit_leaves_a_post_that_goes_live_and_can_be_found() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    stage.faults(json!({"cut_after_commit": {"next": 1}}));
    let request = stage.story(Duration::ZERO);
    let error = metricool.create(&brand(), &request).await.unwrap_err();
    assert_eq!((error.verdict, error.http_status), (Verdict::Unknown, None));
    stage.clock.advance(3 * SECOND);
    let live = stage.sandbox.posts();
    assert!(live[0].live.is_some());
    let listing = metricool.find(&brand(), &request).await.unwrap();
    assert!(listing.complete);
    assert_eq!(listing.posts[0].post.id.as_str(), live[0].id.to_string());
    assert_eq!(
        (listing.posts[0].slot, listing.posts[0].media[0].as_str()),
        (request.slot, &*request.media)
    );
}

#[tokio::test]
async fn reads_are_never_unknown_and_a_404_is_a_reading() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    stage.faults(json!({"not_visible_ms": 5_000}));
    let post = metricool.create(&brand(), &stage.story(MINUTE)).await.unwrap();
    let status = async || metricool.status(&brand(), Network::Facebook, &post).await;
    assert_eq!(status().await, Ok(Reading::Missing));
    stage.clock.advance(5 * SECOND);
    assert_eq!(status().await, Ok(Reading::Pending("PENDING".into())));
    let nowhere = metricool
        .status(&brand(), Network::Facebook, &handle("../posts?x="))
        .await;
    assert_eq!(nowhere, Ok(Reading::Missing), "no id of Metricool's, never sent");
    for (fault, verdict, outage) in [
        (
            json!({"unavailable": {"route": "get", "status": 500}}),
            Verdict::Unavailable,
            true,
        ),
        (json!({"html_body": {"route": "get"}}), Verdict::Unavailable, true),
        (
            json!({"unauthorized": true}),
            Verdict::Unauthorized(Refused::Token),
            false,
        ),
        (
            json!({"forbidden_brands": ["5372118"]}),
            Verdict::Unauthorized(Refused::Brand),
            false,
        ),
    ] {
        stage.sandbox.faults().reset();
        stage.faults(fault.clone());
        let error = status().await.unwrap_err();
        assert_eq!((error.verdict, error.outage), (verdict, outage), "{fault}");
    }
}

#[tokio::test]
async fn a_listing_has_every_post_of_the_window_with_its_own_zone() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    let madrid = json!({"text": "hola", "providers": [{"network": "twitter"}, {"network": "instagram"}],
        "media": ["https://cdn.example/other.mp4"], "instagramData": {"type": "POST"},
        "publicationDate": {"dateTime": "2030-05-06T18:40:00", "timezone": "Europe/Madrid"}});
    assert_eq!(stage.call("POST", "/v2/scheduler/posts", Some(madrid)).await.0, 200);
    let request = stage.story(MINUTE);
    metricool.create(&brand(), &request).await.unwrap();
    metricool
        .create(&brand(), &stage.story(25 * 60 * MINUTE))
        .await
        .unwrap();
    let listing = metricool.find(&brand(), &request).await.unwrap();
    assert!(listing.complete && !listing.shows_published);
    let [ours, theirs] = &listing.posts[..] else {
        panic!("{listing:?}");
    };
    assert_eq!((ours.network, ours.slot), (Some(Network::Facebook), request.slot));
    assert_eq!(ours.created_at, Some(stage.clock.now()));
    assert_eq!(
        (theirs.network, theirs.text.as_str()),
        (Some(Network::Instagram), "hola")
    );
    assert_eq!(theirs.slot.to_string(), "2030-05-06T16:40:00.000Z");

    stage.faults(json!({"list_has_more": true}));
    assert!(!metricool.find(&brand(), &request).await.unwrap().complete);
    stage.faults(json!({"list_has_more": null, "list_lag_ms": 1_000}));
    let lagging = stage.story(2 * MINUTE);
    metricool.create(&brand(), &lagging).await.unwrap();
    assert_eq!(metricool.find(&brand(), &lagging).await.unwrap().posts.len(), 2);
    stage.clock.advance(SECOND);
    assert_eq!(metricool.find(&brand(), &lagging).await.unwrap().posts.len(), 3);
}

#[tokio::test]
async fn a_post_that_a_person_moved_by_hours_is_listed_with_its_media() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    let request = stage.story(MINUTE);
    let made = metricool.create(&brand(), &request).await.unwrap();
    let id: i64 = made.id.as_str().parse().unwrap();
    let body = json!({"id": id, "text": "", "providers": [{"network": "facebook"}], "facebookData": {"type": "STORY"},
        "media": [&*request.media], "publicationDate": {"dateTime": "2030-05-07T16:00:00", "timezone": "UTC"}});
    let path = format!("/v2/scheduler/posts/{id}");
    assert_eq!(stage.call("PUT", &path, Some(body)).await.0, 200);
    let listing = metricool.find(&brand(), &request).await.unwrap();
    let [moved] = &listing.posts[..] else {
        panic!("{listing:?}");
    };
    assert_eq!((&moved.post.uuid, moved.post.id == made.id), (&made.uuid, false));
    assert_eq!(moved.slot.to_string(), "2030-05-07T16:00:00.000Z");
    assert_eq!(moved.media, [request.media.to_string()]);
}

#[tokio::test]
async fn that_the_list_shows_published_posts_is_learned_and_remembered() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    stage.faults(json!({"list_hides_published": true}));
    let request = stage.story(Duration::ZERO);
    metricool.create(&brand(), &request).await.unwrap();
    stage.clock.advance(10 * SECOND);
    let listing = metricool.find(&brand(), &request).await.unwrap();
    assert_eq!(
        (listing.posts.len(), listing.shows_published),
        (0, false),
        "absence proves nothing here"
    );

    stage.faults(json!({"list_hides_published": false}));
    assert!(metricool.find(&brand(), &request).await.unwrap().shows_published);
    stage.sandbox.clear();
    assert!(metricool.find(&brand(), &request).await.unwrap().shows_published);
    assert!(
        stage
            .metricool()
            .find(&brand(), &request)
            .await
            .unwrap()
            .shows_published,
        "after a restart"
    );
    let [name] = &stage.facts.names()[..] else {
        panic!("{:?}", stage.facts.names());
    };
    assert!(name.starts_with("metricool.list_shows_published.") && !name.contains(TOKEN));

    let other = stage.client(|options| options.user_id = "2".into());
    assert!(
        !other.find(&brand(), &request).await.unwrap().shows_published,
        "another account learns for itself"
    );
    let told = stage.client(|options| options.list_shows_published = ListShowsPublished::No);
    assert!(!told.find(&brand(), &request).await.unwrap().shows_published);
    let base_url = stage.sandbox.base_url();
    let yes = client(
        &base_url,
        stage.clock.clone(),
        Arc::<MemoryFacts>::default(),
        |options| {
            options.list_shows_published = ListShowsPublished::Yes;
        },
    );
    assert!(yes.find(&brand(), &request).await.unwrap().shows_published);
}

#[tokio::test]
async fn a_withdrawal_is_claimed_only_with_proof() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    let request = stage.story(16 * SECOND);
    let post = metricool.create(&brand(), &request).await.unwrap();
    let near = metricool.create(&brand(), &stage.story(14 * SECOND)).await.unwrap();
    let facebook = Network::Facebook;
    let withdraw = async |post, slot| metricool.withdraw(&brand(), facebook, post, slot).await;
    let refused = withdraw(&near, stage.clock.now() + 14 * SECOND).await.unwrap();
    assert_eq!(refused, Withdrawal::Refused(Reading::Pending("PENDING".into())));

    stage.faults(json!({"unavailable": {"route": "delete"}}));
    let error = withdraw(&post, request.slot).await.unwrap_err();
    assert_eq!(
        (error.verdict, error.code.as_str()),
        (Verdict::Unavailable, "METRICOOL_NOT_WITHDRAWN")
    );
    stage.faults(json!({"unavailable": null}));
    assert_eq!(withdraw(&post, request.slot).await, Ok(Withdrawal::Withdrawn));
    assert_eq!(
        withdraw(&post, request.slot).await,
        Ok(Withdrawal::Refused(Reading::Missing))
    );

    stage.clock.advance(MINUTE);
    let live = withdraw(&near, stage.clock.now() + MINUTE).await.unwrap();
    assert!(
        matches!(live, Withdrawal::Refused(Reading::Published { .. })),
        "{live:?}"
    );
    let (withdrawn, published) = (&stage.sandbox.posts()[0], &stage.sandbox.posts()[1]);
    assert!(withdrawn.deleted && withdrawn.live.is_none());
    assert!(!published.deleted && published.live.is_some());
}

#[tokio::test]
async fn a_lost_delete_is_looked_at_again() {
    const PENDING: &str = r#"{"data":{"id":7,"providers":[{"network":"facebook","status":"PENDING"}]}}"#;
    const LIVE: &str = r#"{"data":{"id":7,"providers":[{"network":"facebook","status":"PUBLISHED"}]}}"#;
    let pending = || Reply::Json(200, PENDING);
    let gone = || Reply::Json(404, "{}");
    let deleted = || Reply::Json(200, r#"{"data":true}"#);
    let late = |reply| Reply::After(56 * SECOND, Box::new(reply));
    let live = Reading::Published {
        network_post_id: None,
        permalink: None,
    };
    for (case, replies, expected) in [
        (
            "lost, then gone",
            vec![pending(), Reply::Cut, gone()],
            Some(Withdrawal::Withdrawn),
        ),
        (
            "not carried out",
            vec![pending(), Reply::Json(200, r#"{"data":false}"#), pending()],
            None,
        ),
        (
            "deleted at the slot",
            vec![pending(), late(deleted()), gone()],
            Some(Withdrawal::Refused(Reading::Missing)),
        ),
        (
            "lost, and live",
            vec![pending(), Reply::Cut, late(Reply::Json(200, LIVE))],
            Some(Withdrawal::Refused(live)),
        ),
        (
            "edited away",
            vec![pending(), gone()],
            Some(Withdrawal::Refused(Reading::Missing)),
        ),
    ] {
        let stub = Stub::answering(replies).await;
        let slot = stub.clock.now() + MINUTE;
        let outcome = stub
            .metricool()
            .withdraw(&brand(), Network::Facebook, &handle("7"), slot)
            .await;
        assert_eq!(outcome.ok(), expected, "{case}");
    }
}

#[tokio::test]
async fn a_status_on_top_counts_where_the_network_has_none() {
    let stub = Stub::answering([
        Reply::Json(200, r#"{"data":{"id":7,"status":"PUBLISHED","externalId":257993346}}"#),
        Reply::Json(
            200,
            r#"{"data":{"id":7,"lifecycle":"live","providers":[{"network":"facebook","status":"PENDING"}]}}"#,
        ),
        Reply::Json(200, r#"{"data":{"id":7,"status":"PROCESSING"}}"#),
    ])
    .await;
    let metricool = stub.metricool();
    let status = async || {
        metricool
            .status(&brand(), Network::Facebook, &handle("7"))
            .await
            .unwrap()
    };
    assert_eq!(
        status().await,
        Reading::Published {
            network_post_id: Some("257993346".into()),
            permalink: None
        }
    );
    assert_eq!(status().await, Reading::Pending("PENDING".into()));
    assert_eq!(status().await, Reading::Pending("PROCESSING".into()));
}

#[tokio::test]
async fn odd_ends_of_a_post_are_read_for_what_they_are() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    let ended = async |fault: serde_json::Value, after: Duration| {
        stage.sandbox.faults().reset();
        stage.faults(fault);
        let post = metricool.create(&brand(), &stage.story(Duration::ZERO)).await.unwrap();
        stage.clock.advance(after);
        metricool.status(&brand(), Network::Facebook, &post).await.unwrap()
    };
    let failed = ended(json!({"failed": "Please reconnect the page"}), 3 * SECOND).await;
    assert!(matches!(failed, Reading::Failed(failure) if failure.kind == FailureKind::Connection));
    let unknown = ended(json!({"unknown_status": "REVIEWING"}), SECOND).await;
    assert_eq!(unknown, Reading::Pending("REVIEWING".into()));
    assert_eq!(
        ended(json!({"stuck": true}), 60 * MINUTE).await,
        Reading::Pending("PENDING".into())
    );
    let without_url = ended(json!({"published_without_url": true}), 3 * SECOND).await;
    assert!(matches!(
        without_url,
        Reading::Published {
            permalink: None,
            network_post_id: Some(_)
        }
    ));
    let just_before = ended(json!({"publish_at_ms": 90_000}), 90 * SECOND - Duration::from_millis(1)).await;
    assert_eq!(just_before, Reading::Pending("PUBLISHING".into()));
    let just_in_time = ended(json!({"publish_at_ms": 90_000}), 90 * SECOND).await;
    assert!(matches!(just_in_time, Reading::Published { .. }));
}
