//! Creating and reading back.

use std::time::Duration;

use futures_util::future::join_all;
use storyclip::store::{Created, IdempotencyEntry, Listed, Page, StreamScope};
use storyclip_actors::{
    error::StoreError,
    model::{BatchStatus, ClipStatus, Tenant, Timestamp, UserId},
};

use super::{
    bench::{Bench, T0, at, batch, event, tenant},
    subject::Subject as _,
};

fn entry(key: &str, hash: &str, answer: &str) -> Option<IdempotencyEntry> {
    Some(IdempotencyEntry {
        tenant: tenant(),
        route: "publish/stories".into(),
        key: key.into(),
        body_hash: hash.into(),
        answer: answer.into(),
    })
}

pub async fn a_new_batch_reads_as_it_was_given(bench: &Bench) {
    let mut new = batch("b1", 2);
    new.webhook_url = Some("https://hook.example".into());
    new.scheduled_for = Some(at(60));
    new.clips[1].title = Some("Título".into());
    new.clips[1].text = "never sent".into();
    new.events = vec![event("one"), event("two")];
    assert_eq!(bench.store.create_batch(new.clone()).await.unwrap(), Created::New);

    let view = bench.store.batch(&tenant(), &"b1".into()).await.unwrap().unwrap();
    assert_eq!((&view.id, &view.tenant, &view.user), (&new.id, &new.tenant, &new.user));
    assert_eq!(
        (&view.account, view.network, view.mode),
        (&new.account, new.network, new.mode)
    );
    assert_eq!(
        (view.speed, view.on_failure, view.max_retries),
        (new.speed, new.on_failure, 2)
    );
    assert_eq!((view.job_id, view.webhook_url), (new.job_id, new.webhook_url));
    assert_eq!(
        (view.status, view.totals.total, view.totals.settled()),
        (BatchStatus::Processing, 2, 0)
    );
    assert_eq!(
        (view.scheduled_for, view.wake_at, view.started_at),
        (Some(at(60)), Some(T0), Some(T0))
    );
    assert_eq!((view.created_at, view.updated_at, view.completed_at), (T0, T0, None));
    assert_eq!((view.last_event, view.restarts, view.error), (2, 0, None));
    let [first, second] = &view.clips[..] else {
        panic!("two clips: {:?}", view.clips)
    };
    assert_eq!(
        (first.index, &*first.id, first.status, first.attempts),
        (1, "clip_1", ClipStatus::Pending, 0)
    );
    assert_eq!(
        (&*first.url, first.title.as_deref(), &*first.text),
        ("https://cdn.example/b1/1.mp4", None, "")
    );
    assert_eq!(
        (second.index, second.title.as_deref(), &*second.text),
        (2, Some("Título"), "never sent")
    );

    assert_eq!(
        bench
            .store
            .attempts(&tenant(), &"b1".into(), &Page::all())
            .await
            .unwrap(),
        Some(Listed {
            rows: vec![],
            more: false
        })
    );
    assert_eq!(
        bench
            .store
            .attempts(&tenant(), &"b2".into(), &Page::all())
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        bench
            .store
            .attempts(&"other".into(), &"b1".into(), &Page::all())
            .await
            .unwrap(),
        None
    );
    let events = bench
        .store
        .events_after(&StreamScope::Batch("b1".into()), 1, 10)
        .await
        .unwrap();
    assert_eq!(
        (events.len(), events[0].seq, &events[0].body[..]),
        (1, 2, &b"{\"body\":\"two\"}"[..])
    );
    assert_eq!(bench.ears.0.lock().unwrap().len(), 2);
}

pub async fn a_repeated_key_creates_nothing(bench: &Bench) {
    let creates = (0..20).map(|n| {
        let mut new = batch(&format!("b{n}"), 1);
        new.idempotency = entry("k", &format!("hash {n}"), &format!("answer {n}"));
        new.events = vec![event("made")];
        bench.store.create_batch(new)
    });
    let created: Vec<Created> = join_all(creates).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(created[0], Created::New);
    let first = Created::Replayed {
        body_hash: "hash 0".into(),
        answer: "answer 0".into(),
    };
    assert!(created[1..].iter().all(|created| *created == first), "{created:?}");
    assert_eq!(bench.rows().await, [1, 1, 0, 1, 0]);
    let replay = bench.store.replay(&tenant(), "publish/stories", "k").await.unwrap();
    assert_eq!(
        replay, None,
        "the key was made at the tests' instant, which is not this week"
    );
    let mut fresh = batch("fresh", 1);
    fresh.created_at = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    fresh.idempotency = entry("fresh", "h", "a");
    bench.store.create_batch(fresh).await.unwrap();
    let replay = bench.store.replay(&tenant(), "publish/stories", "fresh").await.unwrap();
    assert_eq!(replay, Some(("h".into(), "a".into())));
    assert_eq!(
        bench
            .store
            .replay(&"other".into(), "publish/stories", "fresh")
            .await
            .unwrap(),
        None
    );
}

