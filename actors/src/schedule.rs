//! When: slots, looks, backoff. Pure arithmetic on instants; actors and providers call it, nothing here waits.

mod slots;

use std::time::Duration;

use crate::{
    model::{Speed, Timestamp},
    ports::Reading,
};

pub use slots::{free_slot, planned_slots};

/// Which slot a create call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRule {
    /// How far ahead of now the slot lies at least.
    pub lead: Duration,
    /// Slots are whole multiples of this; zero means any millisecond. Metricool drops seconds.
    pub granularity: Duration,
}

impl SlotRule {
    /// Now plus the lead, rounded *up* to the granularity.
    pub fn slot(&self, now: Timestamp) -> Timestamp {
        (now + self.lead).round_up(self.granularity)
    }

    /// The next slot after this one, for a clip whose slot is taken by the same media.
    pub fn next(&self, slot: Timestamp) -> Timestamp {
        slot + self.granularity.max(Duration::from_millis(1))
    }

    /// Whether the two instants are the same slot.
    pub fn same(&self, a: Timestamp, b: Timestamp) -> bool {
        a.round_down(self.granularity) == b.round_down(self.granularity)
    }
}

impl Default for SlotRule {
    /// As at Metricool: whole minutes, the first of them at least a minute ahead.
    fn default() -> Self {
        Self {
            lead: Duration::from_secs(60),
            granularity: Duration::from_secs(60),
        }
    }
}

/// How long each speed waits for a confirmation (DESIGN 4, rule 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the speeds")]
pub struct Timeouts {
    pub safe: Duration,
    pub fast: Duration,
    pub ultra: Duration,
    pub hyper: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            safe: Duration::from_secs(120),
            fast: Duration::from_secs(90),
            ultra: Duration::from_secs(60),
            hyper: Duration::from_secs(180),
        }
    }
}

impl Timeouts {
    /// The timeout of this speed, counted from the slot.
    pub const fn of(&self, speed: Speed) -> Duration {
        match speed {
            Speed::Safe => self.safe,
            Speed::Fast => self.fast,
            Speed::Ultra => self.ultra,
            Speed::Hyper => self.hyper,
        }
    }
}

/// The looks at a post after its slot: the waits between them, the last one repeated for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookRule {
    /// Waits; the first counts from the slot.
    pub waits: Vec<Duration>,
}

impl Default for LookRule {
    /// 1, 1.5, 2, then 3 s (seeds 000): looks 1, 2.5, 4.5, 7.5, 10.5 … s after the slot.
    fn default() -> Self {
        Self {
            waits: [1_000, 1_500, 2_000, 3_000].map(Duration::from_millis).to_vec(),
        }
    }
}

impl LookRule {
    /// How long after the slot look number `n` (from 0) is due.
    pub fn after_slot(&self, n: u32) -> Duration {
        let n = n as usize;
        let listed: Duration = self.waits.iter().take(n + 1).sum();
        match self.waits.last() {
            Some(last) => listed + *last * (n + 1).saturating_sub(self.waits.len()) as u32,
            None => Duration::ZERO,
        }
    }

    /// How many looks are due by this long after the slot.
    pub fn due_by(&self, elapsed: Duration) -> u32 {
        let mut looks = 0;
        let mut at = Duration::ZERO;
        while looks < 100_000 {
            let wait = self
                .waits
                .get(looks as usize)
                .or(self.waits.last())
                .copied()
                .unwrap_or_default();
            at += wait;
            if at > elapsed || wait.is_zero() {
                break;
            }
            looks += 1;
        }
        looks
    }

    /// The first look (its number and instant) that is not before `now` and not among the `done` first ones, never
    /// later than the deadline.
    pub fn next(&self, slot: Timestamp, done: u32, now: Timestamp, deadline: Timestamp) -> (u32, Timestamp) {
        let number = self.due_by(now.since(slot)).max(done);
        let due = (slot + self.after_slot(number)).max(now);
        (number, due.min(deadline.max(now)))
    }
}

/// When a wait for confirmation ends: the timeout after the slot. If that had passed before anybody could look (the daemon
/// was down, or the post was found late), the wait begins now: time in which nobody asked does not count.
pub fn deadline(slot: Timestamp, timeout: Duration, now: Timestamp) -> Timestamp {
    let end = slot + timeout;
    if end > now { end } else { now + timeout }
}

/// Looks at a timed-out post, counted from the timeout (DESIGN 4, rule 4).
pub const LATE_LOOKS: [Duration; 6] = [
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(3_600),
];

/// How near its slot a pending post may be withdrawn (DESIGN 4, rule 6): a delete answers success for a published post,
/// too, so only one that is surely not yet on its way counts.
pub const WITHDRAW_MARGIN: Duration = Duration::from_secs(15);

/// How much lease must be left before a call that cannot be undone (DESIGN 5).
pub const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// For how long after the create a 404 means "not visible yet" (DESIGN 4, rule 5).
pub const VISIBILITY: Duration = Duration::from_secs(60);

/// A Reconcile asks the network only if its last answer is older than this (DESIGN 3).
pub const FRESH: Duration = Duration::from_secs(3);

/// Whether a fresh reading proves that a delete withdraws.
pub fn may_withdraw(reading: &Reading, slot: Timestamp, now: Timestamp) -> bool {
    match reading {
        Reading::Pending(_) => now + WITHDRAW_MARGIN <= slot,
        Reading::Published { .. } | Reading::Failed(_) | Reading::Missing => false,
    }
}

/// Backoff of a clip's own retries: 2 s before the first, 10 s before each further one, plus up to a fifth (`jitter` is
/// 0..1). `spent` counts the retries before this one.
pub fn retry_backoff(spent: u32, jitter: f64) -> Duration {
    let base = if spent == 0 {
        Duration::from_secs(2)
    } else {
        Duration::from_secs(10)
    };
    base + base.mul_f64(jitter.clamp(0.0, 1.0) / 5.0)
}

