//! Which streams there are, how each begins, and when it ends by itself.

use reqwest::Method;
use serde_json::json;
use storyclip::store::StreamScope;
use storyclip_actors::{
    events::EventKind,
    model::{BatchStatus, ClipStatus},
    ports::Bell,
};

use super::{
    runner::Runner,
    server::{Server, problem},
    sse::{Message, Sse},
    stream::{after, ids, watch},
};

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
        ("paused", Some(1)),
        "a pause is told and ends nothing"
    );
    runner.clip(1, ClipStatus::Published).await;
    runner.turn(BatchStatus::Cancelled, true).await;
    assert_eq!(ids(&late.rest().await), [2, 3]);
    assert_eq!(ids(&early.rest().await), [2, 3]);
}

/// Earlier versions told of a pause as an error and of a resume as one more greeting; what they stored is told as it is.
#[tokio::test]
async fn what_an_earlier_version_stored_of_a_pause_ends_nothing_either() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.turn_as_before(BatchStatus::Paused, EventKind::Error).await;
    let mut paused = Sse::open(after(&server, &id, 0)).await;
    assert_eq!(paused.message().await.data["status"], "paused");
    let told = paused.message().await;
    assert_eq!((told.kind(), told.id), ("error", Some(1)));
    runner
        .turn_as_before(BatchStatus::Processing, EventKind::Connected)
        .await;
    let told = paused.message().await;
    assert_eq!((told.kind(), told.id), ("connected", Some(2)));
    runner.turn(BatchStatus::Paused, true).await;
    runner.turn(BatchStatus::Failed, true).await;
    for sse in [paused, Sse::open(after(&server, &id, 2)).await] {
        let told = sse.rest().await;
        let kinds: Vec<&str> = told
            .iter()
            .map(Message::kind)
            .filter(|kind| *kind != "connected")
            .collect();
        assert_eq!(kinds, ["paused", "error"]);
    }
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
    sse.retry = None;
    assert!(sse.next().await.is_none());
    assert_eq!(sse.retry.as_deref(), Some("1000"), "it is told to connect again");
    assert!(
        sse.rest().await.is_empty() && again.rest().await.is_empty(),
        "a shutdown ends every stream"
    );
}

#[tokio::test]
async fn a_client_that_heard_no_event_yet_misses_none_by_coming_back() {
    let server = Server::start().await;
    let id = server.batch(1).await;
    let mut runner = Runner::claim(&server, &id).await;
    runner.events(2).await;
    for path in [
        "/api/metricool/stream?userId=u1".to_owned(),
        format!("/api/metricool/stream?batchId={id}"),
    ] {
        for unknown in [None, Some(4_000)] {
            let mut request = server.get(&path);
            if let Some(number) = unknown {
                request = request.header("last-event-id", number);
            }
            let mut sse = Sse::open(request).await;
            assert_eq!(sse.message().await.kind(), "connected");
            assert_eq!(sse.place, Some(2), "{path}");
        }
    }
    runner.turn(BatchStatus::Completed, true).await;
    let user = "/api/metricool/stream?userId=u1";
    let mut back = Sse::open(server.get(user).header("last-event-id", 2)).await;
    let end = back.message().await;
    assert_eq!((end.id, end.kind()), (Some(3), "completed"));
    let mut finished = Sse::open(watch(&server, &id)).await;
    assert_eq!(finished.message().await.kind(), "connected");
    assert_eq!(
        finished.place, None,
        "whoever loses this connection is told the end again"
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
    let mut sse = Sse::open(server.get(&both).header("last-event-id", "")).await;
    sse.message().await;
    assert_eq!(sse.message().await.id, Some(1), "an empty header is none");
}
