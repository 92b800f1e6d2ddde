//! A mail server that takes everything, in clear or by TLS, and keeps what was said to it in clear.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::process::PATIENCE;

/// When a client may speak TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Never,
    FromTheStart,
    OnceAskedFor,
}

/// See the file's first line.
pub struct MailServer {
    /// `smtp://` and the address.
    pub url: String,
    mails: watch::Receiver<Vec<String>>,
    in_clear: Arc<Mutex<Vec<String>>>,
    calls: watch::Receiver<usize>,
    serving: tokio::task::JoinHandle<()>,
}

/// An authority of our own: it signs certificates and its own is in a file.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

/// What a connection needs.
#[derive(Clone)]
struct Desk {
    mails: Arc<watch::Sender<Vec<String>>>,
    in_clear: Arc<Mutex<Vec<String>>>,
    secure: Option<TlsAcceptor>,
    tls: Tls,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file = std::env::temp_dir().join(format!("storyclip-ca-{:016x}.pem", rand::random::<u64>()));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A server with this name by its certificate.
    fn server(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // It may be gone already.
        let _: Result<_, _> = std::fs::remove_file(&self.file);
    }
}

impl MailServer {
    /// In clear only.
    pub async fn start() -> Self {
        Self::with(Tls::Never, None).await
    }

    /// By TLS, with a certificate of this authority for this name.
    pub async fn secure(tls: Tls, authority: &Authority, name: &str) -> Self {
        Self::with(tls, Some(authority.server(name))).await
    }

    async fn with(tls: Tls, secure: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (tell, mails) = watch::channel(Vec::new());
        let in_clear = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk {
            mails: Arc::new(tell),
            in_clear: in_clear.clone(),
            secure,
            tls,
        };
        let (count, calls) = watch::channel(0);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.send_modify(|calls| *calls += 1);
                tokio::spawn(serve(stream, desk.clone()));
            }
        });
        Self {
            url,
            mails,
            in_clear,
            calls,
            serving,
        }
    }

    /// The first so many mails, each with its envelope before it.
    pub async fn mails(&self, count: usize) -> Vec<String> {
        let mut mails = self.mails.clone();
        let waiting = mails.wait_for(|mails| mails.len() >= count);
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().clone()
    }

    /// Waits until somebody has connected.
    pub async fn called(&self) {
        let mut calls = self.calls.clone();
        let waiting = calls.wait_for(|calls| *calls > 0);
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    }

    /// How many mails it has taken.
    pub fn taken(&self) -> usize {
        self.mails.borrow().len()
    }

    /// Every line that came outside TLS.
    pub fn in_clear(&self) -> Vec<String> {
        self.in_clear.lock().unwrap().clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, desk: Desk) {
    match (desk.tls, &desk.secure) {
        (Tls::FromTheStart, Some(secure)) => {
            // A client that does not trust us ends it here.
            if let Ok(mut stream) = secure.accept(stream).await {
                stream.write_all(b"220 here\r\n").await.unwrap();
                converse(&mut stream, &desk, false).await;
            }
        }
        _ => {
            stream.write_all(b"220 here\r\n").await.unwrap();
            if converse(&mut stream, &desk, true).await
                && let Some(secure) = &desk.secure
                && let Ok(mut stream) = secure.accept(stream).await
            {
                converse(&mut stream, &desk, false).await;
            }
        }
    }
}

/// Whether TLS is to begin.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, desk: &Desk, clear: bool) -> bool {
    let mut stream = BufReader::new(stream);
    let (mut mail, mut in_data) = (String::new(), false);
    let mut line = String::new();
    loop {
        line.clear();
        if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
            return false;
        }
        let said = line.trim_end();
        if clear {
            desk.in_clear.lock().unwrap().push(said.to_owned());
        }
        let offers = desk.tls == Tls::OnceAskedFor && clear;
        let answer = match (in_data, said) {
            (true, ".") => {
                in_data = false;
                let mail = std::mem::take(&mut mail);
                desk.mails.send_modify(|mails| mails.push(mail));
                "250 kept\r\n"
            }
            (false, "STARTTLS") if offers => {
                stream.write_all(b"220 begin\r\n").await.unwrap();
                return true;
            }
            (_, said) => {
                mail += &format!("{said}\n");
                match (in_data, said) {
                    (true, _) => continue,
                    (false, "DATA") => {
                        in_data = true;
                        "354 go on\r\n"
                    }
                    (false, "QUIT") => "221 bye\r\n",
                    (false, said) if said.starts_with("EHLO") && offers => "250-here\r\n250 STARTTLS\r\n",
                    (false, said) if said.starts_with("EHLO") => "250-here\r\n250 AUTH PLAIN\r\n",
                    (false, said) if said.starts_with("AUTH") => "235 welcome\r\n",
                    (false, _) => "250 fine\r\n",
                }
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return false;
        }
    }
}
