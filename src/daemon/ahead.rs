//! What HTTP asks of Metricool before a batch exists, through the limiter that all calls pass.
//!
//! The daemon hands it to the routes. A caller that goes away takes its question along; nothing else is lost.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use storyclip_actors::{
    error::{ProviderError, Refused, Verdict},
    limiter::{Limiter, Priority},
    model::{AccountId, Network, Timestamp, code},
    ports::Provider as _,
};

use crate::{
    http::Ahead,
    providers::{BestHours, metricool::Metricool},
};

/// How long one question may take, the wait for its turn included.
const ANSWERED_WITHIN: Duration = Duration::from_secs(75);

/// Metricool, if there is a token.
pub(super) struct AskMetricool {
    pub(super) metricool: Option<Arc<Metricool>>,
    pub(super) limiter: Limiter,
}

impl AskMetricool {
    /// Asks in its turn. An account that is refused already is not asked for.
    async fn ask<T>(
        &self,
        account: &AccountId,
        question: impl AsyncFnOnce(&Metricool) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let Some(metricool) = &self.metricool else {
            return Err(unanswered(Verdict::Unavailable, "no Metricool token is configured"));
        };
        if let Some(refused) = self.limiter.parked(account) {
            let verdict = Verdict::Unauthorized(refused);
            return Err(unanswered(verdict, "the provider refuses the credential at present"));
        }
        let asked = async {
            let permit = self.limiter.acquire(account, Priority::Prepare).await;
            let result = question(metricool).await;
            self.limiter.end(permit, account, &result);
            result
        };
        let answer = tokio::time::timeout(ANSWERED_WITHIN, asked).await;
        answer.unwrap_or_else(|_| Err(unanswered(Verdict::Unavailable, "the provider did not answer in time")))
    }
}

#[async_trait]
impl Ahead for AskMetricool {
    async fn is_connected(&self, account: &AccountId, network: Network) -> Result<bool, ProviderError> {
        let brands = self.ask(account, async |metricool| metricool.brands().await).await?;
        let Some(brand) = brands.into_iter().find(|brand| brand.id == *account) else {
            let verdict = Verdict::Unauthorized(Refused::Brand);
            return Err(unanswered(
                verdict,
                "the account is not among those of the Metricool token",
            ));
        };
        Ok(match network {
            Network::Facebook => brand.facebook.is_some() || brand.facebook_page_id.is_some(),
            Network::Instagram => brand.instagram.is_some(),
        })
    }

    async fn media(&self, account: &AccountId, url: &str) -> Result<(), ProviderError> {
        let prepared = self.ask(account, async |metricool| metricool.prepare(account, url).await);
        prepared.await.map(drop)
    }

    async fn best_hours(
        &self,
        account: &AccountId,
        network: Network,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<BestHours, ProviderError> {
        let asked = self.ask(account, async |metricool| {
            metricool.best_hours(account, network, now, zone).await
        });
        asked.await
    }
}

fn unanswered(verdict: Verdict, message: &str) -> ProviderError {
    ProviderError {
        verdict,
        outage: true,
        code: code::PROVIDER_UNAVAILABLE.into(),
        message: message.into(),
        http_status: None,
        request_id: None,
    }
}
