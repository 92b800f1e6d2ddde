//! A network's API with a watch around it. The daemon puts it between the actors and the provider; it changes nothing.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use storyclip_actors::{
    error::ProviderError,
    model::{AccountId, Network, PostRef, Request, Timestamp},
    ports::{Listing, Provider, Reading, Withdrawal},
};

use super::{Calls, Operation};

/// See the module.
pub struct Measured {
    provider: Arc<dyn Provider>,
    calls: Arc<Calls>,
}

impl Measured {
    /// Measures this provider's calls into these.
    pub fn new(provider: Arc<dyn Provider>, calls: Arc<Calls>) -> Self {
        Self { provider, calls }
    }

    /// A call that is given up (its actor stops) is not counted: it has no end.
    async fn measure<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let begun = Instant::now();
        let result = call.await;
        self.calls.ended(operation, begun.elapsed(), result.as_ref().err());
        result
    }
}

#[async_trait]
impl Provider for Measured {
    async fn prepare(&self, account: &AccountId, url: &str) -> Result<Arc<str>, ProviderError> {
        self.measure(Operation::Prepare, self.provider.prepare(account, url))
            .await
    }

    async fn create(&self, account: &AccountId, request: &Request) -> Result<PostRef, ProviderError> {
        self.measure(Operation::Create, self.provider.create(account, request))
            .await
    }

    async fn status(&self, account: &AccountId, network: Network, post: &PostRef) -> Result<Reading, ProviderError> {
        let result = self
            .measure(Operation::Status, self.provider.status(account, network, post))
            .await;
        self.calls.looked(result.as_ref());
        result
    }

    async fn find(&self, account: &AccountId, request: &Request) -> Result<Listing, ProviderError> {
        self.measure(Operation::Find, self.provider.find(account, request))
            .await
    }

    async fn withdraw(
        &self,
        account: &AccountId,
        network: Network,
        post: &PostRef,
        slot: Timestamp,
    ) -> Result<Withdrawal, ProviderError> {
        let call = self.provider.withdraw(account, network, post, slot);
        self.measure(Operation::Withdraw, call).await
    }

    async fn check(&self, account: Option<&AccountId>) -> Result<(), ProviderError> {
        self.measure(Operation::Check, self.provider.check(account)).await
    }
}
