//! How long events are on their way to a subscriber: also those that it gets from the table, but not what is history to it.

use std::time::Duration;

use storyclip::stream::Subscription;
use storyclip_actors::model::{BatchId, Tenant, Timestamp};

use super::{
    runner::Runner,
    server::{START, Server, Setup},
};

const NOW: Timestamp = Timestamp::from_millis(START);

/// Listens from this instant on and goes on after event `last`.
async fn listen(server: &Server, batch: &BatchId, last: i64, now: Timestamp) -> Subscription {
    let tenant = Tenant::from("stories");
    Subscription::to_batch(&server.hub, &server.store, &tenant, batch, Some(last), now)
        .await
        .unwrap()
}

/// Takes what is there for it, up to event `last`.
async fn hear(subscription: &mut Subscription, last: i64) {
    let end = format!("id: {last}\ndata: ");
    while !subscription.next().await.unwrap().starts_with(end.as_bytes()) {}
}

/// How many events were measured, and their seconds on their way.
fn measured(server: &Server) -> (u64, f64) {
    let (buckets, seconds) = server.hub.listeners().lag.read();
    (buckets.last().unwrap().1, seconds)
}

#[tokio::test]
async fn an_event_that_a_slow_reader_finds_in_the_table_has_been_on_its_way_since_it_was_written() {
    let server = Server::start_with(Setup {
        ring: 1,
        ..Setup::default()
    })
    .await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    // It listens for an hour when these happen, as its clock and theirs say.
    let mut slow = listen(&server, &id, 0, NOW - Duration::from_secs(3_600)).await;
    runner.events(4).await;
    hear(&mut slow, 4).await;
    let (events, _) = measured(&server);
    assert_eq!(events, 4, "three of them have left the ring");
}

#[tokio::test]
async fn the_age_of_what_a_subscriber_catches_up_on_is_no_lag() {
    for ring in [1, 32] {
        let server = Server::start_with(Setup {
            ring,
            ..Setup::default()
        })
        .await;
        let id = server.batch(1).await;
        let mut runner = Runner::claim(&server, &id).await;
        let mut first = listen(&server, &id, 0, NOW).await;
        runner.events(4).await;
        let mut back = listen(&server, &id, 1, NOW + Duration::from_secs(600)).await;
        hear(&mut back, 4).await;
        assert_eq!(measured(&server).0, 0, "ring of {ring}: all of it was there before");
        runner.events(1).await;
        hear(&mut back, 5).await;
        let (events, seconds) = measured(&server);
        assert!(
            events == 1 && seconds < 60.0,
            "ring of {ring}: {events} events in {seconds} s"
        );
        hear(&mut first, 5).await;
        assert_eq!(
            measured(&server).0,
            6,
            "ring of {ring}: all five happened while it listened"
        );
    }
}
