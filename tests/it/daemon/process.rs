//! One life of the real binary: `storyclip serve` with nothing but an environment, its log, and its ends.
//!
//! Its log lines are read as they come; a test waits for one of them instead of for time to pass. A test that fails
//! prints them.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::watch;

/// Longer than anything here takes even on a machine that is busy with other things; only a test that fails waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with nothing of ours in its environment.
pub fn storyclip(command: &str) -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_storyclip"));
    for (name, _) in std::env::vars_os() {
        let ours = name.to_str().is_some_and(|name| {
            ["STORYCLIP_", "METRICOOL_", "OTEL_"]
                .iter()
                .any(|ours| name.starts_with(ours))
        });
        if ours {
            process.env_remove(name);
        }
    }
    process.arg(command);
    process
}

/// A process of `storyclip serve`; dropping it kills it.
pub struct Process {
    child: Child,
    log: Log,
}

/// What a process has logged so far.
#[derive(Clone)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    /// How many lines there are, and whether no more will come.
    seen: watch::Receiver<(usize, bool)>,
}

impl Process {
    /// With this as its standard output.
    pub fn spawn(environment: &[(String, String)], out: Stdio) -> Self {
        let mut child = storyclip("serve")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (tell, seen) = watch::channel((0, false));
        let (kept, errors) = (lines.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let count = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(line);
                    kept.len()
                };
                tell.send_replace((count, false));
            }
            tell.send_modify(|(_, ended)| *ended = true);
        });
        Self {
            child,
            log: Log { lines, seen },
        }
    }

    /// The base URL, once it listens.
    pub async fn listening(&mut self) -> String {
        let url = self.listening_or_ended().await;
        url.unwrap_or_else(|| panic!("the process ended without listening: {}", self.log()))
    }

    /// The base URL, once it listens; `None` if it ends without.
    pub async fn listening_or_ended(&mut self) -> Option<String> {
        let line = self.logged_or_ended("listening").await?;
        // As people read it, or as machines do.
        let named = line
            .split_once("address=")
            .or_else(|| line.split_once(r#""address":""#));
        let (_, address) = named.expect("the line names the address");
        let ends = |letter: char| letter.is_whitespace() || letter == '"';
        Some(format!("http://{}", address.split(ends).next().unwrap()))
    }

    /// The first log line with this text, waited for.
    pub async fn logged(&mut self, text: &str) -> String {
        let line = self.logged_or_ended(text).await;
        line.unwrap_or_else(|| panic!("the process ended without saying \"{text}\""))
    }

    /// The same; `None` if it ends without.
    pub async fn logged_or_ended(&mut self, text: &str) -> Option<String> {
        let log = &mut self.log;
        let found = async {
            loop {
                let (_, ended) = *log.seen.borrow_and_update();
                if let Some(line) = log.lines.lock().unwrap().iter().find(|line| line.contains(text)) {
                    return Some(line.clone());
                }
                if ended {
                    return None;
                }
                let _: Result<(), _> = log.seen.changed().await;
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(line) => line,
            Err(_) => panic!("the process never says \"{text}\""),
        }
    }

    /// Everything that it logged.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap().join("\n")
    }

    /// The most memory that was ever resident, in KiB, as the kernel says.
    pub fn most_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// kill -9: when it returns, the process is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Its exit status, waited for.
    pub async fn ended(&mut self) -> ExitStatus {
        let seen = &mut self.log.seen;
        let end = tokio::time::timeout(PATIENCE, seen.wait_for(|(_, ended)| *ended)).await;
        assert!(end.is_ok(), "the process does not end");
        self.child.wait().unwrap()
    }

    /// SIGTERM and the exit status, which must be 0.
    pub async fn stop(mut self) {
        self.terminate();
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of process {}\n{}\n---", self.child.id(), self.log());
        }
        // It may be gone already.
        let _: Result<(), _> = self.child.kill();
        let _: Result<_, _> = self.child.wait();
    }
}
