//! What systemd hears of a daemon, on a real socket, and whether it would take the unit file.

use std::{
    fs,
    io::ErrorKind,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use super::{experiment::tell, process::PATIENCE, stage::Stage};

/// The watchdog's interval.
const WATCHDOG: Duration = Duration::from_secs(2);

/// What a stop may take beside its grace: answering and closing what is open.
const CLOSING: Duration = Duration::from_secs(10);

/// Who sits at the other end of `NOTIFY_SOCKET`; heard in a thread of its own.
pub struct Listener {
    name: String,
    heard: mpsc::UnboundedReceiver<(Instant, String)>,
    path: Option<PathBuf>,
}

impl Listener {
    /// At a path.
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("storyclip-notify-{:016x}", rand::random::<u64>()));
        let socket = UnixDatagram::bind(&path).unwrap();
        Self::at(socket, path.to_str().unwrap().to_owned(), Some(path))
    }

    /// At a name of the abstract namespace.
    #[cfg(target_os = "linux")]
    fn without_a_path() -> Self {
        use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
        let name = format!("storyclip-notify-{:016x}", rand::random::<u64>());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Self::at(socket, format!("@{name}"), None)
    }

    fn at(socket: UnixDatagram, name: String, path: Option<PathBuf>) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while !tell.is_closed() {
                match socket.recv(&mut bytes) {
                    Ok(length) => {
                        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                        // The test may just have ended.
                        let _: Result<_, _> = tell.send((Instant::now(), text));
                    }
                    Err(error) => assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())),
                }
            }
        });
        Self { name, heard, path }
    }

    /// What systemd puts into a service's environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("NOTIFY_SOCKET", self.name.clone()),
            ("WATCHDOG_USEC", WATCHDOG.as_micros().to_string()),
        ]
    }

    pub fn apply(&self, stage: Stage) -> Stage {
        (self.environment().into_iter()).fold(stage, |stage, (name, value)| stage.set(name, &value))
    }

    async fn next(&mut self) -> (Instant, String) {
        let heard = timeout(PATIENCE, self.heard.recv()).await;
        heard.expect("something is told").expect("the listener lives")
    }

    /// Asserts that since `READY=1` the daemon said often enough that it is alive, and nothing else.
    pub fn heard_of_a_life(&mut self) -> usize {
        let mut last = None;
        let mut beats = 0;
        while let Ok((at, text)) = self.heard.try_recv() {
            match (last, &*text) {
                (None, "READY=1") => {}
                (Some(last), "WATCHDOG=1") => {
                    beats += 1;
                    assert!(at - last < WATCHDOG, "{:?} without a sign of life", at - last);
                }
                (_, text) => panic!("unexpected: {text}"),
            }
            last = Some(at);
        }
        beats
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            fs::remove_file(path).unwrap();
        }
    }
}

async fn a_life(mut listener: Listener) {
    let stage = listener.apply(Stage::new(json!({})).await);
    let mut process = stage.spawn();
    assert_eq!(listener.next().await.1, "READY=1");
    let url = process.listening().await;
    let mut last = Instant::now();
    for _ in 0..3 {
        let (at, text) = listener.next().await;
        assert_eq!(text, "WATCHDOG=1");
        assert!(at - last < WATCHDOG, "{:?} without a sign of life", at - last);
        last = at;
    }
    assert!(
        reqwest::get(format!("{url}/readyz"))
            .await
            .unwrap()
            .status()
            .is_success()
    );
    process.terminate();
    let told = async { while listener.next().await.1 != "STOPPING=1" {} };
    timeout(PATIENCE, told).await.expect("it says that it stops");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
    stage.clear().await;
}

