//! What a request's head may be, and what it says about the trace that the request is part of.
//!
//! The envelope asks before anything else looks at a request. What is longer than the connection reads never gets here.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode},
};

use super::problem::Problem;

/// Bytes of path and query.
const TARGET: usize = 8 * 1024;
/// Header lines.
const LINES: usize = 100;
/// Bytes of all names and values together.
const BYTES: usize = 16 * 1024;

/// Refuses a head that no client of this API has reason to send.
///
/// # Errors
/// 414 `URI_TOO_LONG` or 431 `REQUEST_HEADER_FIELDS_TOO_LARGE`.
pub fn check(request: &Request) -> Result<(), Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET {
        let error = format!("path and query are longer than {TARGET} bytes");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", error));
    }
    let too_large = |error: String| {
        let code = "REQUEST_HEADER_FIELDS_TOO_LARGE";
        Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, code, error))
    };
    let headers = request.headers();
    if headers.len() > LINES {
        return too_large(format!("the request has more than {LINES} headers"));
    }
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if bytes > BYTES {
        return too_large(format!("the headers are longer than {BYTES} bytes"));
    }
    Ok(())
}

/// The trace id of the header `traceparent` (W3C Trace Context), if there is one such header and it is well formed.
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("traceparent").iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let mut parts = value.split('-');
    let [version, trace, parent, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = |text: &str, digits: usize| hex(text, digits) && text.bytes().any(|byte| byte != b'0');
    // Later versions may say more behind the flags; this one says nothing.
    let version_fits = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    (version_fits && named(trace, 32) && named(parent, 16) && hex(flags, 2)).then_some(trace)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_trace_is_taken_over_only_where_it_is_well_formed() {
        let told = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(value).unwrap());
            trace_id(&headers).map(str::to_owned)
        };
        for good in [
            format!("00-{TRACE}-00f067aa0ba902b7-01"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-brings"),
        ] {
            assert_eq!(told(&good).as_deref(), Some(TRACE), "{good}");
        }
        for bad in [
            String::new(),
            TRACE.to_owned(),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-00f067aa0ba902b7"),
            format!("00-{TRACE}é-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(told(&bad), None, "{bad}");
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            let value = format!("00-{TRACE}-00f067aa0ba902b7-01");
            twice.append("traceparent", HeaderValue::from_str(&value).unwrap());
        }
        assert_eq!(trace_id(&twice), None);
    }
}
