//! `GET /metrics`: how many batches and clips are where, in Prometheus' text format, read from the rows at the time of the
//! scrape.
//!
//! The numbers are of all tenants together, so neither is it open to everybody nor does a tenant's key open it, be it the
//! tenant's `admin`: it takes a key with the scope `metrics`, which may do nothing else. Statuses are words of a closed
//! list, so no label needs escaping and there are never more series than statuses.

use std::fmt::{Display, Write};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{App, caller::Caller, keys::Scope, problem::Problem};
use crate::store::Counts;

/// Version 0.0.4 of the format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Counts rows and says it.
pub async fn show(State(app): App, caller: Caller) -> Result<Response, Problem> {
    caller.need(Scope::Metrics)?;
    let counts = app.store.counts().await?;
    let headers = [
        (header::CONTENT_TYPE, TEXT),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, text(&counts)).into_response())
}

fn text(counts: &Counts) -> String {
    let mut text = String::new();
    gauge(&mut text, "storyclip_batches", "Batches by status.", &counts.batches);
    gauge(
        &mut text,
        "storyclip_clips",
        "Clips by status; uncertain: the network is being asked, held: a person must decide.",
        &counts.clips,
    );
    text
}

fn gauge<S: Display>(text: &mut String, name: &str, help: &str, values: &[(S, i64)]) {
    let mut line = |line: std::fmt::Arguments<'_>| {
        // A String takes everything.
        let written = text.write_fmt(line);
        debug_assert!(written.is_ok());
    };
    line(format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
    for (status, value) in values {
        line(format_args!("{name}{{status=\"{status}\"}} {value}\n"));
    }
}

#[cfg(test)]
mod tests {
    use storyclip_actors::model::{BatchStatus, ClipStatus};

    use super::*;

    #[test]
    fn each_gauge_is_described_and_has_a_line_per_status() {
        let counts = Counts {
            batches: vec![(BatchStatus::Processing, 3), (BatchStatus::Paused, 0)],
            clips: vec![(ClipStatus::WaitingConfirmation, 12), (ClipStatus::Held, 1)],
        };
        assert_eq!(
            text(&counts),
            "# HELP storyclip_batches Batches by status.\n\
             # TYPE storyclip_batches gauge\n\
             storyclip_batches{status=\"processing\"} 3\n\
             storyclip_batches{status=\"paused\"} 0\n\
             # HELP storyclip_clips Clips by status; uncertain: the network is being asked, held: a person must decide.\n\
             # TYPE storyclip_clips gauge\n\
             storyclip_clips{status=\"waiting_confirmation\"} 12\n\
             storyclip_clips{status=\"held\"} 1\n"
        );
        let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(BatchStatus::ALL.iter().all(|status| plain(status.as_str())));
        assert!(ClipStatus::ALL.iter().all(|status| plain(status.as_str())));
    }
}
