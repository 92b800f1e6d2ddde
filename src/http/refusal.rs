//! Words for what is no HTTP: the server library answers it before any route sees it, with a status and nothing else.
//!
//! `serve` puts each connection into a [`Worded`], which writes a problem in that answer's place. The connection is closed
//! after it, as before; if an answer of the library is not recognised, it goes out bare.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::http::StatusCode;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    envelope::{REQUEST_ID, new_request_id},
    problem::Problem,
};

/// Bytes that a bare answer has at most; those with anything to say have more headers.
const BARE: usize = 256;

/// A connection on which every refusal is a problem.
pub struct Worded<S> {
    stream: S,
    /// What is being written, and the number of bytes in whose place.
    instead: Option<(Bytes, usize)>,
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, instead: None }
    }

    /// Writes the problem, if these bytes are a bare refusal: all of it, before they count as written.
    fn poll_instead(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<Option<usize>>> {
        if self.instead.is_none() {
            self.instead = problem_of(bytes).map(|problem| (problem, bytes.len()));
        }
        let Some((rest, replaced)) = &mut self.instead else {
            return Poll::Ready(Ok(None));
        };
        while !rest.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => rest.advance(written),
            }
        }
        let replaced = *replaced;
        self.instead = None;
        Poll::Ready(Ok(Some(replaced)))
    }
}

/// The problem to be sent in place of an answer that the library made itself. All of ours have a request id.
fn problem_of(bytes: &[u8]) -> Option<Bytes> {
    let head = bytes.strip_suffix(b"\r\n\r\n").filter(|head| head.len() < BARE)?;
    let mut lines = str::from_utf8(head).ok()?.split("\r\n");
    let code = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(code.as_bytes()).ok()?;
    if !status.is_client_error() || lines.any(|line| line.starts_with(REQUEST_ID.as_str())) {
        return None;
    }
    let problem = match status {
        StatusCode::BAD_REQUEST => Problem::new(status, "INVALID_REQUEST", "this is no HTTP/1.1 request")
            .detail("The request's first line or its headers cannot be read as HTTP/1.1. The connection is closed."),
        other => Problem::of_status(other),
    };
    let body = problem.text("");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         {REQUEST_ID}: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        new_request_id(),
    );
    Some(Bytes::from(head + &body))
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match ready!(this.poll_instead(context, bytes))? {
            Some(replaced) => Poll::Ready(Ok(replaced)),
            None => Pin::new(&mut this.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // A refusal has no body, so its head stands alone.
        if let [head] = slices
            && let Some(replaced) = ready!(this.poll_instead(context, head))?
        {
            return Poll::Ready(Ok(replaced));
        }
        Pin::new(&mut this.stream).poll_write_vectored(context, slices)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const BARE_400: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    /// What a client reads of these writes, through a pipe that takes so many bytes at once.
    async fn read(writes: &[&[u8]], at_once: usize) -> String {
        let (near, mut far) = duplex(at_once);
        let writing = async {
            let mut near = Worded::new(near);
            for bytes in writes {
                near.write_all(bytes).await.unwrap();
            }
        };
        let mut told = String::new();
        let (_, heard) = tokio::join!(writing, far.read_to_string(&mut told));
        heard.unwrap();
        told
    }

    #[tokio::test]
    async fn a_bare_refusal_becomes_a_problem_however_little_is_taken_at_once() {
        for at_once in [1, 7, 4_096] {
            let told = read(&[BARE_400], at_once).await;
            let (head, body) = told.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
            assert!(
                head.contains("x-request-id: req_") && head.contains("connection: close"),
                "{head}"
            );
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(
                (&body["status"], &body["code"]),
                (&400.into(), &"INVALID_REQUEST".into())
            );
        }
    }

    #[tokio::test]
    async fn everything_else_goes_out_as_it_is() {
        let ours = [
            &b"HTTP/1.1 404 Not Found\r\nx-request-id: a\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nab",
            b"HTTP/1.1 4",
            b"data: HTTP/1.1 400 Bad Request\r\n\r\n",
            b"",
        ];
        for bytes in ours {
            assert_eq!(read(&[bytes], 16).await.as_bytes(), bytes);
        }
    }
}
