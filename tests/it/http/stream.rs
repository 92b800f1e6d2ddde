//! The live stream: every number once, in order, whatever the reader and the daemon do.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use storyclip::{store::StreamScope, stream::Subscription};
use storyclip_actors::{
    model::{BatchId, BatchStatus, ClipStatus, Timestamp},
    ports::Bell,
};

use super::{
    runner::Runner,
    server::{START, Server, Setup, problem},
    sse::{Message, Sse},
};

fn watch(server: &Server, id: &BatchId) -> RequestBuilder {
    server.get(&format!("/api/metricool/stream?batchId={id}"))
}

fn after(server: &Server, id: &BatchId, last: i64) -> RequestBuilder {
    watch(server, id).header("last-event-id", last)
}

fn ids(messages: &[Message]) -> Vec<i64> {
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

#[tokio::test]
async fn a_finished_batch_answers_with_its_end_and_closes() {
    let server = Server::start().await;
    for (status, kind) in [
        (BatchStatus::Completed, "completed"),
        (BatchStatus::Failed, "error"),
        (BatchStatus::Cancelled, "cancelled"),
    ] {
        let id = server.batch(1).await;
        let mut runner = Runner::claim(&server, &id).await;
        runner.events(3).await;
        runner.turn(BatchStatus::Paused, true).await;
        runner.turn(status, true).await;
        runner.events(80).await;
        let messages = Sse::open(watch(&server, &id)).await.rest().await;
        let kinds: Vec<&str> = messages.iter().map(Message::kind).collect();
        assert_eq!((kinds, ids(&messages)), (vec!["connected", kind], vec![5]));
        assert_eq!(messages[0].data["status"], status.as_str());
        let missing = Sse::open(after(&server, &id, 2)).await.rest().await;
        assert_eq!(ids(&missing), (3..=85).collect::<Vec<_>>());
        for all in [85, 4_000] {
            let nothing = Sse::open(after(&server, &id, all)).await.rest().await;
            assert_eq!((nothing.len(), nothing[0].kind()), (1, "connected"));
        }
    }
}

#[tokio::test]
async fn a_cancelled_batch_is_watched_until_its_last_clip_is_settled() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.turn(BatchStatus::Paused, true).await;
    let mut early = Sse::open(after(&server, &id, 0)).await;
    runner.turn(BatchStatus::Cancelled, false).await;
    let mut late = Sse::open(watch(&server, &id)).await;
    assert_eq!(late.message().await.data["status"], "cancelled");
    assert_eq!(early.message().await.data["status"], "paused");
    let pause = early.message().await;
    assert_eq!(
        (pause.kind(), pause.id),
        ("error", Some(1)),
        "a pause is told and ends nothing"
    );
    runner.clip(1, ClipStatus::Published).await;
    runner.turn(BatchStatus::Cancelled, true).await;
    assert_eq!(ids(&late.rest().await), [2, 3]);
    assert_eq!(ids(&early.rest().await), [2, 3]);
}

