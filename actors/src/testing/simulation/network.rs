//! The network as one node reaches it: slow at times, away, throttled or refusing; its answers may be lost.
//!
//! What a call does to the ledger it does whatever becomes of the node that made it: a request that left cannot be
//! called back.

mod course;
mod posting;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    SIMULATED_PANIC, invariants,
    ledger::{Answered, Listed},
    node::Gate,
    stage::Stage,
};
use crate::{
    error::{ProviderError, Verdict},
    model::{AccountId, Network, PostRef, Request, Timestamp},
    ports::{Listing, Provider, Reading, Withdrawal},
    schedule,
};
use course::{Fault, error};

/// Longest time after which a caller gives up waiting for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long after its instant a slot that passed is still taken: the request that names it was on its way.
const GRACE: Duration = Duration::from_secs(5);

/// See the file's first paragraph.
pub struct SimulatedNetwork {
    stage: Arc<Stage>,
    gate: Arc<Gate>,
}

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Media.
    Prepare,
    /// A post.
    Create,
    /// A look.
    Status,
    /// A listing.
    Find,
    /// A delete.
    Withdraw,
    /// A probe.
    Check,
}

/// A call that takes one of the limiter's places.
struct UnderWay(Option<Arc<Gate>>);

impl UnderWay {
    fn begin(gate: &Arc<Gate>, kind: Kind) -> Self {
        let counted = (kind != Kind::Check).then(|| gate.clone());
        if let Some(gate) = &counted {
            gate.calls_under_way.fetch_add(1, Ordering::Relaxed);
        }
        Self(counted)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(gate) = &self.0 {
            gate.calls_under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl SimulatedNetwork {
    /// The network of this node.
    pub fn new(stage: Arc<Stage>, gate: Arc<Gate>) -> Self {
        Self { stage, gate }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        self.stage.tell(self.gate.name.as_str(), what);
    }

    /// One call: `act` is what it does to the ledger, at the instant given, and its answer if nothing goes wrong. What
    /// changes the ledger is certain as soon as the request has left; what only reads it sees it as it is by then.
    async fn call<T: std::fmt::Debug + Send>(
        &self,
        kind: Kind,
        account: Option<&AccountId>,
        about: &str,
        act: impl FnOnce(Timestamp) -> Result<T, ProviderError> + Send,
    ) -> Result<T, ProviderError> {
        let (stage, gate) = (&self.stage, &self.gate);
        gate.pass(&stage.clock).await;
        let now = stage.now();
        let course = self.course(kind, account, now);
        let _under_way = UnderWay::begin(gate, kind);
        invariants::a_call_leaves(stage, gate, kind, account, now);
        self.tell(|| format!("{kind:?} {about}"));
        if course.fault == Some(Fault::PanicBefore) {
            self.panic(kind);
        }
        let mut takes = course.before + course.after;
        match kind {
            Kind::Create | Kind::Withdraw => {}
            Kind::Prepare | Kind::Status | Kind::Find | Kind::Check => {
                tokio::time::sleep(course.before).await;
                takes = course.after;
            }
        }
        let result = if course.acts {
            Some(act(now + course.before))
        } else {
            None
        };
        match course.fault {
            Some(Fault::PanicAfter) => self.panic(kind),
            // What is lost may be given up before the network acts.
            Some(Fault::LostBefore | Fault::LostAfter) => takes = course.after,
            Some(Fault::CrashBeforeAnswer) => {
                tokio::time::sleep(takes / 2).await;
                stage.kill(gate, &format!("between {kind:?} {about} and its answer"));
                gate.pass(&stage.clock).await;
            }
            Some(Fault::CrashAfterAnswer) => {
                let (stage, gate, about) = (stage.clone(), gate.clone(), about.to_owned());
                let soon = takes.min(TIMEOUT) + Duration::from_millis(stage.dice().pick(&[0, 0, 1, 30]));
                tokio::spawn(async move {
                    tokio::time::sleep(soon).await;
                    stage.kill(&gate, &format!("after {kind:?} {about}"));
                });
            }
            Some(_) | None => {}
        }
        tokio::time::sleep(takes.min(TIMEOUT)).await;
        gate.pass(&stage.clock).await;
        let result = match (course.error, result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => result,
            (None, None) => Err(error(Verdict::Unknown, true, "NOTHING")),
        };
        if let Err(ProviderError {
            verdict: Verdict::Throttled(until),
            ..
        }) = &result
        {
            gate.is_told_to_wait(gate.time(&stage.clock), *until);
        }
        self.tell(|| match &result {
            Ok(answer) => format!("{kind:?} {about} -> {answer:?}"),
            Err(error) => format!("{kind:?} {about} -> {:?} {}", error.verdict, error.code),
        });
        result
    }

    fn panic(&self, kind: Kind) {
        self.tell(|| format!("{kind:?}: PANIC"));
        self.stage.record().counts.panics += 1;
        panic!("{SIMULATED_PANIC}");
    }
}

#[async_trait]
impl Provider for SimulatedNetwork {
    async fn prepare(&self, account: &AccountId, url: &str) -> Result<Arc<str>, ProviderError> {
        let media = |_| {
            Ok(match self.stage.scenario.habits.copies_media {
                true => format!("{url}?copy={}", self.stage.ledger().new_id()).into(),
                false => url.into(),
            })
        };
        self.call(Kind::Prepare, Some(account), url, media).await
    }

    async fn create(&self, account: &AccountId, request: &Request) -> Result<PostRef, ProviderError> {
        self.gate.pass(&self.stage.clock).await;
        let of = invariants::a_create_call_leaves(&self.stage, &self.gate, account, request);
        self.stage.is_at_work(&of.batch);
        let about = format!("{}#{}.{} for {}", of.batch, of.clip, of.attempt, request.slot);
        self.call(Kind::Create, Some(account), &about, |at| {
            self.make(account, request, of, at)
        })
        .await
    }

    async fn status(&self, account: &AccountId, _network: Network, post: &PostRef) -> Result<Reading, ProviderError> {
        self.gate.pass(&self.stage.clock).await;
        let of = self.stage.ledger().with_id(&post.id).and_then(|post| post.of.clone());
        if let Some(of) = of {
            self.stage.is_at_work(&of.batch);
        }
        let (asked_at, asked_at_its_time) = (self.stage.now(), self.gate.time(&self.stage.clock));
        let mut seen = None;
        let act = |at: Timestamp| {
            let reading = self.stage.ledger().reading(&post.id, at);
            seen = Some(reading.clone());
            Ok(reading)
        };
        let result = self.call(Kind::Status, Some(account), post.id.as_str(), act).await;
        if let (Ok(_), Some(reading)) = (&result, seen) {
            let answered = Answered {
                post: post.id.clone(),
                asked_at,
                asked_at_its_time,
                answered_at: self.stage.now(),
                reading,
            };
            self.stage.ledger().looks.push(answered);
        }
        result
    }

    async fn find(&self, account: &AccountId, request: &Request) -> Result<Listing, ProviderError> {
        let habits = &self.stage.scenario.habits;
        let of = self.stage.rows.intent(account, request);
        let act = |at: Timestamp| {
            let complete = self.stage.is_calm() || !self.stage.dice().chance(habits.incomplete);
            let mut ledger = self.stage.ledger();
            let posts = ledger.listing(account, request.slot, habits.lists_published, at);
            let shows_published = habits.lists_published && (habits.configured || ledger.published_was_listed);
            if let Some((batch, clip, _)) = of {
                self.stage.is_at_work(&batch);
                let listed = Listed {
                    complete,
                    shows_published,
                };
                ledger.listings.insert((batch, clip), listed);
            }
            Ok(Listing {
                posts,
                complete,
                shows_published,
            })
        };
        self.call(Kind::Find, Some(account), &request.slot.to_string(), act)
            .await
    }

    async fn withdraw(
        &self,
        account: &AccountId,
        _network: Network,
        post: &PostRef,
        slot: Timestamp,
    ) -> Result<Withdrawal, ProviderError> {
        invariants::a_withdrawal_leaves(&self.stage, &self.gate, post);
        let mut deleted = false;
        let act = |at: Timestamp| {
            let reading = self.stage.ledger().reading(&post.id, self.stage.now());
            if !schedule::may_withdraw(&reading, slot, self.stage.now()) || at + GRACE > slot {
                return Ok(Withdrawal::Refused(reading));
            }
            let mut ledger = self.stage.ledger();
            if let Some(known) = ledger.posts.iter_mut().find(|known| known.id() == &post.id) {
                known.gone_at = Some(at);
                deleted = true;
            }
            Ok(Withdrawal::Withdrawn)
        };
        let result = self.call(Kind::Withdraw, Some(account), post.id.as_str(), act).await;
        if deleted && result.is_err() {
            self.stage.withdrawal_is_in_doubt(&post.id);
        }
        result
    }

    async fn check(&self, account: Option<&AccountId>) -> Result<(), ProviderError> {
        let about = account.map_or("the token", AccountId::as_str);
        self.call(Kind::Check, account, about, |_| Ok(())).await
    }
}
