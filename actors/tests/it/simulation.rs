//! Whole histories, decided by seeds: the simulation's invariants are the specification. `examples/simulate.rs` plays many
//! more. A seed is another history as soon as anything is added, so what one found wrong is told by hand beside these, as a
//! test with a name (in `crash`, `confirm`, `uncertain` and `accounts`).

use std::thread;

use storyclip_actors::testing::simulation::{
    self, Outcome,
    scenario::{Scenario, Trouble},
};

fn assert_right(outcome: &Outcome) {
    assert!(
        outcome.violations.is_empty(),
        "seed {}: {:#?}\nsee: cargo run -p storyclip-actors --release --features testing --example simulate -- --seed {}",
        outcome.seed,
        outcome.violations,
        outcome.seed
    );
}

fn play(seeds: impl IntoIterator<Item = u64>) {
    seeds
        .into_iter()
        .for_each(|seed| assert_right(&simulation::simulate(seed)));
}

#[test]
fn fifty_histories_keep_the_promise() {
    play(0..50);
}

#[test]
fn fifty_more_histories_keep_the_promise() {
    play(50..100);
}

#[test]
fn a_seed_plays_the_same_history_wherever_and_however_often_it_is_played() {
    let seeds = 2_000..2_012;
    let played = seeds.clone().map(|seed| simulation::replay(seed).history);
    let elsewhere = thread::spawn(|| {
        play(77..80);
        seeds.map(|seed| simulation::replay(seed).history).collect::<Vec<_>>()
    });
    let (here, there) = (played.collect::<Vec<_>>(), elsewhere.join().unwrap());
    for (one, other) in here.iter().zip(&there) {
        assert!(one.len() > 20, "{one:#?}");
        let differs = one.iter().zip(other).position(|(one, other)| one != other);
        assert_eq!(differs.map(|line| (&one[line], &other[line])), None);
        assert_eq!(one.len(), other.len());
    }
}

#[test]
fn a_day_in_which_the_network_cannot_be_reached_loses_nothing_and_hammers_nothing() {
    days_of(&Trouble::Unreachable);
}

#[test]
fn a_day_in_which_the_network_is_unavailable_loses_nothing_and_hammers_nothing() {
    days_of(&Trouble::Unavailable);
}

#[test]
fn a_day_in_which_the_token_is_refused_loses_nothing_and_hammers_nothing() {
    days_of(&Trouble::TokenRefused);
}

#[test]
fn a_day_in_which_a_brand_is_refused_loses_nothing_and_hammers_nothing() {
    days_of(&Trouble::BrandRefused("77".into()));
}

fn days_of(trouble: &Trouble) {
    for seed in 1..=4 {
        a_day_of(seed, trouble.clone());
    }
}

fn a_day_of(seed: u64, trouble: Trouble) {
    let scenario = Scenario::day_of_outage(seed, trouble);
    let (clips, spell) = (
        scenario.batches.iter().map(|batch| batch.urls.len()).sum::<usize>() as u64,
        scenario.spells[0].clone(),
    );
    let outcome = simulation::play(scenario, true);
    assert_right(&outcome);
    let counts = &outcome.counts;
    assert_eq!(
        (counts.live, counts.duplicates, counts.lost, counts.held),
        (clips, 0, 0, 0),
        "{spell:?}"
    );
}

#[test]
fn a_list_that_lags_behind_longer_than_absence_takes_leaves_it_to_a_person() {
    let (mut held, mut duplicates) = (0, 0);
    for seed in 0..40 {
        let outcome = simulation::play(Scenario::lagging_list(seed), false);
        assert_right(&outcome);
        held += outcome.counts.commands.get("resolve").copied().unwrap_or_default() + outcome.counts.held;
        duplicates += outcome.counts.duplicates;
    }
    assert!(held > 20, "people were asked {held} times");
    assert_eq!(duplicates, 0);
}
