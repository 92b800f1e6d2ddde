//! How one call to the network goes: what is wrong at its time, what goes wrong in it, and how long it takes.
//!
//! The network rolls it when a call leaves. The errors are those which a real provider gives for the same trouble.

use std::time::Duration;

use super::{Kind, SimulatedNetwork};
use crate::{
    error::{ProviderError, Refused, Verdict},
    model::{AccountId, Timestamp},
    schedule,
    testing::simulation::scenario::Trouble,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Unreachable,
    Unavailable,
    LostBefore,
    LostAfter,
    Unreadable,
    Rejected,
    Throttled,
    Unauthorized,
    Forbidden,
    CrashBeforeAnswer,
    CrashAfterAnswer,
    PanicBefore,
    PanicAfter,
}

/// How one call goes.
pub(super) struct Course {
    pub(super) fault: Option<Fault>,
    /// Until the network acts.
    pub(super) before: Duration,
    /// From then until the answer.
    pub(super) after: Duration,
    /// Whether the network acts although the answer is an error.
    pub(super) acts: bool,
    pub(super) error: Option<ProviderError>,
}

pub(super) fn error(verdict: Verdict, outage: bool, code: &str) -> ProviderError {
    ProviderError {
        verdict,
        outage,
        code: code.into(),
        message: format!("simulated {code}"),
        http_status: None,
        request_id: None,
    }
}

impl SimulatedNetwork {
    /// What is wrong at present for everybody.
    fn trouble(&self, account: Option<&AccountId>, now: Timestamp) -> Option<(Fault, Duration)> {
        self.stage.troubles(now).find_map(|(_, spell)| {
            let left = (self.stage.began + spell.to).since(now);
            let fault = match &spell.trouble {
                Trouble::Unreachable => Fault::Unreachable,
                Trouble::Unavailable => Fault::Unavailable,
                Trouble::Silent => Fault::LostBefore,
                Trouble::TokenRefused => Fault::Unauthorized,
                Trouble::Throttled => Fault::Throttled,
                Trouble::BrandRefused(brand) if account == Some(brand) => Fault::Forbidden,
                Trouble::BrandRefused(_) | Trouble::StoreDown => return None,
            };
            Some((fault, left))
        })
    }

    pub(super) fn course(&self, kind: Kind, account: Option<&AccountId>, now: Timestamp) -> Course {
        let trouble = self.trouble(account, now);
        let mut dice = self.stage.dice();
        if self.stage.is_calm() {
            let [before, after] = [10, 10].map(Duration::from_millis);
            return Course {
                fault: None,
                before,
                after,
                acts: true,
                error: None,
            };
        }
        let faults = &self.stage.scenario.network;
        let fault = trouble.map(|(fault, _)| fault).or_else(|| {
            dice.fall(&[
                (faults.unreachable, Fault::Unreachable),
                (faults.unavailable, Fault::Unavailable),
                (faults.lost_before, Fault::LostBefore),
                (faults.lost_after, Fault::LostAfter),
                (faults.unreadable, Fault::Unreadable),
                (faults.rejected, Fault::Rejected),
                (faults.throttled, Fault::Throttled),
                (faults.unauthorized, Fault::Unauthorized),
                (faults.forbidden, Fault::Forbidden),
                (faults.crash_before_answer, Fault::CrashBeforeAnswer),
                (faults.crash_after_answer, Fault::CrashAfterAnswer),
                (faults.panic / 2, Fault::PanicBefore),
                (faults.panic / 2, Fault::PanicAfter),
            ])
        });
        let slow = dice.chance(faults.slow) || matches!(fault, Some(Fault::LostBefore | Fault::LostAfter));
        let (before, after) = if slow {
            (dice.mostly_short(29), dice.mostly_short(29))
        } else {
            (dice.millis(0, 150), dice.millis(0, 150))
        };
        let away = match kind {
            Kind::Create => Verdict::Unknown,
            Kind::Prepare | Kind::Status | Kind::Find | Kind::Withdraw | Kind::Check => Verdict::Unavailable,
        };
        let (acts, error) = match fault {
            Some(Fault::Unreachable) => (false, Some(error(Verdict::Unavailable, true, "UNREACHABLE"))),
            Some(Fault::Unavailable) => (dice.chance(300), Some(error(away, true, "UNAVAILABLE"))),
            Some(Fault::LostBefore) => (false, Some(error(away, true, "ANSWER_LOST"))),
            Some(Fault::LostAfter) => (true, Some(error(away, true, "ANSWER_LOST"))),
            Some(Fault::Unreadable) => (true, Some(error(away, false, "UNREADABLE"))),
            Some(Fault::Rejected) => (false, Some(error(Verdict::Rejected, false, "REJECTED"))),
            Some(Fault::Throttled) => {
                let wait = trouble.map_or_else(|| dice.millis(0, 40_000), |(_, left)| left);
                let until =
                    schedule::throttled_until(self.gate.time(&self.stage.clock), (!dice.chance(100)).then_some(wait));
                (false, Some(error(Verdict::Throttled(until), false, "RATE_LIMITED")))
            }
            Some(Fault::Unauthorized) => {
                let verdict = Verdict::Unauthorized(Refused::Token);
                (false, Some(error(verdict, false, "UNAUTHORIZED")))
            }
            Some(Fault::Forbidden) => {
                let verdict = Verdict::Unauthorized(if account.is_some() {
                    Refused::Brand
                } else {
                    Refused::Token
                });
                (false, Some(error(verdict, false, "FORBIDDEN")))
            }
            Some(Fault::CrashBeforeAnswer | Fault::CrashAfterAnswer | Fault::PanicAfter) | None => (true, None),
            Some(Fault::PanicBefore) => (false, None),
        };
        Course {
            fault,
            before,
            after,
            acts,
            error,
        }
    }
}
