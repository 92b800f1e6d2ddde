//! A watcher whose daemon is killed and started again sees every clip once and the end.

use std::{
    io::{BufRead, BufReader, Lines, Read},
    process::{Child, Command, Stdio},
};

const KEY: &str = "sk_watch";
const CLIPS: usize = 8;

/// A process that is killed with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// A started command and the lines of one of its outputs.
fn start<R: Read>(command: &mut Command, output: fn(&mut Child) -> R) -> (Running, Lines<BufReader<R>>) {
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(output(&mut child)).lines();
    (Running(child), lines)
}

fn storyclip(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storyclip"));
    command.args(args);
    command
}

/// The rest of the first line that contains this, after it, up to a space.
fn after(mark: &str, lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    let line = lines.map(Result::unwrap).find(|line| line.contains(mark)).unwrap();
    let (_, rest) = line.split_once(mark).unwrap();
    rest.split_whitespace().next().unwrap_or_default().to_owned()
}

fn daemon(listen: &str, database: &str, metricool: &str) -> (Running, String) {
    let mut command = storyclip(&["serve"]);
    command
        .env("STORYCLIP_LISTEN", listen)
        .env("STORYCLIP_DATABASE_URL", format!("sqlite://{database}"))
        .env("STORYCLIP_API_KEYS", format!("t:{KEY}:publish+read"))
        .env("STORYCLIP_METRICOOL_URL", metricool)
        .env("STORYCLIP_METRICOOL_LEAD_SECONDS", "0")
        .env("STORYCLIP_METRICOOL_GRANULARITY_SECONDS", "0")
        .env("STORYCLIP_LOOK_WAITS_SECONDS", "0.05")
        // The kill may hit a create call: what became of it is then found out in a second instead of a minute.
        .env("STORYCLIP_FIND_SETTLE_SECONDS", "1")
        .env("STORYCLIP_METRICOOL_LIST_SHOWS_PUBLISHED", "yes")
        .env("STORYCLIP_LOG", "storyclip::cli=info")
        .env("METRICOOL_USER_TOKEN", "any")
        .env("METRICOOL_USER_ID", "1")
        .stderr(Stdio::piped());
    let (running, mut lines) = start(&mut command, |child| child.stderr.take().unwrap());
    let address = after("address=", &mut lines);
    // Read on, or a full pipe would stop the daemon.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (running, address)
}

#[test]
fn a_watcher_outlives_a_daemon_that_is_killed() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let id = std::process::id();
    let (file, database) = (format!("{folder}/watch-{id}.json"), format!("{folder}/watch-{id}.db"));
    let posts: Vec<String> = (1..=CLIPS)
        .map(|n| format!(r#"{{"url":"https://cdn.example/{n}.mp4"}}"#))
        .collect();
    let body = format!(
        r#"{{"userId":"u1","posts":[{}],"settings":{{"accountId":"5372118"}}}}"#,
        posts.join(",")
    );
    std::fs::write(&file, body).unwrap();

    let args = [
        "sandbox",
        "--listen",
        "127.0.0.1:0",
        "--granularity-seconds",
        "0",
        "--confirm-ms",
        "100..300",
    ];
    let mut sandbox = storyclip(&args);
    let (_sandbox, mut lines) = start(sandbox.stdout(Stdio::piped()), |child| child.stdout.take().unwrap());
    let metricool = after("STORYCLIP_METRICOOL_URL=", &mut lines);

    let (first, address) = daemon("127.0.0.1:0", &database, &metricool);
    let mut watcher = storyclip(&["publish", &file, "--watch", "--url", &format!("http://{address}")]);
    watcher.env("STORYCLIP_API_KEY", KEY).stdout(Stdio::piped());
    let (mut watcher, lines) = start(&mut watcher, |child| child.stdout.take().unwrap());
    let mut seen = Vec::new();
    let mut lines = lines.inspect(|line| seen.push(line.as_ref().unwrap().clone()));
    after(&format!("1/{CLIPS} clip_1: published"), &mut lines);
    drop(first);
    after("connection lost", &mut lines);
    let (_second, _) = daemon(&address, &database, &metricool);
    lines.by_ref().for_each(drop);
    drop(lines);

    let seen = seen.join("\n");
    assert_eq!(watcher.0.wait().unwrap().code(), Some(0), "{seen}");
    for clip in 1..=CLIPS {
        let line = format!("{clip}/{CLIPS} clip_{clip}: published");
        assert_eq!(seen.matches(&line).count(), 1, "{line}\n{seen}");
    }
    let end = format!("completed: {CLIPS} published, 0 failed of {CLIPS}");
    assert!(seen.ends_with(&end), "{seen}");
    for file in [
        file,
        database.clone(),
        format!("{database}-wal"),
        format!("{database}-shm"),
        format!("{database}.lock"),
    ] {
        let _may_be_gone = std::fs::remove_file(file);
    }
}
