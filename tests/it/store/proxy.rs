//! A relay in front of PostgreSQL that cuts a connection exactly at a COMMIT.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
};

/// Where the next COMMIT is cut.
#[derive(Clone, Copy)]
pub enum Cut {
    /// It never reaches the server.
    Before = 1,
    /// The server carries it out, its answer is lost.
    After = 2,
}

pub struct Proxy {
    /// The database's URL by way of the relay.
    pub url: String,
    next: Arc<AtomicU8>,
}

impl Proxy {
    /// In front of `postgres://[user@]host:port/database`.
    pub fn new(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, database) = rest.split_once('/').unwrap();
        let (user, server) = authority.rsplit_once('@').unwrap_or(("postgres", authority));
        let url = format!("{scheme}://{user}@{}/{database}", listener.local_addr().unwrap());
        let next = Arc::new(AtomicU8::new(0));
        let (server, cut) = (server.to_owned(), next.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                relay(client.unwrap(), TcpStream::connect(&server).unwrap(), cut.clone());
            }
        });
        Self { url, next }
    }

    pub fn cut_next_commit(&self, cut: Cut) {
        self.next.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether the cut has happened.
    pub fn has_cut(&self) -> bool {
        self.next.load(Ordering::SeqCst) == 0
    }
}

fn relay(client: TcpStream, server: TcpStream, cut: Arc<AtomicU8>) {
    let mute = Arc::new(AtomicBool::new(false));
    let muted = mute.clone();
    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        pump(from, to, |bytes| {
            let commit = bytes.windows(7).any(|window| window == b"COMMIT\0");
            match if commit { cut.swap(0, Ordering::SeqCst) } else { 0 } {
                1 => false,
                after => {
                    mute.fetch_or(after == 2, Ordering::SeqCst);
                    true
                }
            }
        })
    });
    thread::spawn(move || pump(server, client, |_| !muted.load(Ordering::SeqCst)));
}

/// Copies until one side ends or the bytes must not go on; then cuts both.
fn pump(mut from: TcpStream, mut to: TcpStream, passes: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !passes(&buffer[..count]) || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for end in [from, to] {
        drop(end.shutdown(Shutdown::Both));
    }
}
