//! What each message means for the rows: one method per message of BatchActor.
//!
//! Called by BatchActor's `handle` before it goes on. They change the rows in memory and the draft; nothing is durable and
//! nothing is asked of anybody until [`Run::advance`] has committed.

use std::{collections::HashSet, sync::Arc};

use ractor::{ActorProcessingErr, RpcReplyPort};

use super::{
    Look,
    run::{Run, unauthorized},
};
use crate::{
    error::{ProviderError, Refused, StoreError, Verdict},
    events::{self, WaitProgress},
    find::{self, Finding},
    lifecycle::ClipEvent,
    limiter::Permit,
    model::{BatchStatus, ClipStatus, PostId, PostRef, Timestamp, Trouble, code},
    plan::{Call, CallKind, late_look_due},
    poller::PollerMessage,
    ports::{AttemptVerdict, AttemptWrite, FailureKind, Listing, PublishFailure, Reading, Withdrawal},
    schedule,
};

type Outcome = Result<(), ActorProcessingErr>;

impl Run {
    pub(super) fn on_wake(&mut self) {
        self.forget_timer();
    }

    pub(super) async fn on_command(&mut self, reply: Option<RpcReplyPort<BatchStatus>>) -> Outcome {
        self.commands = self.context.store.commands(&self.batch.id).await?;
        self.replies.extend(reply);
        Ok(())
    }

    pub(super) fn on_reconcile(&mut self) -> Outcome {
        self.children.poller.cast(PollerMessage::LookNow)?;
        let timed_out = self.clips.iter().filter(|clip| clip.timed_out()).map(|clip| clip.index);
        self.work.ask = timed_out.collect();
        Ok(())
    }

    pub(super) fn on_drain(&mut self) {
        self.draining = true;
    }

    pub(super) fn on_permit(&mut self, index: u32, permit: Result<Permit, Refused>) -> Outcome {
        self.work.wants_permit = None;
        match permit {
            Ok(permit) => self.permit = Some((index, permit)),
            Err(refused) if self.is_waiting_to_be_sent(index)? => return self.park(index, refused),
            Err(_) => {}
        }
        Ok(())
    }