pub async fn an_old_key_counts_as_absent(bench: &Bench) {
    let week = Duration::from_secs(7 * 24 * 3_600);
    for (id, created_at, expected) in [
        ("b1", T0, Created::New),
        (
            "b2",
            T0 + week - Duration::from_millis(1),
            Created::Replayed {
                body_hash: "b1".into(),
                answer: "a".into(),
            },
        ),
        ("b3", T0 + week, Created::New),
        (
            "b4",
            T0 + week,
            Created::Replayed {
                body_hash: "b3".into(),
                answer: "a".into(),
            },
        ),
    ] {
        let mut new = batch(id, 1);
        new.created_at = created_at;
        new.idempotency = entry("k", id, "a");
        assert_eq!(bench.store.create_batch(new).await.unwrap(), expected, "{id}");
    }
}

pub async fn old_keys_are_deleted_once_an_hour(bench: &Bench) {
    let (week, minute) = (7 * 24 * 3_600, 60);
    for (key, created_at, left) in [
        ("a", 0, 1),
        ("b", 30 * minute, 2),
        ("c", week - 1, 3),
        ("d", week, 4),
        ("e", week + 59 * minute, 5),
        ("f", week + 60 * minute, 4),
        ("g", week + 119 * minute, 5),
    ] {
        let mut new = batch(key, 1);
        new.created_at = at(created_at);
        new.idempotency = entry(key, "h", "a");
        assert_eq!(bench.store.create_batch(new).await.unwrap(), Created::New);
        let keys = bench.number("SELECT COUNT(*) FROM idempotency_keys").await;
        assert_eq!(keys, left, "{key}");
    }
    assert_eq!(bench.rows().await[0], 7, "no batch goes with its key");
}

pub async fn a_batch_id_is_taken_once(bench: &Bench) {
    let mut second = batch("b1", 3);
    second.idempotency = entry("k", "h", "a");
    let all = [batch("b1", 1), second, batch("b2", 1)];
    let results = join_all(all.map(|new| bench.store.create_batch(new))).await;
    assert!(matches!(&results[1], Err(StoreError::Conflict(_))), "{results:?}");
    assert_eq!((&results[0], &results[2]), (&Ok(Created::New), &Ok(Created::New)));
    assert_eq!(bench.rows().await, [2, 2, 0, 0, 0]);
    assert_eq!(bench.number("SELECT COUNT(*) FROM idempotency_keys").await, 0);
}

pub async fn active_batches_are_the_tenants_own(bench: &Bench) {
    for (n, (tenant, user, status)) in [
        ("stories", "u1", BatchStatus::Processing),
        ("stories", "u1", BatchStatus::Completed),
        ("stories", "u2", BatchStatus::Paused),
        ("stories", "u1", BatchStatus::Scheduled),
        ("other", "u1", BatchStatus::Processing),
        ("stories", "u1", BatchStatus::Draft),
    ]
    .into_iter()
    .enumerate()
    {
        let mut new = batch(&format!("b{n}"), n + 1);
        (new.tenant, new.user, new.status) = (tenant.into(), user.into(), status);
        new.created_at = at(n as u64);
        bench.store.create_batch(new).await.unwrap();
    }
    let ids = async |tenant: &str, user: Option<&str>| {
        let user = user.map(UserId::from);
        let batches = bench
            .store
            .active(&Tenant::from(tenant), user.as_ref(), &Page::all())
            .await
            .unwrap()
            .rows;
        assert!(
            batches
                .iter()
                .all(|batch| batch.clips.len() == batch.totals.total as usize)
        );
        batches.iter().map(|batch| batch.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids("stories", Some("u1")).await, ["b3", "b0"]);
    assert_eq!(ids("stories", None).await, ["b3", "b2", "b0"]);
    assert_eq!(ids("other", None).await, ["b4"]);
    assert!(ids("nobody", None).await.is_empty());
    assert!(
        bench
            .store
            .batch(&"other".into(), &"b0".into())
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn hostile_text_comes_back(bench: &Bench) {
    let text = "\"quotes\" \\ \u{1}\n\u{2028} é🎬 '; DROP TABLE publish_batches; -- $1 ? {}";
    let mut new = batch("b1", 1);
    new.user = "u\0ser".into();
    new.clips[0].text = format!("{text}\0");
    new.events = vec![event("x")];
    bench.store.create_batch(new).await.unwrap();
    let view = bench.store.batch(&tenant(), &"b\u{0}1".into()).await.unwrap().unwrap();
    assert_eq!((view.user.as_str(), &*view.clips[0].text), ("user", text));
    let user = StreamScope::User(tenant(), "u\0ser".into());
    assert_eq!(bench.store.head(&user).await.unwrap(), 1);
    assert!(
        bench
            .store
            .batch(&tenant(), &"b1' OR '1'='1".into())
            .await
            .unwrap()
            .is_none()
    );
}
