//! What systemd wants to hear of a service, as sd_notify(3) and sd_watchdog_enabled(3) have it: ready, alive, stopping.
//!
//! `serve` tells it. Where nobody asked to be told (no `NOTIFY_SOCKET`) nothing is sent. If the process dies systemd sees
//! that by itself, and if it hangs by no longer hearing that it is alive.

use std::{
    ffi::OsStr,
    io,
    os::unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
    sync::Arc,
    time::Duration,
};

/// How long systemd may take to read; it is the same machine.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// See the file's first line; cheap to clone.
#[derive(Clone)]
pub(super) struct Systemd {
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
}

impl Systemd {
    /// As the environment says. What cannot be used is logged and left out: a daemon that works is worth more.
    pub(super) fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| match connected(&name) {
            Ok(socket) => Some(Arc::new(socket)),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be used, systemd will not hear that this is ready");
                None
            }
        });
        let text = |name: &str| std::env::var(name).ok();
        Self {
            socket,
            watchdog: watchdog(text("WATCHDOG_USEC"), text("WATCHDOG_PID"), std::process::id()),
        }
    }

    /// The daemon takes work.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The daemon takes no more work and will end.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Tells twice per interval of the watchdog that the daemon is alive, as long as it is.
    pub(super) async fn keep_telling(self, is_alive: impl Fn() -> bool) {
        let Some(watchdog) = self.watchdog.filter(|_| self.socket.is_some()) else {
            return;
        };
        let mut beats = tokio::time::interval(watchdog / 2);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = true;
        loop {
            beats.tick().await;
            let alive = is_alive();
            if alive {
                self.tell("WATCHDOG=1");
            } else if told {
                tracing::error!("the daemon hangs: the watchdog hears no more of it");
            }
            told = alive;
        }
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::warn!(%error, state, "systemd did not hear");
        }
    }
}

/// A path, or after an `@` a name in Linux's abstract namespace.
fn connected(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(READ_WITHIN))?;
    Ok(socket)
}

/// The watchdog's interval, if there is one for this process.
fn watchdog(interval: Option<String>, whose: Option<String>, own: u32) -> Option<Duration> {
    if whose.is_some_and(|whose| whose != own.to_string()) {
        return None;
    }
    let micros: u64 = interval?.parse().ok()?;
    (micros > 1).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_counts_only_for_its_own_process() {
        let some = |text: &str| Some(text.to_owned());
        let minute = Some(Duration::from_secs(60));
        assert_eq!(watchdog(some("60000000"), some("7"), 7), minute);
        assert_eq!(watchdog(some("60000000"), None, 7), minute);
        assert_eq!(watchdog(some("60000000"), some("8"), 7), None);
        for odd in ["", "0", "1", "-1", "soon"] {
            assert_eq!(watchdog(some(odd), None, 7), None, "{odd}");
        }
        assert_eq!(watchdog(None, None, 7), None);
    }
}
