//! `storyclip sandbox`: the stand-in for Metricool in this process until a signal comes, to rehearse against.
//!
//! It keeps everything in memory: what "went live" there is forgotten when it ends.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use tokio::net::TcpListener;

use crate::{
    config::Config,
    sandbox::{Options, Settings, Span},
    telemetry,
};

use super::{CliError, Ending, Output, signals::Signals};

/// The arguments of `sandbox`.
#[derive(Debug, Args)]
pub(super) struct Sandbox {
    /// Where it listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9900")]
    listen: SocketAddr,
    /// Slots are whole multiples of so many seconds, as Metricool's are of 60; 0 takes any instant.
    #[arg(long, value_name = "N", default_value_t = 60)]
    granularity_seconds: u32,
    /// How long after its slot a post goes live: milliseconds, at random between the two.
    #[arg(long, value_name = "MIN..MAX", default_value = "1000..5000", value_parser = span)]
    confirm_ms: Span,
}

impl Sandbox {
    pub(super) async fn run(self, config: Config) -> Result<Ending, CliError> {
        telemetry::init(&config.log, config.log_format)?;
        let mut signals = Signals::new()?;
        let failed = |reason| CliError::Listen {
            address: self.listen.to_string(),
            reason,
        };
        let listener = TcpListener::bind(self.listen).await.map_err(failed)?;
        let sandbox = crate::sandbox::Sandbox::start(listener, self.options()).map_err(failed)?;
        Output.line(&introduction(
            &sandbox.base_url(),
            sandbox.address(),
            self.granularity_seconds,
        ))?;
        signals.next().await;
        tokio::select! {
            stopped = sandbox.stop() => stopped.map(|()| Ending::Done).map_err(CliError::Sandbox),
            signal = signals.next() => Err(CliError::Interrupted(signal)),
        }
    }

    fn options(&self) -> Options {
        Options {
            granularity: Duration::from_secs(self.granularity_seconds.into()),
            faults: Settings {
                confirm_ms: self.confirm_ms,
                ..Settings::default()
            },
            ..Options::default()
        }
    }
}

/// What a person types next, in another terminal.
fn introduction(base_url: &str, address: SocketAddr, granularity: u32) -> String {
    let slots = match granularity {
        60 => String::new(),
        other => format!(
            "  export STORYCLIP_METRICOOL_GRANULARITY_SECONDS={other} STORYCLIP_METRICOOL_LEAD_SECONDS={other}\n"
        ),
    };
    format!(
        "A stand-in for Metricool listens. Point a daemon at it, in another terminal:\n\n  \
         export STORYCLIP_METRICOOL_URL={base_url} METRICOOL_USER_TOKEN=any METRICOOL_USER_ID=1\n{slots}  \
         storyclip serve\n\n\
         What went live:  curl http://{address}/_sandbox/posts\n\
         Make it fail:    curl http://{address}/_sandbox/faults -d '{{\"error_after_commit\":{{\"probability\":0.1}}}}'\n"
    )
}

/// `MIN..MAX` or one number, in milliseconds.
fn span(text: &str) -> Result<Span, String> {
    let millis = |text: &str| text.trim().parse().map(Duration::from_millis).ok();
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    match (millis(min), millis(max)) {
        (Some(min), Some(max)) if min <= max && max <= Duration::from_secs(86_400) => Ok(Span::new(min, max)),
        _ => Err("two numbers of milliseconds are wanted, the smaller first, as in 1000..5000".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_two_numbers_or_one() {
        let millis = Duration::from_millis;
        assert_eq!(span("50..300"), Ok(Span::new(millis(50), millis(300))));
        assert_eq!(span("50"), Ok(Span::new(millis(50), millis(50))));
        for wrong in ["", "300..50", "a..b", "-1..5", "1...2", "0..99999999"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