    fn is_waiting_to_be_sent(&self, index: u32) -> Result<bool, ActorProcessingErr> {
        let clip = self.clip(index)?;
        Ok(match clip.status {
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
        let (attempt, done) = (clip.attempt, clip.status.is_terminal());
        let at_work = clip.status == ClipStatus::Uploading && clip.request.is_none();
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

    pub(super) fn on_created(&mut self, call: Call, result: Option<Result<PostRef, ProviderError>>) -> Outcome {
        if !self.take_call(call) {
            return Ok(());
        }
        let now = self.context.now();
        match result {
            None => {
                let trouble = Trouble::new(code::PROVIDER_UNAVAILABLE, "the lease was too short for a create call");
                let until = now + schedule::LEASE_MARGIN / 5;
                self.record(call, now, AttemptVerdict::Refused(Verdict::Unavailable), Some(&trouble));
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
        let event = match error.verdict {
            Verdict::Unknown if sent => ClipEvent::AnswerLost(trouble),
            Verdict::Rejected => ClipEvent::Refused(trouble),
            _ if self.batch.status == BatchStatus::Cancelled => ClipEvent::Cancel,
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

    pub(super) async fn on_listed(&mut self, call: Call, result: Result<Listing, ProviderError>) -> Outcome {
        if !self.take_call(call) || self.clip(call.clip)?.status != ClipStatus::Uncertain {
            return Ok(());
        }
        let now = self.context.now();
        let settle = self.context.rules.find_settle;
        let Some((_, _, mut search)) = self.work.search else {
            return Ok(());
        };
        let finding = match &result {
            Err(_) => {
                search.unanswered(now);
                Finding::NotYet
            }
            Ok(listing) => {
                let owned = self.owned(call, listing).await?;
                let clip = self.clip(call.clip)?;
                let Some(request) = &clip.request else { return Ok(()) };
                let seen = find::Look {
                    listing,
                    owned: &owned,
                    search: &search,
                };
                let finding = find::judge(clip, request, &seen, &self.context.rules.slots, settle, now);
                search.answered(now, settle);
                finding
            }
        };
        self.work.search = Some((call.clip, call.attempt, search));
        self.found(call, finding)
    }

    async fn owned(&self, call: Call, listing: &Listing) -> Result<HashSet<PostId>, ActorProcessingErr> {
        if listing.posts.is_empty() {
            return Ok(HashSet::new());
        }
        let posts: Vec<PostId> = listing.posts.iter().map(|post| post.post.id.clone()).collect();
        loop {
            match self
                .context
                .store
                .owned(&self.batch.account, &posts, (&self.batch.id, call.clip))
                .await
            {
                Ok(owned) => return Ok(owned),
                Err(StoreError::Unavailable(reason)) => {
                    tracing::error!(batch.id = %self.batch.id, %reason, "owners of posts cannot be read, trying again");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
                Err(error @ (StoreError::Lost | StoreError::Conflict(_))) => return Err(error.into()),
            }
        }
    }

    fn found(&mut self, call: Call, finding: Finding) -> Outcome {
        let now = self.context.now();
        match finding {
            Finding::NotYet => Ok(()),
            Finding::Found(post) => {
                let write = AttemptWrite {
                    outcome_at: Some(now),
                    verdict: Some(AttemptVerdict::Found),
                    post: Some(post.clone()),
                    ..attempt(call)
                };
                self.draft.attempts.push(write);
                self.apply(call.clip, ClipEvent::Found(post))
            }
            Finding::Absent => {
                let trouble = Trouble::new(code::NOT_CREATED, "the post was looked for and does not exist");
                self.record(call, now, AttemptVerdict::Absent, Some(&trouble));
                if self.batch.status == BatchStatus::Cancelled {
                    return self.apply(call.clip, ClipEvent::Cancel);
                }
                let retry_at = self.retry_at(call.clip, call.attempt)?;
                self.apply(call.clip, ClipEvent::Absent { trouble, retry_at })
            }
            Finding::CannotTell(trouble) => {
                self.record(call, now, AttemptVerdict::CannotTell, Some(&trouble));
                self.apply(call.clip, ClipEvent::CannotTell(trouble))
            }
        }
    }

    fn retry_at(&self, index: u32, attempt: u32) -> Result<Option<Timestamp>, ActorProcessingErr> {
        let retries = self.clip(index)?.retries;
        let left = retries < self.batch.max_retries;
        let pause = schedule::retry_backoff(retries, jitter(&self.batch.id, index, attempt));
        Ok(left.then(|| self.context.now() + pause))
    }

    pub(super) fn on_withdrawn(&mut self, call: Call, result: Result<Withdrawal, ProviderError>) -> Outcome {
        let waiting = self.clip(call.clip)?.status == ClipStatus::WaitingConfirmation;
        if !self.take_call(call) || !waiting {
            return Ok(());
        }
        match result {
            Ok(Withdrawal::Withdrawn) => {
                self.record(call, self.context.now(), AttemptVerdict::Withdrawn, None);
                self.apply(call.clip, ClipEvent::Withdrawn)
            }
            Ok(Withdrawal::Refused(_)) => {
                self.work.withdraw_refused = Some((call.clip, call.attempt));
                Ok(())
            }
            // Held by the limiter until the provider answers again, then tried again while the slot is far enough.
            Err(error) if error.outage => Ok(()),
            Err(error) => {
                tracing::warn!(batch.id = %self.batch.id, clip.index = call.clip, %error, "withdrawal failed");
                self.work.withdraw_refused = Some((call.clip, call.attempt));
                Ok(())
            }
        }
    }

    pub(super) fn on_looked(&mut self, look: Look) -> Outcome {
        if self.work.late == Some(look.clip) {
            self.work.late = None;
            self.work.ask.retain(|asked| *asked != look.clip);
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

    fn on_look_in_time(&mut self, look: Look) -> Outcome {
        let attempt = Call {
            kind: CallKind::Find,
            clip: look.clip,
            attempt: look.attempt,
        };
        let withdrawing = self.work.call.is_some_and(|call| call.kind == CallKind::Withdraw);
        let now = self.context.now();
        match look.result {
            Err(error) => {
                if let Verdict::Unauthorized(refused) = error.verdict {
                    self.batch.error = Some(unauthorized(refused));
                    self.draft.head = true;
                }
                Ok(())
            }
            Ok(Reading::Pending(word)) if !look.last => self.tick(look.clip, look.number, word),
            Ok(Reading::Pending(word)) => {
                self.work.watched = None;
                let message = format!("not confirmed in time; the network's last word was {word}");
                let trouble = Trouble::new(code::CONFIRMATION_TIMEOUT, message);
                self.record(attempt, now, AttemptVerdict::TimedOut, Some(&trouble));
                self.apply(look.clip, ClipEvent::TimedOut(trouble))
            }
            // A withdrawal is under way: its own answer says what became of the post.
            Ok(Reading::Missing) if withdrawing => {
                self.work.watched = None;
                Ok(())
            }
            Ok(Reading::Missing) => {
                self.work.watched = None;
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
        match failure.kind {
            FailureKind::Connection if going_on => {
                self.context.limiter.park_brand(&self.batch.account);
                self.park(call.clip, Refused::Brand)
            }
            FailureKind::Passing if going_on => {
                let retry_at = self.retry_at(call.clip, call.attempt)?;
                self.apply(call.clip, ClipEvent::Errored { trouble, retry_at })
            }
            FailureKind::Permanent | FailureKind::Passing | FailureKind::Connection => self.apply(
                call.clip,
                ClipEvent::Errored {
                    trouble,
                    retry_at: None,
                },
            ),
        }
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
            Ok(Reading::Pending(_) | Reading::Missing) => self.late_look_done(look.clip),
            // Nobody could be asked: the look is still due, and the limiter holds it until somebody can be.
            Err(_) => Ok(()),
        }
    }

    fn late_look_done(&mut self, index: u32) -> Outcome {
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

    fn record(&mut self, call: Call, at: Timestamp, verdict: AttemptVerdict, trouble: Option<&Trouble>) {
        let write = AttemptWrite {
            outcome_at: Some(at),
            verdict: Some(verdict),
            code: trouble.map(|trouble| trouble.code.to_string()),
            message: trouble.map(|trouble| trouble.message.to_string()),
            ..attempt(call)
        };
        self.draft.attempts.push(write);
    }

    /// A new publisher knows nothing of the old one's calls.
    pub(super) fn forget_publisher(&mut self) {
        self.work.call = None;
        self.work.preparing.clear();
        self.work.wants_permit = None;
    }

    /// A new poller watches nothing.
    pub(super) fn forget_poller(&mut self) {
        self.work.watched = None;
        self.work.late = None;
    }
}

fn attempt(call: Call) -> AttemptWrite {
    AttemptWrite {
        clip: call.clip,
        attempt: call.attempt,
        ..AttemptWrite::default()
    }
}

fn refused(call: Call, error: &ProviderError, at: Timestamp) -> AttemptWrite {
    AttemptWrite {
        outcome_at: Some(at),
        verdict: Some(AttemptVerdict::Refused(error.verdict)),
        code: Some(error.code.clone()),
        message: Some(error.message.clone()),
        http_status: error.http_status,
        request_id: error.request_id.clone(),
        ..attempt(call)
    }
}

/// 0..1, the same for the same attempt: spreads retries without a random source.
fn jitter(batch: &crate::model::BatchId, clip: u32, attempt: u32) -> f64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (batch, clip, attempt).hash(&mut hasher);
    (hasher.finish() % 1_000) as f64 / 1_000.0
}
