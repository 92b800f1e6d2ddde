//! What the actors log, as far as it matters: a death that the simulation did not cause is a violation, and a replay
//! shows the lines among the calls.
//!
//! One subscriber and one panic hook serve all runs; a thread tells them which run it plays.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    panic,
    sync::{Arc, Once},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};

use super::{SIMULATED_PANIC, stage::Stage};
use crate::batch::PREPARING_DIED;

thread_local! {
    static PLAYED: RefCell<Option<Arc<Stage>>> = const { RefCell::new(None) };
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, this thread plays this run.
pub struct Listening(
    #[allow(dead_code, reason = "it ends the subscription when dropped")] tracing::subscriber::DefaultGuard,
);

impl Drop for Listening {
    fn drop(&mut self) {
        PLAYED.set(None);
    }
}

/// Listens for what this thread's actors say.
pub fn listen(stage: &Arc<Stage>) -> Listening {
    static HOOK: Once = Once::new();
    thread_local! {
        static DISPATCH: tracing::Dispatch = tracing::Dispatch::new(Listener);
    }
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() == Some(SIMULATED_PANIC) {
                return;
            }
            // Whoever panics may hold any lock, so it is only noted.
            if PLAYED.with_borrow(Option::is_some) {
                PANICS.with_borrow_mut(|panics| panics.push(format!("no code panics: {info}")));
            } else {
                usual(info);
            }
        }));
    });
    PLAYED.set(Some(stage.clone()));
    Listening(DISPATCH.with(tracing::dispatcher::set_default))
}

/// The panics of this thread's run that the simulation did not cause.
pub fn panics() -> Vec<String> {
    PANICS.take()
}

fn with_stage<T>(then: impl FnOnce(&Arc<Stage>) -> T) -> Option<T> {
    let stage = PLAYED.with_borrow(Clone::clone);
    stage.as_ref().map(then)
}

struct Listener;

impl Subscriber for Listener {
    /// What is wanted differs from run to run, so nothing about it may be remembered.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.is_event() && metadata.target().starts_with("storyclip_actors");
        ours && (*metadata.level() == Level::ERROR
            || with_stage(|stage| stage.record().keeps_lines).unwrap_or_default())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let Line { message, fields, cause } = line;
        with_stage(|stage| {
            stage.tell("", || format!("      {message}{fields}"));
            // An actor that dies of anything else than what the simulation did to it has a bug. What the panic was that its
            // media died of is seen where it happens.
            let simulated = |cause: &str| {
                [SIMULATED_PANIC, PREPARING_DIED]
                    .iter()
                    .any(|known| cause.contains(known))
            };
            if *event.metadata().level() == Level::ERROR && cause.is_some_and(|cause| !simulated(&cause)) {
                stage.violate("no actor dies by itself", format!("{message}{fields}"));
            }
        });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
    cause: Option<String>,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _: fmt::Result = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, ", {name} {value:?}"),
        };
        if field.name() == "cause" {
            self.cause = Some(format!("{value:?}"));
        }
    }
}
