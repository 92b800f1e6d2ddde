//! What the answers to sending a clip mean: the reservation, the media, the create call.
//!
//! Called by BatchActor's `handle`; changes rows in memory and the draft, which is committed afterwards.

use std::sync::Arc;

use ractor::ActorProcessingErr;

use super::{
    answers::{Outcome, attempt, jitter, refused},
    run::Run,
};
use crate::{
    error::{ProviderError, Refused, Verdict},
    lifecycle::ClipEvent,
    limiter::Reservation,
    model::{BatchStatus, Clip, ClipStatus, PostRef, Trouble, code},
    ports::{AttemptVerdict, AttemptWrite},
    schedule,
    work::Call,
};

/// The cause of death of a batch whose media could not be made ready without a panic; the panic itself is told where it
/// happens.
pub(crate) const PREPARING_DIED: &str = "making media ready died";

impl Run {
    pub(super) fn on_reserved(&mut self, index: u32, reservation: Result<Reservation, Refused>) -> Outcome {
        self.work.wants_reservation = None;
        match reservation {
            Ok(reservation) => self.reservation = Some((index, reservation)),
            Err(refused) if self.is_waiting_to_be_sent(index)? => return self.park(index, refused),
            Err(_) => {}
        }
        Ok(())
    }

    fn is_waiting_to_be_sent(&self, index: u32) -> Result<bool, ActorProcessingErr> {
        let clip = self.clip(index)?;
        Ok(self.batch.status.is_at_work()
            && match clip.status {
                ClipStatus::Pending | ClipStatus::Retrying | ClipStatus::Queued => true,
                ClipStatus::Uploading => clip.request.is_none(),
                ClipStatus::WaitingConfirmation
                | ClipStatus::Uncertain
                | ClipStatus::Held
                | ClipStatus::Published
                | ClipStatus::Failed
                | ClipStatus::Cancelled => false,
            })
    }

    pub(super) fn on_prepared(&mut self, index: u32, result: Result<Arc<str>, ProviderError>) -> Outcome {
        self.work.preparing.retain(|preparing| *preparing != index);
        let clip = self.clip(index)?;
        let (attempt, done, at_work) = (clip.attempt, clip.status.is_terminal(), waits_for_its_media(clip));
        match result {
            Ok(media) => {
                self.work.strikes = 0;
                if !done {
                    self.work.media.push((index, media));
                }
                Ok(())
            }
            Err(_) if !at_work => {
                self.work.ahead_failed = Some(index);
                Ok(())
            }
            Err(error) => {
                // The first failure of an outage is nobody's fault; one that comes back while others are answered is.
                let spend = !error.outage || self.work.strikes > 0;
                self.work.strikes += 1;
                self.call_failed(index, attempt, &error, spend)
            }
        }
    }

    /// The clip is not to blame. What was made ready ahead of need can wait until it is due; what is due is made ready anew,
    /// and counts as the death of a child.
    pub(super) fn on_preparing_died(&mut self, index: u32) -> Outcome {
        self.work.preparing.retain(|preparing| *preparing != index);
        tracing::error!(batch.id = %self.batch.id, clip.index = index, "{PREPARING_DIED}");
        if waits_for_its_media(self.clip(index)?) {
            return self.children.one_died(PREPARING_DIED.into());
        }
        self.work.ahead_failed = Some(index);
        Ok(())
    }

    pub(super) fn on_created(&mut self, call: Call, result: Option<Result<PostRef, ProviderError>>) -> Outcome {
        if !self.take_call(call) {
            return Ok(());
        }
        let now = self.context.now();
        match result {
            None => {
                let trouble = Trouble::new(
                    code::PROVIDER_UNAVAILABLE,
                    "the create call could not leave in time: the lease was too short or the database too slow",
                );
                let until = now + schedule::LEASE_MARGIN / 5;
                self.record(call, now, AttemptVerdict::Refused(Verdict::Unavailable), Some(&trouble));
                if self.batch.status == BatchStatus::Cancelled {
                    return self.apply(call.clip, ClipEvent::Cancel);
                }
                self.apply(
                    call.clip,
                    ClipEvent::Postponed {
                        trouble,
                        until,
                        spend: false,
                    },
                )
            }
            Some(Ok(post)) => {
                let write = AttemptWrite {
                    outcome_at: Some(now),
                    verdict: Some(AttemptVerdict::Created),
                    post: Some(post.clone()),
                    ..attempt(call)
                };
                self.draft.attempts.push(write);
                self.apply(call.clip, ClipEvent::Created(post))
            }
            Some(Err(error)) => {
                self.draft.attempts.push(refused(call, &error, now));
                self.call_failed(call.clip, call.attempt, &error, !error.outage)
            }
        }
    }

    /// A clip could not be sent: the verdict says what that means.
    fn call_failed(&mut self, index: u32, attempt: u32, error: &ProviderError, spend: bool) -> Outcome {
        let now = self.context.now();
        let trouble = Trouble::new(&error.code, &error.message);
        let clip = self.clip(index)?;
        let (sent, retries) = (clip.request.is_some(), clip.retries);
        let cancelled = self.batch.status == BatchStatus::Cancelled;
        let event = match error.verdict {
            Verdict::Unknown if sent => ClipEvent::AnswerLost(trouble),
            Verdict::Rejected => ClipEvent::Refused(trouble),
            Verdict::Throttled(_) | Verdict::Unauthorized(_) | Verdict::Unavailable | Verdict::Unknown if cancelled => {
                ClipEvent::Cancel
            }
            Verdict::Throttled(until) => {
                let message = format!("the provider asked for a pause until {until}");
                ClipEvent::Queue {
                    trouble: Trouble::new(code::RATE_LIMITED, message),
                    until: Some(until),
                }
            }
            Verdict::Unauthorized(refused) => return self.park(index, refused),
            Verdict::Unavailable | Verdict::Unknown if spend && retries >= self.batch.max_retries => {
                ClipEvent::Refused(trouble)
            }
            Verdict::Unavailable | Verdict::Unknown => {
                let until = now + schedule::retry_backoff(retries, jitter(&self.batch.id, index, attempt));
                ClipEvent::Postponed { trouble, until, spend }
            }
        };
        self.apply(index, event)
    }
}

/// Whether its media is wanted now, not ahead of need.
fn waits_for_its_media(clip: &Clip) -> bool {
    clip.status == ClipStatus::Uploading && clip.request.is_none()
}
