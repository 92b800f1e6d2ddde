//! One HTTP call to Metricool and what its end means: every status, every lost answer, mapped to a verdict.
//!
//! The client makes every call through [`Call`]. If the process dies here, a create call's end is unknown; the others
//! can simply be made again.

use std::error::Error as _;

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::Value;
use storyclip_actors::{
    error::{ProviderError, Refused, Verdict},
    model::Timestamp,
    schedule,
};

use super::reading::bounded;
use crate::retry_after::retry_after;

/// Largest answer that is read, in bytes; a listing of an hour is far smaller.
const BODY_MAX: usize = 8 << 20;

/// What a call does, since that decides what a lost answer means and whom a 403 refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Makes a post: it may exist although no answer came.
    Create,
    /// A read of a brand, or something that may be repeated at will.
    Brand,
    /// A read that names no brand.
    Account,
}

/// An answer that arrived whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    request_id: Option<String>,
    retry_after: Option<String>,
}

impl Call {
    /// Sends the request and gives the 2xx answer, or what went wrong. `now` is only asked when an instant is needed.
    pub(super) async fn send(
        self,
        request: RequestBuilder,
        now: impl Fn() -> Timestamp + Send,
    ) -> Result<Answer, ProviderError> {
        let answer = match receive(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.lost(&error)),
        };
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refused(&answer, now()))
    }

    /// The verdict of a call without an answer.
    fn lost(self, error: &reqwest::Error) -> ProviderError {
        let cause = bounded(&innermost(error));
        // A connection that was never made, or a request that was never built, carried nothing.
        let verdict = match self {
            Self::Create if !error.is_connect() && !error.is_builder() => Verdict::Unknown,
            Self::Create | Self::Brand | Self::Account => Verdict::Unavailable,
        };
        let (code, message) = if error.is_connect() {
            (
                "METRICOOL_UNREACHABLE",
                format!("Metricool could not be reached: {cause}"),
            )
        } else if error.is_timeout() {
            ("METRICOOL_TIMEOUT", "Metricool did not answer in time".to_owned())
        } else {
            ("METRICOOL_ANSWER_LOST", format!("Metricool's answer was lost: {cause}"))
        };
        ProviderError {
            verdict,
            outage: true,
            code: code.into(),
            message,
            http_status: None,
            request_id: None,
        }
    }

    /// The verdict of an answer that is not a 2xx.
    fn refused(self, answer: &Answer, now: Timestamp) -> ProviderError {
        let detail = detail(&answer.body);
        let past = detail.contains("cannot be in the past");
        let away = match self {
            Self::Create => Verdict::Unknown,
            Self::Brand | Self::Account => Verdict::Unavailable,
        };
        let forbidden = match self {
            Self::Create | Self::Brand => Refused::Brand,
            Self::Account => Refused::Token,
        };
        let (verdict, code) = match answer.status.as_u16() {
            400 if past => (Verdict::Unavailable, "METRICOOL_PAST_SLOT"),
            401 => (Verdict::Unauthorized(Refused::Token), "METRICOOL_UNAUTHORIZED"),
            403 => (Verdict::Unauthorized(forbidden), "METRICOOL_FORBIDDEN"),
            // A gateway's word that no answer came in time; what is behind it may have acted.
            408 => (away, "METRICOOL_TIMEOUT"),
            429 => {
                let wait = answer.retry_after.as_deref().and_then(|text| retry_after(text, now));
                (
                    Verdict::Throttled(schedule::throttled_until(now, wait)),
                    "METRICOOL_RATE_LIMITED",
                )
            }
            400..=499 => (Verdict::Rejected, "METRICOOL_REJECTED"),
            _ => (away, "METRICOOL_UNAVAILABLE"),
        };
        let outage = answer.status.as_u16() == 408 || !answer.status.is_client_error();
        let said = if detail.is_empty() {
            "nothing more".to_owned()
        } else {
            detail
        };
        answer.error(
            verdict,
            outage,
            code,
            format!("Metricool answered {}: {said}", answer.status.as_u16()),
        )
    }
}

impl Answer {
    /// An error that carries this answer's status and request id.
    pub(super) fn error(&self, verdict: Verdict, outage: bool, code: &str, message: String) -> ProviderError {
        ProviderError {
            verdict,
            outage,
            code: code.into(),
            message,
            http_status: Some(self.status.as_u16()),
            request_id: self.request_id.clone(),
        }
    }

