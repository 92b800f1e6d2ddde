//! The specification: what must hold of every history, whatever went wrong in it.
//!
//! The simulated stores and networks call it while the run goes on: at every call that leaves (this file) and at every
//! change that becomes durable (`changes`, `clips`); the run calls it when everybody has come to rest (`the_end`). How often
//! a network that is away is asked is seen at both times (`hammering`). The ledger is the truth; the rows are what is claimed.

mod changes;
mod clips;
mod hammering;
mod the_end;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{ledger::Attempt, network::Kind, node::Gate, stage::Stage};
use crate::{
    model::{AccountId, BatchId, BatchStatus, Clip, PostRef, Request, Timestamp, Wish},
    ports::{Claim, Snapshot},
    schedule::LEASE_MARGIN,
};

pub use changes::a_change_was_written;
pub use the_end::{everybody_rests, places_are_free, somebody_does_not_rest};

/// Longer than a batch at work ever waits for anything when nothing is wrong, but for its slot.
const IDLE: Duration = Duration::from_secs(360);

/// Any call to the network: no more are under way than the limiter allows.
pub fn a_call_leaves(stage: &Arc<Stage>, gate: &Gate, kind: Kind, account: Option<&AccountId>, now: Timestamp) {
    let under_way = gate.calls_under_way.load(Ordering::Relaxed);
    if under_way > stage.scenario.max_in_flight {
        stage.violate(
            "the limiter limits",
            format!("{under_way} calls of {} are under way", gate.name),
        );
    }
    hammering::a_call_leaves(stage, gate, kind, account, now);
    let mut record = stage.record();
    record.counts.calls += 1;
    record.counts.probes += u64::from(kind == Kind::Check);
}

/// A create call: its intent is stored, its lease holds for long enough, and no other post of the clip is or may yet
/// become live.
pub fn a_create_call_leaves(stage: &Arc<Stage>, gate: &Gate, account: &AccountId, request: &Request) -> Attempt {
    let Some((batch, clip, attempt)) = stage.rows.intent(account, request) else {
        stage.violate(
            "the intent is durable before the create call leaves",
            format!("{request:?}"),
        );
        return Attempt {
            batch: BatchId::from("?"),
            clip: 0,
            attempt: 0,
        };
    };
    let now = stage.now();
    let who = format!("{batch}#{clip}.{attempt}");
    let row = stage.rows.row(&batch);
    let attempt = Attempt { batch, clip, attempt };
    let epoch = stage.record().intents.get(&attempt).copied();
    if row.owner.as_ref() != Some(&gate.name) || Some(row.batch.epoch) != epoch {
        stage.violate(
            "no create call leaves without its lease",
            format!("{who} of {}, lease of {:?}", gate.name, row.owner),
        );
    }
    if row.expires < gate.time(&stage.clock) + LEASE_MARGIN {
        stage.violate(
            "no create call leaves with less than five seconds of lease",
            format!("{who}, until {}", row.expires),
        );
    }
    for post in stage.ledger().of(&attempt.batch, clip) {
        if !post.is_dead(now) {
            let fate = format!(
                "{who} while {} is {:?}, live at {:?}",
                post.id(),
                post.fate,
                post.live_at()
            );
            stage.violate("nothing is sent again that is or may become live", fate);
        }
    }
    attempt
}

/// A withdrawal: the lease of its batch holds for long enough.
pub fn a_withdrawal_leaves(stage: &Arc<Stage>, gate: &Gate, post: &PostRef) {
    let Some(of) = stage.ledger().with_id(&post.id).and_then(|post| post.of.clone()) else {
        return;
    };
    let row = stage.rows.row(&of.batch);
    if row.owner.as_ref() != Some(&gate.name) || row.expires < gate.time(&stage.clock) + LEASE_MARGIN {
        stage.violate(
            "no withdrawal leaves without five seconds of its lease",
            format!(
                "{} by {}, lease of {:?} until {}",
                post.id, gate.name, row.owner, row.expires
            ),
        );
    }
}

/// Leases are taken.
pub fn batches_are_claimed(stage: &Arc<Stage>, gate: &Gate, what: &Claim, claimed: &[Snapshot]) {
    for Snapshot { batch, .. } in claimed {
        stage.tell(gate.name.as_str(), || {
            format!("claims {} ({what:?}): epoch {}", batch.id, batch.epoch)
        });
        let mut record = stage.record();
        let before = record.owners.insert(batch.id.clone(), gate.name.clone());
        record.counts.takeovers += u64::from(before.is_some_and(|before| before != gate.name));
    }
}

/// A person's wish is durable.
pub fn a_command_is_durable(stage: &Arc<Stage>, batch: &BatchId, wish: &Wish) {
    let mut record = stage.record();
    *record.counts.commands.entry(wish.kind().as_str()).or_default() += 1;
    *record.wishes.entry((batch.clone(), wish.kind().as_str())).or_default() += 1;
}

/// While nothing goes wrong a batch at work is always at something: an awaited answer, a look, a wait of a minute or two.
pub fn work_goes_on(stage: &Arc<Stage>) -> bool {
    // Batches that wait for a place as rows do so for as long as it takes.
    if stage.scenario.rules.max_batches < stage.scenario.batches.len() {
        return true;
    }
    let now = stage.now();
    let idle = |batch: &BatchId| {
        let row = stage.rows.row(batch);
        let at_work = stage
            .record()
            .at_work
            .get(batch)
            .copied()
            .unwrap_or(row.batch.created_at);
        let slot = row.clips.iter().filter_map(Clip::slot).max();
        let since = at_work.max(stage.calm_from()).max(slot.unwrap_or(at_work));
        row.batch.status == BatchStatus::Processing && now > since + IDLE
    };
    let Some(batch) = stage.rows.batches().into_iter().find(idle) else {
        return true;
    };
    let row = stage.rows.row(&batch);
    let clips: Vec<_> = row.clips.iter().map(|clip| clip.status.as_str()).collect();
    stage.violate("work goes on", format!("{batch} of {:?}: {clips:?}", row.owner));
    false
}

/// A process died: counted by what its batches were at.
pub fn a_node_died(stage: &Arc<Stage>, gate: &Gate) {
    if gate.is_stopping() {
        return;
    }
    for batch in stage.rows.batches() {
        let row = stage.rows.row(&batch);
        if row.owner.as_ref() == Some(&gate.name) {
            let at_work = row.clips.iter().find(|clip| !clip.status.is_terminal());
            let status = at_work.map_or("settled", |clip| clip.status.as_str());
            *stage.record().counts.crashes.entry(status).or_default() += 1;
        }
    }
}
