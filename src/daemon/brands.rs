//! How HTTP asks Metricool for the brands: through the limiter, like every call that uses the token.
//!
//! The daemon hands it to the routes. It keeps nothing.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use storyclip_actors::{
    error::{ProviderError, Refused, Verdict},
    limiter::{Limiter, Priority},
    model::AccountId,
};

use crate::{
    http::BrandSource,
    providers::metricool::{Brand, Metricool},
};

/// How long a person who looks at a page may have to wait for a place among the calls.
const PLACE_WITHIN: Duration = Duration::from_secs(5);

/// The account's brands, in turn with all other calls.
pub(super) struct LimitedBrands {
    pub(super) metricool: Arc<Metricool>,
    pub(super) limiter: Limiter,
}

#[async_trait]
impl BrandSource for LimitedBrands {
    async fn brands(&self) -> Result<Vec<Brand>, ProviderError> {
        // The call is about no brand, and no brand has this id.
        let none = AccountId::from("");
        if let Some(refused) = self.limiter.parked(&none) {
            return Err(held(
                Verdict::Unauthorized(refused),
                "the token was refused and is being checked",
            ));
        }
        let place = self.limiter.acquire(&none, Priority::Poll);
        let Ok(permit) = tokio::time::timeout(PLACE_WITHIN, place).await else {
            return Err(held(Verdict::Unavailable, "calls to Metricool are held at present"));
        };
        let brands = self.metricool.brands().await;
        let about_a_brand = |error: &ProviderError| error.verdict == Verdict::Unauthorized(Refused::Brand);
        if brands.as_ref().is_err_and(about_a_brand) {
            drop(permit);
        } else {
            self.limiter.end(permit, &none, &brands);
        }
        brands
    }
}

fn held(verdict: Verdict, message: &str) -> ProviderError {
    ProviderError {
        verdict,
        outage: false,
        code: "METRICOOL_HELD".into(),
        message: message.into(),
        http_status: None,
        request_id: None,
    }
}
