//! ClipPublisher: the only caller of the provider's prepare, create, find and withdraw for one batch.
//!
//! BatchActor, its parent, sends it one call at a time and hears the answer as a message. If it dies, the parent spawns
//! another and plans again: a create call that was under way is then uncertain, like after any other death.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::{
    child::Child,
    error::ProviderError,
    limiter::{Priority, Reservation},
    messages::{BatchMessage, PublisherMessage},
    model::{PostRef, Request, Timestamp},
    schedule::LEASE_MARGIN,
    work::Call,
};

/// See the file's first paragraph.
pub struct ClipPublisher;

#[ractor::async_trait]
impl Actor for ClipPublisher {
    type Msg = PublisherMessage;
    type State = Child;
    type Arguments = Child;

    async fn pre_start(
        &self,
        _myself: ActorRef<PublisherMessage>,
        arguments: Child,
    ) -> Result<Child, ActorProcessingErr> {
        Ok(arguments)
    }

    async fn handle(
        &self,
        _myself: ActorRef<PublisherMessage>,
        message: PublisherMessage,
        state: &mut Child,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PublisherMessage::Prepare(clip, url) => state.prepare(clip, url),
            PublisherMessage::Reserve(clip) => state.reserve(clip).await?,
            PublisherMessage::Create(call, request, intent, reservation) => {
                state.create(call, request, intent, reservation).await?
            }
            PublisherMessage::Find(call, request) => state.find(call, request).await?,
            PublisherMessage::Withdraw {
                call,
                post,
                slot,
                ours_at,
            } => state.withdraw(call, post, slot, ours_at).await?,
        }
        Ok(())
    }
}

impl Child {
    fn prepare(&self, clip: u32, url: Arc<str>) {
        let mut answer = PreparedAnswer {
            batch: self.batch.clone(),
            clip,
            result: None,
        };
        let Child { context, account, .. } = self.clone();
        tokio::spawn(async move {
            let permit = context.limiter.acquire(&account, Priority::Prepare).await;
            let result = context.provider.prepare(&account, &url).await;
            context.limiter.end(permit, &account, &result);
            answer.give(result);
        });
    }

    async fn reserve(&self, clip: u32) -> Result<(), ActorProcessingErr> {
        let reservation = self.context.limiter.reserve(&self.account).await;
        Ok(self.batch.cast(BatchMessage::Reserved(clip, reservation))?)
    }

    async fn create(
        &self,
        call: Call,
        request: Request,
        intent: Timestamp,
        reservation: Reservation,
    ) -> Result<(), ActorProcessingErr> {
        let permit = reservation.enter(&self.account).await;
        let now = self.context.now();
        // Absence is counted from the intent: a call that leaves long after it could outlive the search for it.
        let in_time = now.since(intent) <= LEASE_MARGIN && self.context.lease.allows_calls(intent, now);
        let Some(permit) = permit.filter(|_| in_time) else {
            return Ok(self.batch.cast(BatchMessage::Created(call, None))?);
        };
        let result = self.context.provider.create(&self.account, &request).await;
        self.context.limiter.end(permit, &self.account, &result);
        Ok(self.batch.cast(BatchMessage::Created(call, Some(result)))?)
    }

    async fn find(&self, call: Call, request: Request) -> Result<(), ActorProcessingErr> {
        let permit = self.context.limiter.acquire(&self.account, Priority::Find).await;
        let result = self.context.provider.find(&self.account, &request).await;
        self.context.limiter.end(permit, &self.account, &result);
        Ok(self.batch.cast(BatchMessage::Listed(call, result))?)
    }

    async fn withdraw(
        &self,
        call: Call,
        post: PostRef,
        slot: Timestamp,
        ours_at: Timestamp,
    ) -> Result<(), ActorProcessingErr> {
        let permit = self.context.limiter.acquire_to_withdraw(&self.account).await;
        // Another node may have the batch since, and may have resumed it.
        let permit = permit.filter(|_| self.context.lease.allows_calls(ours_at, self.context.now()));
        let Some(permit) = permit else {
            return Ok(self.batch.cast(BatchMessage::Withdrawn(call, None))?);
        };
        let result = self
            .context
            .provider
            .withdraw(&self.account, self.network, &post, slot)
            .await;
        self.context.limiter.end(permit, &self.account, &result);
        Ok(self.batch.cast(BatchMessage::Withdrawn(call, Some(result)))?)
    }
}

/// Answers a preparation even if it panics: the batch never waits for a task that is gone.
struct PreparedAnswer {
    batch: ActorRef<BatchMessage>,
    clip: u32,
    result: Option<Result<Arc<str>, ProviderError>>,
}

impl PreparedAnswer {
    fn give(&mut self, result: Result<Arc<str>, ProviderError>) {
        self.result = Some(result);
    }
}

impl Drop for PreparedAnswer {
    fn drop(&mut self) {
        let answer = match self.result.take() {
            Some(result) => BatchMessage::Prepared(self.clip, result),
            None => BatchMessage::PreparingDied(self.clip),
        };
        // A batch that is gone needs no media.
        let _: Result<(), _> = self.batch.cast(answer);
    }
}
