//! Steps of batches.

use std::sync::Arc;

use futures_util::future::join_all;
use storyclip::store::{Page, StreamScope};
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, BatchStatus, ClipStatus, PostRef, Totals, Trouble, Wish},
    ports::{AttemptVerdict, AttemptWrite, ClipWrite, Store as _},
};

use super::{
    bench::{Bench, at, batch, event, intent, request, step, tenant},
    subject::Subject,
};

pub async fn a_step_reaches_every_table(bench: &Bench) {
    let mut snapshot = bench.live("b1", 2).await;
    bench
        .store
        .commit(Arc::new(intent(&snapshot, "m", at(60))))
        .await
        .unwrap();
    let command = bench
        .store
        .command(&"b1".into(), &Wish::Cancel, "key 1", at(2))
        .await
        .unwrap();
    let mut clip = snapshot.clips[0].clone();
    clip.status = ClipStatus::Published;
    clip.attempt = 1;
    clip.retries = 1;
    clip.post = Some(PostRef {
        id: "p1".into(),
        uuid: Some("-42".into()),
    });
    clip.network_post_id = Some("fb1".into());
    clip.permalink = Some("https://fb.example/1".into());
    clip.request = Some(request("m", at(60)));
    (clip.uploaded_at, clip.published_at) = (Some(at(2)), Some(at(61)));
    snapshot.clips[0] = clip.clone();
    let mut change = step(&snapshot);
    change.at = at(62);
    change.clips.push(ClipWrite {
        expected: ClipStatus::Uploading,
        clip,
    });
    change.attempts.push(AttemptWrite {
        clip: 1,
        attempt: 1,
        outcome_at: Some(at(61)),
        verdict: Some(AttemptVerdict::Published),
        http_status: Some(200),
        request_id: Some("r1".into()),
        post: Some(PostRef {
            id: "p1".into(),
            uuid: Some("-42".into()),
        }),
        permalink: Some("https://fb.example/1".into()),
        ..AttemptWrite::default()
    });
    change.events = vec![event("published"), event("completed")];
    change.applied = vec![command];
    change.head.status = BatchStatus::Paused;
    change.head.error = Some(Trouble::new("CLIP_HELD", "a person decides"));
    change.head.wake_at = Some(at(99));
    bench.store.commit(Arc::new(change)).await.unwrap();

    let view = bench.store.batch(&tenant(), &"b1".into()).await.unwrap().unwrap();
    assert_eq!(
        view.totals,
        Totals {
            total: 2,
            published: 1,
            failed: 0,
            cancelled: 0
        }
    );
    assert_eq!(
        (view.status, view.wake_at, view.updated_at),
        (BatchStatus::Paused, Some(at(99)), at(62))
    );
    assert_eq!(view.error, Some(Trouble::new("CLIP_HELD", "a person decides")));
    assert_eq!(view.last_event, 3);
    let settled = "SELECT current_clip_index FROM publish_batches";
    assert_eq!(bench.number(settled).await, 1);
    let clip = &view.clips[0];
    assert_eq!(
        (clip.status, clip.attempts, clip.retries),
        (ClipStatus::Published, 1, 1)
    );
    assert_eq!(clip.post_id.as_ref().map(|id| id.as_str()), Some("p1"));
    assert_eq!(
        (clip.post_uuid.as_deref(), clip.network_post_id.as_deref()),
        (Some("-42"), Some("fb1"))
    );
    assert_eq!(
        (clip.scheduled_at, clip.uploaded_at, clip.published_at),
        (Some(at(60)), Some(at(2)), Some(at(61)))
    );
    assert_eq!((clip.updated_at, view.clips[1].updated_at), (at(62), view.created_at));
    let attempts = bench
        .store
        .attempts(&tenant(), &"b1".into(), &Page::all())
        .await
        .unwrap()
        .unwrap()
        .rows;
    let [attempt] = &attempts[..] else {
        panic!("one attempt: {attempts:?}")
    };
    assert_eq!(
        (attempt.slot, attempt.media.as_deref(), attempt.intent_at),
        (Some(at(60)), Some("m"), Some(at(1)))
    );
    assert!(
        attempt.request.as_deref().unwrap().contains("\"media\":\"m\""),
        "the outcome kept the intent"
    );
    assert_eq!(
        (attempt.verdict.as_deref(), attempt.http_status),
        (Some("published"), Some(200))
    );
    assert!(bench.store.commands(&"b1".into()).await.unwrap().is_empty());
    let heard = bench.ears.0.lock().unwrap().clone();
    let stored = bench
        .store
        .events_after(&StreamScope::User(tenant(), "u1".into()), 0, 10)
        .await
        .unwrap();
    let numbers: Vec<_> = heard.iter().map(|event| (event.batch_seq, event.user_seq)).collect();
    assert_eq!(numbers, [(1, 1), (2, 2), (3, 3)]);
    assert!(
        heard
            .iter()
            .zip(&stored)
            .all(|(heard, stored)| heard.body == stored.body && heard.kind == stored.kind)
    );
}

pub async fn a_stale_epoch_leaves_no_row(bench: &impl Subject) {
    let snapshot = bench.live("b1", 1).await;
    let before = bench.rows().await;
    let mut stale = intent(&snapshot, "m", at(60));
    stale.epoch -= 1;
    assert_eq!(bench.commit(stale).await, Err(StoreError::Lost));
    bench.store().release_all(&super::bench::node("n1"), &[]).await.unwrap();
    let released = intent(&snapshot, "m", at(60));
    assert_eq!(
        bench.commit(released).await,
        Err(StoreError::Lost),
        "nobody holds the lease"
    );
    assert_eq!(bench.rows().await, before);
    assert_eq!(bench.seen(&"b1".into()).await.clips[0].status, ClipStatus::Pending);
}

