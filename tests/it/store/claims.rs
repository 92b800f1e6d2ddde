//! Leases and commands.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use storyclip_actors::{
    error::StoreError,
    model::{BatchId, BatchStatus, ClipStatus, PostRef, Trouble, Wish, code},
    ports::{Claim, ClipWrite, Store as _},
};

use super::{
    bench::{Bench, T0, at, batch, node, step},
    subject::Subject,
};

pub async fn racing_claimers_get_each_batch_once(bench: &impl Subject) {
    let creates = (0..200).map(|n| {
        let mut new = batch(&format!("b{n:03}"), 3);
        new.created_at = T0 + Duration::from_millis(n);
        bench.create(new)
    });
    join_all(creates).await;
    // Where it can be, half of the claimers are another daemon.
    let daemons = bench.daemons().await;
    let claimers = (0..16).map(|n| {
        let store = daemons[n % 2].clone();
        tokio::spawn(async move {
            let (mut taken, mut empty) = (Vec::new(), 0);
            while empty < 20 {
                let claimed = store
                    .claim(&node(&format!("n{n}")), Claim::Due(5), at(1), at(16))
                    .await
                    .unwrap();
                assert!(claimed.len() <= 5);
                empty = if claimed.is_empty() { empty + 1 } else { 0 };
                taken.extend(claimed);
                tokio::task::yield_now().await;
            }
            taken
        })
    });
    let taken: Vec<_> = join_all(claimers).await.into_iter().flat_map(Result::unwrap).collect();
    let ids: HashSet<_> = taken.iter().map(|snapshot| snapshot.batch.id.clone()).collect();
    assert_eq!((taken.len(), ids.len()), (200, 200));
    assert!(
        taken
            .iter()
            .all(|snapshot| snapshot.batch.epoch == 1 && snapshot.clips.len() == 3)
    );
    let ordered = bench
        .store()
        .claim(&node("late"), Claim::Due(3), at(16), at(30))
        .await
        .unwrap();
    let ids: Vec<_> = ordered.iter().map(|snapshot| snapshot.batch.id.as_str()).collect();
    assert_eq!(
        ids,
        ["b000", "b001", "b002"],
        "lapsed leases are taken over, the longest due first"
    );
    assert!(ordered.iter().all(|snapshot| snapshot.batch.epoch == 2));
}

pub async fn a_node_can_say_which_batches_it_has_leases_of(bench: &impl Subject) {
    let leased = async |name: &str| bench.store().leased(&node(name)).await.unwrap();
    assert!(leased("n1").await.is_empty());
    bench.live("b2", 1).await;
    bench.live("b1", 1).await;
    assert_eq!(leased("n1").await, ["b1".into(), "b2".into()]);
    assert!(leased("n2").await.is_empty());
    bench.store().release_all(&node("n1"), &[]).await.unwrap();
    assert!(leased("n1").await.is_empty());
}

