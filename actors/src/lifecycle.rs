//! THE STATE MACHINE: every legal change of a clip is one arm of one total function.
//!
//! The batch actor calls [`apply`] for whatever happened and commits the result; a death in between leaves the row as it
//! was, and the same happening (or the question about it) comes again. No effect, no clock, no await.

use std::sync::Arc;

use thiserror::Error;

use crate::model::{Clip, ClipStatus, PostRef, Request, Ruling, Timestamp, Trouble};

/// Something that happened to a clip.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields' names and types say what they are")]
pub enum ClipEvent {
    /// Its media is being prepared.
    Begin,
    /// The exact request is decided; durable before the create call leaves.
    Intend(Request),
    /// The provider answered with a post id.
    Created(PostRef),
    /// The answer of the create call was lost, or this process was not there to hear it.
    AnswerLost(Trouble),
    /// Certainly not created, for good.
    Refused(Trouble),
    /// Certainly not created; goes on at `until`, and spends one of the batch's retries if `spend`.
    Postponed {
        trouble: Trouble,
        until: Timestamp,
        spend: bool,
    },
    /// Due, but something outside holds it; `until` where known.
    Queue { trouble: Trouble, until: Option<Timestamp> },
    /// The network says it is live.
    Published {
        network_post_id: Option<Arc<str>>,
        permalink: Option<Arc<str>>,
    },
    /// The network says it failed; `retry_at` if it may be tried again.
    Errored {
        trouble: Trouble,
        retry_at: Option<Timestamp>,
    },
    /// No word within the timeout, the last look answered.
    TimedOut(Trouble),
    /// The provider no longer knows the post.
    Vanished(Trouble),
    /// Looking for the post found it, to be published at this instant.
    Found(PostRef, Timestamp),
    /// Looking for the post proved that it does not exist; `retry_at` if it may be tried again.
    Absent {
        trouble: Trouble,
        retry_at: Option<Timestamp>,
    },
    /// Looking for the post cannot decide.
    CannotTell(Trouble),
    /// A person cancelled the batch, and this clip certainly is not on its way.
    Cancel,
    /// It was withdrawn, and that is proved.
    Withdrawn,
    /// It was withdrawn, which is proved, from a batch that may go on: it will get another slot.
    TakenBack,
    /// One more of the looks after a timeout found nothing final.
    LateLook,
    /// A person wants the failed clip tried again. If its post may exist, the network is asked about that first.
    Reopen(Trouble),
    /// A person wants the batch to go on past the failed clip.
    PassOver,
    /// A person says that this post is the held clip's.
    Adopt(PostRef),
    /// The post that a person named is not the held clip's.
    NotAdopted(Trouble),
    /// A person says that the held clip is not live and is to be sent again.
    SendAgain,
    /// A person gives up the held clip.
    Drop(Trouble),
}

/// A change that the machine does not know; the caller has a bug or a stale answer.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("clip {clip} is {status}: {event} cannot happen to it")]
#[allow(missing_docs, reason = "the message names them")]
pub struct Illegal {
    pub clip: u32,
    pub status: ClipStatus,
    pub event: String,
}

