//! The way to the collector: the HTTP client that everything else uses, on the daemon's runtime.
//!
//! The exporter's own thread calls it and waits. A collector that cannot be reached, or that refuses, is said once, and
//! once more when it takes spans again.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use axum::http::{Request, Response};
use bytes::{Bytes, BytesMut};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

/// Bytes of an answer that are read at most.
const ANSWER: usize = 64 * 1_024;

/// See the file's first line.
pub struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    away: AtomicBool,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl Collector {
    /// A call may take this long and is made on this runtime.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(timeout: Duration, runtime: Handle) -> Result<Self, reqwest::Error> {
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .timeout(timeout)
                .redirect(reqwest::redirect::Policy::none())
        };
        let client = builder().build().or_else(|error| {
            tracing::warn!(%error, "no system certificates, a collector behind https will be refused");
            builder().tls_certs_only([]).build()
        })?;
        Ok(Self {
            client,
            runtime,
            away: AtomicBool::new(false),
        })
    }

    /// Says what changed.
    fn note(&self, trouble: Option<String>) {
        let was_away = self.away.swap(trouble.is_some(), Ordering::Relaxed);
        match trouble {
            Some(trouble) if !was_away => {
                tracing::warn!(%trouble, "traces cannot be exported; publishing goes on, and this is not said again");
            }
            None if was_away => tracing::info!("traces are exported again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = self.client.request(head.method, head.uri.to_string());
        let request = request.headers(head.headers).body(body);
        let sending = self.runtime.spawn(async move {
            let mut response = request.send().await?;
            let mut body = BytesMut::new();
            while body.len() < ANSWER
                && let Some(part) = response.chunk().await?
            {
                body.extend_from_slice(&part);
            }
            let mut answer = Response::new(body.freeze());
            *answer.status_mut() = response.status();
            *answer.headers_mut() = std::mem::take(response.headers_mut());
            Ok::<_, reqwest::Error>(answer)
        });
        // Without the URL: it may hold a password.
        let result = sending.await?.map_err(reqwest::Error::without_url);
        match &result {
            Ok(answer) if answer.status().is_success() => self.note(None),
            Ok(answer) => self.note(Some(format!("the collector answered {}", answer.status().as_u16()))),
            Err(error) => self.note(Some(error.to_string())),
        }
        Ok(result?)
    }
}
