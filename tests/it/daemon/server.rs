//! A PostgreSQL server of a test's own, which can be stopped and started like any other: with the programs that `tests/run`
//! names.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::experiment::tell;

/// Where `tests/run` says that initdb and pg_ctl are.
const PROGRAMS: &str = "STORYCLIP_TEST_POSTGRES_PROGRAMS";

/// Below the ports that systems give to outgoing connections, so that nobody takes it while the server is down.
const PORTS: std::ops::Range<u16> = 10_000..20_000;

/// How many ports are tried.
const TRIES: usize = 10;

/// See the file's first paragraph. Dropping it stops it and removes what it has.
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Server {
    /// `None`, said aloud, when no programs are named and none are required.
    pub fn start() -> Option<Self> {
        let Ok(programs) = env::var(PROGRAMS) else {
            let required = env::var("STORYCLIP_TEST_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!required, "{PROGRAMS} is not set");
            tell(&format!("skipped: {PROGRAMS} is not set"));
            return None;
        };
        let folder = env::temp_dir().join(format!("storyclip-postgresql-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        let mut server = Self {
            programs: programs.into(),
            folder,
            port: 0,
        };
        if is_root() {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(&server.folder)
                .status()
                .unwrap();
            assert!(owned.success(), "there is no user postgres");
        }
        let options = [
            "--username=storyclip",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ];
        assert!(server.runs("initdb", &options), "initdb failed");
        // Taking a port and seeing whether it works leaves no gap in which another could take it.
        let started = (0..TRIES).any(|_| {
            server.port = rand::random_range(PORTS);
            server.begins()
        });
        assert!(started, "PostgreSQL does not start");
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("postgres://storyclip@127.0.0.1:{}/postgres", self.port)
    }

    /// Every connection is cut, and nobody listens.
    pub fn stop(&self) {
        assert!(self.runs("pg_ctl", &["stop", "--wait", "--silent", "--mode=fast"]));
    }

    pub fn start_again(&self) {
        assert!(self.begins(), "PostgreSQL does not start again");
    }

    fn begins(&self) -> bool {
        let options = format!(
            "--options=-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off",
            self.port
        );
        let log = format!("--log={}", self.folder.join("log").display());
        self.runs("pg_ctl", &["start", "--wait", "--silent", &log, &options])
    }

    /// Runs one of the programs on the data; it refuses to be run by root.
    fn runs(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let status = command
            .args(arguments)
            .arg(format!("--pgdata={}", self.folder.join("data").display()))
            .current_dir(Path::new("/"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        status.unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.runs("pg_ctl", &["stop", "--wait", "--silent", "--mode=immediate"]);
        let _: Result<_, _> = fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
