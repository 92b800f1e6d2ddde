//! What may be asked of the network before a batch exists: whether it would take the account and the media, and when its
//! people look.
//!
//! The daemon implements it; dry runs and mode `bestTime` ask. Nothing that is asked changes anything.

use async_trait::async_trait;
use axum::http::{StatusCode, header};
use jiff::tz::TimeZone;
use storyclip_actors::{
    error::{ProviderError, Refused, Verdict},
    model::{AccountId, Network, Timestamp},
};

use super::problem::{FieldError, Problem};
use crate::providers::BestHours;

/// The network, as the publish route asks it.
#[async_trait]
pub trait Ahead: Send + Sync + 'static {
    /// Whether this network is connected to the account; an account that the token has no access to is an error.
    async fn is_connected(&self, account: &AccountId, network: Network) -> Result<bool, ProviderError>;

    /// Whether the network can read this media.
    async fn media(&self, account: &AccountId, url: &str) -> Result<(), ProviderError>;

    /// How good the hours of the week are in this zone.
    async fn best_hours(
        &self,
        account: &AccountId,
        network: Network,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<BestHours, ProviderError>;
}

impl From<ProviderError> for Problem {
    /// What was asked beforehand could not be answered: 422 where the request is the reason, else 503.
    fn from(error: ProviderError) -> Self {
        let message = match error.verdict {
            Verdict::Unauthorized(Refused::Brand) => {
                let field = FieldError {
                    field: "settings.accountId".into(),
                    message: "is refused by the provider: reconnect it there".into(),
                };
                let text = format!("{} {}", field.field, field.message);
                return Self::new(StatusCode::UNPROCESSABLE_ENTITY, "ACCOUNT_UNAUTHORIZED", text).errors(vec![field]);
            }
            Verdict::Rejected => {
                return Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "PROVIDER_REFUSED",
                    "the provider refuses this",
                )
                .detail(error.message);
            }
            Verdict::Unauthorized(Refused::Token) => "the provider refuses the daemon's token".to_owned(),
            Verdict::Throttled(_) | Verdict::Unavailable | Verdict::Unknown => error.message,
        };
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "PROVIDER_UNAVAILABLE",
            "the provider cannot be asked now",
        )
        .detail(format!("{message}. Nothing was created; the request may be repeated."))
        .header(header::RETRY_AFTER, "30")
    }
}