#[tokio::test]
async fn systemd_hears_that_it_is_ready_alive_and_stopping() {
    a_life(Listener::new()).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn systemd_hears_it_in_the_abstract_namespace_too() {
    a_life(Listener::without_a_path()).await;
}

#[tokio::test]
async fn the_watchdog_hears_no_more_of_a_daemon_that_hangs() {
    let mut listener = Listener::new();
    let stage = listener.apply(Stage::new(json!({})).await);
    let stage = stage
        .set("STORYCLIP_TEST_CRASH", "hang:supervisor:4")
        .set("STORYCLIP_SHUTDOWN_GRACE_SECONDS", "1");
    let mut daemon = stage.start().await;
    daemon.api.not_ready("does not tick").await;
    daemon.process.logged("the daemon hangs").await;
    while listener.heard.try_recv().is_ok() {}
    let more = timeout(WATCHDOG * 2, listener.heard.recv()).await;
    assert!(more.is_err(), "{more:?}");
    daemon.stop().await;
    stage.clear().await;
}

const UNIT: &str = include_str!("../../../ops/storyclip.service");
const INSTALLED: &str = "/usr/local/bin/storyclip";

/// The values of a setting in one section of the unit file, in order.
fn settings(section: &str, name: &str) -> Vec<&'static str> {
    let mut within = "";
    let mut values = Vec::new();
    for line in UNIT.lines() {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(begun) => within = begun,
            None => {
                let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
                values.extend(value.filter(|_| within == section));
            }
        }
    }
    values
}

/// A time span as systemd reads one: seconds, or with a unit.
fn span(value: &str) -> Duration {
    let (number, unit) = value.split_at(
        value
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(value.len()),
    );
    let seconds = match unit {
        "" | "s" => 1,
        "min" => 60,
        unit => panic!("{value}: the unit {unit} is none that this test knows"),
    };
    Duration::from_secs(number.parse::<u64>().unwrap() * seconds)
}

#[test]
fn the_unit_file_says_what_the_daemon_relies_on() {
    let one = |name: &str| match settings("Service", name)[..] {
        [value] => value,
        ref values => panic!("{name} is said {} times: {values:?}", values.len()),
    };
    for line in UNIT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        assert!(
            line.starts_with('[') || line.split_once('=').is_some_and(|(name, _)| !name.is_empty()),
            "{line}"
        );
        assert_eq!(line, line.trim(), "systemd would take the spaces");
    }
    assert_eq!(one("Type"), "notify");
    assert_eq!(one("ExecStart"), format!("{INSTALLED} serve"));
    assert_eq!(one("Restart"), "on-failure");
    assert_eq!(
        settings("Unit", "StartLimitIntervalSec"),
        ["0"],
        "a start is tried for as long as it takes"
    );
    // A supervisor that waits for a slow database ticks less often than one that is well.
    assert!(span(one("WatchdogSec")) >= WATCHDOG * 10);
    assert!(span(one("RestartSec")) > Duration::ZERO);
    let defaults = include_str!("../../../src/config.default.toml");
    let grace = defaults
        .lines()
        .find_map(|line| line.strip_prefix("shutdown_grace_seconds = "));
    let grace = Duration::from_secs_f64(grace.expect("it has a default").parse().unwrap());
    assert!(
        span(one("TimeoutStopSec")) > grace + CLOSING,
        "systemd would kill calls that are under way"
    );
    assert!(
        span(one("TimeoutStartSec")) > span("1min"),
        "a large database is migrated on start"
    );
    assert_eq!(settings("Install", "WantedBy"), ["multi-user.target"]);
}

#[test]
fn systemd_takes_the_unit_file() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        tell("systemd: NOT VERIFIED, there is no systemd-analyze here; only the unit file's own lines were checked");
        return;
    }
    assert!(UNIT.contains(INSTALLED));
    let folder = std::env::temp_dir().join(format!("storyclip-unit-{:016x}", rand::random::<u64>()));
    fs::create_dir(&folder).unwrap();
    let file = folder.join("storyclip.service");
    fs::write(&file, UNIT.replace(INSTALLED, env!("CARGO_BIN_EXE_storyclip"))).unwrap();
    let said = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr);
    // It may have words for other units of the machine.
    let about_it: Vec<&str> = text.lines().filter(|line| line.contains("storyclip")).collect();
    assert!(about_it.is_empty(), "{about_it:#?}");
    fs::remove_dir_all(folder).unwrap();
}
