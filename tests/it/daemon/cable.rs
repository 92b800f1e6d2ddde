//! The wire between daemon and sandbox (or database), which a test can pull out and plug in again: connections are cut, new ones refused.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Below the ports that systems give to outgoing connections, so that nobody takes it while it is unplugged.
const PORTS: std::ops::Range<u16> = 10_000..20_000;

/// See the file's first line.
pub struct Cable {
    near: SocketAddr,
    far: SocketAddr,
    forwarding: Option<JoinHandle<()>>,
}

impl Cable {
    /// Plugged in, to this address.
    pub async fn to(far: SocketAddr) -> Self {
        loop {
            let near = SocketAddr::from(([127, 0, 0, 1], rand::random_range(PORTS)));
            if let Ok(listener) = TcpListener::bind(near).await {
                let forwarding = Some(tokio::spawn(forward(listener, far)));
                return Self { near, far, forwarding };
            }
        }
    }

    /// The near end.
    pub fn address(&self) -> SocketAddr {
        self.near
    }

    /// What a client is configured with.
    pub fn base_url(&self) -> String {
        format!("http://{}/api", self.near)
    }

    pub async fn unplug(&mut self) {
        let forwarding = self.forwarding.take().expect("it is plugged in");
        forwarding.abort();
        // Its connections and its listener are gone when this has ended.
        let _: Result<_, _> = forwarding.await;
    }

    pub async fn plug_in(&mut self) {
        let listener = TcpListener::bind(self.near).await.unwrap();
        self.forwarding = Some(tokio::spawn(forward(listener, self.far)));
    }
}

async fn forward(listener: TcpListener, far: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            let mut far = TcpStream::connect(far).await?;
            far.set_nodelay(true)?;
            near.set_nodelay(true)?;
            copy_bidirectional(&mut near, &mut far).await
        });
    }
}
