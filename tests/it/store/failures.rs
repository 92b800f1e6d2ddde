//! Ends: of the store, of a connection, of the database.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use futures_util::future::join_all;
use storyclip::store::{Options, Page, Store};
use storyclip_actors::{
    error::StoreError,
    ports::{Claim, Store as _},
};

use super::{
    bench::{Bench, at, batch, intent, node, step, tenant},
    proxy::{Cut, Proxy},
    subject::Subject as _,
};

pub async fn closing_finishes_the_queue(bench: &Bench) {
    let creates = join_all((0..50).map(|n| bench.store.create_batch(batch(&format!("b{n}"), 1))));
    let (created, ()) = tokio::join!(creates, bench.store.close());
    assert!(created.iter().all(Result::is_ok), "{created:?}");
    assert!(matches!(
        bench.store.create_batch(batch("late", 1)).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        bench.store.batch(&tenant(), &"b1".into()).await,
        Err(StoreError::Unavailable(_))
    ));
    bench.store.close().await;
    let again = Store::open(&bench.options, bench.ears.clone()).await.unwrap();
    assert_eq!(
        again.active(&tenant(), None, &Page::all()).await.unwrap().rows.len(),
        50
    );
    again.close().await;
}

pub async fn a_cut_connection_is_replaced(bench: &Bench) {
    let snapshot = bench.live("b1", 1).await;
    if bench.cut_connections().await {
        bench
            .store
            .commit(Arc::new(intent(&snapshot, "m", at(60))))
            .await
            .unwrap();
        assert!(bench.store.batch(&tenant(), &"b1".into()).await.unwrap().is_some());
    }
}

/// On PostgreSQL the database is dropped; on SQLite the tables are taken away.
pub async fn a_lost_database_is_an_error(bench: &Bench) {
    let snapshot = bench.live("b1", 1).await;
    match bench.store.is_sqlite() {
        true => bench.meddle("ALTER TABLE batch_events RENAME TO gone").await,
        false => bench.drop_database().await,
    }
    let commits =
        join_all([step(&snapshot), intent(&snapshot, "m", at(60))].map(|change| bench.store.commit(Arc::new(change))));
    let results = tokio::time::timeout(Duration::from_secs(30), commits)
        .await
        .expect("no waiter hangs");
    assert!(matches!(results[1], Err(StoreError::Unavailable(_))), "{results:?}");
    if bench.store.is_sqlite() {
        assert_eq!(
            bench.number("SELECT COUNT(*) FROM delivery_attempts").await,
            0,
            "nothing is there by half"
        );
        bench.meddle("ALTER TABLE gone RENAME TO batch_events").await;
        bench
            .store
            .commit(Arc::new(intent(&snapshot, "m", at(60))))
            .await
            .unwrap();
    }
}

/// PostgreSQL only: whether the server carried the COMMIT out or not, the step is there exactly once.
pub async fn a_lost_commit_answer_is_looked_up(bench: &Bench) {
    if bench.store.is_sqlite() {
        return;
    }
    let proxy = Proxy::new(&bench.options.url);
    let options = Options {
        url: proxy.url.clone(),
        readers: 1,
    };
    let far = Store::open(&options, bench.ears.clone()).await.unwrap();
    let before = bench.live("b1", 1).await;
    let after = bench.live("b2", 1).await;
    for (n, (snapshot, cut)) in [(before, Cut::Before), (after, Cut::After)].into_iter().enumerate() {
        proxy.cut_next_commit(cut);
        far.commit(Arc::new(intent(&snapshot, "m", at(60 + n as u64))))
            .await
            .unwrap();
        assert!(proxy.has_cut());
        let events = n as i64 + 1;
        assert_eq!(bench.number("SELECT COUNT(*) FROM batch_events").await, events);
        let heard: Vec<i64> = bench
            .ears
            .0
            .lock()
            .unwrap()
            .iter()
            .map(|event| event.user_seq)
            .collect();
        assert_eq!(heard, (1..=events).collect::<Vec<_>>());
    }
    proxy.cut_next_commit(Cut::After);
    let claimed = far.claim(&node("n2"), Claim::Due(9), at(20), at(40)).await;
    assert!(
        matches!(claimed, Err(StoreError::Unavailable(_))),
        "a claim tells no event: {claimed:?}"
    );
    assert_eq!(
        far.claim(&node("n2"), Claim::Due(9), at(20), at(40))
            .await
            .unwrap()
            .len(),
        2,
        "it was given back"
    );
    far.close().await;
}

/// Whoever asked may be gone before the answer: a connection that was just beginning a steady view then serves the next one.
pub async fn a_read_that_is_given_up_leaves_no_old_view_behind(bench: &Bench) {
    if bench.store.is_sqlite() {
        return;
    }
    let options = Options {
        url: bench.options.url.clone(),
        readers: 1,
    };
    let far = Store::open(&options, bench.ears.clone()).await.unwrap();
    bench.live("b1", 1).await;
    for polls in 0..40 {
        given_up_after(polls, far.batch(&tenant(), &"b1".into())).await;
        // A view sees what there was when it was first looked through.
        assert!(far.version(&tenant(), &"b1".into()).await.unwrap().is_some());
        let id = format!("n{polls}");
        bench.store.create_batch(batch(&id, 1)).await.unwrap();
        let seen = far.batch(&tenant(), &id.as_str().into()).await.unwrap();
        assert!(seen.is_some(), "an old view after {polls} polls");
    }
    far.close().await;
}

/// Drops the future when it would be polled once more.
async fn given_up_after(polls: u32, future: impl Future) {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        future.as_mut().poll(context).map(drop)
    })
    .await;
}