    /// The error of a 2xx read that is not what was asked for; a web page instead of an answer is an outage.
    pub(super) fn unreadable(&self, what: &str) -> ProviderError {
        let message = format!("Metricool's answer holds no {what}");
        self.error(Verdict::Unavailable, self.is_page(), "METRICOOL_UNREADABLE", message)
    }

    /// Whether the body is a web page.
    fn is_page(&self) -> bool {
        self.body.trim_ascii_start().starts_with(b"<")
    }
}

async fn receive(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    let text = |name: header::HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let request_id = text(header::HeaderName::from_static("x-request-id")).map(|id| bounded(&id));
    let retry_after = text(header::RETRY_AFTER);
    let status = response.status();
    let mut body = Vec::with_capacity(
        response
            .content_length()
            .map_or(0, |length| BODY_MAX.min(length as usize)),
    );
    // The rest of an endless answer is left unread, which makes it unreadable, not fatal.
    while body.len() < BODY_MAX
        && let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status,
        body,
        request_id,
        retry_after,
    })
}

/// The provider's own explanation: `detail` as text or as texts by field, else `message` or `title`; never a raw body.
fn detail(body: &[u8]) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return String::new();
    };
    let said = ["detail", "message", "title"]
        .into_iter()
        .find_map(|name| fields.get(name).filter(|said| !said.is_null()));
    let text = match said {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(by_field)) => {
            let texts: Vec<String> = by_field
                .iter()
                .map(|(field, said)| format!("{field}: {}", plain(said)))
                .collect();
            texts.join("; ")
        }
        Some(other) => other.to_string(),
        None => String::new(),
    };
    bounded(&text)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.source().is_none() {
        error.to_string()
    } else {
        cause.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_445_412_400_000);

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.into(),
            request_id: Some("r-1".into()),
            retry_after: None,
        }
    }

    #[test]
    fn every_status_has_its_verdict_for_create() {
        let past = r#"{"status":"BAD_REQUEST","code":"400","detail":{"publicationDate":"Given datetime cannot be in the past."}}"#;
        for (status, body, verdict, outage, code) in [
            (400, "{}", Verdict::Rejected, false, "METRICOOL_REJECTED"),
            (400, past, Verdict::Unavailable, false, "METRICOOL_PAST_SLOT"),
            (
                401,
                "",
                Verdict::Unauthorized(Refused::Token),
                false,
                "METRICOOL_UNAUTHORIZED",
            ),
            (
                403,
                "<html>",
                Verdict::Unauthorized(Refused::Brand),
                false,
                "METRICOOL_FORBIDDEN",
            ),
            (404, "", Verdict::Rejected, false, "METRICOOL_REJECTED"),
            (408, "", Verdict::Unknown, true, "METRICOOL_TIMEOUT"),
            (422, "", Verdict::Rejected, false, "METRICOOL_REJECTED"),
            (302, "", Verdict::Unknown, true, "METRICOOL_UNAVAILABLE"),
            (500, "", Verdict::Unknown, true, "METRICOOL_UNAVAILABLE"),
            (503, "", Verdict::Unknown, true, "METRICOOL_UNAVAILABLE"),
        ] {
            let error = Call::Create.refused(&answer(status, body), NOW);
            assert_eq!(
                (error.verdict, error.outage, error.code.as_str()),
                (verdict, outage, code),
                "{status}"
            );
            assert_eq!(
                (error.http_status, error.request_id.as_deref()),
                (Some(status), Some("r-1"))
            );
        }
    }

    #[test]
    fn a_read_that_fails_is_never_unknown() {
        for status in [302, 408, 500, 502] {
            let error = Call::Brand.refused(&answer(status, ""), NOW);
            assert_eq!((error.verdict, error.outage), (Verdict::Unavailable, true), "{status}");
        }
        let error = Call::Account.refused(&answer(403, ""), NOW);
        assert_eq!(
            error.verdict,
            Verdict::Unauthorized(Refused::Token),
            "no brand was named"
        );
    }

    #[test]
    fn the_detail_is_text_by_field_or_nothing() {
        assert_eq!(
            detail(br#"{"detail":"There is no twitter connection"}"#),
            "There is no twitter connection"
        );
        assert_eq!(detail(br#"{"detail":{"a":"one","b":[2]}}"#), "a: one; b: [2]");
        assert_eq!(
            detail(br#"{"title":"ValidationError","detail":null}"#),
            "ValidationError"
        );
        assert_eq!(detail(b"<html>secret page</html>"), "");
    }
}
