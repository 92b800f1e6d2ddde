//! The one source of chance of a simulation: everything that may turn out one way or another is rolled here.
//!
//! A run owns one; the same seed rolled in the same order gives the same numbers on every machine.

use std::time::Duration;

/// A stream of numbers that a seed decides (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(
            seed.wrapping_mul(0xd134_2543_de82_ef95)
                .wrapping_add(0x2545_f491_4f6c_dd1d),
        )
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` up to and including `high`.
    pub fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// Whether something with this many chances in a thousand happens.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.next() % 1_000 < u64::from(per_mille)
    }

    /// One of these.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[(self.next() % of.len() as u64) as usize].clone()
    }

    /// At most one of these, each with its chances in a thousand.
    pub fn fall<T: Copy>(&mut self, of: &[(u32, T)]) -> Option<T> {
        let mut roll = self.next() % 1_000;
        for (per_mille, what) in of {
            match roll.checked_sub(u64::from(*per_mille)) {
                Some(rest) => roll = rest,
                None => return Some(*what),
            }
        }
        None
    }

    /// A duration between these two, in whole milliseconds.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.within(low, high))
    }

    /// A duration up to this many seconds, short ones far more often than long ones.
    pub fn mostly_short(&mut self, seconds: u64) -> Duration {
        let high = self.within(1, seconds * 1_000);
        let high = self.within(1, high);
        self.millis(0, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_neighbours_differ() {
        let roll = |seed| {
            let mut dice = Dice::new(seed);
            [dice.within(0, 999), dice.within(0, 999), dice.within(0, 999)]
        };
        assert_eq!(roll(7), roll(7));
        assert_ne!(roll(7), roll(8));
    }

    #[test]
    fn what_is_rolled_lies_within() {
        let mut dice = Dice::new(1);
        let rolls: Vec<u64> = (0..1_000).map(|_| dice.within(3, 5)).collect();
        assert!([3, 4, 5].iter().all(|n| rolls.contains(n)) && rolls.iter().all(|n| (3..=5).contains(n)));
        assert!(!dice.chance(0) && dice.chance(1_000));
    }
}