pub async fn a_named_claim_needs_something_to_do(bench: &impl Subject) {
    let named = async |now| {
        let claim = Claim::Named("b1".into());
        !bench
            .store()
            .claim(&node("n2"), claim, now, at(1_000))
            .await
            .unwrap()
            .is_empty()
    };
    let mut snapshot = bench.live("b1", 1).await;
    assert!(!named(at(14)).await, "somebody holds the lease");
    let mut change = step(&snapshot);
    (change.head.status, change.head.wake_at, change.head.release) = (BatchStatus::Completed, None, true);
    bench.commit(change).await.unwrap();
    assert!(!named(at(20)).await, "it is finished");
    bench.command(&"b1".into(), &Wish::Cancel, at(21)).await.unwrap();
    assert!(named(at(22)).await, "a command waits");

    bench.store().release_all(&node("n2"), &[]).await.unwrap();
    snapshot = bench.take("b1").await;
    let mut change = step(&snapshot);
    let mut clip = snapshot.clips[0].clone();
    clip.status = ClipStatus::Failed;
    clip.post = Some(PostRef {
        id: "p1".into(),
        uuid: None,
    });
    clip.error = Some(Trouble::new(code::CONFIRMATION_TIMEOUT, "no word"));
    change.clips.push(ClipWrite {
        expected: ClipStatus::Pending,
        clip,
    });
    change.head.totals.failed = 1;
    change.applied = snapshot.commands.iter().map(|command| command.id.clone()).collect();
    (change.head.status, change.head.wake_at, change.head.release) = (BatchStatus::Completed, None, true);
    bench.commit(change).await.unwrap();
    assert!(named(at(23)).await, "a clip timed out and may be looked at");
    assert!(
        bench
            .store()
            .claim(&node("n3"), Claim::Due(9), at(2_000), at(3_000))
            .await
            .unwrap()
            .is_empty()
    );
    let nobody = Claim::Named("nobody".into());
    assert!(
        bench
            .store()
            .claim(&node("n2"), nobody, at(24), at(30))
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn a_respawn_counts_restarts(bench: &impl Subject) {
    let first = bench.live("b1", 1).await;
    let respawn = async |name: &str, seconds| {
        let claim = Claim::Respawn("b1".into());
        bench
            .store()
            .claim(&node(name), claim, at(seconds), at(seconds + 15))
            .await
            .unwrap()
            .pop()
    };
    assert!(respawn("n2", 1).await.is_none(), "it is not that node's");
    let second = respawn("n1", 2).await.unwrap();
    assert_eq!((second.batch.epoch, second.batch.restarts), (first.batch.epoch + 1, 1));
    assert_eq!(respawn("n1", 500).await.unwrap().batch.restarts, 2);
    assert_eq!(respawn("n1", 601).await.unwrap().batch.restarts, 3);
    assert_eq!(
        respawn("n1", 602).await.unwrap().batch.restarts,
        1,
        "ten minutes after the first a new window begins"
    );
    assert_eq!(bench.commit(step(&first)).await, Err(StoreError::Lost));
}

pub async fn a_command_wakes_its_batch(bench: &impl Subject) {
    let snapshot = bench.live("b1", 1).await;
    let mut change = step(&snapshot);
    (change.head.wake_at, change.head.release) = (Some(at(5_000)), true);
    bench.commit(change).await.unwrap();
    let due = async |now| {
        bench
            .store()
            .claim(&node("n2"), Claim::Due(9), now, now + Duration::from_secs(5))
            .await
            .unwrap()
    };
    assert!(due(at(20)).await.is_empty());
    let first = bench.command(&"b1".into(), &Wish::Cancel, at(30)).await.unwrap();
    let second = bench.command(&"b1".into(), &Wish::Cancel, at(31)).await.unwrap();
    let taken = due(at(32)).await;
    let waiting: Vec<_> = taken[0].commands.iter().map(|command| command.id.clone()).collect();
    assert_eq!(waiting, [first.clone(), second.clone()], "oldest first");
    assert_eq!(taken[0].batch.wake_at, Some(at(30)));
    let mut change = step(&taken[0]);
    (change.head.wake_at, change.head.release, change.applied) = (None, true, vec![first]);
    bench.commit(change).await.unwrap();
    let waiting = bench.store().commands(&"b1".into()).await.unwrap();
    assert_eq!(
        (waiting.len(), &waiting[0].id, &waiting[0].wish),
        (1, &second, &Some(Wish::Cancel))
    );
    assert_eq!(due(at(33)).await.len(), 1, "a waiting command is due without a wake_at");
    let unknown = bench.command(&"nobody".into(), &Wish::Cancel, at(40)).await;
    assert_eq!(unknown, Err(StoreError::Lost));
}

/// An actor that comes to rest writes over the `wake_at` of a command that came meanwhile.
pub async fn a_command_is_heard_before_what_is_due(bench: &impl Subject) {
    let resting = bench.live("rests", 1).await;
    bench.create(batch("due", 1)).await;
    bench.command(&"rests".into(), &Wish::Cancel, at(1)).await.unwrap();
    let mut change = step(&resting);
    (change.head.wake_at, change.head.release) = (None, true);
    bench.commit(change).await.unwrap();
    let second = node("n2");
    let claim = bench.store().claim(&second, Claim::Due(1), at(2), at(17));
    assert_eq!(claim.await.unwrap()[0].batch.id, "rests".into());
}

/// A step that says so writes neither when its batch is to be claimed again nor whose lease it is.
pub async fn a_wake_that_stays_is_not_written(bench: &impl Subject) {
    let snapshot = bench.live("b1", 1).await;
    let mut change = step(&snapshot);
    (change.head.wake_at, change.head.wake_stays, change.head.release) = (Some(at(99)), true, true);
    bench.commit(change).await.unwrap();
    assert_eq!(bench.seen(&"b1".into()).await.wake_at, Some(T0));
    assert_eq!(bench.store().leased(&node("n1")).await.unwrap(), ["b1".into()]);
}

pub async fn released_leases_are_free(bench: &impl Subject) {
    for n in 0..3 {
        bench.live(&format!("b{n}"), 1).await;
    }
    let due = async |name: &str| {
        bench
            .store()
            .claim(&node(name), Claim::Due(9), at(2), at(17))
            .await
            .unwrap()
            .len()
    };
    assert_eq!(due("n2").await, 0);
    bench.store().release_all(&node("n2"), &[]).await.unwrap();
    assert_eq!(due("n2").await, 0, "a node gives back its own only");
    let kept = [BatchId::from("b1")];
    bench.store().release_all(&node("n1"), &kept).await.unwrap();
    assert_eq!(bench.store().leased(&node("n1")).await.unwrap(), kept);
    assert_eq!(due("n2").await, 2);
    bench.store().release_all(&node("n1"), &[]).await.unwrap();
    assert_eq!(due("n2").await, 1);
    let snapshot = bench
        .store()
        .claim(&node("n1"), Claim::Named("b0".into()), at(40), at(55))
        .await
        .unwrap()
        .remove(0);
    let mut change = step(&snapshot);
    change.head.release = true;
    bench.commit(change).await.unwrap();
    let leased = async |name: &str| bench.store().leased(&node(name)).await.unwrap();
    assert!(leased("n1").await.is_empty());
    assert_eq!(leased("n2").await, ["b1".into(), "b2".into()]);
}

/// Not of the port: only a daemon that knows itself to be alone takes away what others hold.
pub async fn dead_leases_are_released_where_there_is_but_one_daemon(bench: &Bench) {
    for n in 0..3 {
        bench.live(&format!("b{n}"), 1).await;
    }
    let due = async |name: &str| {
        let node = node(name);
        let claim = bench.store.claim(&node, Claim::Due(9), at(2), at(17));
        claim.await.unwrap().len()
    };
    match bench.store.is_sqlite() {
        true => assert_eq!(
            (bench.store.release_dead_leases().await.unwrap(), due("n3").await),
            (3, 3)
        ),
        false => assert_eq!(
            (bench.store.release_dead_leases().await.unwrap(), due("n3").await),
            (0, 0)
        ),
    }
}

pub async fn a_renewed_lease_stays(bench: &impl Subject) {
    let snapshot = bench.live("b1", 1).await;
    bench.store().renew(&node("n1"), at(100)).await.unwrap();
    assert!(
        bench
            .store()
            .claim(&node("n2"), Claim::Due(9), at(99), at(120))
            .await
            .unwrap()
            .is_empty()
    );
    bench.commit(step(&snapshot)).await.unwrap();
    assert_eq!(
        bench
            .store()
            .claim(&node("n2"), Claim::Due(9), at(100), at(120))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(bench.commit(step(&snapshot)).await, Err(StoreError::Lost));
}

/// Not in memory, where a claim is answered at once: the simulation itself gives back what nobody heard of.
pub async fn an_unheard_claim_is_given_back(bench: &Bench) {
    bench.store.create_batch(batch("b1", 1)).await.unwrap();
    let first = node("n1");
    let mut claim = bench.store.claim(&first, Claim::Due(1), T0, at(15));
    assert!(futures_util::poll!(&mut claim).is_pending(), "it is queued");
    drop(claim);
    let waits_behind_it = bench.store.set_fact("x", "y", at(1)).await;
    waits_behind_it.unwrap();
    let taken = bench.store.claim(&node("n2"), Claim::Due(1), T0, at(15)).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].batch.epoch, 2, "it had been taken");
}
