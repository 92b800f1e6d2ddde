//! How many calls go at once, and in which order they go.

use std::sync::{Arc, Mutex};

use storyclip_actors::{
    limiter::{Limiter, Priority},
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
