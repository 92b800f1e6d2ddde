//! What an actor is given when its batch is taken: every column as it was written, whatever is in it.

use storyclip::store::NewClip;
use storyclip_actors::{
    model::{BatchId, ClipStatus, PostRef, Totals, Trouble},
    ports::{AttemptWrite, Claim, ClipWrite},
};

use super::{
    bench::{at, batch, intent, node, request, step, tenant},
    subject::Subject,
};

const HOSTILE: &str = "\"quotes\" \\ \u{1}\n\u{2028} é🎬 '; DROP TABLE publish_batches; -- $1 ? {} null ,[1]";

pub async fn a_snapshot_is_what_was_written(bench: &impl Subject) {
    let mut new = batch("b1", 0);
    new.user = HOSTILE.into();
    new.account = "5372118".into();
    new.clips = (1..=12)
        .map(|n| NewClip {
            id: format!("{n} {HOSTILE}"),
            url: format!("https://cdn.example/{n}?{HOSTILE}"),
            title: None,
            text: String::new(),
            planned_for: None,
        })
        .collect();
    bench.create(new).await;
    let mut snapshot = bench.take("b1").await;
    let ids: Vec<_> = snapshot
        .clips
        .iter()
        .map(|clip| (clip.index, clip.id.to_string()))
        .collect();
    let expected: Vec<_> = (1..=12).map(|n| (n, format!("{n} {HOSTILE}"))).collect();
    assert_eq!(ids, expected, "in the order of their indexes");

    // A clip of which every column is set, and one beside it of which hardly any is.
    let mut clip = snapshot.clips[1].clone();
    clip.status = ClipStatus::WaitingConfirmation;
    (clip.attempt, clip.retries, clip.late_looks) = (3, 2, 1);
    clip.post = Some(PostRef {
        id: "300000001".into(),
        uuid: Some("-9223372036854775808".into()),
    });
    clip.network_post_id = Some(HOSTILE.into());
    clip.permalink = Some("https://facebook.example/1".into());
    clip.error = Some(Trouble::new("PROVIDER_ERROR", HOSTILE));
    clip.next_attempt_at = Some(at(1));
    clip.uploaded_at = Some(at(2));
    clip.published_at = Some(at(3));
    clip.timed_out_at = Some(at(4));
    clip.intent_at = Some(at(5));
    clip.request = Some(request(HOSTILE, at(60)));
    snapshot.clips[1] = clip.clone();
    let mut change = step(&snapshot);
    change.head.error = Some(Trouble::new("CLIP_HELD", HOSTILE));
    change.head.totals = Totals::of(&snapshot.clips);
    change.head.wake_at = Some(at(99));
    change.attempts.push(AttemptWrite {
        clip: 2,
        attempt: 3,
        request: clip.request.clone(),
        intent_at: clip.intent_at,
        post: clip.post.clone(),
        ..AttemptWrite::default()
    });
    change.clips.push(ClipWrite {
        expected: ClipStatus::Pending,
        clip,
    });
    bench.commit(change.clone()).await.unwrap();

    bench.store().release_all(&node("n1"), &[]).await.unwrap();
    let claim = Claim::Named("b1".into());
    let taken = bench.store().claim(&node("n2"), claim, at(100), at(115)).await.unwrap();
    let [again] = &taken[..] else {
        panic!("it is taken: {taken:?}")
    };
    snapshot.batch.epoch += 1;
    snapshot.batch.error = change.head.error;
    snapshot.batch.wake_at = change.head.wake_at;
    assert_eq!(format!("{again:#?}"), format!("{snapshot:#?}"));
}

pub async fn a_claim_reads_the_current_intent(bench: &impl Subject) {
    let mut snapshot = bench.live("b1", 2).await;
    bench.commit(intent(&snapshot, "first", at(60))).await.unwrap();
    let mut second = intent(&snapshot, "second", at(120));
    second.clips[0].expected = ClipStatus::Uploading;
    second.clips[0].clip.attempt = 2;
    second.attempts[0].attempt = 2;
    second.attempts[0].intent_at = Some(at(70));
    second.head.release = true;
    bench.commit(second).await.unwrap();
    snapshot = bench.take("b1").await;
    let clip = &snapshot.clips[0];
    assert_eq!(
        (clip.attempt, clip.slot(), clip.intent_at),
        (2, Some(at(120)), Some(at(70)))
    );
    assert_eq!(clip.request.as_ref().map(|request| &*request.media), Some("second"));
    assert!(snapshot.clips[1].request.is_none());
    assert_eq!(snapshot.batch.tenant, tenant());
    assert_eq!(snapshot.batch.id, BatchId::from("b1"));

    // Refused, and its media is prepared again: nothing is under way, so there is no intent to be in doubt about.
    let mut again = step(&snapshot);
    let mut clip = snapshot.clips[0].clone();
    (clip.request, clip.intent_at) = (None, None);
    again.clips.push(ClipWrite {
        expected: ClipStatus::Uploading,
        clip,
    });
    again.head.release = true;
    bench.commit(again).await.unwrap();
    let clip = &bench.take("b1").await.clips[0];
    assert_eq!((clip.status, clip.attempt), (ClipStatus::Uploading, 2));
    assert_eq!((&clip.request, clip.intent_at), (&None, None));
}

pub async fn a_claim_reads_the_slot_to_which_a_post_was_moved(bench: &impl Subject) {
    let snapshot = bench.live("b1", 1).await;
    bench.commit(intent(&snapshot, "m", at(60))).await.unwrap();
    let mut found = step(&snapshot);
    let mut clip = intent(&snapshot, "m", at(7_200)).clips.swap_remove(0).clip;
    clip.status = ClipStatus::WaitingConfirmation;
    found.clips.push(ClipWrite {
        expected: ClipStatus::Uploading,
        clip,
    });
    found.head.release = true;
    bench.commit(found).await.unwrap();
    let clip = &bench.take("b1").await.clips[0];
    assert_eq!((clip.slot(), clip.intent_at), (Some(at(7_200)), Some(at(1))));
    let attempts = bench.attempts(&"b1".into()).await;
    assert_eq!(attempts[0].slot, Some(at(60)), "the intent stays what it was");
}
