//! A part of the benchmark that runs as a process of its own, so that what it uses is told apart from the rest: this same
//! binary with `--role`. It speaks by lines on its standard output and is killed when dropped.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use super::{Outcome, process::Process};

/// A running part.
pub struct RoleProcess {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl RoleProcess {
    /// Starts this binary with these arguments behind `--role`.
    pub fn start(arguments: impl IntoIterator<Item = String>) -> Outcome<Self> {
        let mut child = with_open_files(std::env::current_exe()?)
            .arg("--role")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().map(BufReader::new);
        Ok(Self { child, output })
    }

    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits for its next line.
    pub async fn line(&mut self) -> Outcome<String> {
        let mut output = self.output.take().ok_or("somebody waits for a line already")?;
        let (output, line) = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            output.read_line(&mut line).map(|_| (output, line))
        })
        .await??;
        self.output = Some(output);
        match line.trim_end() {
            "" => Err("a part of the benchmark ended early".into()),
            line => Ok(line.to_owned()),
        }
    }
}

impl Drop for RoleProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _: Result<_, _> = self.child.kill();
        let _: Result<_, _> = self.child.wait();
    }
}

/// A command whose process may have as many open files as this machine allows: the usual bound is 1,024.
pub fn with_open_files(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -S -n "$(ulimit -H -n)"; exec "$0" "$@""#])
        .arg(program);
    command
}
