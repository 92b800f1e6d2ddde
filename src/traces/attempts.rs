//! Spans of clips' attempts, made from what is durable: an attempt from its intent to its last word, in it the create call
//! and the wait for the network's confirmation, and each commit.
//!
//! One task, which only the stop waits for. If it dies, no more of these spans are made.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use opentelemetry::{
    Context, KeyValue,
    trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;
use storyclip_actors::{
    error::Verdict,
    model::{BatchId, Timestamp},
    ports::{AttemptVerdict, AttemptWrite, Change},
};
use tokio::sync::mpsc;

use super::told::Told;
use crate::store::Store;

/// The task's state.
pub struct Recorder {
    store: Store,
    tracer: SdkTracer,
    batches: HashMap<BatchId, Followed>,
}

/// A batch at work.
struct Followed {
    /// The request that created it.
    origin: Context,
    attempts: HashMap<u32, Attempt>,
}

/// An attempt under way.
struct Attempt {
    number: u32,
    whole: Context,
    /// The create call, or the wait for the confirmation.
    step: Option<Context>,
}

/// What follows an outcome.
enum Next {
    /// The network's word is waited for.
    Confirm,
    /// The network, or a person, is asked what became of it.
    Ask,
    /// It is over.
    End,
}

impl Recorder {
    pub fn new(store: Store, tracer: SdkTracer) -> Self {
        Self {
            store,
            tracer,
            batches: HashMap::new(),
        }
    }

    /// Makes spans until it is told that this was all.
    pub async fn run(mut self, mut heard: mpsc::Receiver<Told>) {
        while let Some(told) = heard.recv().await {
            match told {
                Told::Committed(change, took) => self.committed(&change, took).await,
                Told::Lost(batch) => drop(self.batches.remove(&batch)),
                Told::End => return,
            }
        }
    }

    async fn committed(&mut self, change: &Change, [asked, answered]: [SystemTime; 2]) {
        if !self.batches.contains_key(&change.batch) {
            let origin = self.origin(&change.batch).await;
            let attempts = HashMap::new();
            self.batches.insert(change.batch.clone(), Followed { origin, attempts });
        }
        let Some(followed) = self.batches.get_mut(&change.batch) else {
            return;
        };
        let mut parent = None;
        for write in &change.attempts {
            if let (Some(at), Some(_)) = (write.intent_at, &write.request) {
                followed.begin(&self.tracer, change, write, at, false);
            }
            if let (Some(at), Some(verdict)) = (write.outcome_at, write.verdict) {
                followed.resume(&self.tracer, change, write);
                parent = parent.or_else(|| followed.whole(write));
                followed.ended(&self.tracer, write, at, verdict);
            }
            parent = parent.or_else(|| followed.whole(write));
        }
        let commit = SpanBuilder::from_name("batch.commit")
            .with_start_time(asked)
            .with_attributes([
                KeyValue::new("storyclip.batch.id", change.batch.to_string()),
                KeyValue::new("storyclip.commit.clips", change.clips.len() as i64),
            ]);
        let parent = parent.unwrap_or_else(|| followed.origin.clone());
        let commit = parent.with_span(self.tracer.build_with_context(commit, &parent));
        commit.span().end_with_timestamp(answered);
        if change.head.release {
            self.batches.remove(&change.batch);
        }
    }

    async fn origin(&self, batch: &BatchId) -> Context {
        match self.store.trace_parent(batch).await {
            Ok(parent) => super::below(parent),
            Err(error) => {
                tracing::debug!(%error, "the trace of a batch cannot be read, its clips begin one of their own");
                Context::new()
            }
        }
    }
}

impl Followed {
    fn whole(&self, write: &AttemptWrite) -> Option<Context> {
        self.attempts.get(&write.clip).map(|attempt| attempt.whole.clone())
    }

