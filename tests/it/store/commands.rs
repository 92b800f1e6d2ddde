//! Commands as rows: what is wished comes back with every way of reading it, and what cannot be read holds up nobody.

use std::{collections::HashSet, sync::Arc};

use storyclip_actors::{
    model::{ClipStatus, Resolution, Ruling, Wish},
    ports::{Claim, ClipWrite, Store as _},
};

use super::{
    bench::{Bench, at, batch, node, step},
    subject::Subject,
};

fn wishes() -> Vec<Wish> {
    let attempt = Some(3);
    let resolve = |how| Wish::Resolve { clip: 2, attempt, how };
    vec![
        Wish::Pause,
        Wish::Resume,
        Wish::RetryFailed { clips: vec![] },
        Wish::RetryFailed { clips: vec![1, 3] },
        resolve(Resolution::Adopt("p\"1".into())),
        resolve(Resolution::Retry),
        resolve(Resolution::Drop),
        Wish::Cancel,
    ]
}

pub async fn every_wish_comes_back(bench: &impl Subject) {
    bench.create(batch("b1", 3)).await;
    let mut ids = Vec::new();
    // All in one instant: what counts is who came first.
    for wish in &wishes() {
        ids.push(bench.command(&"b1".into(), wish, at(1)).await.unwrap());
    }
    let waiting = bench.store().commands(&"b1".into()).await.unwrap();
    let taken = bench.take("b1").await;
    assert_eq!(waiting, taken.commands);
    let read: Vec<_> = waiting.iter().map(|command| command.wish.clone().unwrap()).collect();
    assert_eq!(read, wishes());
    assert_eq!(waiting.into_iter().map(|command| command.id).collect::<Vec<_>>(), ids);
}

pub async fn clips_that_were_named_are_remembered(bench: &Bench) {
    let (one, other) = ("b1".into(), "b2".into());
    for id in ["b1", "b2"] {
        bench.store.create_batch(batch(id, 5)).await.unwrap();
    }
    for wish in wishes() {
        bench.store.command(&one, &wish, "key", at(1)).await.unwrap();
    }
    let again = Wish::RetryFailed { clips: vec![3, 5] };
    let unreadable = bench.store.command(&one, &again, "key", at(2)).await.unwrap();
    bench.store.command(&one, &again, "key", at(2)).await.unwrap();
    bench
        .meddle(&format!(
            "UPDATE batch_commands SET detail = '{{' WHERE command_id = '{unreadable}'"
        ))
        .await;
    bench.meddle("UPDATE batch_commands SET applied_at = created_at").await;
    assert_eq!(bench.store.retries(&one).await.unwrap(), HashSet::from([1, 3, 5]));
    assert_eq!(bench.store.retries(&other).await.unwrap(), HashSet::new());
}

pub async fn a_detail_that_cannot_be_read_holds_up_nobody(bench: &Bench) {
    bench.store.create_batch(batch("b1", 3)).await.unwrap();
    let details = [
        "NULL",
        "''",
        "'{'",
        r#"'{"clips":"all"}'"#,
        r#"'{"clip":1,"action":"sing"}'"#,
    ];
    for (detail, second) in details.iter().zip(1..) {
        for wish in [
            Wish::RetryFailed { clips: vec![1] },
            Wish::Resolve {
                clip: 1,
                attempt: Some(1),
                how: Resolution::Drop,
            },
        ] {
            let id = bench
                .store
                .command(&"b1".into(), &wish, "key", at(second))
                .await
                .unwrap();
            let sql = format!("UPDATE batch_commands SET detail = {detail} WHERE command_id = '{id}'");
            bench.meddle(&sql).await;
        }
    }
    bench
        .store
        .command(&"b1".into(), &Wish::Pause, "key", at(9))
        .await
        .unwrap();
    let taken = bench.take("b1").await;
    let (last, unread) = taken.commands.split_last().unwrap();
    assert_eq!(last.wish, Some(Wish::Pause));
    assert!(
        unread.len() == 10 && unread.iter().all(|command| command.wish.is_none()),
        "{unread:?}"
    );
    assert_eq!(bench.store.commands(&"b1".into()).await.unwrap(), taken.commands);

    let mut change = step(&taken);
    change.applied = taken.commands.iter().map(|command| command.id.clone()).collect();
    (change.head.wake_at, change.head.release) = (None, true);
    bench.store.commit(Arc::new(change)).await.unwrap();
    assert!(bench.store.commands(&"b1".into()).await.unwrap().is_empty());
    let due = bench
        .store
        .claim(&node("n2"), Claim::Due(9), at(20), at(30))
        .await
        .unwrap();
    assert!(due.is_empty(), "they are done with");
}

pub async fn a_kind_of_a_newer_program_does_not_stop_an_actor_that_runs(bench: &Bench) {
    bench.live("b1", 1).await;
    for (wish, second) in [(Wish::Pause, 1), (Wish::Resume, 2)] {
        bench
            .store
            .command(&"b1".into(), &wish, "key", at(second))
            .await
            .unwrap();
    }
    bench
        .meddle("UPDATE batch_commands SET kind = 'sing' WHERE kind = 'pause'")
        .await;
    let waiting = bench.store.commands(&"b1".into()).await.unwrap();
    let wishes: Vec<_> = waiting.into_iter().map(|command| command.wish).collect();
    assert_eq!(wishes, [Some(Wish::Resume)]);
}

pub async fn a_ruling_and_the_restarts_are_kept(bench: &impl Subject) {
    bench.live("b1", 2).await;
    for seconds in [2, 3] {
        let claim = Claim::Respawn("b1".into());
        bench
            .store()
            .claim(&node("n1"), claim, at(seconds), at(seconds + 15))
            .await
            .unwrap();
    }
    bench.store().release_all(&node("n1"), &[]).await.unwrap();
    let snapshot = bench.take("b1").await;
    assert_eq!(
        (snapshot.batch.restarts, snapshot.clips[0].ruling),
        (2, None),
        "a claim counts none"
    );
    let mut change = step(&snapshot);
    for (index, ruling) in [(0, Ruling::Retry), (1, Ruling::PassOver)] {
        let mut clip = snapshot.clips[index].clone();
        (clip.status, clip.ruling) = (ClipStatus::Failed, Some(ruling));
        change.clips.push(ClipWrite {
            expected: ClipStatus::Pending,
            clip,
        });
    }
    change.head.totals.failed = 2;
    (change.head.restarts, change.head.release) = (0, true);
    bench.commit(change).await.unwrap();
    let mut snapshot = bench.take("b1").await;
    assert_eq!(snapshot.batch.restarts, 0);
    let rulings: Vec<_> = snapshot.clips.iter().map(|clip| clip.ruling).collect();
    assert_eq!(rulings, [Some(Ruling::Retry), Some(Ruling::PassOver)]);
    let claim = Claim::Respawn("b1".into());
    snapshot = bench
        .store()
        .claim(&node("n1"), claim, at(4), at(19))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(snapshot.batch.restarts, 1, "counted anew");

    let mut change = step(&snapshot);
    let mut clip = snapshot.clips[0].clone();
    (clip.status, clip.ruling) = (ClipStatus::Pending, None);
    change.clips.push(ClipWrite {
        expected: ClipStatus::Failed,
        clip,
    });
    change.head.totals.failed = 1;
    change.head.release = true;
    bench.commit(change).await.unwrap();
    assert_eq!(bench.take("b1").await.clips[0].ruling, None);
}
