//! The way to the mail server, as its URL says: in clear, or by TLS with whose certificates are trusted.
//!
//! Made once, when the daemon starts; each mail opens a connection or uses one again.

use std::{fs, path::Path, time::Duration};

use lettre::{
    AsyncSmtpTransport, Tokio1Executor,
    transport::smtp::client::{Certificate, Tls, TlsParameters},
};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::EmailError;

/// A client of this server. Certificates of the system's authorities are trusted, and of those in `ca_file` (PEM).
///
/// # Errors
/// When the URL or the file cannot be used.
pub fn connect(
    url: &SecretString,
    ca_file: Option<&Path>,
    timeout: Duration,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, EmailError> {
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let wrong = || EmailError::Url("it must be smtps://USER:PASSWORD@HOST or smtp://HOST:PORT?tls=required".into());
    let url = url.expose_secret();
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| wrong())?;
    let url = Url::parse(url).map_err(|_| wrong())?;
    if let Some(ca_file) = ca_file {
        builder = builder.tls(tls(&url, ca_file)?);
    }
    let secure = url.scheme() == "smtps" || asked(&url).as_deref() == Some("required");
    if url.password().is_some() && !secure {
        tracing::warn!("smtp_url: the password may be sent in clear; smtps:// or ?tls=required would not");
    }
    Ok(builder.timeout(Some(timeout)).build())
}

/// The word behind `?tls=`.
fn asked(url: &Url) -> Option<String> {
    let (_, how) = url.query_pairs().find(|(name, _)| name == "tls")?;
    Some(how.into_owned())
}

/// What the URL asks for (as lettre reads it), with these authorities, too.
fn tls(url: &Url, ca_file: &Path) -> Result<Tls, EmailError> {
    let in_file = |why: String| EmailError::Authorities(ca_file.display().to_string(), why);
    let pem = fs::read(ca_file).map_err(|error| in_file(error.to_string()))?;
    // A file without any would be taken for one with none.
    if !String::from_utf8_lossy(&pem).contains("BEGIN CERTIFICATE") {
        return Err(in_file("there is no certificate in it".into()));
    }
    let authorities = Certificate::from_pem(&pem).map_err(|error| in_file(error.to_string()))?;
    let parameters = TlsParameters::builder(url.host_str().unwrap_or_default().to_owned())
        .add_root_certificate(authorities)
        .build()
        .map_err(|error| in_file(error.to_string()))?;
    match (url.scheme(), asked(url).as_deref()) {
        ("smtps", _) => Ok(Tls::Wrapper(parameters)),
        ("smtp", Some("required")) => Ok(Tls::Required(parameters)),
        ("smtp", Some("opportunistic")) => Ok(Tls::Opportunistic(parameters)),
        _ => Err(EmailError::Url(
            "smtp_ca_file is of use only with smtps:// or ?tls=required".into(),
        )),
    }
}
