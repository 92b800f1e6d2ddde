//! The limit of live streams: an axum route that sends what a tokio broadcast channel brings, in a process of its own. It
//! knows no batches and keeps nothing. `subscribers` starts it with the messages that the daemon had sent.
//!
//! The next message of a channel is broadcast as soon as its slowest subscriber has few enough left, so that none loses any:
//! live, when every message has been taken, as one that tells of a step which a network had to be asked for; or in bursts,
//! where many messages share a write. Whoever takes a message as the last of its channel says so: nothing is looked for, and
//! no time passes between that and the next message but that of waking a task.

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::stream;
use tokio::{
    net::TcpListener,
    sync::{
        Mutex, Notify,
        broadcast::{self, Receiver, Sender},
    },
};

use super::Outcome;

/// Messages that a channel holds.
const CAPACITY: usize = 64;

/// Left at most with the slowest subscriber when the next message is broadcast.
pub const LIVE: usize = 0;
pub const BURSTS: usize = 47;

/// What the process is to do.
pub struct Order {
    /// How many channels.
    pub channels: usize,
    /// [`LIVE`] or [`BURSTS`].
    pub left: usize,
    /// A file of messages as HTTP chunks.
    pub sample: PathBuf,
}

impl Order {
    pub const ROLE: &'static str = "bare-broadcast";

    pub fn arguments(&self) -> [String; 4] {
        [
            Self::ROLE.into(),
            self.channels.to_string(),
            self.left.to_string(),
            self.sample.display().to_string(),
        ]
    }

    pub fn read(arguments: &[String]) -> Outcome<Self> {
        let [channels, left, sample] = arguments else {
            return Err("--role bare-broadcast CHANNELS LEFT SAMPLE".into());
        };
        Ok(Self {
            channels: channels.parse()?,
            left: left.parse()?,
            sample: sample.into(),
        })
    }
}

struct World {
    messages: Vec<Bytes>,
    left: usize,
    /// Emptied when everything was broadcast.
    channels: Mutex<Vec<Channel>>,
}

struct Channel {
    sender: Sender<Bytes>,
    taken: Arc<Taken>,
}

/// How far the subscribers of a channel are.
struct Taken {
    /// By how many each message was taken.
    by: Vec<AtomicUsize>,
    /// How many there are; known once it has begun.
    subscribers: OnceLock<usize>,
    /// Messages that were taken by all.
    by_all: AtomicUsize,
    news: Notify,
}

/// Who takes the messages of a channel, in their order.
struct Subscriber {
    receiver: Receiver<Bytes>,
    taken: Arc<Taken>,
    next: usize,
}

/// The process: says its address and serves `/{channel}`; `/go` makes it begin.
pub async fn role(order: Order) -> Outcome<()> {
    let messages = messages(std::fs::read(&order.sample)?)?;
    let channels = (0..order.channels).map(|_| Channel::of(messages.len())).collect();
    let channels = Mutex::new(channels);
    let world = Arc::new(World {
        messages,
        left: order.left,
        channels,
    });
    let router = Router::new()
        .route("/go", get(go))
        .route("/{channel}", get(subscribe))
        .with_state(world);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}

/// Takes chunks apart.
fn messages(chunks: Vec<u8>) -> Outcome<Vec<Bytes>> {
    let mut rest = Bytes::from(chunks);
    let mut messages = Vec::new();
    loop {
        let end = rest.windows(2).position(|bytes| bytes == b"\r\n");
        let end = end.ok_or("the sample ends early")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end])?, 16)?;
        if length == 0 {
            return Ok(messages);
        }
        let begin = end + 2;
        messages.push(rest.slice(begin..begin + length));
        rest = rest.slice(begin + length + 2..);
    }
}

async fn subscribe(State(world): State<Arc<World>>, Path(channel): Path<usize>) -> Response {
    let channels = world.channels.lock().await;
    let Some(channel) = channels.get(channel) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let greeting = stream::iter([Ok(Bytes::from_static(b"data: {}\n\n"))]);
    let messages = stream::unfold(channel.subscribe(), async |mut subscriber| {
        let message = subscriber.take().await?;
        Some((Ok::<_, Infallible>(message), subscriber))
    });
    let body = Body::from_stream(stream::StreamExt::chain(greeting, messages));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn go(State(world): State<Arc<World>>) {
    for channel in world.channels.lock().await.drain(..) {
        tokio::spawn(channel.broadcast(world.clone()));
    }
}

impl Channel {
    /// One for so many messages.
    fn of(messages: usize) -> Self {
        let taken = Taken {
            by: (0..messages).map(|_| AtomicUsize::new(0)).collect(),
            subscribers: OnceLock::new(),
            by_all: AtomicUsize::new(0),
            news: Notify::new(),
        };
        Self {
            sender: broadcast::channel(CAPACITY).0,
            taken: Arc::new(taken),
        }
    }

    fn subscribe(&self) -> Subscriber {
        Subscriber {
            receiver: self.sender.subscribe(),
            taken: self.taken.clone(),
            next: 0,
        }
    }

    /// Sends everything, and ends when its subscribers have it or are gone.
    async fn broadcast(self, world: Arc<World>) {
        self.taken.subscribers.get_or_init(|| self.sender.receiver_count());
        for (number, message) in world.messages.iter().enumerate() {
            self.taken.by_all(number.saturating_sub(world.left)).await;
            if self.sender.send(message.clone()).is_err() {
                return;
            }
        }
    }
}

impl Taken {
    fn by_one(&self, message: usize) {
        let by = self.by[message].fetch_add(1, Ordering::AcqRel) + 1;
        if self.subscribers.get() == Some(&by) {
            self.by_all.fetch_max(message + 1, Ordering::AcqRel);
            self.news.notify_one();
        }
    }

    /// Waits until so many messages were taken by all.
    async fn by_all(&self, messages: usize) {
        while self.by_all.load(Ordering::Acquire) < messages {
            self.news.notified().await;
        }
    }
}

impl Subscriber {
    /// The next message; nobody lags, so it ends with the channel.
    async fn take(&mut self) -> Option<Bytes> {
        let message = self.receiver.recv().await.ok()?;
        self.taken.by_one(self.next);
        self.next += 1;
        Some(message)
    }
}

impl Drop for Subscriber {
    /// Who goes is not waited for.
    fn drop(&mut self) {
        if self.taken.subscribers.get().is_some() {
            (self.next..self.taken.by.len()).for_each(|message| self.taken.by_one(message));
        }
    }
}