#[tokio::test]
async fn a_user_stream_tells_of_all_batches_and_never_closes() {
    let server = Server::start().await;
    let (one, two) = (server.batch(1).await, server.batch(1).await);
    let mut first = Runner::claim(&server, &one).await;
    let mut second = Runner::claim(&server, &two).await;
    first.events(2).await;
    let path = "/api/metricool/stream?userId=u1";
    let mut sse = Sse::open(server.get(path)).await;
    let mut greeted: Vec<String> = Vec::new();
    for _ in 0..2 {
        let message = sse.message().await;
        assert_eq!((message.kind(), message.id), ("connected", None));
        greeted.push(message.data["batchId"].as_str().unwrap().into());
    }
    assert!(greeted.contains(&one.to_string()) && greeted.contains(&two.to_string()));
    second.events(1).await;
    first.turn(BatchStatus::Completed, true).await;
    second.events(1).await;
    let messages = [sse.message().await, sse.message().await, sse.message().await];
    assert_eq!(ids(&messages), [3, 4, 5]);
    let batches: Vec<&str> = messages
        .iter()
        .map(|message| message.data["batchId"].as_str().unwrap())
        .collect();
    assert_eq!(batches, [two.as_str(), one.as_str(), two.as_str()]);
    assert!(server.hub.heard(&second.batch));
    second.tick(&*server.hub, 1);
    assert_eq!(sse.message().await.id, None);
    second.turn(BatchStatus::Completed, true).await;
    assert_eq!(sse.message().await.id, Some(6));
    let third = server.batch(1).await;
    Runner::claim(&server, &third).await.events(1).await;
    let message = sse.message().await;
    assert_eq!((message.id, &message.data["batchId"]), (Some(7), &json!(third)));

    let mut again = Sse::open(server.get(&format!("{path}&lastEventId=4"))).await;
    assert_eq!(again.message().await.kind(), "connected");
    let resumed = [again.message().await, again.message().await, again.message().await];
    assert_eq!(ids(&resumed), [5, 6, 7]);
    assert_eq!(
        server
            .store
            .head(&StreamScope::User("stories".into(), "u1".into()))
            .await
            .unwrap(),
        7
    );
    server.hub.shut_down();
    assert!(
        sse.rest().await.is_empty() && again.rest().await.is_empty(),
        "a shutdown ends every stream"
    );
}

#[tokio::test]
async fn another_tenants_user_of_the_same_name_is_somebody_else() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let other = server.bare(
        Method::GET,
        "/api/metricool/stream?userId=u1&lastEventId=0&apiKey=sk_other_1",
    );
    let sse = Sse::open(other).await;
    Runner::claim(&server, &id).await.events(1).await;
    server.hub.shut_down();
    assert!(sse.rest().await.is_empty());
}

#[tokio::test]
async fn wrong_parameters_of_a_stream_are_named() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let get = async |query: &str| {
        server
            .get(&format!("/api/metricool/stream?{query}"))
            .send()
            .await
            .unwrap()
    };
    problem(get("").await, 400, "MISSING_BATCH_ID").await;
    problem(get("batchId=&userId=").await, 400, "MISSING_BATCH_ID").await;
    problem(get(&format!("batchId={id}&userId=u1")).await, 400, "INVALID_QUERY").await;
    problem(get("batchId=none").await, 404, "BATCH_NOT_FOUND").await;
    problem(get("batchId=%00").await, 400, "INVALID_BATCH_ID").await;
    problem(get("userId=%00").await, 400, "INVALID_USER_ID").await;
    for last in ["-1", "x", "1.5", "%2B1", "99999999999999999999"] {
        let told = problem(
            get(&format!("batchId={id}&lastEventId={last}")).await,
            400,
            "INVALID_LAST_EVENT_ID",
        )
        .await;
        assert_eq!(told["errors"][0]["field"], "lastEventId");
        let header = watch(&server, &id).header("last-event-id", last.replace("%2B", "+"));
        let told = problem(header.send().await.unwrap(), 400, "INVALID_LAST_EVENT_ID").await;
        assert_eq!(told["errors"][0]["field"], "Last-Event-ID");
    }
    assert_eq!(server.hub.channels(), 0);
    let path = format!("/api/metricool/stream?batchId={id}&apiKey=");
    let with_key = |key: &str| server.bare(Method::GET, &format!("{path}{key}"));
    problem(with_key("sk_wrong_1").send().await.unwrap(), 401, "INVALID_API_KEY").await;
    problem(with_key("sk_send_1").send().await.unwrap(), 403, "INSUFFICIENT_SCOPE").await;
    problem(with_key("sk_other_1").send().await.unwrap(), 404, "BATCH_NOT_FOUND").await;
    Sse::open(with_key("sk_read_1")).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.events(3).await;
    let both = format!("/api/metricool/stream?batchId={id}&lastEventId=0");
    let mut sse = Sse::open(server.get(&both).header("last-event-id", 2)).await;
    sse.message().await;
    assert_eq!(sse.message().await.id, Some(3), "the header wins");
}
