//! The networks' APIs, one module each, and what they share: how an HTTP client is made and what is remembered.
//!
//! The daemon builds a provider and hands it to the actors. Nothing here survives a death but what went into [`Facts`].

pub mod metricool;
pub mod unconfigured;

use std::time::Duration;

use async_trait::async_trait;
use storyclip_actors::error::StoreError;

/// How long a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an unused connection is kept. Shorter than servers keep theirs, so that a create call is not sent into a
/// connection that is just being closed (its end would be unknown).
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Small things learned about a provider that must survive a restart; the store implements it.
#[async_trait]
pub trait Facts: Send + Sync + 'static {
    /// The value kept under this name.
    async fn get(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Keeps a value under this name, durable when the future is ready.
    async fn set(&self, name: &str, value: &str) -> Result<(), StoreError>;
}

/// How good each hour of the week is for an account: by weekday from Monday (0) to Sunday, then by hour of the day, in one
/// zone. Only to be compared; nought means that nothing is known of that hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BestHours(pub [[f64; 24]; 7]);

/// An HTTP client for this base URL, which keeps at most `max_idle` unused connections.
///
/// TLS is rustls with the system's certificates; where a machine has none, `http` works and every `https` call is
/// refused. It follows no redirect and sends nothing twice by itself: a repeated POST would be a second post. A
/// loopback address is never asked through a proxy. Total timeouts are set per request.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn http_client(base_url: &str, max_idle: usize) -> Result<reqwest::Client, reqwest::Error> {
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    builder(base_url, max_idle).build().or_else(|error| {
        tracing::warn!(%error, "no system certificates, https will be refused");
        builder(base_url, max_idle).tls_certs_only([]).build()
    })
}

fn builder(base_url: &str, max_idle: usize) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("storyclip/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(max_idle)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true);
    if is_loopback(base_url) {
        builder.no_proxy()
    } else {
        builder
    }
}

fn is_loopback(base_url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(base_url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn loopback_is_recognised_by_name_and_address() {
        for url in [
            "http://localhost:1/api",
            "http://127.0.0.1:9900/api",
            "http://[::1]:9900",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://app.metricool.com/api", "http://10.0.0.1", "nonsense"] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn a_client_without_certificates_can_be_built() {
        http_client("http://127.0.0.1:1", 1).unwrap();
        builder("http://127.0.0.1:1", 1).tls_certs_only([]).build().unwrap();
    }
}
