//! Poller: the only caller of the provider's status for one batch; keeps the schedule of looks and the anti-race last one.
//!
//! BatchActor, its parent, tells it which post to watch and hears every look as a message. If it dies, the parent spawns
//! another and has it watch again: which look is due follows from the slot and the clock.

use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinHandle;

use crate::{
    child::Child,
    error::ProviderError,
    limiter::Priority,
    messages::{BatchMessage, Look, PollerMessage, Watch},
    model::{PostRef, Timestamp},
    ports::Reading,
    schedule,
};

/// A look that comes this much later than it was due was held up by others: that time does not count for the timeout.
const HELD_UP: Duration = Duration::from_secs(3);

/// See the file's first paragraph.
pub struct Poller;

/// A poller's memory.
pub struct PollerState {
    child: Child,
    watching: Option<Watching>,
    timers: u64,
    timer: Option<JoinHandle<()>>,
}

struct Watching {
    watch: Watch,
    due: Timestamp,
    /// Looks of the schedule that are done.
    done: u32,
    /// Since when no look was answered.
    unanswered_since: Option<Timestamp>,
    unanswered: u32,
    answered_at: Option<Timestamp>,
}

#[ractor::async_trait]
impl Actor for Poller {
    type Msg = PollerMessage;
    /// Boxed: what a future holds by value is held once more by each future around it.
    type State = Box<PollerState>;
    type Arguments = Child;

    async fn pre_start(
        &self,
        _myself: ActorRef<PollerMessage>,
        child: Child,
    ) -> Result<Box<PollerState>, ActorProcessingErr> {
        Ok(Box::new(PollerState {
            child,
            watching: None,
            timers: 0,
            timer: None,
        }))
    }

    async fn handle(
        &self,
        myself: ActorRef<PollerMessage>,
        message: PollerMessage,
        state: &mut Box<PollerState>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PollerMessage::Watch(watch) => state.watch(&myself, watch),
            PollerMessage::Due(timer) => state.due(&myself, timer).await?,
            PollerMessage::LookNow => state.look_now(&myself).await?,
            PollerMessage::Once { clip, attempt, post } => state.once(clip, attempt, &post).await?,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<PollerMessage>,
        state: &mut Box<PollerState>,
    ) -> Result<(), ActorProcessingErr> {
        state.cancel_timer();
        Ok(())
    }
}

impl PollerState {
    fn watch(&mut self, myself: &ActorRef<PollerMessage>, watch: Watch) {
        let now = self.child.context.now();
        let (done, due) = self.child.context.rules.looks.next(watch.slot, 0, now, watch.deadline);
        self.watching = Some(Watching {
            watch,
            due,
            done,
            unanswered_since: None,
            unanswered: 0,
            answered_at: None,
        });
        self.set_timer(myself, due, now);
    }

    async fn due(&mut self, myself: &ActorRef<PollerMessage>, timer: u64) -> Result<(), ActorProcessingErr> {
        if timer == self.timers {
            self.look(myself).await
        } else {
            Ok(())
        }
    }

    async fn look_now(&mut self, myself: &ActorRef<PollerMessage>) -> Result<(), ActorProcessingErr> {
        let now = self.child.context.now();
        let Some(watching) = &self.watching else { return Ok(()) };
        let fresh = watching.answered_at.is_some_and(|at| now.since(at) < schedule::FRESH);
        if fresh || now < watching.watch.slot {
            Ok(())
        } else {
            self.look(myself).await
        }
    }

    async fn look(&mut self, myself: &ActorRef<PollerMessage>) -> Result<(), ActorProcessingErr> {
        let Some(watching) = &self.watching else { return Ok(()) };
        let post = watching.watch.post.clone();
        let asks = cfg!(not(feature = "without-last-look")) || self.child.context.now() < watching.watch.deadline;
        let (asked_at, result) = if asks {
            self.ask(&post).await
        } else {
            (self.child.context.now(), Ok(Reading::Pending("nobody asked".into())))
        };
        let now = self.child.context.now();
        let rule = &self.child.context.rules.looks;
        let Some(watching) = &mut self.watching else {
            return Ok(());
        };
        let next = watching.after_look(&result, asked_at, now, rule);
        let watch = &watching.watch;
        let look = Look {
            clip: watch.clip,
            attempt: watch.attempt,
            number: watching.done,
            last: next.is_none(),
            result,
        };
        match next {
            Some(due) => self.set_timer(myself, due, now),
            None => self.watching = None,
        }
        Ok(self.child.batch.cast(BatchMessage::Looked(look))?)
    }

    async fn once(&mut self, clip: u32, attempt: u32, post: &PostRef) -> Result<(), ActorProcessingErr> {
        let (_, result) = self.ask(post).await;
        let look = Look {
            clip,
            attempt,
            number: 0,
            last: false,
            result,
        };
        Ok(self.child.batch.cast(BatchMessage::Looked(look))?)
    }

    async fn ask(&self, post: &PostRef) -> (Timestamp, Result<Reading, ProviderError>) {
        let Child {
            context,
            account,
            network,
            ..
        } = &self.child;
        let permit = context.limiter.acquire(account, Priority::Poll).await;
        let asked_at = context.now();
        let result = context.provider.status(account, *network, post).await;
        context.limiter.end(permit, account, &result);
        (asked_at, result)
    }

    fn set_timer(&mut self, myself: &ActorRef<PollerMessage>, due: Timestamp, now: Timestamp) {
        self.cancel_timer();
        self.timers += 1;
        let (myself, timer) = (myself.clone(), self.timers);
        let pause = due.since(now);
        if pause.is_zero() {
            // A poller that is gone looks at nothing.
            let _: Result<(), _> = myself.cast(PollerMessage::Due(timer));
            return;
        }
        self.timer = Some(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            // A poller that is gone looks at nothing.
            let _: Result<(), _> = myself.cast(PollerMessage::Due(timer));
        }));
    }

    fn cancel_timer(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}

impl Watching {
    /// Notes a look and says when the next is due; `None` if this was the last.
    fn after_look(
        &mut self,
        result: &Result<Reading, ProviderError>,
        asked_at: Timestamp,
        now: Timestamp,
        rule: &schedule::LookRule,
    ) -> Option<Timestamp> {
        self.done += 1;
        let held_up = asked_at.since(self.due);
        let lost = match self.unanswered_since {
            Some(since) => asked_at.since(since),
            None if held_up > HELD_UP => held_up,
            None => Duration::ZERO,
        };
        let reading = match result {
            Ok(reading) => reading,
            Err(_) => {
                self.unanswered_since.get_or_insert(self.due.min(asked_at));
                self.due = now + schedule::probe_backoff(self.unanswered);
                self.unanswered += 1;
                return Some(self.due);
            }
        };
        self.unanswered_since = None;
        self.unanswered = 0;
        self.answered_at = Some(now);
        self.watch.deadline = self.watch.deadline + lost;
        let visible_by = self.watch.created_at + schedule::VISIBILITY;
        let (goes_on, deadline) = match reading {
            Reading::Published { .. } | Reading::Failed(_) => (false, self.watch.deadline),
            Reading::Pending(_) => (asked_at < self.watch.deadline, self.watch.deadline),
            Reading::Missing => (asked_at < visible_by, visible_by.max(self.watch.deadline)),
        };
        if !goes_on {
            return None;
        }
        let (number, due) = rule.next(self.watch.slot, self.done, now, deadline);
        self.done = number;
        self.due = due;
        Some(due)
    }
}