/// How long a brand rests whose connection its network refused for the `losses`th time without publishing anything in
/// between: 1, 2, 4, 8, then 15 min each. Only publishing shows whether it is back, so each try is a post that fails.
pub fn reconnect_backoff(losses: u32) -> Duration {
    Duration::from_secs(60 << losses.saturating_sub(1).min(4)).min(Duration::from_secs(900))
}

/// Backoff of questions that got no usable answer: 1, 2, 4 … 60 s.
pub fn probe_backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(6)).min(Duration::from_secs(60))
}

/// How long a batch whose actor died has none. The first deaths within the window cost no time: as many as a batch at work may
/// have, and the one that pauses it. What is not at work any more is not paused, so it is left alone for 1, 2, 4 … 60 s.
/// `restarts` counts those before this one.
pub fn respawn_backoff(restarts: u32, max_restarts: u32) -> Duration {
    restarts
        .checked_sub(max_restarts.saturating_add(1))
        .map_or(Duration::ZERO, probe_backoff)
}

/// Longest Retry-After that is obeyed as it stands.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Shortest pause after a throttle, whatever it says: "again in 0 s" would be asked without end.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// When a throttled call may go on: Retry-After as told, clamped to a second and an hour; 30 s when none was given.
pub fn throttled_until(now: Timestamp, retry_after: Option<Duration>) -> Timestamp {
    now + retry_after
        .unwrap_or(Duration::from_secs(30))
        .clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn looks_happen_where_the_documents_say() {
        let rule = LookRule::default();
        let seconds: Vec<f64> = (0..6).map(|n| rule.after_slot(n).as_secs_f64()).collect();
        assert_eq!(seconds, [1.0, 2.5, 4.5, 7.5, 10.5, 13.5]);
    }

    #[test]
    fn a_restart_goes_on_with_the_look_that_is_due() {
        let rule = LookRule::default();
        let deadline = SLOT + Duration::from_secs(90);
        assert_eq!(rule.next(SLOT, 0, SLOT, deadline), (0, SLOT + Duration::from_secs(1)));
        let later = SLOT + Duration::from_millis(7_600);
        assert_eq!(
            rule.next(SLOT, 0, later, deadline),
            (4, SLOT + Duration::from_millis(10_500))
        );
        let late = SLOT + Duration::from_millis(89_900);
        assert_eq!(
            rule.next(SLOT, 0, late, deadline).1,
            deadline,
            "the last look is at the deadline"
        );
        let after = SLOT + Duration::from_secs(500);
        assert_eq!(
            rule.next(SLOT, 0, after, deadline).1,
            after,
            "past the deadline it is at once"
        );
    }

    #[test]
    fn slots_round_up_to_the_minute() {
        let rule = SlotRule {
            lead: Duration::from_secs(60),
            granularity: Duration::from_secs(60),
        };
        assert_eq!(rule.slot(Timestamp::from_millis(0)).as_millis(), 60_000);
        assert_eq!(rule.slot(Timestamp::from_millis(1)).as_millis(), 120_000);
        assert!(rule.same(Timestamp::from_millis(60_000), Timestamp::from_millis(119_999)));
        assert_eq!(rule.next(Timestamp::from_millis(60_000)).as_millis(), 120_000);
    }

    #[test]
    fn only_a_pending_post_fifteen_seconds_ahead_is_withdrawn() {
        let pending = Reading::Pending("PENDING".into());
        assert!(may_withdraw(&pending, SLOT, SLOT - Duration::from_secs(15)));
        assert!(!may_withdraw(&pending, SLOT, SLOT - Duration::from_millis(14_999)));
        assert!(!may_withdraw(&Reading::Missing, SLOT, SLOT - Duration::from_secs(60)));
    }

    #[test]
    fn retries_wait_two_seconds_then_ten_and_at_most_a_fifth_more() {
        let seconds = |spent, jitter| retry_backoff(spent, jitter).as_secs_f64();
        assert_eq!([0, 1, 2, 9].map(|spent| seconds(spent, 0.0)), [2.0, 10.0, 10.0, 10.0]);
        assert_eq!([0, 1, 2, 9].map(|spent| seconds(spent, 1.0)), [2.4, 12.0, 12.0, 12.0]);
        assert_eq!((seconds(0, -1.0), seconds(0, 7.0)), (2.0, 2.4), "jitter is a share");
    }

    #[test]
    fn questions_brands_and_deaths_wait_longer_and_longer_up_to_a_limit() {
        let probes = [0, 1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|failures| probe_backoff(failures).as_secs());
        assert_eq!(probes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let rests = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|losses| reconnect_backoff(losses).as_secs());
        assert_eq!(rests, [60, 60, 120, 240, 480, 900, 900, 900]);
        let left_alone = [0, 5, 6, 7, 8, 12, u32::MAX].map(|restarts| respawn_backoff(restarts, 5).as_secs());
        assert_eq!(left_alone, [0, 0, 1, 2, 4, 60, 60]);
    }

    #[test]
    fn retry_after_is_obeyed_and_clamped() {
        assert_eq!(
            throttled_until(SLOT, Some(Duration::from_secs(7))),
            SLOT + Duration::from_secs(7)
        );
        assert_eq!(throttled_until(SLOT, Some(Duration::MAX)), SLOT + RETRY_AFTER_MAX);
        assert_eq!(throttled_until(SLOT, Some(Duration::ZERO)), SLOT + RETRY_AFTER_MIN);
        assert_eq!(
            throttled_until(SLOT, None),
            SLOT + Duration::from_secs(30),
            "it said nothing"
        );
    }
}
