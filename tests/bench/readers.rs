//! Subscribers as bare TCP: a process with one thread that opens the streams, reads whatever comes and hardly looks at it,
//! so that the server under measurement is what bounds the pace. `subscribers` starts it against the daemon and against
//! the bare broadcast.
//!
//! It says `ready` once every stream has sent its first message, and when all streams have ended how much came, as JSON.

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::LocalSet,
};

use super::Outcome;

/// Streams that are being opened at once.
const OPENING: usize = 64;

/// Between two notes of how much has come.
const NOTED: Duration = Duration::from_millis(20);

/// What the process is to do.
pub struct Order {
    /// Host and port.
    pub address: String,
    /// A header line for every request.
    pub header: String,
    /// Subscribers of each path.
    pub each: usize,
    /// A file with the paths to ask for, one a line.
    pub paths: PathBuf,
    /// Where the messages of the very first stream are written.
    pub sample: PathBuf,
}

/// What came after `ready`.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// Messages to all subscribers.
    pub deliveries: u64,
    /// The same per second, between a fifth and four fifths of all bytes.
    pub per_second: f64,
    /// Bytes on the wire per delivery.
    pub bytes: f64,
    /// Seconds from the first byte to the last.
    pub took: f64,
}

impl Order {
    pub const ROLE: &'static str = "readers";

    pub fn arguments(&self) -> [String; 6] {
        [
            Self::ROLE.into(),
            self.address.clone(),
            self.header.clone(),
            self.each.to_string(),
            self.paths.display().to_string(),
            self.sample.display().to_string(),
        ]
    }

    pub fn read(arguments: &[String]) -> Outcome<Self> {
        let [address, header, each, paths, sample] = arguments else {
            return Err("--role readers ADDRESS HEADER EACH PATHS SAMPLE".into());
        };
        Ok(Self {
            address: address.clone(),
            header: header.clone(),
            each: each.parse()?,
            paths: paths.into(),
            sample: sample.into(),
        })
    }
}

/// What all subscribers have received.
#[derive(Default)]
struct Received {
    greeted: Cell<usize>,
    bytes: Cell<u64>,
    open: Cell<usize>,
    /// Of the first subscriber of each path: carriage returns and bytes since it was greeted.
    sampled: Cell<(u64, u64)>,
    sample: RefCell<Vec<u8>>,
    changed: Notify,
}

/// The process.
pub async fn role(order: Order) -> Outcome<()> {
    LocalSet::new().run_until(read_all(order)).await
}

async fn read_all(order: Order) -> Outcome<()> {
    let paths = std::fs::read_to_string(&order.paths)?;
    let mut streams = Vec::new();
    for turn in 0..order.each {
        streams.extend(paths.lines().map(|path| (turn == 0, path.to_owned())));
    }
    let received = Rc::new(Received::default());
    received.open.set(streams.len());
    let all = streams.len();
    for (number, (sampled, path)) in streams.into_iter().enumerate() {
        let Order { address, header, .. } = &order;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{header}\r\n\r\n");
        let stream = TcpStream::connect(&order.address).await?;
        let watched = received.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = subscribe(stream, &request, (number == 0, sampled), &watched).await {
                // Whoever waits for the report hears it by the end of the process.
                eprintln!("error: a subscriber: {error}");
                std::process::exit(1);
            }
            watched.open.set(watched.open.get() - 1);
            watched.changed.notify_one();
        });
        while number + 1 >= received.greeted.get() + OPENING {
            received.changed.notified().await;
        }
    }
    while received.greeted.get() < all {
        received.changed.notified().await;
    }
    println!("ready");

    let before = received.bytes.get();
    let mut notes = vec![(Instant::now(), 0)];
    while received.open.get() > 0 {
        // The end of the last stream, or some time.
        let _: Result<_, _> = tokio::time::timeout(NOTED, received.changed.notified()).await;
        notes.push((Instant::now(), received.bytes.get() - before));
    }
    // Each message is one chunk, with one carriage return after its length and one after it; JSON has none.
    let (returns, bytes) = received.sampled.get();
    let report = report(&notes, 2.0 * bytes as f64 / returns.max(1) as f64);
    std::fs::write(&order.sample, received.sample.take())?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

async fn subscribe(
    mut stream: TcpStream,
    request: &str,
    (first, sampled): (bool, bool),
    received: &Received,
) -> Outcome<()> {
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::with_capacity(16 * 1_024);
    let mut head = Vec::new();
    // Until the message `connected` is there; a chunk and its end come together.
    while !head.windows(6).any(|bytes| bytes == b"data: ") || !head.ends_with(b"\r\n") {
        buffer.clear();
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(format!("the stream ended with {}", String::from_utf8_lossy(&head)).into());
        }
        head.extend_from_slice(&buffer);
    }
    drop(head);
    received.greeted.set(received.greeted.get() + 1);
    received.changed.notify_one();
    // A buffer for all the time that nothing comes would be most of this process's memory.
    drop(buffer);
    loop {
        stream.readable().await?;
        let mut buffer = [0; 16 * 1_024];
        let read = match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        let bytes = &buffer[..read];
        received.bytes.set(received.bytes.get() + read as u64);
        if first {
            received.sample.borrow_mut().extend_from_slice(bytes);
        }
        if sampled {
            let returns = bytes.iter().filter(|byte| **byte == b'\r').count() as u64;
            let (before, length) = received.sampled.get();
            received.sampled.set((before + returns, length + read as u64));
        }
    }
}

/// `bytes` is the mean length of a message on the wire.
fn report(notes: &[(Instant, u64)], bytes: f64) -> Report {
    let all = notes.last().map_or(0, |(_, bytes)| *bytes);
    let reached = |share: u64| notes.iter().find(|(_, bytes)| *bytes >= all / 5 * share);
    let (from, to) = (reached(1), reached(4));
    let per_second = match (from, to) {
        (Some((from, least)), Some((to, most))) => (most - least) as f64 / (*to - *from).as_secs_f64() / bytes,
        _ => 0.0,
    };
    let began = notes.iter().find(|(_, bytes)| *bytes > 0).map(|(at, _)| *at);
    let ended = notes.last().map(|(at, _)| *at);
    Report {
        deliveries: (all as f64 / bytes) as u64,
        per_second,
        bytes,
        took: began
            .zip(ended)
            .map_or(0.0, |(began, ended)| (ended - began).as_secs_f64()),
    }
}
