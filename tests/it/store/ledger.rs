//! The ledger of attempts, who owns a post, and facts.

use std::sync::Arc;

use futures_util::future::join_all;
use storyclip_actors::{
    error::StoreError,
    model::{ClipStatus, Network, PostRef},
    ports::{AttemptWrite, ClipWrite},
};

use super::{
    bench::{Bench, at, intent},
    subject::Subject,
};

pub async fn several_writes_to_one_row_keep_their_order(bench: &impl Subject) {
    let snapshot = bench.live("b1", 1).await;
    let mut change = intent(&snapshot, "m", at(60));
    let mut clip = change.clips[0].clip.clone();
    clip.status = ClipStatus::Retrying;
    change.clips.push(ClipWrite {
        expected: ClipStatus::Uploading,
        clip,
    });
    change.attempts.push(AttemptWrite {
        clip: 1,
        attempt: 1,
        outcome_at: Some(at(2)),
        code: Some("X".into()),
        ..AttemptWrite::default()
    });
    bench.store().commit(Arc::new(change)).await.unwrap();
    let seen = bench.seen(&"b1".into()).await;
    assert_eq!(seen.clips[0].status, ClipStatus::Retrying);
    let attempts = bench.attempts(&"b1".into()).await;
    assert_eq!(
        (attempts.len(), attempts[0].slot, attempts[0].code.as_deref()),
        (1, Some(at(60)), Some("X"))
    );
}

pub async fn posts_have_one_owner(bench: &impl Subject) {
    for (id, post) in [("b1", "p1"), ("b2", "p2")] {
        let snapshot = bench.live(id, 1).await;
        let mut change = intent(&snapshot, id, at(60));
        change.attempts[0].post = Some(PostRef {
            id: post.into(),
            uuid: Some(format!("-{post}").into()),
        });
        bench.store().commit(Arc::new(change)).await.unwrap();
    }
    let post = |id: &str, uuid: Option<&str>| PostRef {
        id: id.into(),
        uuid: uuid.map(Into::into),
    };
    let posts = [
        post("p1", None),
        post("p2", Some("-p2")),
        post("p3", None),
        post("p3", Some("-p3")),
    ];
    let owned = bench
        .store()
        .owned(&"5372118".into(), &posts, (&"b1".into(), 1))
        .await
        .unwrap();
    assert_eq!(owned, ["p2".into()].into());
    assert_eq!(
        bench
            .store()
            .owned(&"5372118".into(), &posts, (&"b1".into(), 2))
            .await
            .unwrap()
            .len(),
        2
    );
    let edited = [post("p9", Some("-p2"))];
    let owned = bench
        .store()
        .owned(&"5372118".into(), &edited, (&"b1".into(), 1))
        .await
        .unwrap();
    assert_eq!(
        owned,
        ["p9".into()].into(),
        "a post that was edited is known by its uuid"
    );
    assert!(
        bench
            .store()
            .owned(&"another".into(), &posts, (&"b1".into(), 1))
            .await
            .unwrap()
            .is_empty()
    );
    let third = bench.live("b3", 1).await;
    let mut thief = intent(&third, "b3", at(60));
    thief.attempts[0].post = Some(PostRef {
        id: "p1".into(),
        uuid: None,
    });
    assert!(matches!(
        bench.store().commit(Arc::new(thief)).await,
        Err(StoreError::Conflict(_))
    ));
}

/// Whatever a network rounds slots to: who plans has done so, and another network's posts are not mistaken for ours.
pub async fn a_place_is_an_instant_a_network_and_a_media(bench: &impl Subject) {
    let mut attempts = Vec::new();
    for (n, (media, second, network)) in [
        ("m", 60, Network::Facebook),
        ("m", 61, Network::Facebook),
        ("other", 60, Network::Facebook),
        ("m", 60, Network::Instagram),
        ("m", 60, Network::Facebook),
    ]
    .into_iter()
    .enumerate()
    {
        let snapshot = bench.live(&format!("b{n}"), 1).await;
        let mut change = intent(&snapshot, media, at(second));
        change.network = network;
        for request in [&mut change.clips[0].clip.request, &mut change.attempts[0].request] {
            request.as_mut().unwrap().network = network;
        }
        attempts.push(bench.store().commit(Arc::new(change)).await.is_ok());
    }
    assert_eq!(attempts, [true, true, true, true, false]);

    // Nor do two attempts of one step have one place.
    let snapshot = bench.live("b9", 2).await;
    let mut change = intent(&snapshot, "twice", at(60));
    change.attempts.push(AttemptWrite {
        clip: 2,
        ..change.attempts[0].clone()
    });
    let refused = bench.store().commit(Arc::new(change)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert!(bench.attempts(&"b9".into()).await.is_empty());
}

pub async fn facts_are_replaced(bench: &Bench) {
    assert_eq!(bench.store.fact("list").await.unwrap(), None);
    let writes = ["no", "yes"].map(|value| bench.store.set_fact("list", value, at(1)));
    join_all(writes).await.into_iter().for_each(Result::unwrap);
    assert_eq!(bench.store.fact("list").await.unwrap().as_deref(), Some("yes"));
    bench.store.ping().await.unwrap();
}
