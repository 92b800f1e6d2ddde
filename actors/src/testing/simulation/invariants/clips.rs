//! What must hold of every clip whose row changes: the network's word for what is published, an answered look for what
//! timed out, certainty for what is given up, and doubt for what is held.

use std::sync::Arc;

use crate::{
    find::CLOCK_SKEW,
    model::{Clip, ClipStatus},
    ports::Reading,
    schedule::VISIBILITY,
    testing::{
        RowView,
        simulation::{
            ledger::{Attempt, Ledger, Post},
            scenario::MAX_SKEW,
            stage::Stage,
        },
    },
};

type Broken = Option<(&'static str, String)>;

/// The row of a clip was written.
pub(super) fn a_clip_changed(stage: &Arc<Stage>, before: &Clip, after: &Clip, row: &RowView) {
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
        ClipStatus::Failed if late && after.status == ClipStatus::Published => false,
        ClipStatus::Failed => after.status != before.status && !was_reopened(stage, after, row),
        ClipStatus::Pending
        | ClipStatus::Queued
        | ClipStatus::Uploading
        | ClipStatus::WaitingConfirmation
        | ClipStatus::Retrying
        | ClipStatus::Uncertain
        | ClipStatus::Held => false,
    };
    if after.status == ClipStatus::Held && after.error.is_none() {
        stage.violate("what is held says why", &who);
    }
    if is_final {
        stage.violate("the first final word counts", &who);
    }
    let ledger = stage.ledger();
    let adopted = after.post.as_ref().and_then(|post| ledger.with_id(&post.id));
    let own = |of: &Attempt| of.batch == row.batch.id && of.clip == after.index;
    if adopted.is_some_and(|post| !post.of.as_ref().is_some_and(own)) {
        stage.violate("no clip has another's post", format!("{who}: {:?}", after.post));
    }
    if after.status == before.status {
        return;
    }
    stage.record().counts.held += u64::from(after.status == ClipStatus::Held);
    let broken = match after.status {
        ClipStatus::Published => published_without_the_networks_word(stage, &ledger, after, row),
        ClipStatus::Failed if after.timed_out() => timed_out_too_soon(stage, &ledger, after, row),
        ClipStatus::Held => held_although_the_network_could_tell(stage, &ledger, after, row),
        ClipStatus::Cancelled => given_up_although_it_may_be_live(stage, &ledger, after, row),
        ClipStatus::Failed | ClipStatus::Retrying | ClipStatus::Queued => {
            given_up_although_it_may_be_live(stage, &ledger, after, row)
        }
        ClipStatus::Pending if before.status == ClipStatus::WaitingConfirmation => {
            given_up_although_it_may_be_live(stage, &ledger, after, row)
        }
        ClipStatus::Pending | ClipStatus::Uploading | ClipStatus::WaitingConfirmation | ClipStatus::Uncertain => None,
    };
    drop(ledger);
    if let Some((rule, why)) = broken {
        stage.violate(rule, format!("{who}: {why}"));
    }
}

/// Whether a clip that had failed was opened again because a person asked for it: once for each time that they did.
fn was_reopened(stage: &Stage, clip: &Clip, row: &RowView) -> bool {
    let asked = stage.wishes(&row.batch.id, "retry-failed");
    let key = (row.batch.id.clone(), clip.index);
    let cancelled = stage.wishes(&row.batch.id, "cancel") > 0;
    let mut record = stage.record();
    let times = record.reopened.entry(key).or_default();
    *times += 1;
    let open = match clip.status {
        ClipStatus::Pending | ClipStatus::Queued | ClipStatus::Retrying | ClipStatus::Uploading => true,
        ClipStatus::WaitingConfirmation | ClipStatus::Uncertain => true,
        // Both wishes may be carried out at once.
        ClipStatus::Cancelled => cancelled,
        ClipStatus::Held | ClipStatus::Published | ClipStatus::Failed => false,
    };
    open && *times <= asked
}

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
    let last = ledger.looks.iter().any(|look| {
        look.post == post.id && look.asked_at_its_time >= due && matches!(look.reading, Reading::Pending(_))
    });
    (!last).then(|| ("a timeout needs a last answered look", format!("none since {due}")))
}

/// DESIGN 5: held only where the network could not tell.
fn held_although_the_network_could_tell(stage: &Stage, ledger: &Ledger, clip: &Clip, row: &RowView) -> Broken {
    let now = stage.now();
    let key = (row.batch.id.clone(), clip.index);
    let unclear_list = ledger.listings.get(&key).is_some_and(|listed| {
        !listed.complete || (!listed.shows_published && clip.slot().is_none_or(|slot| slot <= now + MAX_SKEW))
    });
    let changed_by_hand = ledger
        .of(&key.0, clip.index)
        .any(|post| post.is_edited() || post.gone_at.is_some() || post.visible_at > post.created_at + VISIBILITY);
    let same_slot = |slot| {
        clip.slot()
            .is_some_and(|own| stage.scenario.rules.slots.same(own, slot))
    };
    let own_media = clip.request.as_ref().map(|request| &*request.media);
    // The same media in another slot may be the clip's post, moved; other media in its slot may be renamed.
    let may_be_its = |post: &&Post| {
        let since_intent = clip
            .intent_at
            .is_none_or(|intent| post.created_at + CLOCK_SKEW >= intent);
        let other_media = Some(&*post.media) != own_media;
        post.account == row.batch.account && same_slot(post.slot) == other_media && (other_media || since_intent)
    };
    let strangers: Vec<_> = ledger.posts.iter().filter(may_be_its).map(Post::listed).collect();
    let owned = (stage.rows).owned_now(&row.batch.account, &strangers, (&key.0, key.1, clip.attempt));
    let ambiguous = owned.known.len() < strangers.len();
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
