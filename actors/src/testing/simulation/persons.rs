//! What people do: they decide about held clips by looking at the network, look after batches that wait for them, and
//! at times edit a post in the planner, delete one, or make one of their own.
//!
//! The run calls it. People may leave a thing as it is, but they do not lie.

use std::{sync::Arc, time::Duration};

use super::{
    ledger::{Fate, Post},
    stage::Stage,
};
use crate::model::{BatchId, BatchStatus, ClipStatus, Network, Request, Resolution, Wish};

/// In the very slot of another clip with the same media a post whose id is not known would be taken for that clip's.
const BEYOND_ALL_SLOTS: Duration = Duration::from_secs(6 * 3_600);

/// The place of some post that is in the planner and not live yet.
fn pending(stage: &Stage) -> Option<usize> {
    let now = stage.now();
    let ledger = stage.ledger();
    let open = |post: &Post| post.created_at <= now && !post.is_gone(now) && !post.is_live(now) && post.of.is_some();
    let open: Vec<usize> = (0..ledger.posts.len())
        .filter(|place| open(&ledger.posts[*place]))
        .collect();
    drop(ledger);
    (!open.is_empty()).then(|| stage.dice().pick(&open))
}

/// A person wants another try of the failed clips, or of one that may have failed.
pub fn retry_failed(stage: &Stage) -> Wish {
    let mut dice = stage.dice();
    let clips = if dice.chance(500) {
        Vec::new()
    } else {
        vec![dice.within(1, 5) as u32]
    };
    Wish::RetryFailed { clips }
}

/// A person decides about a held clip after a look at the planner and at the network.
pub fn resolve(stage: &Stage, batch: &BatchId) -> Option<Wish> {
    let now = stage.now();
    let row = stage.rows.has(batch).then(|| stage.rows.row(batch))?;
    let held = row.clips.iter().find(|clip| clip.status == ClipStatus::Held)?;
    let ledger = stage.ledger();
    let alive = ledger.of(batch, held.index).find(|post| !post.is_dead(now));
    let how = match alive {
        Some(post) => Resolution::Adopt(post.id().clone()),
        None => stage
            .dice()
            .pick(&[Resolution::Retry, Resolution::Retry, Resolution::Drop]),
    };
    Some(Wish::Resolve {
        clip: held.index,
        attempt: Some(held.attempt),
        how,
    })
}

/// What a person wants of a batch that rests; nothing, if it needs nobody or they leave it.
pub fn look_after(stage: &Stage, batch: &BatchId) -> Option<Wish> {
    let row = stage.rows.row(batch);
    let any = |status| row.clips.iter().any(|clip| clip.status == status);
    let (held, failed, patient) = {
        let mut dice = stage.dice();
        (dice.chance(850), dice.chance(400), dice.chance(800))
    };
    if any(ClipStatus::Held) && held {
        return resolve(stage, batch);
    }
    match row.batch.status {
        BatchStatus::Paused if patient => Some(Wish::Resume),
        BatchStatus::Failed if patient => Some(Wish::RetryFailed { clips: Vec::new() }),
        BatchStatus::Completed if any(ClipStatus::Failed) && failed => Some(retry_failed(stage)),
        BatchStatus::Draft
        | BatchStatus::Scheduled
        | BatchStatus::Processing
        | BatchStatus::Paused
        | BatchStatus::Completed
        | BatchStatus::Failed
        | BatchStatus::Cancelled => None,
    }
}

/// A person edits some post: it gets a new handle, keeps its uuid, and may get another slot.
pub fn edit(stage: &Arc<Stage>) {
    let Some(place) = pending(stage) else { return };
    // Without a uuid nothing but the slot and the media would say what was edited.
    if stage.ledger().posts[place].uuid.is_none() {
        return;
    }
    let is_known = {
        let ledger = stage.ledger();
        let post = &ledger.posts[place];
        let nobody = (&BatchId::from(""), 0, 0);
        let owned = stage.rows.owned_now(&post.account, &[post.listed()], nobody);
        !owned.known.is_empty()
    };
    let (moves, later) = {
        let mut dice = stage.dice();
        (dice.chance(500), dice.mostly_short(50 * 60))
    };
    let now = stage.now();
    let mut ledger = stage.ledger();
    let id = ledger.new_id();
    let post = &mut ledger.posts[place];
    let was = post.id().clone();
    post.ids.push(id);
    // A post whose id is not known yet is looked for by its slot and its media: if both are others now, nobody can know it.
    let can_be_known = is_known || *post.media == *post.request.media;
    // One that failed would live again, beside the next try.
    if moves && can_be_known && !post.is_dead(now) {
        post.slot = match is_known {
            true => post.slot.max(now) + later,
            false => post.request.slot + BEYOND_ALL_SLOTS + later,
        };
    }
    let (is, slot) = (post.id().clone(), post.slot);
    drop(ledger);
    stage.tell("planner", || format!("A PERSON EDITS {was}: {is}, for {slot}"));
}

/// A person deletes some post before it is live.
pub fn delete(stage: &Arc<Stage>) {
    let Some(place) = pending(stage) else { return };
    let now = stage.now();
    let mut ledger = stage.ledger();
    let post = &mut ledger.posts[place];
    post.gone_at = Some(now);
    let id = post.id().clone();
    drop(ledger);
    stage.tell("planner", || format!("A PERSON DELETES {id}"));
}

/// A person makes a post of their own for a slot in which there is one of ours.
pub fn post_by_hand(stage: &Arc<Stage>) {
    let Some(place) = pending(stage) else { return };
    let now = stage.now();
    let mut ledger = stage.ledger();
    let id = ledger.new_id();
    let (account, slot) = (ledger.posts[place].account.clone(), ledger.posts[place].slot);
    let media = "https://cdn.example/by-hand.mp4";
    ledger.posts.push(Post {
        uuid: Some(format!("-{id}7")),
        ids: vec![id.clone()],
        account,
        of: None,
        request: Request {
            network: Network::Facebook,
            media: media.into(),
            text: "".into(),
            slot,
        },
        slot,
        media: media.into(),
        created_at: now,
        visible_at: now,
        listed_at: now,
        fate: Fate::GoesLive(Duration::from_secs(1)),
        gone_at: None,
    });
    drop(ledger);
    stage.tell("planner", || format!("A PERSON MAKES {id} for {slot}"));
}
