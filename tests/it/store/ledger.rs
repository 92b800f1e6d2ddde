//! The ledger of attempts, who owns a post, and facts.

use futures_util::future::join_all;
use storyclip_actors::{
    error::{StoreError, Verdict},
    model::{ClipStatus, Network, PostRef},
    ports::{AttemptVerdict, AttemptWrite, Candidate, ClipWrite, Owned},
};

use super::{
    bench::{Bench, at, intent, step},
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
    bench.commit(change).await.unwrap();
    let seen = bench.seen(&"b1".into()).await;
    assert_eq!(seen.clips[0].status, ClipStatus::Retrying);
    let attempts = bench.attempts(&"b1".into()).await;
    assert_eq!(
        (attempts.len(), attempts[0].slot, attempts[0].code.as_deref()),
        (1, Some(at(60)), Some("X"))
    );
}

/// A post as a listing has it.
fn listed(id: &str, uuid: Option<&str>) -> Candidate {
    Candidate {
        post: PostRef {
            id: id.into(),
            uuid: uuid.map(Into::into),
        },
        network: Some(Network::Facebook),
        slot: at(60),
        media: vec!["m".into()],
        text: String::new(),
        created_at: None,
    }
}

pub async fn posts_have_one_owner(bench: &impl Subject) {
    for (id, post) in [("b1", "p1"), ("b2", "p2")] {
        let snapshot = bench.live(id, 1).await;
        let mut change = intent(&snapshot, id, at(60));
        change.attempts[0].post = Some(PostRef {
            id: post.into(),
            uuid: Some(format!("-{post}").into()),
        });
        bench.commit(change).await.unwrap();
    }
    let owned = async |posts: &[Candidate], except| {
        let account = "5372118".into();
        bench.store().owned(&account, posts, except).await.unwrap().known
    };
    let posts = [
        listed("p1", None),
        listed("p2", None),
        listed("p3", None),
        listed("p3", Some("-p3")),
    ];
    let (b1, b2) = ("b1".into(), "b2".into());
    assert_eq!(owned(&posts, (&b1, 1, 1)).await, ["p2".into()].into());
    assert_eq!(owned(&posts, (&b1, 2, 1)).await.len(), 2);
    assert_eq!(
        owned(&posts, (&b1, 1, 2)).await.len(),
        2,
        "a post of an earlier attempt is none of the next"
    );
    assert_eq!(owned(&posts, (&b2, 1, 1)).await, ["p1".into()].into());
    assert_eq!(
        owned(&[listed("p9", Some("-p2"))], (&b1, 1, 1)).await,
        ["p9".into()].into(),
        "a post that was edited is known by its uuid"
    );
    let elsewhere = bench
        .store()
        .owned(&"another".into(), &posts, (&b1, 1, 1))
        .await
        .unwrap();
    assert_eq!(elsewhere, Owned::default());
    let third = bench.live("b3", 1).await;
    let mut thief = intent(&third, "b3", at(60));
    thief.attempts[0].post = Some(PostRef {
        id: "p1".into(),
        uuid: None,
    });
    assert!(matches!(bench.commit(thief).await, Err(StoreError::Conflict(_))));
}

pub async fn a_post_is_intended_by_who_asked_for_just_that_until_the_end_is_known(bench: &impl Subject) {
    let snapshot = bench.live("b1", 1).await;
    bench.commit(intent(&snapshot, "m", at(60))).await.unwrap();
    let intended = async |post: Candidate, account: &str, except| {
        let owned = bench.store().owned(&account.into(), &[post], except).await.unwrap();
        assert!(owned.known.is_empty());
        !owned.intended.is_empty()
    };
    let (own, other) = ("b1".into(), "b2".into());
    let this = || listed("p1", None);
    assert!(intended(this(), "5372118", (&other, 1, 1)).await);
    assert!(intended(this(), "5372118", (&own, 2, 1)).await);
    assert!(
        !intended(this(), "5372118", (&own, 1, 2)).await,
        "what an earlier attempt of the clip made is the clip's"
    );
    assert!(!intended(this(), "another", (&other, 1, 1)).await);
    let [network, slot, media, more] = [(); 4].map(|()| this());
    for post in [
        Candidate {
            network: None,
            ..network
        },
        Candidate { slot: at(120), ..slot },
        Candidate {
            media: vec!["n".into()],
            ..media
        },
        Candidate {
            media: vec!["m".into(), "m".into()],
            ..more
        },
    ] {
        assert!(!intended(post, "5372118", (&other, 1, 1)).await);
    }
    for (verdict, open) in [
        (AttemptVerdict::Refused(Verdict::Unknown), true),
        (AttemptVerdict::CannotTell, true),
        (AttemptVerdict::Absent, false),
        (AttemptVerdict::Refused(Verdict::Rejected), false),
    ] {
        let mut change = step(&snapshot);
        change.attempts.push(AttemptWrite {
            clip: 1,
            attempt: 1,
            verdict: Some(verdict),
            ..AttemptWrite::default()
        });
        bench.commit(change).await.unwrap();
        assert_eq!(intended(this(), "5372118", (&other, 1, 1)).await, open, "{verdict:?}");
    }
}

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
        attempts.push(bench.commit(change).await.is_ok());
    }
    assert_eq!(attempts, [true, true, true, true, false]);

    // Nor do two attempts of one step have one place.
    let snapshot = bench.live("b9", 2).await;
    let mut change = intent(&snapshot, "twice", at(60));
    change.attempts.push(AttemptWrite {
        clip: 2,
        ..change.attempts[0].clone()
    });
    let refused = bench.commit(change).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert!(bench.attempts(&"b9".into()).await.is_empty());
}

pub async fn a_slot_is_taken_until_it_is_vacated(bench: &impl Subject) {
    let taken = async |media: &str, from| {
        let account = "5372118".into();
        let store = bench.store();
        store
            .taken_slots(&account, Network::Facebook, media, from)
            .await
            .unwrap()
    };
    let [first, second] = [bench.live("b1", 1).await, bench.live("b2", 1).await];
    bench.commit(intent(&first, "m", at(120))).await.unwrap();
    bench.commit(intent(&second, "m", at(60))).await.unwrap();
    assert_eq!(taken("m", at(0)).await, [at(60), at(120)]);
    assert_eq!(taken("m", at(61)).await, [at(120)]);
    assert_eq!(taken("other", at(0)).await, []);

    let mut vacated = step(&first);
    vacated.attempts.push(AttemptWrite {
        clip: 1,
        attempt: 1,
        verdict: Some(AttemptVerdict::Withdrawn),
        vacates: true,
        ..AttemptWrite::default()
    });
    bench.commit(vacated).await.unwrap();
    assert_eq!(taken("m", at(0)).await, [at(60)]);
    let third = bench.live("b3", 1).await;
    bench.commit(intent(&third, "m", at(120))).await.unwrap();
    let fourth = bench.live("b4", 1).await;
    let refused = bench.commit(intent(&fourth, "m", at(120))).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

pub async fn facts_are_replaced(bench: &Bench) {
    assert_eq!(bench.store.fact("list").await.unwrap(), None);
    let writes = ["no", "yes"].map(|value| bench.store.set_fact("list", value, at(1)));
    join_all(writes).await.into_iter().for_each(Result::unwrap);
    assert_eq!(bench.store.fact("list").await.unwrap().as_deref(), Some("yes"));
    bench.store.ping().await.unwrap();
}
