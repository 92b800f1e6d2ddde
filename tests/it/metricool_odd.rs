//! What the Metricool client makes of answers that are not what Metricool is known to say, over real sockets.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use storyclip_actors::{
    error::Verdict,
    model::Network,
    ports::{Clock, Provider},
};

use crate::rehearsal::{Reply, Stub, brand, handle, story};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_answer_without_the_posts_id_says_nothing_about_it() {
    let answers = [
        r#"{"status":"error","message":"internal"}"#,
        r#"{"lifecycle":"FAILED"}"#,
        r#"{"status":"PUBLISHED"}"#,
        r#"{"id":8,"status":"FAILED"}"#,
        r#"{"data":{"status":"FAILED"}}"#,
        r#"{"data":{"id":8,"status":"PUBLISHED"}}"#,
        r#"{"data":{"providers":[{"network":"facebook","status":"ERROR"}]}}"#,
        r#"{"data":{"id":8,"providers":[{"network":"facebook","status":"PUBLISHED"}]}}"#,
        r#"{"providers":[{"network":"facebook","status":"ERROR"}]}"#,
    ];
    let stub = Stub::answering(answers.map(|body| Reply::Json(200, body))).await;
    let metricool = stub.metricool();
    for body in answers {
        let read = metricool.status(&brand(), Network::Facebook, &handle("7")).await;
        let error = read.expect_err(body);
        assert_eq!((error.verdict, error.outage), (Verdict::Unavailable, false), "{body}");
    }
}

#[tokio::test]
async fn a_post_whose_slot_cannot_be_read_makes_the_listing_incomplete() {
    for (date, read) in [
        (r#""2030-05-06T16:31:20Z""#, true),
        (r#""2030-05-06T18:31:20+02:00""#, true),
        (r#""2030-05-06T16:31:20""#, true),
        (r#""2030-05-06T18:31:20""#, false),
        (r#""2030-05-06""#, false),
        (r#""soon""#, false),
        ("1904315480000", false),
        ("[2030,5,6]", false),
        ("null", false),
    ] {
        let body = format!(r#"{{"data":[{{"id":7,"publicationDate":{date},"creationDate":[]}}]}}"#);
        let stub = Stub::answering([Reply::Json(200, Box::leak(body.into_boxed_str()))]).await;
        let request = story("2030-05-06T16:31:20Z".parse().unwrap());
        let listing = stub.metricool().find(&brand(), &request).await.unwrap();
        assert_eq!(
            (listing.complete, listing.posts.len()),
            (read, usize::from(read)),
            "{date}"
        );
        assert!(listing.posts.iter().all(|post| post.slot == request.slot), "{date}");
    }
}

#[tokio::test]
async fn an_odd_field_beside_the_id_leaves_no_doubt_about_the_post() {
    let answers = [
        r#"{"page":1,"data":{"id":7,"uuid":"-1"}}"#,
        r#"{"page":[2],"data":{"id":7,"uuid":"-1","publicationDate":"2030-05-06T18:30:00"}}"#,
        r#"{"data":{"id":7,"uuid":"-1","creationDate":1904315480000,"providers":["facebook"],"media":"x"}}"#,
    ];
    let stub = Stub::answering(answers.map(|body| Reply::Json(200, body))).await;
    let metricool = stub.metricool();
    for body in answers {
        let post = metricool.create(&brand(), &story(stub.clock.now() + MINUTE)).await;
        assert_eq!(post.map(|post| post.id), Ok("7".into()), "{body}");
    }
}
