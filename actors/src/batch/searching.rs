//! What the answers to looking for a post, and to taking one back, mean.
//!
//! Called by BatchActor's `handle`; changes rows in memory and the draft, which is committed afterwards.

use std::time::Duration;

use ractor::ActorProcessingErr;

use super::{
    answers::{Outcome, attempt, insist, jitter},
    run::Run,
};
use crate::{
    error::{ProviderError, Verdict},
    find::{self, Finding, evidence},
    lifecycle::ClipEvent,
    model::{BatchStatus, ClipStatus, PostRef, Timestamp, Trouble, code},
    ports::{AttemptVerdict, AttemptWrite, Listing, Owned, Reading, Withdrawal},
    schedule,
    work::Call,
};

/// How often a withdrawal that fails is tried: for about two minutes.
const WITHDRAWALS: u32 = 7;

/// After what pause a withdrawal that could not leave is tried again: the next renewal of the lease is near.
const UNSENT: Duration = Duration::from_secs(1);

impl Run {
    pub(super) async fn on_listed(&mut self, call: Call, result: Result<Listing, ProviderError>) -> Outcome {
        if !self.take_call(call) {
            return Ok(());
        }
        if self.work.missed == Some(call.clip) && self.clip(call.clip)?.timed_out() {
            return self.on_missed_listed(call, result).await;
        }
        if self.clip(call.clip)?.status != ClipStatus::Uncertain {
            return Ok(());
        }
        let now = self.context.now();
        let settle = self.context.rules.find_settle;
        let Some((_, _, mut search)) = self.work.search else {
            return Ok(());
        };
        let (finding, seen) = match &result {
            Err(error) => {
                search.unanswered(now);
                (Finding::NotYet, evidence::unanswered(error))
            }
            Ok(listing) => {
                let owned = self.owned(call, listing).await?;
                let clip = self.clip(call.clip)?;
                let Some(request) = &clip.request else { return Ok(()) };
                let rule = &self.context.rules.slots;
                let look = find::Look {
                    listing,
                    owned: &owned,
                    search: &search,
                };
                let finding = find::judge(clip, request, &look, rule, settle, now);
                search.answered(now, settle);
                (finding, evidence::listed(clip, request, listing, &owned, rule))
            }
        };
        self.work.search = Some((call.clip, call.attempt, search));
        self.work.evidence.add(now, seen);
        self.found(call, finding)
    }

    /// A timed-out post was looked for because its id is no longer known. Found under another, it is asked about at once.
    async fn on_missed_listed(&mut self, call: Call, result: Result<Listing, ProviderError>) -> Outcome {
        let Ok(listing) = result else {
            self.late_look_ended(call.clip, false);
            return Ok(());
        };
        self.late_look_ended(call.clip, true);
        self.work.missed = None;
        let owned = self.owned(call, &listing).await?;
        let clip = self.clip(call.clip)?;
        let (Some(request), Some(known)) = (&clip.request, &clip.post) else {
            return Ok(());
        };
        let found = find::recognise(clip, request, &listing, &owned, &self.context.rules.slots);
        match found.filter(|(post, _)| post.id != known.id) {
            Some((post, slot)) => {
                self.draft.attempts.push(AttemptWrite {
                    post: Some(post.clone()),
                    ..attempt(call)
                });
                self.work.ask.push(call.clip);
                self.apply(call.clip, ClipEvent::Found(post, slot))
            }
            None => {
                let message =
                    "the network does not know the post any more and does not list it: a person moved or deleted it";
                self.draft.attempts.push(AttemptWrite {
                    message: Some(message.into()),
                    ..attempt(call)
                });
                self.late_look_done(call.clip)
            }
        }
    }

    async fn owned(&self, call: Call, listing: &Listing) -> Result<Owned, ActorProcessingErr> {
        if listing.posts.is_empty() {
            return Ok(Owned::default());
        }
        let this = (&self.batch.id, call.clip, call.attempt);
        let store = &self.context.store;
        insist(&self.context.limiter, || {
            store.owned(&self.batch.account, &listing.posts, this)
        })
        .await
    }

    fn found(&mut self, call: Call, finding: Finding) -> Outcome {
        let now = self.context.now();
        match finding {
            Finding::NotYet => {
                let message = Some(self.with_evidence(self.why_uncertain(call.clip)?));
                self.draft.attempts.push(AttemptWrite {
                    message,
                    ..attempt(call)
                });
                Ok(())
            }
            Finding::Found(post, _) if self.listed_only(call, &post)? => {
                let message = "the provider lists the post but does not answer for it";
                self.found(call, Finding::CannotTell(Trouble::new(code::CANNOT_TELL, message)))
            }
            Finding::Found(post, slot) => {
                let write = AttemptWrite {
                    outcome_at: Some(now),
                    verdict: Some(AttemptVerdict::Found),
                    message: Some(self.with_evidence(self.why_uncertain(call.clip)?)),
                    post: Some(post.clone()),
                    ..attempt(call)
                };
                self.draft.attempts.push(write);
                self.apply(call.clip, ClipEvent::Found(post, slot))
            }
            Finding::Absent => {
                let trouble = Trouble::new(code::NOT_CREATED, "the post was looked for and does not exist");
                self.record_search(call, AttemptVerdict::Absent, &trouble);
                if self.batch.status == BatchStatus::Cancelled {
                    return self.apply(call.clip, ClipEvent::Cancel);
                }
                let retry_at = self.retry_at(call.clip, call.attempt)?;
                self.apply(call.clip, ClipEvent::Absent { trouble, retry_at })
            }
            Finding::CannotTell(trouble) => {
                self.record_search(call, AttemptVerdict::CannotTell, &trouble);
                self.apply(call.clip, ClipEvent::CannotTell(trouble))
            }
        }
    }

