//! What an account has with its network and what is still to come: what a dry run holds against a quota.

use storyclip::store::{NewBatch, Taken, Waiting};
use storyclip_actors::{
    model::{BatchStatus, ClipStatus, Network, PostRef, PublishMode, Totals},
    ports::{AttemptVerdict, AttemptWrite, ClipWrite},
};

use super::{
    bench::{Bench, at, batch, intent, step},
    subject::Subject as _,
};

/// Of the benches' usual account within these seconds.
async fn taken(bench: &Bench, from: u64, to: u64) -> Taken {
    let account = "5372118".into();
    let taken = bench.store.taken(&account, Network::Facebook, (at(from), at(to)));
    taken.await.unwrap()
}

/// The first clip's attempt has this post, and this became of it.
fn posted(verdict: Option<AttemptVerdict>) -> AttemptWrite {
    AttemptWrite {
        clip: 1,
        attempt: 1,
        verdict,
        post: Some(PostRef {
            id: "p1".into(),
            uuid: None,
        }),
        ..AttemptWrite::default()
    }
}

pub async fn a_slot_is_used_until_its_post_is_certainly_not_to_go_live(bench: &Bench) {
    let snapshot = bench.live("b1", 1).await;
    let mut change = intent(&snapshot, "m", at(60));
    let mut clip = change.clips[0].clip.clone();
    bench.commit(change.clone()).await.unwrap();
    assert_eq!(
        taken(bench, 0, 120).await.posts,
        [at(60)],
        "the answer of the call may be lost"
    );
    clip.status = ClipStatus::Failed;
    change = step(&snapshot);
    change.clips.push(ClipWrite {
        expected: ClipStatus::Uploading,
        clip,
    });
    bench.commit(change).await.unwrap();
    assert!(taken(bench, 0, 120).await.posts.is_empty(), "there is no post");
    for (verdict, is_used) in [
        (None, true),
        (Some(AttemptVerdict::Published), true),
        (Some(AttemptVerdict::TimedOut), true),
        (Some(AttemptVerdict::CannotTell), true),
        (Some(AttemptVerdict::Withdrawn), false),
        (Some(AttemptVerdict::Errored), false),
        (Some(AttemptVerdict::Absent), false),
    ] {
        let mut change = step(&snapshot);
        change.attempts.push(posted(verdict));
        bench.commit(change).await.unwrap();
        let expected: &[_] = if is_used { &[at(60)] } else { &[] };
        assert_eq!(taken(bench, 60, 60).await.posts, expected, "{verdict:?}");
        assert!(taken(bench, 0, 59).await.posts.is_empty() && taken(bench, 61, 120).await.posts.is_empty());
    }
}

pub async fn a_clip_waits_until_it_is_settled_or_its_batch_cannot_go_on(bench: &Bench) {
    for status in BatchStatus::ALL {
        let mut snapshot = bench.live(status.as_str(), ClipStatus::ALL.len()).await;
        let mut change = step(&snapshot);
        for (clip, status) in snapshot.clips.iter_mut().zip(ClipStatus::ALL) {
            let expected = clip.status;
            clip.status = *status;
            change.clips.push(ClipWrite {
                expected,
                clip: clip.clone(),
            });
        }
        change.head.status = *status;
        change.head.totals = Totals::of(&snapshot.clips);
        if *status != BatchStatus::Processing {
            change.head.wake_at = None;
        }
        bench.commit(change).await.unwrap();
        let one_by_one = match status {
            BatchStatus::Scheduled | BatchStatus::Processing | BatchStatus::Paused => 7,
            BatchStatus::Draft | BatchStatus::Completed | BatchStatus::Failed | BatchStatus::Cancelled => 0,
        };
        let waiting = taken(bench, 0, 120).await.waiting;
        let found: usize = waiting.iter().map(|batch| batch.one_by_one).sum();
        assert_eq!(found, one_by_one, "{status}");
        bench
            .meddle("UPDATE publish_batch_clips SET status = 'published'")
            .await;
    }
}

pub async fn whoever_waits_for_the_account_is_counted_once(bench: &Bench) {
    let by_slots = |id, clips| {
        let mut new = NewBatch {
            mode: PublishMode::Scheduled,
            status: BatchStatus::Scheduled,
            ..batch(id, clips)
        };
        for (clip, seconds) in new.clips.iter_mut().zip([3_600, 7_200]) {
            clip.planned_for = Some(at(seconds));
        }
        new
    };
    let [own, others] = [by_slots("b1", 2), by_slots("b2", 1)];
    bench.create(own).await;
    let tenant = "other".into();
    bench.create(NewBatch { tenant, ..others }).await;
    bench.create(batch("b3", 4)).await;
    let account = "77".into();
    bench
        .create(NewBatch {
            account,
            ..batch("b4", 1)
        })
        .await;
    let network = Network::Instagram;
    bench
        .create(NewBatch {
            network,
            ..batch("b5", 1)
        })
        .await;

    let waiting = |planned: &[u64], one_by_one| Waiting {
        planned: planned.iter().copied().map(at).collect(),
        one_by_one,
    };
    let others = [waiting(&[3_600], 0), waiting(&[], 4)];
    let all = |own| [vec![own], others.to_vec()].concat();
    let found = taken(bench, 0, 7_200).await;
    assert_eq!(found.waiting, all(waiting(&[3_600, 7_200], 0)));
    assert!(found.posts.is_empty());

    let snapshot = bench.take("b1").await;
    let mut change = intent(&snapshot, "m", at(3_660));
    change.attempts.push(posted(None));
    bench.commit(change.clone()).await.unwrap();
    let found = taken(bench, 0, 7_200).await;
    assert_eq!(found.waiting, all(waiting(&[7_200], 0)));
    assert_eq!(found.posts, [at(3_660)], "once, by its attempt");

    // A pause took it back: it gets another slot.
    let mut back = step(&snapshot);
    back.attempts.push(posted(Some(AttemptVerdict::Withdrawn)));
    back.clips.push(ClipWrite {
        expected: ClipStatus::Uploading,
        clip: snapshot.clips[0].clone(),
    });
    back.head.status = BatchStatus::Paused;
    bench.commit(back).await.unwrap();
    let found = taken(bench, 0, 7_200).await;
    assert_eq!(found.waiting, all(waiting(&[3_600, 7_200], 0)));
    assert!(found.posts.is_empty());
}
