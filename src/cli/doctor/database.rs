//! Whether the daemon's database can be used, without touching one that a daemon has.

use std::time::SystemTime;

use secrecy::ExposeSecret;

use crate::{
    clock::SystemClock,
    config::{Config, without_password},
    store::{Condition, OpenError, examine},
};
use storyclip_actors::ports::Clock;

use super::finding::Finding;

/// How far apart the clocks of nodes that share a database may be without a word: leases are compared with them.
const CLOCKS_APART_MILLIS: u64 = 1_000;

/// See the module.
pub(super) struct Database {
    pub(super) findings: Vec<Finding>,
    /// The process that has the file.
    pub(super) holder: Option<String>,
}

pub(super) async fn check(config: &Config) -> Database {
    let url = config.database_url.expose_secret();
    let shown = without_password(url);
    let begun = SystemTime::now();
    let examined = examine(url).await;
    let took = begun.elapsed().unwrap_or_default();
    let mut holder = None;
    let findings = match examined {
        Ok(Condition::Absent { file }) => {
            let text = format!("{} is not there yet and can be made", file.display());
            vec![Finding::ok("database", text)]
        }
        Ok(Condition::InUse { holder: process }) => {
            let text = format!("{shown}: {process} has it, so it is not opened here; see \"daemon\"");
            holder = Some(process);
            vec![Finding::ok("database", text)]
        }
        Ok(Condition::Usable { engine, pending, clock }) => {
            let mut text = format!("{shown}: {engine}, can be written ({} ms)", took.as_millis());
            if pending > 0 {
                text += &format!("; the next start runs {pending} migrations");
            }
            let apart = clock.map(|clock| SystemClock.now().as_millis().abs_diff(clock.as_millis()));
            let mut findings = vec![Finding::ok("database", text)];
            findings.extend(apart.map(server_clock));
            findings
        }
        Err(error) => vec![Finding::failed("database", format!("{shown}: {error}")).todo(what_to_do(&error))],
    };
    Database { findings, holder }
}

/// `apart` in milliseconds; the way there and back is in it.
fn server_clock(apart: u64) -> Finding {
    let text = format!("the database server's clock and this machine's are {apart} ms apart");
    if apart <= CLOCKS_APART_MILLIS {
        return Finding::ok("clock", text);
    }
    Finding::warning("clock", text).todo("run an NTP client on both: nodes hold their batches by lease")
}

fn what_to_do(error: &OpenError) -> &'static str {
    match error {
        OpenError::Url(_) => "correct STORYCLIP_DATABASE_URL",
        OpenError::Locked { .. } | OpenError::Elsewhere { .. } => "nothing: a daemon has it",
        OpenError::File { .. } => "let the daemon's user read and write that file, or name another one",
        OpenError::LockFile { .. } => "let the daemon's user write into that folder, or name another file",
        OpenError::Damaged(_) => "stop the daemon, keep a copy of the file and its -wal, and put back a backup",
        OpenError::ReadOnly => "name the primary server, or let this user write",
        OpenError::Database(_) => {
            "see that the server runs and takes this user, or that the file is a database that this user may write"
        }
        OpenError::Schema(_) => "as it says",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn clocks_may_be_a_second_apart() {
        assert_eq!(server_clock(1_000).state, State::Ok);
        assert_eq!(server_clock(1_001).state, State::Warning);
    }
}
