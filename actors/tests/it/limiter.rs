//! How many calls go at once, and in which order they go.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use storyclip_actors::{
    error::{ProviderError, Verdict},
    limiter::{Limiter, Priority, Reservation},
    model::AccountId,
};

use super::world;

#[tokio::test(start_paused = true)]
async fn no_more_calls_than_allowed_are_under_way_and_the_most_urgent_goes_first() {
    let world = world().await;
    let limiter = Limiter::new(2, world.network.clone(), world.clock.clone());
    let account = AccountId::from("77");
    let first = limiter.try_acquire(&account, Priority::Poll).unwrap();
    let second = limiter.try_acquire(&account, Priority::Poll).unwrap();
    assert!(
        limiter.try_acquire(&account, Priority::Withdraw).is_none(),
        "two are under way"
    );

    let order = Arc::new(Mutex::new(Vec::new()));
    let asked = [
        Priority::Poll,
        Priority::Find,
        Priority::Prepare,
        Priority::Create,
        Priority::Withdraw,
    ];
    let waiting: Vec<_> = asked
        .into_iter()
        .map(|priority| {
            let (limiter, account, order) = (limiter.clone(), account.clone(), order.clone());
            tokio::spawn(async move {
                let permit = limiter.acquire(&account, priority).await;
                order.lock().unwrap().push(priority);
                tokio::task::yield_now().await;
                drop(permit);
            })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(order.lock().unwrap().is_empty());
    drop(first);
    for done in waiting {
        done.await.unwrap();
    }
    let expected = [
        Priority::Withdraw,
        Priority::Create,
        Priority::Find,
        Priority::Poll,
        Priority::Prepare,
    ];
    assert_eq!(*order.lock().unwrap(), expected);
    drop(second);
}

/// A create call that takes this long, from its reservation to its end.
async fn create(limiter: &Limiter, account: &AccountId, takes: Duration) {
    let permit = limiter.reserve(account).await.unwrap().enter(account).await.unwrap();
    tokio::time::sleep(takes).await;
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn intents_may_be_stated_while_every_place_is_taken_as_far_as_they_will_soon_have_one() {
    let world = world().await;
    let limiter = Limiter::new(2, world.network.clone(), world.clock.clone());
    let account = AccountId::from("77");
    let take = || limiter.try_acquire(&account, Priority::Poll).unwrap();

    let one = take();
    let first = limiter.try_reserve(&account);
    assert!(first.is_some(), "one place is free");
    assert!(
        limiter.try_reserve(&account).is_none(),
        "and nobody knows how quick creates are"
    );
    drop((one, first));

    create(&limiter, &account, Duration::from_secs(1)).await;
    let both = (take(), take());
    let stated = [limiter.try_reserve(&account), limiter.try_reserve(&account)];
    assert!(stated.iter().all(Option::is_some), "a place will be free soon");
    assert!(
        limiter.try_reserve(&account).is_none(),
        "two calls of a second each begin within a second"
    );
    drop((both, stated));

    create(&limiter, &account, Duration::from_secs(10)).await;
    let _both = (take(), take());
    assert!(limiter.try_reserve(&account).is_none(), "an intent would grow old");
}

#[tokio::test(start_paused = true)]
async fn a_durable_intent_goes_before_other_calls_and_not_at_all_once_calls_are_held() {
    let world = world().await;
    let limiter = Limiter::new(1, world.network.clone(), world.clock.clone());
    let account = AccountId::from("77");
    create(&limiter, &account, Duration::ZERO).await;
    let place = limiter.try_acquire(&account, Priority::Poll).unwrap();
    let poll = {
        let (limiter, account) = (limiter.clone(), account.clone());
        tokio::spawn(async move { limiter.acquire(&account, Priority::Poll).await })
    };
    tokio::task::yield_now().await;
    let enter = |reservation: Reservation| {
        let account = account.clone();
        tokio::spawn(async move { reservation.enter(&account).await })
    };
    let create = enter(limiter.try_reserve(&account).unwrap());
    tokio::task::yield_now().await;
    drop(place);
    let permit = create.await.unwrap().unwrap();
    assert!(!poll.is_finished(), "it waited first, but a create is more urgent");
    drop(permit);
    let place = poll.await.unwrap();

    let create = enter(limiter.try_reserve(&account).unwrap());
    tokio::task::yield_now().await;
    let outage = ProviderError {
        verdict: Verdict::Unavailable,
        outage: true,
        code: "DOWN".into(),
        message: "down".into(),
        http_status: None,
        request_id: None,
    };
    limiter.report(&account, &outage);
    assert!(limiter.try_reserve(&account).is_none(), "none is stated in an outage");
    assert!(create.await.unwrap().is_none(), "nor held through one");
    drop(place);
}
