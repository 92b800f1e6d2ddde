//! The network as it is asked before a batch exists.

use std::{collections::HashMap, sync::Mutex};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use storyclip::{http::Ahead, providers::BestHours};
use storyclip_actors::{
    error::ProviderError,
    model::{AccountId, Network as NetworkName, Timestamp},
};

/// Answers as it is told; everything is well unless something else is said.
pub struct Network {
    pub connected: Mutex<Result<bool, ProviderError>>,
    pub media: Mutex<HashMap<String, ProviderError>>,
    pub hours: Mutex<Result<BestHours, ProviderError>>,
    /// The URLs asked about, and the zones of best hours.
    pub asked: Mutex<Vec<String>>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            connected: Mutex::new(Ok(true)),
            media: Mutex::default(),
            hours: Mutex::new(Ok(BestHours::default())),
            asked: Mutex::default(),
        }
    }
}

#[async_trait]
impl Ahead for Network {
    async fn is_connected(&self, _: &AccountId, _: NetworkName) -> Result<bool, ProviderError> {
        self.connected.lock().unwrap().clone()
    }

    async fn media(&self, _: &AccountId, url: &str) -> Result<(), ProviderError> {
        self.asked.lock().unwrap().push(url.to_owned());
        self.media.lock().unwrap().get(url).cloned().map_or(Ok(()), Err)
    }

    async fn best_hours(
        &self,
        _: &AccountId,
        _: NetworkName,
        _: Timestamp,
        zone: &TimeZone,
    ) -> Result<BestHours, ProviderError> {
        let zone = zone.iana_name().unwrap_or("UTC").to_owned();
        self.asked.lock().unwrap().push(zone);
        self.hours.lock().unwrap().clone()
    }
}
