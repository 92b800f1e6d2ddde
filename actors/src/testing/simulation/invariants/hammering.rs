//! How often a network is asked that is away, wants a pause or refuses a credential: what was under way when that began, and
//! from then on one probe per account and interval, each interval as long as the backoff says by then.
//!
//! Seen whenever a call leaves, and once more when everybody has come to rest.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    limiter::CREDENTIAL_CHECK,
    model::{AccountId, NodeId, Timestamp},
    schedule::{LEASE_MARGIN, probe_backoff},
    testing::simulation::{
        network::Kind,
        node::Gate,
        scenario::Trouble,
        stage::{CallInSpell, Stage},
    },
};

/// Any call leaves: a pause that the network asked for is kept, and what leaves while only one thing is wrong is noted.
pub(super) fn a_call_leaves(stage: &Arc<Stage>, gate: &Gate, kind: Kind, account: Option<&AccountId>, now: Timestamp) {
    a_pause_is_kept(stage, gate, kind);
    let mut wrong = stage
        .troubles(now)
        .filter(|(_, spell)| spell.trouble != Trouble::StoreDown);
    let (Some((spell, alone)), None) = (wrong.next(), wrong.next()) else {
        return;
    };
    let concerned = match &alone.trouble {
        Trouble::BrandRefused(brand) => account == Some(brand),
        Trouble::Unreachable
        | Trouble::Unavailable
        | Trouble::Silent
        | Trouble::TokenRefused
        | Trouble::Throttled
        | Trouble::StoreDown => true,
    };
    if concerned {
        stage.record().calls_in_spells.push(CallInSpell {
            node: gate.name.clone(),
            probes: kind == Kind::Check,
            account: account.cloned(),
            spell,
            at: now,
        });
    }
}

/// What had its permit when the network asked for a pause may still leave: as many calls as there are places, and soon.
fn a_pause_is_kept(stage: &Arc<Stage>, gate: &Gate, kind: Kind) {
    let its_time = gate.time(&stage.clock);
    let (told_at, until) = (gate.told_at(), gate.told_to_wait_until());
    // A node that stood still meanwhile has timers that go before time.
    if until <= its_time || gate.stood_still_since(told_at) {
        return;
    }
    let calls = gate.calls_although_told();
    if calls > stage.scenario.max_in_flight || its_time > told_at + LEASE_MARGIN {
        stage.violate(
            "a pause that the network asks for is kept",
            format!(
                "{kind:?} of {}, told at {told_at} to wait until {until}, {calls} calls since",
                gate.name
            ),
        );
    }
}

/// Everybody rests: while something was wrong with the network it was asked with pauses.
pub(super) fn nobody_is_hammered(stage: &Arc<Stage>) {
    // A pause that is over lets calls go without a probe, and the backoff begins anew. What they may be is said when they
    // leave.
    let pauses = stage.scenario.network.throttled > 0
        || stage
            .scenario
            .spells
            .iter()
            .any(|spell| spell.trouble == Trouble::Throttled);
    if pauses {
        return;
    }
    let mut others: BTreeMap<(usize, NodeId), usize> = BTreeMap::new();
    let mut probes: BTreeMap<(usize, NodeId, Option<AccountId>), Vec<Timestamp>> = BTreeMap::new();
    for call in std::mem::take(&mut stage.record().calls_in_spells) {
        if call.probes {
            let of = (call.spell, call.node, call.account);
            probes.entry(of).or_default().push(call.at);
        } else {
            *others.entry((call.spell, call.node)).or_default() += 1;
        }
    }
    for ((spell, node), calls) in others {
        let allowed = stage.scenario.max_in_flight;
        if calls > allowed {
            let trouble = &stage.scenario.spells[spell].trouble;
            let what = format!("{calls} calls of {node} and not only probes while {trouble}, {allowed} are allowed");
            stage.violate("nobody is hammered", what);
        }
    }
    for ((spell, node, account), probes) in probes {
        let trouble = &stage.scenario.spells[spell].trouble;
        for (pair, before) in probes.windows(2).zip(0..) {
            let (passed, least) = (pair[1].since(pair[0]), interval(trouble, before));
            if passed < least {
                let about = account.as_ref().map_or("the token", AccountId::as_str);
                let what = format!(
                    "{node} asks about {about} at {} and {passed:?} later while {trouble}, at least {least:?} are due",
                    pair[0]
                );
                stage.violate("nobody is hammered", what);
            }
        }
    }
}

/// How long after a probe the next may follow at the earliest, when so many went unheard before it.
fn interval(trouble: &Trouble, before: u32) -> Duration {
    match trouble {
        Trouble::Unreachable | Trouble::Unavailable | Trouble::Silent => probe_backoff(before),
        Trouble::TokenRefused | Trouble::BrandRefused(_) => CREDENTIAL_CHECK,
        // Nothing is probed because of these.
        Trouble::Throttled | Trouble::StoreDown => Duration::ZERO,
    }
}
