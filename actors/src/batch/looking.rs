//! What a look at a post means, in time and after its timeout.
//!
//! Called by BatchActor's `handle`; changes rows in memory and the draft, which is committed afterwards.

use std::sync::Arc;

use super::{
    answers::{Outcome, attempt},
    run::Run,
};
use crate::{
    events::{self, WaitProgress},
    lifecycle::ClipEvent,
    messages::Look,
    model::{BatchStatus, ClipStatus, Trouble, code},
    plan::late_look_due,
    ports::{AttemptVerdict, AttemptWrite, FailureKind, PublishFailure, Reading},
    schedule,
    work::{Call, CallKind},
};

impl Run {
    pub(super) fn on_looked(&mut self, look: Look) -> Outcome {
        if self.work.late == Some(look.clip) {
            self.work.late = None;
            self.late_look_ended(look.clip, look.result.is_ok());
        }
        let clip = self.clip(look.clip)?;
        if clip.attempt != look.attempt {
            return Ok(());
        }
        match (clip.status, clip.timed_out()) {
            (ClipStatus::WaitingConfirmation, _) => self.on_look_in_time(look),
            (_, true) => self.on_late_look(look),
            (_, false) => Ok(()),
        }
    }

    pub(super) fn late_look_ended(&mut self, index: u32, answered: bool) {
        if answered {
            self.work.late_unanswered = None;
            self.work.ask.retain(|asked| *asked != index);
            return;
        }
        let failures = self.work.late_unanswered.map_or(0, |(failures, _)| failures);
        let again = self.context.now() + schedule::probe_backoff(failures);
        self.work.late_unanswered = Some((failures + 1, again));
    }

    fn on_look_in_time(&mut self, look: Look) -> Outcome {
        let attempt = Call {
            kind: CallKind::Find,
            clip: look.clip,
            attempt: look.attempt,
        };
        let withdraws = |call: Call| call.kind == CallKind::Withdraw && call.clip == look.clip;
        let withdrawing = self.work.call.is_some_and(withdraws);
        let now = self.context.now();
        match look.result {
            // Nobody could be asked: the poller asks again, and a refused credential shows in the plan.
            Err(_) => Ok(()),
            Ok(Reading::Pending(word)) if !look.last => self.tick(look.clip, look.number, word),
            Ok(Reading::Pending(word)) => {
                self.work.watched = None;
                let message = format!("not confirmed in time; the network's last word was {word}");
                let trouble = Trouble::new(code::CONFIRMATION_TIMEOUT, message);
                self.record(attempt, now, AttemptVerdict::TimedOut, Some(&trouble));
                self.apply(look.clip, ClipEvent::TimedOut(trouble))
            }
            // Created a moment ago and not visible yet: the poller goes on looking.
            Ok(Reading::Missing) if !look.last => self.tick(look.clip, look.number, "NOT_VISIBLE_YET".into()),
            // A withdrawal is under way: its own answer says what became of the post.
            Ok(Reading::Missing) if withdrawing => {
                self.work.watched = None;
                Ok(())
            }
            Ok(Reading::Missing) => {
                self.work.watched = None;
                self.work.search = None;
                let trouble = Trouble::new(
                    code::POST_VANISHED,
                    "the provider no longer knows the post: asking for it",
                );
                self.apply(look.clip, ClipEvent::Vanished(trouble))
            }
            Ok(Reading::Published {
                network_post_id,
                permalink,
            }) => {
                self.work.watched = None;
                self.published(attempt, network_post_id, permalink)
            }
            Ok(Reading::Failed(failure)) => {
                self.work.watched = None;
                self.errored(attempt, &failure)
            }
        }
    }

    fn published(&mut self, call: Call, network_post_id: Option<Arc<str>>, permalink: Option<Arc<str>>) -> Outcome {
        self.context.limiter.published(&self.batch.account);
        let write = AttemptWrite {
            outcome_at: Some(self.context.now()),
            verdict: Some(AttemptVerdict::Published),
            permalink: permalink.clone(),
            ..attempt(call)
        };
        self.draft.attempts.push(write);
        self.apply(
            call.clip,
            ClipEvent::Published {
                network_post_id,
                permalink,
            },
        )
    }

    fn errored(&mut self, call: Call, failure: &PublishFailure) -> Outcome {
        let trouble = Trouble::new(code::PROVIDER_ERROR, &failure.detail);
        self.record(call, self.context.now(), AttemptVerdict::Errored, Some(&trouble));
        let going_on = self.batch.status != BatchStatus::Cancelled;
        let retry_at = match failure.kind {
            FailureKind::Connection => {
                self.context.limiter.connection_lost(&self.batch.account);
                if going_on {
                    // Not the clip's fault: it waits for its account and spends no retry.
                    return self.park_because(call.clip, disconnected(&failure.detail));
                }
                None
            }
            FailureKind::Permanent if going_on && self.clip(call.clip)?.retry_is_asked_for() => {
                self.retry_at(call.clip, call.attempt)?
            }
            FailureKind::Passing if going_on => self.retry_at(call.clip, call.attempt)?,
            FailureKind::Passing | FailureKind::Permanent => None,
        };
        self.apply(call.clip, ClipEvent::Errored { trouble, retry_at })
    }

    fn on_late_look(&mut self, look: Look) -> Outcome {
        let call = Call {
            kind: CallKind::Find,
            clip: look.clip,
            attempt: look.attempt,
        };
        match look.result {
            Ok(Reading::Published {
                network_post_id,
                permalink,
            }) => self.published(call, network_post_id, permalink),
            Ok(Reading::Failed(failure)) => {
                if failure.kind == FailureKind::Connection {
                    self.context.limiter.connection_lost(&self.batch.account);
                }
                let trouble = Trouble::new(code::PROVIDER_ERROR, &failure.detail);
                self.record(call, self.context.now(), AttemptVerdict::Errored, Some(&trouble));
                self.apply(
                    look.clip,
                    ClipEvent::Errored {
                        trouble,
                        retry_at: None,
                    },
                )
            }
            Ok(Reading::Pending(_)) => self.late_look_done(look.clip),
            // A person may have edited it: then it has another id.
            Ok(Reading::Missing) => {
                self.work.missed = Some(look.clip);
                Ok(())
            }
            // Nobody could be asked: the look is still due, after a pause.
            Err(_) => Ok(()),
        }
    }

    pub(super) fn late_look_done(&mut self, index: u32) -> Outcome {
        let now = self.context.now();
        if late_look_due(self.clip(index)?).is_some_and(|due| due <= now) {
            self.apply(index, ClipEvent::LateLook)?;
        }
        Ok(())
    }

    fn tick(&mut self, index: u32, number: u32, word: String) -> Outcome {
        if !self.context.bell.heard(&self.batch) {
            return Ok(());
        }
        let now = self.context.now();
        let clip = self.clip(index)?;
        let total = self.context.rules.timeouts.of(self.batch.speed).as_secs();
        let elapsed = clip.slot().map_or(0, |slot| now.since(slot).as_secs()).min(total);
        let wait = WaitProgress {
            elapsed,
            total,
            attempt: number,
            current_status: word,
        };
        let body = events::waiting(&self.batch, clip, self.totals(), &wait, now);
        self.context.bell.tick(&self.batch, body);
        Ok(())
    }
}

/// The reason shown while a brand's connection to its network is gone.
fn disconnected(detail: &str) -> Trouble {
    let message = format!("the network refuses this account: reconnect it, the work goes on by itself ({detail})");
    Trouble::new(code::ACCOUNT_UNAUTHORIZED, message)
}
