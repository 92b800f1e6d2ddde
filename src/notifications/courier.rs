//! The courier: claims deliveries that are due, sends them, and records how it went.
//!
//! One per node. A slow receiver holds up at most a few of its own messages, never the others'. If the courier dies, what it
//! had claimed is due again when the claim lapses (on SQLite when it is begun anew) and is sent once more under the same id.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Client;
use storyclip_actors::ports::Clock;
use tokio::{
    sync::{Notify, watch},
    task::{Id, JoinSet},
};

use super::{
    NotificationsError, Options,
    email::Email,
    push::Push,
    retry::{self, Answer, Tried},
    webhook,
};
use crate::store::{Attempted, Channel, Due, Ending, Store};

/// Deliveries that may be on their way at once.
const IN_FLIGHT: usize = 64;

/// A target with so many on their way gets no more until one of them has ended.
const PER_TARGET: usize = 4;

/// How many are claimed at once.
const CLAIM: usize = 32;

/// How much longer than a try a claim lasts.
const SPARE: Duration = Duration::from_secs(15);

/// How long outcomes wait for others, to be written together: on SQLite each write takes its turn with those of batches.
const GATHER: Duration = Duration::from_millis(20);

/// Between two looks for what has become due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between two sweeps of what is too old.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// The task's state.
pub struct Courier {
    sender: Arc<Sender>,
    queued: Arc<Notify>,
    sending: JoinSet<Attempted>,
    /// To whom what is on its way goes.
    targets: HashMap<Id, String>,
    /// Ended, not recorded.
    ended: Vec<Attempted>,
    swept: Option<Instant>,
}

/// What sending takes.
pub struct Sender {
    store: Store,
    clock: Arc<dyn Clock>,
    client: Client,
    email: Option<Email>,
    push: Option<Push>,
    timeout: Duration,
    waits: Vec<Duration>,
    private_addresses: bool,
}

impl Courier {
    pub fn new(sender: Arc<Sender>, queued: Arc<Notify>) -> Self {
        Self {
            sender,
            queued,
            sending: JoinSet::new(),
            targets: HashMap::new(),
            ended: Vec::new(),
            swept: None,
        }
    }

    /// Works until it is told to stop, and then until what is on its way has ended.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        if let Err(error) = self.sender.store.free_deliveries().await {
            tracing::debug!(%error, "what an earlier run was sending is sent again when its claims lapse");
        }
        loop {
            self.record().await;
            let stop = *stopping.borrow();
            if stop && self.sending.is_empty() {
                return;
            }
            if !stop {
                self.sweep().await;
                if self.claim().await {
                    continue;
                }
            }
            let queued = self.queued.clone();
            tokio::select! {
                Some(ended) = self.sending.join_next_with_id(), if !self.sending.is_empty() => {
                    self.arrived(ended);
                    tokio::time::sleep(GATHER).await;
                }
                () = queued.notified(), if !stop => {}
                changed = stopping.changed(), if !stop => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_EVERY), if !stop => {}
            }
            while let Some(ended) = self.sending.try_join_next_with_id() {
                self.arrived(ended);
            }
        }
    }

    fn arrived(&mut self, ended: Result<(Id, Attempted), tokio::task::JoinError>) {
        match ended {
            Ok((id, attempted)) => {
                self.targets.remove(&id);
                self.ended.push(attempted);
            }
            Err(error) => {
                self.targets.remove(&error.id());
                tracing::error!(%error, "a delivery died, it is sent again when its claim lapses");
            }
        }
    }

    /// Takes what is due; whether there may be more for which there is room.
    async fn claim(&mut self) -> bool {
        let room = IN_FLIGHT.saturating_sub(self.sending.len()).min(CLAIM);
        if room == 0 {
            return false;
        }
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for target in self.targets.values() {
            *counts.entry(target).or_default() += 1;
        }
        let busy: Vec<&str> = (counts.into_iter())
            .filter(|(_, count)| *count >= PER_TARGET)
            .map(|(target, _)| target)
            .collect();
        let now = self.sender.clock.now();
        let until = now + self.sender.timeout + SPARE;
        let claimed = match self.sender.store.claim_deliveries(now, until, room, &busy).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::debug!(%error, "nothing can be claimed");
                return false;
            }
        };
        let more = claimed.len() == room;
        for due in claimed {
            let target = due.target.clone();
            let task = self.sending.spawn(self.sender.clone().attempt(due));
            self.targets.insert(task.id(), target);
        }
        more
    }

    /// Writes how it went; what cannot be written now is kept for the next time.
    async fn record(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        match self.sender.store.record_deliveries(&self.ended).await {
            Ok(disabled) => {
                self.ended.clear();
                for (endpoint, reason) in disabled {
                    tracing::warn!(endpoint.id = %endpoint, %reason, "webhook endpoint disabled");
                }
            }
            Err(error) => tracing::debug!(%error, "outcomes of deliveries are recorded later"),
        }
    }

    async fn sweep(&mut self) {
        if self.swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
            return;
        }
        match self.sender.store.sweep_notices(self.sender.clock.now()).await {
            Ok(more) => self.swept = (!more).then(Instant::now),
            Err(error) => tracing::debug!(%error, "old deliveries are deleted later"),
        }
    }
}