/// Applies what happened at `at`, or leaves the clip untouched and says why not.
pub fn apply(clip: &mut Clip, event: ClipEvent, at: Timestamp) -> Result<(), Illegal> {
    use ClipEvent as E;
    use ClipStatus as S;
    let before_request = clip.request.is_none();
    match (clip.status, event) {
        (S::Pending | S::Queued | S::Retrying, E::Begin) => {
            clip.status = S::Uploading;
            clip.error = None;
            clip.next_attempt_at = None;
            forget_attempt(clip);
        }
        (S::Pending | S::Queued | S::Retrying, E::Intend(request)) => intend(clip, request, at),
        (S::Uploading, E::Intend(request)) if before_request => intend(clip, request, at),
        (S::Uploading, E::Created(post)) if !before_request => {
            clip.status = S::WaitingConfirmation;
            clip.post = Some(post);
            clip.uploaded_at = Some(at);
        }
        #[cfg(feature = "without-find")]
        (S::Uploading, E::AnswerLost(trouble)) if !before_request => postpone(clip, trouble, at),
        (S::Uploading, E::AnswerLost(trouble)) if !before_request => doubt(clip, trouble),
        // Without its request a failed clip is known not to be at the network.
        (S::Uploading, E::Refused(trouble)) => {
            forget_attempt(clip);
            fail(clip, trouble);
        }
        (S::Uploading, E::Postponed { trouble, until, spend }) => {
            clip.retries += u32::from(spend);
            postpone(clip, trouble, until);
        }
        (S::Pending | S::Queued | S::Retrying | S::Uploading, E::Queue { trouble, until }) => {
            clip.status = S::Queued;
            clip.error = Some(trouble);
            clip.next_attempt_at = until;
            clip.request = None;
        }
        (S::WaitingConfirmation, E::Queue { trouble, until }) => {
            clip.status = S::Queued;
            clip.error = Some(trouble);
            clip.next_attempt_at = until;
            forget_attempt(clip);
        }
        (
            S::WaitingConfirmation,
            E::Published {
                network_post_id,
                permalink,
            },
        ) => {
            publish(clip, network_post_id, permalink, at);
        }
        (
            S::Failed,
            E::Published {
                network_post_id,
                permalink,
            },
        ) if clip.timed_out() => {
            publish(clip, network_post_id, permalink, at);
        }
        (S::WaitingConfirmation, E::Errored { trouble, retry_at }) => try_again_or_fail(clip, trouble, retry_at),
        (S::Failed, E::Errored { trouble, .. }) if clip.timed_out() => clip.error = Some(trouble),
        (S::WaitingConfirmation, E::TimedOut(trouble)) => {
            fail(clip, trouble);
            clip.timed_out_at = Some(at);
            clip.late_looks = 0;
        }
        (S::Failed, E::Found(post, slot)) if clip.timed_out() => {
            found(clip, post, slot);
            // It has all its looks again, after the slot that it was given.
            if slot > at {
                clip.late_looks = 0;
            }
        }
        (S::Failed, E::LateLook) if clip.timed_out() => clip.late_looks += 1,
        (S::WaitingConfirmation, E::Vanished(trouble)) => doubt(clip, trouble),
        (S::Uncertain, E::Found(post, slot)) => {
            found(clip, post, slot);
            clip.status = S::WaitingConfirmation;
            clip.error = None;
            clip.uploaded_at = clip.uploaded_at.or(Some(at));
        }
        (S::Uncertain, E::Absent { trouble, retry_at }) => try_again_or_fail(clip, trouble, retry_at),
        (S::Uncertain, E::CannotTell(trouble)) => hold(clip, trouble),
        (S::Pending | S::Queued | S::Retrying | S::Uploading | S::Uncertain, E::Cancel) => cancel(clip),
        (S::WaitingConfirmation, E::Withdrawn) => cancel(clip),
        (S::WaitingConfirmation, E::TakenBack) => {
            forget_attempt(clip);
            clip.status = S::Pending;
            clip.error = None;
            clip.next_attempt_at = None;
        }
        (S::Failed, E::Reopen(trouble)) if clip.may_be_reopened() => reopen(clip, trouble),
        (S::Failed, E::PassOver) => clip.ruling = Some(Ruling::PassOver),
        (S::Held, E::Adopt(post)) if !before_request => {
            clip.status = S::WaitingConfirmation;
            clip.post = Some(post);
            clip.error = None;
            clip.uploaded_at = clip.uploaded_at.or(Some(at));
        }
        (S::Held, E::NotAdopted(trouble)) => clip.error = Some(trouble),
        (S::Held, E::SendAgain) => start_over(clip),
        (S::Held, E::Drop(trouble)) => {
            fail(clip, trouble);
            clip.ruling = Some(Ruling::PassOver);
        }
        (status, event) => {
            return Err(Illegal {
                clip: clip.index,
                status,
                event: format!("{event:?}"),
            });
        }
    }
    Ok(())
}

