//! Secrets of webhooks that take each other's place.

use std::collections::BTreeSet;

use storyclip::store::{Created, MOST_OLD_SECRETS, Turned};

use super::{
    bench::{Bench, at, tenant},
    notices::{batch_with_events, claim, endpoint, secret, signers, tell},
};

pub async fn replaced_secrets_sign_until_their_time_is_over(bench: &Bench) {
    let store = &bench.store;
    endpoint(bench, "wh_a").await;
    endpoint(bench, "wh_b").await;
    let rotate = async |name: &str, overlap_until| {
        store
            .rotate_secret(&tenant(), "wh_a", &secret(name, overlap_until), None)
            .await
            .unwrap()
    };
    let done = Turned::As(Created::New);
    assert_eq!(rotate("second", Some(at(20))).await, done);
    assert_eq!(rotate("third", Some(at(40))).await, done);
    let nobody = store
        .rotate_secret(&"other".into(), "wh_a", &secret("x", None), None)
        .await;
    assert_eq!(nobody, Ok(Turned::NoSuchEndpoint));
    batch_with_events(bench, "b1", 1).await;
    assert_eq!(tell(bench).await, 2);
    for (now, signed) in [
        (10, vec!["whsec_third", "whsec_second", "whsec_wh_a"]),
        (30, vec!["whsec_third", "whsec_second"]),
        (50, vec!["whsec_third"]),
    ] {
        let due = claim(bench, now).await;
        let of = |target: &str| due.iter().find(|due| due.target == target).map(signers);
        assert_eq!(of("wh_a"), Some(signed), "at {now}");
        assert_eq!(of("wh_b"), Some(vec!["whsec_wh_b"]), "at {now}");
    }
    for number in 2..MOST_OLD_SECRETS {
        assert_eq!(rotate(&format!("more_{number}"), Some(at(90))).await, done);
    }
    assert_eq!(rotate("one_too_many", Some(at(90))).await, Turned::TooMany);
    assert_eq!(rotate("leaked", None).await, done);
    let due = claim(bench, 70).await;
    let signed = due.iter().find(|due| due.target == "wh_a").map(signers);
    assert_eq!(signed, Some(vec!["whsec_leaked"]), "every other is void");
}

pub async fn of_secrets_replaced_at_the_same_time_none_is_lost(bench: &Bench) {
    endpoint(bench, "wh_a").await;
    let (one, other) = (secret("one", Some(at(90))), secret("other", Some(at(90))));
    let tenant = tenant();
    let turned =
        futures_util::future::join_all([&one, &other].map(|new| bench.store.rotate_secret(&tenant, "wh_a", new, None)))
            .await;
    assert!(
        turned.iter().all(|turned| *turned == Ok(Turned::As(Created::New))),
        "{turned:?}"
    );
    batch_with_events(bench, "b1", 1).await;
    tell(bench).await;
    let due = claim(bench, 10).await;
    let signed: BTreeSet<&str> = signers(&due[0]).into_iter().collect();
    assert_eq!(signed, BTreeSet::from(["whsec_one", "whsec_other", "whsec_wh_a"]));
}
