//! HTTP to a running daemon, for the client commands. Nothing is kept between calls.

use std::{error::Error, time::Duration};

use reqwest::{
    RequestBuilder, Response, Url,
    header::{HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{config::without_password, providers::http_client};

use super::{
    Connection,
    error::{CliError, Problem},
};

/// How long an ordinary call may take.
const CALL: Duration = Duration::from_secs(30);
/// How long a stream may be silent; the daemon sends a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// A daemon and the key to call it with.
pub(super) struct Client {
    http: reqwest::Client,
    /// What paths are put behind; may hold a password.
    base: String,
    /// The same, to be shown.
    url: String,
    key: Option<SecretString>,
}

/// A successful answer.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The body as it is, with one line's end behind it: what `--json` prints.
    pub(super) fn text(&self) -> String {
        format!("{}\n", String::from_utf8_lossy(&self.body).trim_end())
    }
}

impl Client {
    pub(super) fn new(connection: &Connection) -> Result<Self, CliError> {
        let base = connection.url.trim_end_matches('/');
        let path = base.split(['?', '#']).next().unwrap_or_default();
        let shown = without_password(path);
        let url = Url::parse(base)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        if url.is_none() || path != base {
            return Err(CliError::Url(shown));
        }
        Ok(Self {
            http: http_client(&connection.url, 1).map_err(|error| CliError::Client(root_cause(&error)))?,
            base: base.to_owned(),
            url: shown,
            key: connection.api_key.clone().filter(|key| !key.expose_secret().is_empty()),
        })
    }

    /// Where the daemon is, to be shown.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether there is a key to call with.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The answer's JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, CliError> {
        self.parse(&answer.body)
    }

    /// JSON that the daemon sent.
    pub(super) fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, CliError> {
        serde_json::from_slice(body).map_err(|error| CliError::Strange {
            url: self.url.clone(),
            reason: error.to_string(),
        })
    }

    /// GET with these query parameters.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, CliError> {
        let request = self.http.get(format!("{}{path}", self.base)).query(query).timeout(CALL);
        self.read(self.send(request).await?).await
    }

    /// POST of a JSON text under an idempotency key.
    pub(super) async fn post(&self, path: &str, body: String, idempotency_key: &str) -> Result<Answer, CliError> {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .header("idempotency-key", idempotency_key)
            .body(body)
            .timeout(CALL);
        self.read(self.send(request).await?).await
    }

    /// DELETE of what these parts of a path name, which may have any characters.
    pub(super) async fn delete(&self, path: &[&str]) -> Result<Answer, CliError> {
        let request = self.http.delete(self.path(path)?).timeout(CALL);
        self.read(self.send(request).await?).await
    }

    /// GET of a path of a batch, whose parts may have any characters.
    pub(super) async fn batch(&self, path: &[&str]) -> Result<Answer, CliError> {
        let url = self.path(&[&["api", "metricool", "batch"], path].concat())?;
        let request = self.http.get(url).timeout(CALL);
        self.read(self.send(request).await?).await
    }

    /// POST of a JSON text to a path of a batch, whose parts may have any characters.
    pub(super) async fn command(&self, path: &[&str], body: String) -> Result<Answer, CliError> {
        let url = self.path(&[&["api", "metricool", "batch"], path].concat())?;
        let request = self.http.post(url).header("content-type", "application/json");
        self.read(self.send(request.body(body).timeout(CALL)).await?).await
    }

    /// The live events of a batch after this one; without one, from now on.
    pub(super) async fn stream(&self, batch: &str, last_event_id: Option<&str>) -> Result<Response, CliError> {
        let mut request = self
            .http
            .get(format!("{}/api/metricool/stream", self.base))
            .query(&[("batchId", batch)])
            .header("accept", "text/event-stream");
        if let Some(last) = last_event_id {
            request = request.header("last-event-id", last);
        }
        timeout(CALL, self.send(request))
            .await
            .unwrap_or_else(|_| Err(self.silent(CALL)))
    }

    /// The next bytes of a stream; `None` when the daemon has closed it.
    pub(super) async fn chunk(&self, response: &mut Response) -> Result<Option<Vec<u8>>, CliError> {
        match timeout(SILENCE, response.chunk()).await {
            Ok(Ok(bytes)) => Ok(bytes.map(|bytes| bytes.to_vec())),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.silent(SILENCE)),
        }
    }

    fn path(&self, path: &[&str]) -> Result<Url, CliError> {
        let mut url = Url::parse(&self.base).map_err(|_| CliError::Url(self.url.clone()))?;
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(path),
            Err(()) => return Err(CliError::Url(self.url.clone())),
        };
        Ok(url)
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Response, CliError> {
        if let Some(key) = &self.key {
            let mut value = HeaderValue::from_str(key.expose_secret()).map_err(|_| CliError::Key)?;
            value.set_sensitive(true);
            request = request.header("x-api-key", value);
        }
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(|error| self.failed(&error))?;
        Err(CliError::Refused(Box::new(Problem::read(status.as_u16(), &body))))
    }

    async fn read(&self, response: Response) -> Result<Answer, CliError> {
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(|error| self.failed(&error))?.to_vec();
        Ok(Answer { headers, body })
    }

    fn silent(&self, time: Duration) -> CliError {
        CliError::Lost {
            url: self.url.clone(),
            reason: format!("nothing came for {} s", time.as_secs()),
        }
    }

    /// No connection means that nothing was asked; anything else that the answer was lost.
    fn failed(&self, error: &reqwest::Error) -> CliError {
        let (url, reason) = (self.url.clone(), root_cause(error));
        if error.is_builder() {
            CliError::Client(reason)
        } else if error.is_connect() {
            CliError::Unreachable { url, reason }
        } else {
            CliError::Lost { url, reason }
        }
    }
}

/// The innermost reason, which is the one that a person can use: "Connection refused", not "error sending request".
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