    /// The end of a search, and all that it showed.
    fn record_search(&mut self, call: Call, verdict: AttemptVerdict, trouble: &Trouble) {
        let told = Trouble::new(&trouble.code, self.with_evidence(&trouble.message));
        self.record(call, self.context.now(), verdict, Some(&told));
    }

    fn why_uncertain(&self, index: u32) -> Result<&str, ActorProcessingErr> {
        let error = self.clip(index)?.error.as_ref();
        Ok(error.map_or("the answer was lost", |error| &error.message))
    }

    fn with_evidence(&self, why: &str) -> String {
        format!("{why}; {}", self.work.evidence)
    }

    /// Whether a post that vanished is listed under its old id for the second time: nothing would ever change.
    fn listed_only(&mut self, call: Call, post: &PostRef) -> Result<bool, ActorProcessingErr> {
        let same = self
            .clip(call.clip)?
            .post
            .as_ref()
            .is_some_and(|known| known.id == post.id);
        let attempt = (call.clip, call.attempt);
        let before = self.work.refound.contains(&attempt);
        if !before {
            self.work.refound.push(attempt);
        }
        Ok(same && before)
    }

    /// When the clip may be sent again after what is known now; at once if a person asked for it.
    pub(super) fn retry_at(&self, index: u32, attempt: u32) -> Result<Option<Timestamp>, ActorProcessingErr> {
        let clip = self.clip(index)?;
        if clip.retry_is_asked_for() {
            return Ok(Some(self.context.now()));
        }
        let retries = clip.retries;
        let left = retries < self.batch.max_retries;
        let pause = schedule::retry_backoff(retries, jitter(&self.batch.id, index, attempt));
        Ok(left.then(|| self.context.now() + pause))
    }

    pub(super) fn on_withdrawn(&mut self, call: Call, result: Option<Result<Withdrawal, ProviderError>>) -> Outcome {
        let waiting = self.clip(call.clip)?.status == ClipStatus::WaitingConfirmation;
        if !self.take_call(call) || !waiting {
            return Ok(());
        }
        let Some(result) = result else {
            let again = self.context.now() + UNSENT;
            self.work.withdraw_again = Some((self.failed_withdrawals(), again));
            return Ok(());
        };
        match result {
            Ok(Withdrawal::Withdrawn) => {
                self.work.withdraw_again = None;
                self.record(call, self.context.now(), AttemptVerdict::Withdrawn, None);
                let event = match self.batch.status {
                    BatchStatus::Cancelled => {
                        let write = self.draft.attempts.last_mut();
                        write.ok_or("a verdict was not recorded")?.vacates = true;
                        ClipEvent::Withdrawn
                    }
                    BatchStatus::Draft
                    | BatchStatus::Scheduled
                    | BatchStatus::Processing
                    | BatchStatus::Paused
                    | BatchStatus::Completed
                    | BatchStatus::Failed => ClipEvent::TakenBack,
                };
                self.apply(call.clip, event)
            }
            Ok(Withdrawal::Refused(Reading::Missing)) if self.batch.mode.is_by_slots() => {
                self.missed_before_its_slot(call)
            }
            Ok(Withdrawal::Refused(_)) => {
                self.work.withdraw_refused.push((call.clip, call.attempt));
                Ok(())
            }
            Err(error) => {
                // What closes the gate is tried again behind it while the slot is far enough.
                let passing = match error.verdict {
                    Verdict::Throttled(_) | Verdict::Unauthorized(_) => true,
                    Verdict::Rejected | Verdict::Unavailable | Verdict::Unknown => error.outage,
                };
                if !passing {
                    tracing::warn!(batch.id = %self.batch.id, clip.index = call.clip, %error, "withdrawal failed");
                }
                if !passing && !self.withdraw_later() {
                    self.work.withdraw_refused.push((call.clip, call.attempt));
                }
                Ok(())
            }
        }
    }

    /// A post that is to be withdrawn is not known. Just created, it may only not be visible yet; else somebody deleted or
    /// moved it, or this daemon did and died before it could say so: the search decides.
    fn missed_before_its_slot(&mut self, call: Call) -> Outcome {
        let now = self.context.now();
        let created = self.clip(call.clip)?.uploaded_at;
        if created.is_some_and(|created| now < created + schedule::VISIBILITY) && self.withdraw_later() {
            return Ok(());
        }
        self.work.watched = self.work.watched.filter(|(clip, _)| *clip != call.clip);
        self.work.search = None;
        let trouble = Trouble::new(
            code::POST_VANISHED,
            "the provider does not know the post: asking for it",
        );
        self.apply(call.clip, ClipEvent::Vanished(trouble))
    }

    fn failed_withdrawals(&self) -> u32 {
        self.work.withdraw_again.map_or(0, |(failures, _)| failures)
    }

    /// Has a withdrawal from a batch ordered by slots tried again after a pause. False if that was done often enough.
    fn withdraw_later(&mut self) -> bool {
        let failures = self.failed_withdrawals();
        let again = self.batch.mode.is_by_slots() && failures < WITHDRAWALS;
        self.work.withdraw_again =
            again.then(|| (failures + 1, self.context.now() + schedule::probe_backoff(failures)));
        again
    }
}