    fn begin(&mut self, tracer: &SdkTracer, change: &Change, write: &AttemptWrite, at: Timestamp, resumed: bool) {
        let whole = SpanBuilder::from_name("clip.attempt")
            .with_start_time(instant(at))
            .with_attributes([
                KeyValue::new("storyclip.batch.id", change.batch.to_string()),
                KeyValue::new("storyclip.clip.index", i64::from(write.clip)),
                KeyValue::new("storyclip.attempt", i64::from(write.attempt)),
                KeyValue::new("storyclip.network", change.network.as_str()),
                KeyValue::new("storyclip.resumed", resumed),
            ]);
        let whole = self.origin.with_span(tracer.build_with_context(whole, &self.origin));
        let step = (!resumed).then(|| step(tracer, "clip.create", SpanKind::Client, at, &whole));
        let number = write.attempt;
        self.attempts.insert(write.clip, Attempt { number, whole, step });
    }

    /// An attempt that an earlier process, or another one, began.
    fn resume(&mut self, tracer: &SdkTracer, change: &Change, write: &AttemptWrite) {
        let known = self.attempts.get(&write.clip);
        if known.is_some_and(|attempt| attempt.number == write.attempt) {
            return;
        }
        let clips = change.clips.iter().map(|write| &write.clip);
        let began = clips
            .filter(|clip| clip.index == write.clip && clip.attempt == write.attempt)
            .find_map(|clip| clip.intent_at);
        if let Some(at) = began {
            self.begin(tracer, change, write, at, true);
        }
    }

    fn ended(&mut self, tracer: &SdkTracer, write: &AttemptWrite, at: Timestamp, verdict: AttemptVerdict) {
        let Some(attempt) = self.attempts.get_mut(&write.clip) else {
            return;
        };
        if attempt.number != write.attempt {
            return;
        }
        if let Some(step) = attempt.step.take() {
            say(&step, write, verdict);
            step.span().end_with_timestamp(instant(at));
        }
        match next(verdict) {
            Next::Confirm => {
                let confirm = step(tracer, "clip.confirm", SpanKind::Internal, at, &attempt.whole);
                attempt.step = Some(confirm);
            }
            Next::Ask => {}
            Next::End => {
                say(&attempt.whole, write, verdict);
                attempt.whole.span().end_with_timestamp(instant(at));
                self.attempts.remove(&write.clip);
            }
        }
    }
}

const fn next(verdict: AttemptVerdict) -> Next {
    match verdict {
        AttemptVerdict::Created | AttemptVerdict::Found | AttemptVerdict::Adopted => Next::Confirm,
        AttemptVerdict::CannotTell | AttemptVerdict::Refused(Verdict::Unknown) => Next::Ask,
        AttemptVerdict::Absent
        | AttemptVerdict::Published
        | AttemptVerdict::Errored
        | AttemptVerdict::TimedOut
        | AttemptVerdict::Withdrawn
        | AttemptVerdict::Refused(
            Verdict::Rejected | Verdict::Unavailable | Verdict::Throttled(_) | Verdict::Unauthorized(_),
        ) => Next::End,
    }
}

/// Whether a span that ended so is one that failed.
const fn is_failure(verdict: AttemptVerdict) -> bool {
    match verdict {
        AttemptVerdict::Created
        | AttemptVerdict::Found
        | AttemptVerdict::Adopted
        | AttemptVerdict::Published
        | AttemptVerdict::Withdrawn => false,
        AttemptVerdict::Absent
        | AttemptVerdict::CannotTell
        | AttemptVerdict::Errored
        | AttemptVerdict::TimedOut
        | AttemptVerdict::Refused(_) => true,
    }
}

fn step(tracer: &SdkTracer, name: &'static str, kind: SpanKind, at: Timestamp, whole: &Context) -> Context {
    let step = SpanBuilder::from_name(name)
        .with_kind(kind)
        .with_start_time(instant(at));
    whole.with_span(tracer.build_with_context(step, whole))
}

/// The verdict and the codes; the texts stay in the ledger.
fn say(context: &Context, write: &AttemptWrite, verdict: AttemptVerdict) {
    let span = context.span();
    span.set_attribute(KeyValue::new("storyclip.verdict", verdict.as_str()));
    if let Some(status) = write.http_status {
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
    }
    if is_failure(verdict) {
        let code = write.code.clone().unwrap_or_else(|| verdict.as_str().to_owned());
        span.set_attribute(KeyValue::new("error.type", code.clone()));
        span.set_status(Status::error(code));
    }
}

fn instant(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or_default())
}