pub async fn a_wrong_status_loses_only_its_own_change(bench: &impl Subject) {
    let mut changes = Vec::new();
    for n in 0..6 {
        let snapshot = bench.live(&format!("b{n}"), 1).await;
        let mut change = intent(&snapshot, &format!("m{n}"), at(60));
        if n % 3 == 1 {
            change.clips[0].expected = ClipStatus::Retrying;
        }
        if n == 5 {
            change.epoch += 7;
        }
        changes.push(change);
    }
    let results = join_all(changes.into_iter().map(|change| bench.commit(change))).await;
    let lost: Vec<_> = results.iter().map(|result| *result == Err(StoreError::Lost)).collect();
    assert_eq!(lost, [false, true, false, false, true, true]);
    assert_eq!(bench.rows().await, [6, 6, 3, 3, 0]);
    let mut uploading = Vec::new();
    for n in 0..6 {
        let clip = &bench.seen(&BatchId::from(format!("b{n}"))).await.clips[0];
        uploading.push(clip.status == ClipStatus::Uploading);
    }
    assert_eq!(uploading, [true, false, true, true, false, false]);
}

pub async fn a_taken_slot_refuses_only_the_offender(bench: &impl Subject) {
    let mut changes = Vec::new();
    for n in 0..9 {
        let snapshot = bench.live(&format!("b{n}"), 1).await;
        let media = if n == 6 { "m2".to_owned() } else { format!("m{n}") };
        changes.push(intent(&snapshot, &media, at(60)));
    }
    let creates = bench.create(batch("beside", 1));
    let commits = join_all(changes.into_iter().map(|change| bench.commit(change)));
    let (results, ()) = tokio::join!(commits, creates);
    for (n, result) in results.iter().enumerate() {
        match n {
            6 => assert!(matches!(result, Err(StoreError::Conflict(_))), "{result:?}"),
            _ => assert_eq!(*result, Ok(()), "{n}"),
        }
    }
    assert_eq!(bench.rows().await, [10, 10, 8, 8, 0]);
}

pub async fn a_refused_step_takes_no_number(bench: &Bench) {
    a_taken_slot_refuses_only_the_offender(bench).await;
    let heard: Vec<i64> = bench
        .ears
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|event| event.user_seq)
        .collect();
    assert_eq!(heard, [1, 2, 3, 4, 5, 6, 7, 8], "in order, without a gap");
}

pub async fn two_steps_of_one_batch_commit_in_order(bench: &impl Subject) {
    let mut snapshot = bench.live("b1", 1).await;
    let other = bench.live("b2", 1).await;
    let first = intent(&snapshot, "m", at(60));
    snapshot.clips[0] = first.clips[0].clip.clone();
    let mut second = step(&snapshot);
    let mut clip = snapshot.clips[0].clone();
    clip.status = ClipStatus::WaitingConfirmation;
    second.clips.push(ClipWrite {
        expected: ClipStatus::Uploading,
        clip,
    });
    second.events = vec![event("second"), event("third")];
    let (a, b, c) = tokio::join!(
        bench.commit(first),
        bench.commit(second),
        bench.commit(intent(&other, "other", at(60)))
    );
    assert_eq!((a, b, c), (Ok(()), Ok(()), Ok(())));
    let events: Vec<_> = ["m", "second", "third"].map(|body| event(body).body).into();
    assert_eq!(bench.events(&"b1".into()).await, events);
    let clip = &bench.seen(&"b1".into()).await.clips[0];
    assert_eq!(clip.status, ClipStatus::WaitingConfirmation);
}

pub async fn user_numbers_have_no_gaps(bench: &Bench) {
    let mut changes = Vec::new();
    for n in 0..30 {
        let mut new = batch(&format!("b{n}"), 1);
        new.user = format!("u{}", n % 3).into();
        bench.store.create_batch(new).await.unwrap();
        let snapshot = bench.take(&format!("b{n}")).await;
        for k in 0..=n % 4 {
            let mut change = step(&snapshot);
            change.events = (0..k).map(|e| event(&format!("{n} {k} {e}"))).collect();
            changes.push(change);
        }
    }
    for result in join_all(changes.into_iter().map(|change| bench.store.commit(Arc::new(change)))).await {
        result.unwrap();
    }
    let heard = bench.ears.0.lock().unwrap().clone();
    for user in ["u0", "u1", "u2"] {
        let scope = StreamScope::User(tenant(), user.into());
        let stored = bench.store.events_after(&scope, 0, 1_000).await.unwrap();
        let numbers: Vec<i64> = stored.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=stored.len() as i64).collect::<Vec<_>>(), "{user}");
        assert_eq!(bench.store.head(&scope).await.unwrap(), stored.len() as i64);
        let told: Vec<i64> = heard
            .iter()
            .filter(|event| event.user.as_str() == user)
            .map(|event| event.user_seq)
            .collect();
        assert_eq!(told, numbers, "the listener hears them in order");
        let page = bench.store.events_after(&scope, 3, 2).await.unwrap();
        assert_eq!(page.iter().map(|event| event.seq).collect::<Vec<_>>(), [4, 5]);
    }
}
