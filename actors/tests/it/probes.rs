//! How often a provider that is away is asked whether it is back, and that a pause which it wants is kept by who asks, too.

use std::time::Duration;

use storyclip_actors::{
    error::{ProviderError, Verdict},
    limiter::Limiter,
    model::{AccountId, Timestamp},
    testing::World,
};

use super::world;

fn ends_with(verdict: Verdict, outage: bool) -> ProviderError {
    ProviderError {
        verdict,
        outage,
        code: "X".into(),
        message: "x".into(),
        http_status: None,
        request_id: None,
    }
}

/// How many seconds after this instant each probe left.
fn probes_since(world: &World, begun: Timestamp) -> Vec<u64> {
    let probes = world.network.calls("check");
    probes.iter().map(|at| at.since(begun).as_secs()).collect()
}

/// A provider that nobody can reach, as its limiter has just heard.
async fn away() -> (World, Limiter) {
    let world = world().await;
    world.network.script().down = true;
    let limiter = Limiter::new(2, world.network.clone(), world.clock.clone());
    limiter.report(&AccountId::from("77"), &ends_with(Verdict::Unavailable, true));
    (world, limiter)
}

#[tokio::test(start_paused = true)]
async fn one_probe_asks_for_all_with_longer_and_longer_pauses() {
    let (world, limiter) = away().await;
    let begun = world.now();
    for account in ["77", "88", "99"] {
        limiter.report(&account.into(), &ends_with(Verdict::Unknown, true));
    }
    tokio::time::sleep(Duration::from_secs(250)).await;
    assert_eq!(probes_since(&world, begun), [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_wanted_while_the_provider_is_away_is_kept_by_the_next_probe() {
    let (world, limiter) = away().await;
    let begun = world.now();
    tokio::time::sleep(Duration::from_secs(40)).await;
    // A call that left before the outage is answered only now.
    let until = world.now() + Duration::from_secs(300);
    limiter.report(&"77".into(), &ends_with(Verdict::Throttled(until), false));
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert_eq!(probes_since(&world, begun), [0, 1, 3, 7, 15, 31]);
}
