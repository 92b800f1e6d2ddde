//! A webhook of Standard Webhooks 1.0: a signed POST, to an endpoint or to a batch's own URL.
//!
//! The courier calls it. A redirect is not followed and no proxy is asked: either would reach an address that was not
//! looked at.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Client, RequestBuilder, Response, header};
use secrecy::{ExposeSecret, SecretString};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook, WebhookError};
use storyclip_actors::{model::Timestamp, ports::Clock};

use super::{
    address::{self, PublicOnly},
    retry::Answer,
};
use crate::retry_after::retry_after;

/// How a secret begins.
const PREFIX: &str = "whsec_";

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// A new signing secret: 32 random bytes.
pub fn new_secret() -> SecretString {
    let bytes: [u8; 32] = rand::random();
    SecretString::from(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The client for addresses that strangers name.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn client(timeout: Duration, private_addresses: bool) -> Result<Client, reqwest::Error> {
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("storyclip/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy();
        if private_addresses {
            builder
        } else {
            builder.dns_resolver(PublicOnly)
        }
    };
    builder().build().or_else(|error| {
        tracing::warn!(%error, "no system certificates, https will be refused");
        builder().tls_certs_only([]).build()
    })
}

/// The request to this URL, if it may be called.
///
/// # Errors
/// Says why not.
pub fn post(client: &Client, url: &str, private_addresses: bool) -> Result<RequestBuilder, String> {
    let url = reqwest::Url::parse(url).map_err(|error| format!("the URL cannot be used: {error}"))?;
    if !private_addresses && !address::allowed(&url) {
        return Err(address::NOT_PUBLIC.into());
    }
    Ok(client.post(url))
}

/// The headers and the body of a message, signed by each of these secrets; without any it is not signed.
///
/// # Errors
/// Says that a secret cannot sign: nothing is to leave unsigned for that.
pub fn signed(
    request: RequestBuilder,
    id: &str,
    at: Timestamp,
    body: &str,
    secrets: &[SecretString],
) -> Result<RequestBuilder, String> {
    let seconds = at.as_millis() / 1_000;
    let request = request
        .header(header::CONTENT_TYPE, "application/json")
        .header(HEADER_WEBHOOK_ID, id)
        .header(HEADER_WEBHOOK_TIMESTAMP, seconds)
        .body(body.to_owned());
    if secrets.is_empty() {
        return Ok(request);
    }
    let signatures = signatures(secrets, id, seconds, body).map_err(|error| format!("it cannot be signed: {error}"))?;
    Ok(request.header(HEADER_WEBHOOK_SIGNATURE, signatures))
}

/// One per secret, so that a receiver may know either while one takes the other's place.
fn signatures(secrets: &[SecretString], id: &str, seconds: i64, body: &str) -> Result<String, WebhookError> {
    let sign = |secret: &SecretString| Webhook::new(secret.expose_secret())?.sign(id, seconds, body.as_bytes());
    let signatures: Vec<String> = secrets.iter().map(sign).collect::<Result<_, _>>()?;
    Ok(signatures.join(" "))
}

/// Sends it. What the answer says beyond its status is not read.
pub async fn send(request: RequestBuilder, clock: &dyn Clock) -> Answer {
    match request.send().await {
        Ok(response) => Answer::Status(response.status().as_u16(), asked(&response, clock.now())),
        Err(error) => Answer::Nothing(reason(error)),
    }
}

fn asked(response: &Response, now: Timestamp) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    retry_after(value, now)
}

/// The innermost reason, without the URL: it may hold a secret.
fn reason(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification_and_there_is_one_per_secret() {
        let published = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let message = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        let signed = |secrets: &[SecretString]| signatures(secrets, message.0, message.1, message.2).unwrap();
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed(std::slice::from_ref(&published)), expected);
        let other = new_secret();
        let both = format!("{} {expected}", signed(std::slice::from_ref(&other)));
        assert_eq!(signed(&[other, published]), both);
    }

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_until_a_date() {
        // 07:26:40 of the day below.
        let now = Timestamp::from_millis(1_445_412_400_000);
        let asked_by = |value: &'static str| {
            let answer = axum::http::Response::builder().header(header::RETRY_AFTER, value);
            asked(&Response::from(answer.body("").unwrap()), now)
        };
        assert_eq!(asked_by("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked_by("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(80)));
        assert_eq!(asked_by("soon"), None);
    }

    #[test]
    fn nothing_leaves_unsigned_because_a_secret_cannot_be_used() {
        let broken = [new_secret(), SecretString::from("whsec_no base64")];
        let request = Client::builder()
            .tls_certs_only([])
            .build()
            .unwrap()
            .post("https://hooks.example/");
        assert!(signed(request, "msg_1", Timestamp::from_millis(0), "{}", &broken).is_err());
    }

    #[test]
    fn secrets_differ_and_do_not_print() {
        let (one, other) = (new_secret(), new_secret());
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert!(!format!("{one:?}").contains(one.expose_secret()));
        assert_eq!(STANDARD.decode(&one.expose_secret()[PREFIX.len()..]).unwrap().len(), 32);
    }
}
