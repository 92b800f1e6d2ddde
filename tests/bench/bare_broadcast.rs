//! The limit of live streams: an axum route that sends what a tokio broadcast channel brings, in a process of its own. It
//! knows no batches and keeps nothing. `subscribers` starts it with the messages that the daemon had sent.
//!
//! The next message of a channel is broadcast as soon as its slowest subscriber has few enough left, so that none loses any:
//! live, when every message has been taken, as one that tells of a step which a network had to be asked for; or in bursts,
//! where many messages share a write.

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

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
        Mutex,
        broadcast::{self, Sender},
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
    channels: Mutex<Vec<Sender<Bytes>>>,
}

/// The process: says its address and serves `/{channel}`; `/go` makes it begin.
pub async fn role(order: Order) -> Outcome<()> {
    let messages = messages(std::fs::read(&order.sample)?)?;
    let channels = (0..order.channels).map(|_| broadcast::channel(CAPACITY).0).collect();
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
    let messages = stream::unfold(channel.subscribe(), async |mut messages| {
        // It ends with the channel; nobody lags.
        let message = messages.recv().await.ok()?;
        Some((Ok::<_, Infallible>(message), messages))
    });
    let body = Body::from_stream(stream::StreamExt::chain(greeting, messages));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn go(State(world): State<Arc<World>>) {
    for channel in world.channels.lock().await.drain(..) {
        let world = world.clone();
        tokio::spawn(async move {
            for message in &world.messages {
                while channel.len() > world.left {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                if channel.send(message.clone()).is_err() {
                    return;
                }
            }
        });
    }
}
