//! The bytes of a live message, made once and shared by everybody who receives them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use storyclip_actors::{events::EventKind, model::Timestamp};

/// Tells a client how many milliseconds to wait before it connects again.
pub const RETRY: Bytes = Bytes::from_static(b"retry: 1000\n\n");
/// Keeps proxies from closing a quiet connection and finds out that a client is gone.
pub const COMMENT: Bytes = Bytes::from_static(b": still here\n\n");
/// The last bytes of a stream whose server stops: the client is to connect again, to the next one.
pub const FAREWELL: Bytes = Bytes::from_static(b": the server stops, connect again\nretry: 1000\n\n");
/// How often a comment is sent.
pub const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// Tells a client from which number its stream goes on. There is no data in it, so an `EventSource` remembers the number
/// and hands no message to the page.
pub fn place(seq: i64) -> Bytes {
    format!("id: {seq}\n\n").into()
}

/// A numbered message, ready to be sent.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its number on the stream it was made for.
    pub seq: i64,
    /// What it tells.
    pub kind: EventKind,
    /// `id: N`, `data: …` and an empty line.
    pub bytes: Bytes,
    /// Since when there is something to be told.
    pub news: News,
}

/// Since when an event is to be told.
#[derive(Clone, Copy, Debug)]
pub enum News {
    /// This process was told that it became durable.
    Committed(Instant),
    /// It was read from the table, which knows when it came into being; by the clock of the node that wrote it.
    Created(Timestamp),
}

impl Frame {
    /// Writes a stored event. The body is one line of JSON.
    pub fn new(seq: i64, kind: EventKind, body: &[u8], news: News) -> Self {
        let head = format!("id: {seq}\ndata: ");
        let bytes = [head.as_bytes(), body, b"\n\n"].concat().into();
        Self { seq, kind, bytes, news }
    }
}

/// A message without a number.
pub fn unnumbered(body: &str) -> Bytes {
    format!("data: {body}\n\n").into()
}