fn forget_attempt(clip: &mut Clip) {
    clip.request = None;
    clip.intent_at = None;
    clip.post = None;
    clip.uploaded_at = None;
    clip.timed_out_at = None;
    clip.ruling = None;
}

fn intend(clip: &mut Clip, request: Request, at: Timestamp) {
    forget_attempt(clip);
    clip.status = ClipStatus::Uploading;
    clip.attempt += 1;
    clip.request = Some(request);
    clip.intent_at = Some(at);
    clip.error = None;
    clip.next_attempt_at = None;
}

fn publish(clip: &mut Clip, network_post_id: Option<Arc<str>>, permalink: Option<Arc<str>>, at: Timestamp) {
    clip.status = ClipStatus::Published;
    clip.network_post_id = network_post_id;
    clip.permalink = permalink;
    clip.published_at = Some(at);
    clip.error = None;
    clip.next_attempt_at = None;
    clip.ruling = None;
}

fn fail(clip: &mut Clip, trouble: Trouble) {
    clip.status = ClipStatus::Failed;
    clip.error = Some(trouble);
    clip.next_attempt_at = None;
    clip.ruling = None;
}

fn cancel(clip: &mut Clip) {
    clip.status = ClipStatus::Cancelled;
    clip.error = None;
    clip.next_attempt_at = None;
    clip.ruling = None;
}

/// A person's wish for another try outlasts the doubt about the old post.
fn doubt(clip: &mut Clip, trouble: Trouble) {
    clip.status = ClipStatus::Uncertain;
    clip.error = Some(trouble);
    clip.next_attempt_at = None;
}

/// A person decides anew.
fn hold(clip: &mut Clip, trouble: Trouble) {
    clip.status = ClipStatus::Held;
    clip.error = Some(trouble);
    clip.ruling = None;
}

fn postpone(clip: &mut Clip, trouble: Trouble, until: Timestamp) {
    clip.status = ClipStatus::Retrying;
    clip.error = Some(trouble);
    clip.next_attempt_at = Some(until);
    forget_attempt(clip);
}

fn try_again_or_fail(clip: &mut Clip, trouble: Trouble, retry_at: Option<Timestamp>) {
    match retry_at {
        Some(until) => {
            // A try that a person asked for is none of the batch's retries.
            clip.retries += u32::from(!clip.retry_is_asked_for());
            postpone(clip, trouble, until);
        }
        None => fail(clip, trouble),
    }
}

/// What is known of the latest attempt decides: its post is asked about, looked for if none is known, and neither if
/// nothing was ever sent.
fn reopen(clip: &mut Clip, trouble: Trouble) {
    if clip.request.is_none() {
        return start_over(clip);
    }
    clip.status = match clip.post {
        Some(_) => ClipStatus::WaitingConfirmation,
        None => ClipStatus::Uncertain,
    };
    clip.error = Some(trouble);
    clip.ruling = Some(Ruling::Retry);
    clip.retries = 0;
    clip.timed_out_at = None;
    clip.late_looks = 0;
}

/// The network is to publish it when the list says, which may be another time than it was asked for: people edit posts.
fn found(clip: &mut Clip, post: PostRef, slot: Timestamp) {
    clip.post = Some(post);
    if let Some(request) = &mut clip.request {
        request.slot = slot;
    }
}

fn start_over(clip: &mut Clip) {
    forget_attempt(clip);
    clip.status = ClipStatus::Pending;
    clip.error = None;
    clip.next_attempt_at = None;
    clip.retries = 0;
    clip.late_looks = 0;
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wishes;
