//! The bytes of one connection, which must move: whoever takes nothing of what is sent to it is cut off after a while.
//!
//! `serve` puts each connection into one. What the client was to read is in the database, and it may come again.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// A connection whose writes fail once the client has taken no byte for so long.
///
/// Until then at most what the kernel and this process buffer for it waits. A client that is merely slow is not meant:
/// every byte that it takes counts.
pub struct Outgoing {
    stream: TcpStream,
    within: Duration,
    /// Runs while the kernel takes no more.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Outgoing {
    pub fn new(stream: TcpStream, within: Duration) -> Self {
        Self {
            stream,
            within,
            stalled: None,
        }
    }

    /// The outcome of a write, or of waiting for too long.
    fn bounded(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let within = self.within;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(within)));
        ready!(stalled.as_mut().poll(context));
        // What the kernel still holds is of no use to anybody.
        if let Err(error) = self.stream.set_zero_linger() {
            tracing::debug!(%error, "what was sent to a client that is cut off stays in the kernel for a while");
        }
        tracing::info!(
            after_seconds = within.as_secs_f64(),
            "a client that reads nothing is cut off"
        );
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Outgoing {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.bounded(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
