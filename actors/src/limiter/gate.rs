//! Whether calls of a token, or of one of its brands, may go. The limiter asks and tells; nothing waits in here.

use std::collections::{HashMap, HashSet};

use crate::{
    error::Refused,
    model::{AccountId, Timestamp},
};

/// Why a token's calls are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The provider asked for a pause.
    Throttled(Timestamp),
    /// The provider does not answer usefully.
    Away,
    /// The token is refused.
    TokenRefused,
}

impl Closed {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Throttled(_) => "throttled",
            Self::Away => "away",
            Self::TokenRefused => "token refused",
        }
    }

    /// A graver reason replaces a lighter one.
    fn weight(self) -> (u8, i64) {
        match self {
            Self::Away => (0, 0),
            Self::Throttled(until) => (1, until.as_millis()),
            Self::TokenRefused => (2, 0),
        }
    }
}

#[derive(Default)]
pub(super) struct Gates {
    token: Option<Closed>,
    brands: HashSet<AccountId>,
    /// How often in a row a brand's connection was found lost by publishing.
    losses: HashMap<AccountId, u32>,
}

impl Gates {
    pub(super) fn token(&self) -> Option<Closed> {
        self.token
    }

    pub(super) fn token_open(&self) -> bool {
        self.token.is_none()
    }

    pub(super) fn brand_open(&self, account: &AccountId) -> bool {
        self.brands.is_empty() || !self.brands.contains(account)
    }

    pub(super) fn parked(&self, account: &AccountId) -> Option<Refused> {
        if self.token == Some(Closed::TokenRefused) {
            return Some(Refused::Token);
        }
        (!self.brand_open(account)).then_some(Refused::Brand)
    }

    /// Closes; true if it was open, so that exactly one probe begins.
    pub(super) fn close_token(&mut self, reason: Closed) -> bool {
        let was_open = self.token.is_none();
        if self.token.is_none_or(|present| reason.weight() > present.weight()) {
            self.token = Some(reason);
        }
        was_open
    }

    /// After a probe made for `asked`: takes over its answer; of that and what was reported meanwhile the graver. True if
    /// open.
    pub(super) fn settle_token(&mut self, asked: Closed, answer: Option<Closed>) -> bool {
        if self.token == Some(asked) {
            self.token = answer;
        } else if let Some(answer) = answer {
            self.close_token(answer);
        }
        self.token.is_none()
    }

    pub(super) fn close_brand(&mut self, account: &AccountId) -> bool {
        self.brands.insert(account.clone())
    }

    pub(super) fn open_brand(&mut self, account: &AccountId) {
        self.brands.remove(account);
    }

    /// Its network refuses the brand once more; how often it did in a row.
    pub(super) fn count_loss(&mut self, account: &AccountId) -> u32 {
        let losses = self.losses.entry(account.clone()).or_default();
        *losses = losses.saturating_add(1);
        *losses
    }

    /// Its network published something of the brand.
    pub(super) fn forget_losses(&mut self, account: &AccountId) {
        self.losses.remove(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn throttled(until: i64) -> Closed {
        Closed::Throttled(Timestamp::from_millis(until))
    }

    #[test]
    fn of_a_probes_answer_and_what_was_reported_meanwhile_the_graver_counts() {
        let mut gates = Gates::default();
        gates.close_token(Closed::Away);
        gates.close_token(throttled(30));
        assert!(!gates.settle_token(Closed::Away, Some(throttled(40))));
        assert_eq!(gates.token(), Some(throttled(40)), "the longer pause is kept");
        assert!(!gates.settle_token(Closed::Away, Some(throttled(20))));
        assert!(!gates.settle_token(Closed::Away, None));
        assert_eq!(gates.token(), Some(throttled(40)));
        assert!(gates.settle_token(throttled(40), None));
    }
}