impl Sender {
    pub fn new(store: Store, clock: Arc<dyn Clock>, options: Options) -> Result<Self, NotificationsError> {
        Ok(Self {
            client: webhook::client(options.timeout, options.private_addresses)?,
            email: options
                .email
                .map(|email| Email::new(email, options.timeout))
                .transpose()?,
            push: options.vapid.map(Push::new).transpose()?,
            store,
            clock,
            timeout: options.timeout,
            waits: options.waits,
            private_addresses: options.private_addresses,
        })
    }

    async fn attempt(self: Arc<Self>, due: Due) -> Attempted {
        let (at, began) = (self.clock.now(), Instant::now());
        let answer = if due.disabled {
            None
        } else {
            Some(self.send(&due).await)
        };
        let tried = Tried {
            channel: due.channel,
            kind: due.kind,
            tries: due.tries + 1,
            now: self.clock.now(),
        };
        let ending = match &answer {
            Some(answer) => retry::ending(&self.waits, tried, answer, rand::random()),
            None => Ending::Paused,
        };
        let (http_status, error) = match answer {
            Some(Answer::Status(status @ 200..=299, _)) => (Some(status), None),
            Some(Answer::Status(status, _)) => (Some(status), Some(format!("answered {status}"))),
            Some(Answer::Refused(why) | Answer::Nothing(why)) => (None, Some(why)),
            Some(Answer::Taken) | None => (None, None),
        };
        tracing::debug!(delivery.id = %due.id, channel = %due.channel, ?ending, "delivery tried");
        Attempted {
            due,
            at,
            took: began.elapsed(),
            http_status,
            error,
            ending,
        }
    }

    async fn send(&self, due: &Due) -> Answer {
        match due.channel {
            Channel::Webhook => match &due.url {
                Some(url) => self.post(due, url).await,
                None => Answer::Refused("the endpoint was deleted".into()),
            },
            Channel::Batch => self.post(due, &due.target).await,
            Channel::Email => match &self.email {
                Some(email) => email.send(&self.store, due).await,
                None => Answer::Refused("no mail server is configured".into()),
            },
            Channel::Push => match (&self.push, &due.url, &due.keys) {
                (Some(push), Some(url), Some(keys)) => {
                    let request = webhook::post(&self.client, url, self.private_addresses);
                    match request.and_then(|request| push.request(request, url, keys, due, self.clock.now())) {
                        Ok(request) => webhook::send(request, &*self.clock).await,
                        Err(why) => Answer::Refused(why),
                    }
                }
                (None, _, _) => Answer::Refused("no VAPID keys are configured".into()),
                (Some(_), None, _) | (Some(_), _, None) => Answer::Refused("the browser has unsubscribed".into()),
            },
        }
    }

    async fn post(&self, due: &Due, url: &str) -> Answer {
        let request = webhook::post(&self.client, url, self.private_addresses);
        let now = self.clock.now();
        let sign = |request| webhook::signed(request, &due.notice, now, &due.body, &due.secrets);
        match request.and_then(sign) {
            Ok(request) => webhook::send(request, &*self.clock).await,
            Err(why) => Answer::Nothing(why),
        }
    }
}
