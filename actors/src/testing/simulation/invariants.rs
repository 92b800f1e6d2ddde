//! The specification: what must hold of every history, whatever went wrong in it.
//!
//! The first part is checked while the run goes on, at every call that leaves and at every change that becomes durable.
//! The second part, [`the_end`], is checked when everybody has come to rest. The ledger is the truth; the rows are what
//! is claimed.

mod the_end;

use std::{sync::Arc, time::Duration};

use super::{
    ledger::{Attempt, Ledger, Post},
    network::Kind,
    node::Gate,
    scenario::Trouble,
    stage::{CallInSpell, Stage},
};
use crate::{
    error::StoreError,
    model::{AccountId, BatchId, BatchStatus, Clip, ClipStatus, OnFailure, Request, Ruling, Timestamp, Totals, Wish},
    ports::{Change, Claim, Reading, Snapshot},
    schedule::{LEASE_MARGIN, VISIBILITY},
    testing::RowView,
};

pub use the_end::{everybody_rests, places_are_free, somebody_does_not_rest};

/// Any call to the network: no more are under way than the limiter allows.
pub fn a_call_leaves(stage: &Arc<Stage>, gate: &Gate, kind: Kind, now: Timestamp) {
    let under_way = gate.calls_under_way.load(std::sync::atomic::Ordering::Relaxed);
    if under_way > stage.scenario.max_in_flight {
        stage.violate(
            "the limiter limits",
            format!("{under_way} calls of {} are under way", gate.name),
        );
    }
    // What had its permit by then may still leave, and a node that stood still meanwhile has timers that go before time.
    let knows = now > gate.told_at() + LEASE_MARGIN && gate.still_until() < gate.told_at();
    if gate.told_to_wait_until() > now && knows {
        let until = gate.told_to_wait_until();
        stage.violate(
            "a pause that the network asks for is kept",
            format!("{kind:?} of {}, told until {until}", gate.name),
        );
    }
    let mut record = stage.record();
    record.counts.calls += 1;
    let mut wrong = stage
        .troubles(now)
        .filter(|(_, spell)| spell.trouble != Trouble::StoreDown);
    if let (Some((spell, _)), None) = (wrong.next(), wrong.next()) {
        record.calls_in_spells.push(CallInSpell {
            node: gate.name.clone(),
            probes: kind == Kind::Check,
            spell,
            at: now,
        });
    }
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
    if row.expires < now + LEASE_MARGIN {
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

/// A change was written, or refused.
pub fn a_change_was_written(
    stage: &Arc<Stage>,
    gate: &Gate,
    change: &Change,
    before: &RowView,
    result: &Result<(), StoreError>,
) {
    stage.tell(gate.name.as_str(), || describe(change, before, result));
    if result.is_err() {
        return;
    }
    stage.record().counts.commits += 1;
    stage.is_at_work(&change.batch);
    if before.owner.as_ref() != Some(&gate.name) || before.batch.epoch != change.epoch {
        stage.violate(
            "no write of a stale owner lands",
            format!(
                "{} of {} at epoch {}, epoch {} of {:?}",
                change.batch, gate.name, change.epoch, before.batch.epoch, before.owner
            ),
        );
    }
    let after = stage.rows.row(&change.batch);
    if Totals::of(&after.clips) != change.head.totals {
        stage.violate(
            "totals equal rows",
            format!("{}: {:?}", change.batch, change.head.totals),
        );
    }
    for write in &change.attempts {
        if write.request.is_some() {
            an_intent_is_durable(stage, change, write.clip, write.attempt, &after);
        }
    }
    for write in &change.clips {
        let place = write.clip.index as usize - 1;
        a_clip_changed(stage, &before.clips[place], &after.clips[place], &after);
    }
}

/// Order (DESIGN 4, rules 1 and 2), and one clip at a time.
fn an_intent_is_durable(stage: &Arc<Stage>, change: &Change, index: u32, attempt: u32, after: &RowView) {
    let intent = Attempt {
        batch: change.batch.clone(),
        clip: index,
        attempt,
    };
    stage.record().intents.insert(intent, change.epoch);
    let who = format!("{}#{index}.{attempt}", change.batch);
    if change.head.status != BatchStatus::Processing {
        stage.violate(
            "only a batch that is processing sends",
            format!("{who}: {}", change.head.status),
        );
    }
    for clip in after.clips.iter().filter(|clip| clip.index != index) {
        if clip.in_flight() {
            stage.violate(
                "one clip at a time",
                format!("{who} while clip {} is {}", clip.index, clip.status),
            );
        }
        let passed = match (clip.status, after.batch.on_failure) {
            (ClipStatus::Published | ClipStatus::Cancelled, _) => true,
            (ClipStatus::Failed | ClipStatus::Held, OnFailure::Skip) => true,
            (ClipStatus::Failed, OnFailure::Stop | OnFailure::Hold) if clip.ruling == Some(Ruling::PassOver) => true,
            (ClipStatus::Failed | ClipStatus::Held, OnFailure::Stop | OnFailure::Hold) => false,
            (
                ClipStatus::Pending
                | ClipStatus::Queued
                | ClipStatus::Uploading
                | ClipStatus::WaitingConfirmation
                | ClipStatus::Retrying
                | ClipStatus::Uncertain,
                _,
            ) => false,
        };
        if clip.index < index && !passed {
            stage.violate(
                "clips go in order",
                format!("{who} while clip {} is {}", clip.index, clip.status),
            );
        }
    }
}

fn a_clip_changed(stage: &Arc<Stage>, before: &Clip, after: &Clip, row: &RowView) {
    let who = format!("{}#{} {} -> {}", row.batch.id, after.index, before.status, after.status);
    if after.retries > row.batch.max_retries {
        stage.violate(
            "retries are counted",
            format!("{who}: {} of {}", after.retries, row.batch.max_retries),
        );
    }
    let late = before.timed_out();
    let is_final = match before.status {
        ClipStatus::Published | ClipStatus::Cancelled => after.status != before.status,
        ClipStatus::Failed => {
            let reopened = stage.record().wishes.contains(&(row.batch.id.clone(), "retry-failed"));
            after.status != before.status && !(late && after.status == ClipStatus::Published) && !reopened
        }
        ClipStatus::Pending
        | ClipStatus::Queued
        | ClipStatus::Uploading
        | ClipStatus::WaitingConfirmation
        | ClipStatus::Retrying
        | ClipStatus::Uncertain
        | ClipStatus::Held => false,
    };
    if is_final {
        stage.violate("the first final word counts", &who);
    }
    if after.status == before.status {
        return;
    }
    let ledger = stage.ledger();
    let adopted = after.post.as_ref().and_then(|post| ledger.with_id(&post.id));
    let own = |of: &Attempt| of.batch == row.batch.id && of.clip == after.index;
    if adopted.is_some_and(|post| !post.of.as_ref().is_some_and(own)) {
        stage.violate("no clip has another's post", format!("{who}: {:?}", after.post));
    }
    let broken = match after.status {
        ClipStatus::Published => published_without_the_networks_word(stage, &ledger, after, row),
        ClipStatus::Failed if after.timed_out() => timed_out_too_soon(stage, &ledger, after, row),
        ClipStatus::Held => held_although_the_network_could_tell(stage, &ledger, after, row),
        ClipStatus::Cancelled => given_up_although_it_may_be_live(stage, &ledger, after, row),
        ClipStatus::Failed | ClipStatus::Retrying | ClipStatus::Queued => {
            given_up_although_it_may_be_live(stage, &ledger, after, row)
        }
        ClipStatus::Pending | ClipStatus::Uploading | ClipStatus::WaitingConfirmation | ClipStatus::Uncertain => None,
    };
    drop(ledger);
    if let Some((rule, why)) = broken {
        stage.violate(rule, format!("{who}: {why}"));
    }
}

/// Longer than a batch at work ever waits for anything when nothing is wrong, but for its slot.
const IDLE: Duration = Duration::from_secs(360);

type Broken = Option<(&'static str, String)>;

/// DESIGN 4, rule 8.
fn published_without_the_networks_word(stage: &Stage, ledger: &Ledger, clip: &Clip, row: &RowView) -> Broken {
    let now = stage.now();
    let post = clip.post.as_ref().and_then(|post| ledger.with_id(&post.id));
    let own = |of: &Attempt| of.batch == row.batch.id && of.clip == clip.index;
    let right = post.is_some_and(|post| post.is_live(now) && post.of.as_ref().is_some_and(own));
    (!right).then(|| ("nothing is published without the network's word", format!("{post:?}")))
}

/// DESIGN 4, rule 4: one last answered look, at or after the instant at which the time is up.
fn timed_out_too_soon(stage: &Stage, ledger: &Ledger, clip: &Clip, row: &RowView) -> Broken {
    let (Some(post), Some(slot)) = (&clip.post, clip.slot()) else {
        return Some(("a timeout needs a last answered look", "there is no post".into()));
    };
    let due = slot + stage.timeout_of(&row.batch.id);
    let last = ledger
        .looks
        .iter()
        .any(|look| look.post == post.id && look.asked_at >= due && matches!(look.reading, Reading::Pending(_)));
    (!last).then(|| ("a timeout needs a last answered look", format!("none since {due}")))
}

/// DESIGN 5: held only where the network could not tell.
fn held_although_the_network_could_tell(stage: &Stage, ledger: &Ledger, clip: &Clip, row: &RowView) -> Broken {
    let now = stage.now();
    let key = (row.batch.id.clone(), clip.index);
    let unclear_list = ledger.listings.get(&key).is_none_or(|listed| {
        !listed.complete || (!listed.shows_published && clip.slot().is_none_or(|slot| slot <= now))
    });
    let changed_by_hand = ledger
        .of(&key.0, clip.index)
        .any(|post| post.is_edited() || post.gone_at.is_some() || post.visible_at > post.created_at + VISIBILITY);
    let same_slot = |slot| {
        clip.slot()
            .is_some_and(|own| stage.scenario.rules.slots.same(own, slot))
    };
    let own_media = clip.request.as_ref().map(|request| &*request.media);
    let strangers: Vec<_> = ledger
        .posts
        .iter()
        .filter(|post| post.account == row.batch.account && same_slot(post.slot) && Some(&*post.media) != own_media)
        .map(Post::reference)
        .collect();
    let owned = stage.rows.owned_now(&row.batch.account, &strangers, (&key.0, key.1));
    let ambiguous = owned.len() < strangers.len();
    let could_tell = !unclear_list && !changed_by_hand && !ambiguous;
    could_tell.then(|| {
        let why = clip.error.as_ref().map_or("no reason", |error| &error.code);
        ("held only where the network cannot tell", why.to_owned())
    })
}

/// What is given up, for good or until another try, is certainly not live and never will be.
fn given_up_although_it_may_be_live(stage: &Stage, ledger: &Ledger, clip: &Clip, row: &RowView) -> Broken {
    let now = stage.now();
    let alive = ledger.of(&row.batch.id, clip.index).find(|post| !post.is_dead(now))?;
    Some((
        "nothing is given up that is or may become live",
        format!("{} is {:?}, live at {:?}", alive.id(), alive.fate, alive.live_at()),
    ))
}

/// A person's wish is durable.
pub fn a_command_is_durable(stage: &Arc<Stage>, batch: &BatchId, wish: &Wish) {
    let mut record = stage.record();
    *record.counts.commands.entry(wish.kind().as_str()).or_default() += 1;
    record.wishes.insert((batch.clone(), wish.kind().as_str()));
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

fn describe(change: &Change, before: &RowView, result: &Result<(), StoreError>) -> String {
    let mut line = format!("commits {} @{}: {}", change.batch, change.epoch, change.head.status);
    for write in &change.clips {
        let (was, is) = (&before.clips[write.clip.index as usize - 1].status, write.clip.status);
        line += &format!(", #{}.{} {was} -> {is}", write.clip.index, write.clip.attempt);
        if let Some(error) = &write.clip.error {
            line += &format!(" ({})", error.code);
        }
    }
    for write in &change.attempts {
        if let Some(request) = &write.request {
            line += &format!(", intent {}.{} for {}", write.clip, write.attempt, request.slot);
        }
    }
    if change.head.release {
        line += &format!(", gives the lease back until {:?}", change.head.wake_at);
    }
    match result {
        Ok(()) => line,
        Err(error) => format!("{line} -> {error}"),
    }
}
