//! Whole histories, decided by seeds: the simulation's invariants are the specification. `examples/simulate.rs` plays many
//! more. A seed is another history as soon as anything is added, so what one found wrong is told by hand beside these, as a
//! test with a name that says so (in `crash`, `confirm`, `uncertain` and `accounts`).

use std::{ops::Range, thread};

use storyclip_actors::testing::simulation::{Kind, Outcome, counts::Counts, scenario::Trouble};

use super::tell;

/// What they did together; none of them what must not happen.
fn all_right(kind: &Kind, seeds: Range<u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let Outcome {
            violations,
            counts: its,
            ..
        } = kind.play(seed, false);
        let see = "cargo run -p storyclip-actors --release --features testing --example simulate --";
        assert!(
            violations.is_empty(),
            "{violations:#?}\nsee: {see} {}",
            kind.replayed_by(seed)
        );
        counts.add(&its);
    }
    counts
}

fn play(seeds: Range<u64>) {
    let counts = all_right(&Kind::Anything, seeds.clone());
    tell(&format!("simulation, seeds {seeds:?}: {counts}"));
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
    let history = |seed| Kind::Anything.play(seed, true).history;
    let played = seeds.clone().map(history);
    let elsewhere = thread::spawn(move || {
        all_right(&Kind::Anything, 77..80);
        seeds.map(history).collect::<Vec<_>>()
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
fn a_day_in_which_the_network_answers_nothing_loses_nothing_and_hammers_nothing() {
    days_of(&Trouble::Silent);
}

#[test]
fn a_day_in_which_the_token_is_refused_loses_nothing_and_hammers_nothing() {
    days_of(&Trouble::TokenRefused);
}

#[test]
fn a_day_in_which_a_brand_is_refused_loses_nothing_and_hammers_nothing() {
    days_of(&Trouble::BrandRefused("77".into()));
}

#[test]
fn a_day_in_which_the_network_wants_pauses_loses_nothing_and_hammers_nothing() {
    days_of(&Trouble::Throttled);
}

/// Two of them; `examples/simulate.rs` plays more.
fn days_of(trouble: &Trouble) {
    let counts = all_right(&Kind::Outage(trouble.clone()), 1..3);
    tell(&format!("2 days in which {trouble}: {counts}"));
    assert!(counts.calls > 0 && (counts.duplicates, counts.lost, counts.held) == (0, 0, 0));
}

#[test]
fn a_list_that_lags_behind_longer_than_absence_takes_leaves_it_to_a_person() {
    let seeds = 0..40;
    let counts = all_right(&Kind::LaggingList, seeds.clone());
    tell(&format!("lists that lag behind, seeds {seeds:?}: {counts}"));
    assert!(counts.held > 20, "people were asked {} times", counts.held);
    assert_eq!(counts.duplicates, 0);
}
