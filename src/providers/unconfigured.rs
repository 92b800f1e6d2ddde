//! The provider of a daemon that was given no token: it refuses everything, certainly, so that batches of an earlier run
//! wait for one instead of failing. The daemon uses it in place of Metricool.

use std::sync::Arc;

use async_trait::async_trait;
use storyclip_actors::{
    error::{ProviderError, Refused, Verdict},
    model::{AccountId, Network, PostRef, Request, Timestamp},
    ports::{Listing, Provider, Reading, Withdrawal},
};

/// See the file's first paragraph.
pub struct Unconfigured;

fn refused() -> ProviderError {
    ProviderError {
        verdict: Verdict::Unauthorized(Refused::Token),
        outage: false,
        code: "METRICOOL_NOT_CONFIGURED".into(),
        message: "METRICOOL_USER_TOKEN is not set".into(),
        http_status: None,
        request_id: None,
    }
}

#[async_trait]
impl Provider for Unconfigured {
    async fn prepare(&self, _: &AccountId, _: &str) -> Result<Arc<str>, ProviderError> {
        Err(refused())
    }

    async fn create(&self, _: &AccountId, _: &Request) -> Result<PostRef, ProviderError> {
        Err(refused())
    }

    async fn status(&self, _: &AccountId, _: Network, _: &PostRef) -> Result<Reading, ProviderError> {
        Err(refused())
    }

    async fn find(&self, _: &AccountId, _: &Request) -> Result<Listing, ProviderError> {
        Err(refused())
    }

    async fn withdraw(
        &self,
        _: &AccountId,
        _: Network,
        _: &PostRef,
        _: Timestamp,
    ) -> Result<Withdrawal, ProviderError> {
        Err(refused())
    }

    async fn check(&self, _: Option<&AccountId>) -> Result<(), ProviderError> {
        Err(refused())
    }
}
