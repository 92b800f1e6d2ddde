//! The knobs that hold something back for as long as they are set: what became of a post, and answers.

use serde_json::json;
use storyclip::sandbox::{Route, State};
use storyclip_actors::{
    model::Network,
    ports::{Provider, Reading},
};

use super::{MINUTE, Stage, brand};

#[tokio::test]
async fn a_post_reads_as_pending_until_its_end_is_told() {
    let stage = Stage::set().await;
    let metricool = stage.metricool();
    let post = metricool.create(&brand(), &stage.story(MINUTE)).await.unwrap();
    stage.faults(json!({"unconfirmed": true}));
    stage.clock.advance(MINUTE * 2);
    let read = async || metricool.status(&brand(), Network::Facebook, &post).await.unwrap();
    assert!(matches!(read().await, Reading::Pending(_)));
    assert_eq!(stage.sandbox.posts()[0].state, State::Published, "the ledger knows");
    stage.faults(json!({"unconfirmed": null}));
    assert!(matches!(read().await, Reading::Published { .. }));
}

#[tokio::test]
async fn an_answer_is_held_back_until_the_knob_is_gone() {
    let stage = Stage::set().await;
    stage.faults(json!({"unanswered": {"route": "list"}}));
    let metricool = stage.metricool();
    let (story, account) = (stage.story(MINUTE), brand());
    let mut listing = std::pin::pin!(metricool.find(&account, &story));
    // Others are answered meanwhile.
    let created = async { metricool.create(&account, &story).await.unwrap() };
    tokio::select! {
        biased;
        _ = &mut listing => panic!("it was answered"),
        _ = created => {}
    }
    tokio::select! {
        biased;
        _ = &mut listing => panic!("it was answered"),
        () = async { while !stage.sandbox.requests().contains_key(&Route::List) { tokio::task::yield_now().await } } => {}
    }
    stage.faults(json!({"unanswered": null}));
    assert_eq!(listing.await.unwrap().posts.len(), 1);
}
