//! The live stream: every number once, in order, whatever the reader and the daemon do.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde_json::json;
use storyclip::stream::Subscription;
use storyclip_actors::{
    model::{BatchId, BatchStatus, ClipStatus, Timestamp},
    ports::Bell,
};

use super::{
    runner::Runner,
    server::{START, Server, Setup},
    sse::{Message, Sse},
};

pub fn watch(server: &Server, id: &BatchId) -> RequestBuilder {
    server.get(&format!("/api/metricool/stream?batchId={id}"))
}

pub fn after(server: &Server, id: &BatchId, last: i64) -> RequestBuilder {
    watch(server, id).header("last-event-id", last)
}

pub fn ids(messages: &[Message]) -> Vec<i64> {
    messages.iter().filter_map(|message| message.id).collect()
}

async fn tiny_ring() -> Server {
    let setup = Setup {
        ring: 2,
        ..Setup::default()
    };
    Server::start_with(setup).await
}

/// Bounded waiting for something that other tasks bring about.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect(what);
}

#[tokio::test]
async fn a_batch_is_told_from_connected_to_completed() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    let mut sse = Sse::open(watch(&server, &id)).await;
    let first = sse.message().await;
    assert_eq!(sse.retry.as_deref(), Some("1000"));
    let expected = json!({
        "type": "connected", "batchId": id, "status": "processing", "published": 0, "errors": 0, "total": 1,
        "timestamp": "2026-01-01T00:00:00.000Z",
    });
    assert_eq!((first.id, &first.data), (None, &expected));
    runner.clip(1, ClipStatus::Uploading).await;
    runner.clip(1, ClipStatus::WaitingConfirmation).await;
    let two = [sse.message().await, sse.message().await];
    assert_eq!(ids(&two), [1, 2]);
    assert_eq!(
        (&two[0].data["status"], &two[1].data["status"]),
        (&json!("uploading"), &json!("waiting_confirmation"))
    );
    assert!(server.hub.heard(&runner.batch));
    runner.tick(&*server.hub, 3);
    let tick = sse.message().await;
    assert_eq!((tick.id, &tick.data["status"]), (None, &json!("waiting")));
    assert_eq!(tick.data["waitProgress"]["attempt"], 3);
    runner.clip(1, ClipStatus::Published).await;
    runner.turn(BatchStatus::Completed, true).await;
    let rest = sse.rest().await;
    assert_eq!(ids(&rest), [3, 4]);
    assert_eq!(rest[1].kind(), "completed");
    until("the channel goes with its last listener", || server.hub.channels() == 0).await;
    assert!(!server.hub.heard(&runner.batch));
}

#[tokio::test]
async fn without_a_number_a_stream_begins_with_what_happens_next() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.events(5).await;
    let mut sse = Sse::open(watch(&server, &id)).await;
    assert_eq!(sse.message().await.kind(), "connected");
    runner.events(1).await;
    assert_eq!(sse.message().await.id, Some(6));
}

#[tokio::test]
async fn reconnecting_at_every_number_misses_and_repeats_nothing() {
    let server = tiny_ring().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    let (mut seen, mut last) = (Vec::new(), 0);
    for round in 0..30 {
        runner.events(round % 5).await;
        let mut sse = Sse::open(after(&server, &id, last)).await;
        assert_eq!(sse.message().await.kind(), "connected");
        runner.events(1 + round % 3).await;
        for _ in 0..1 + round % 4 {
            if seen.len() as i64 == total(round) {
                break;
            }
            let message = sse.message().await;
            last = message.id.unwrap();
            seen.push(last);
        }
    }
    runner.turn(BatchStatus::Completed, true).await;
    let rest = Sse::open(after(&server, &id, last)).await.rest().await;
    seen.extend(ids(&rest));
    assert_eq!(rest.last().unwrap().kind(), "completed");
    assert_eq!(seen, (1..=total(29) + 1).collect::<Vec<_>>());

    fn total(round: usize) -> i64 {
        (0..=round).map(|round| round % 5 + 1 + round % 3).sum::<usize>() as i64
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_the_next_number() {
    let mut server = tiny_ring().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    let (mut seen, mut last) = (Vec::new(), 0);
    for _ in 0..3 {
        let mut sse = Sse::open(after(&server, &id, last)).await;
        assert_eq!(sse.message().await.kind(), "connected");
        runner.events(4).await;
        for _ in 0..3 {
            last = sse.message().await.id.unwrap();
            seen.push(last);
        }
        server = server.restart(Setup::default()).await;
        drop(sse.rest().await);
        runner = runner.moved_to(&server).await;
    }
    runner.turn(BatchStatus::Completed, true).await;
    seen.extend(ids(&Sse::open(after(&server, &id, last)).await.rest().await));
    assert_eq!(seen, (1..=13).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_reader_gets_everything_and_holds_nobody_up() {
    let server = tiny_ring().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    let mut slow = Sse::open(after(&server, &id, 0)).await;
    let mut quick = Sse::open(after(&server, &id, 0)).await;
    assert_eq!(quick.message().await.kind(), "connected");
    for n in 1..=300 {
        runner.events(1).await;
        assert_eq!(quick.message().await.id, Some(n));
    }
    runner.turn(BatchStatus::Completed, true).await;
    assert_eq!(slow.message().await.kind(), "connected");
    assert_eq!(ids(&slow.rest().await), (1..=301).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_subscriber_that_never_reads_is_served_from_its_cursor_when_it_does() {
    let server = tiny_ring().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    let tenant = "stories".into();
    let opened = Subscription::to_batch(
        &server.hub,
        &server.store,
        &tenant,
        &id,
        None,
        Timestamp::from_millis(START),
    );
    let mut subscription = opened.await.unwrap();
    runner.events(200).await;
    for _ in 0..100 {
        runner.tick(&*server.hub, 1);
    }
    let mut text = String::new();
    while !text.contains("id: 200\n") {
        text.push_str(std::str::from_utf8(&subscription.next().await.unwrap()).unwrap());
    }
    let seen: Vec<i64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("id: ")?.parse().ok())
        .collect();
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
    let mut ticks = 0;
    runner.events(1).await;
    while !subscription.next().await.unwrap().starts_with(b"id: 201\n") {
        ticks += 1;
    }
    assert_eq!(ticks, 0, "an event outdates the ticks before it");

    tokio::time::pause();
    for _ in 0..3 {
        let before = tokio::time::Instant::now();
        assert!(subscription.next().await.unwrap().starts_with(b":"));
        assert!(
            before.elapsed() <= Duration::from_millis(15_001),
            "a comment every 15 s"
        );
    }
}

#[tokio::test]
async fn many_readers_and_a_busy_writer_agree() {
    let server = tiny_ring().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.events(70).await;
    let readers: Vec<_> = (0..8)
        .map(|n| {
            let request = after(&server, &id, n * 10);
            tokio::spawn(async move { ids(&Sse::open(request).await.rest().await) })
        })
        .collect();
    for _ in 0..50 {
        runner.events(2).await;
        runner.tick(&*server.hub, 1);
    }
    runner.turn(BatchStatus::Completed, true).await;
    for (n, reader) in readers.into_iter().enumerate() {
        assert_eq!(reader.await.unwrap(), (n as i64 * 10 + 1..=171).collect::<Vec<_>>());
    }
}
