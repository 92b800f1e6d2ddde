//! Metricool's scheduler as a [`Provider`]: normalise, create, status, find, withdraw, brands.
//!
//! The actors call it through the port; `call` maps every end of an HTTP call to a verdict, `wire` and `date` have the JSON, `reading`
//! what a status means. It keeps no state but what the list was seen to show; a death loses nothing else.

mod best_times;
mod brands;
mod call;
mod date;
mod failures;
mod listing;
mod loose;
mod reading;
mod shows_published;
mod wire;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder, Url, header};
use secrecy::{ExposeSecret, SecretString};
use storyclip_actors::{
    error::{ProviderError, Refused, Verdict},
    model::{AccountId, Network, PostId, PostRef, Request, Timestamp},
    ports::{Candidate, Clock, Listing, Provider, Reading, Withdrawal},
    schedule,
};
use thiserror::Error;

pub use best_times::Weekdays;
pub use brands::Brand;
pub use shows_published::ListShowsPublished;

use self::{
    call::{Answer, Call},
    shows_published::ShowsPublished,
    wire::Post,
};
use crate::providers::Facts;

/// How long before the slot a delete must be answered to prove anything; room for two clocks that differ.
const WITHDRAW_PROOF: Duration = Duration::from_secs(5);

/// How to reach one Metricool account.
#[derive(Clone, Debug)]
pub struct Options {
    /// As in `https://app.metricool.com/api`.
    pub base_url: String,
    /// Sent as `X-Mc-Auth`; covers every brand of the account.
    pub user_token: SecretString,
    /// The account's `userId`.
    pub user_id: String,
    /// Whether the list is known to show published posts.
    pub list_shows_published: ListShowsPublished,
    /// What the numbers of the weekdays mean in its best times.
    pub weekdays: Weekdays,
    /// How long an answer is waited for; Metricool usually answers within a second. It must stay below `find_settle`, or
    /// a create call could still be under way when its absence is believed.
    pub timeout: Duration,
    /// The same for normalise, which may fetch media and can be repeated.
    pub slow_timeout: Duration,
}

impl Options {
    /// An account reached at this address, with what is otherwise the rule.
    pub fn new(base_url: impl Into<String>, user_token: SecretString, user_id: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            user_token,
            user_id: user_id.into(),
            list_shows_published: ListShowsPublished::Auto,
            weekdays: Weekdays::default(),
            timeout: Duration::from_secs(30),
            slow_timeout: Duration::from_secs(60),
        }
    }
}

/// Options that no call could be made with.
#[derive(Debug, Error)]
pub enum OptionsError {
    /// The address is no absolute http(s) URL.
    #[error("the Metricool URL \"{0}\" is not an absolute http or https URL")]
    BaseUrl(String),
    /// The token cannot be sent in a header.
    #[error("the Metricool user token is empty or has characters that no HTTP header can carry")]
    Token,
    /// Every call names the user to whom the token belongs.
    #[error(
        "METRICOOL_USER_ID is not set beside METRICOOL_USER_TOKEN: Metricool refuses every call that does not name the user"
    )]
    UserId,
}

/// A client of one Metricool account.
pub struct Metricool {
    http: Client,
    base: Url,
    token: header::HeaderValue,
    user_id: String,
    timeout: Duration,
    slow_timeout: Duration,
    shows_published: ShowsPublished,
    weekdays: Weekdays,
    clock: Arc<dyn Clock>,
}

impl Metricool {
    /// A client that calls through `http` (see [`crate::providers::http_client`]).
    ///
    /// # Errors
    /// When the address or the token cannot be used, or the user is not named.
    pub fn new(
        options: Options,
        http: Client,
        facts: Arc<dyn Facts>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OptionsError> {
        let unusable = || OptionsError::BaseUrl(options.base_url.clone());
        let base = Url::parse(&options.base_url).map_err(|_| unusable())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(unusable());
        }
        let secret = options.user_token.expose_secret();
        let mut token = header::HeaderValue::from_str(secret).map_err(|_| OptionsError::Token)?;
        if secret.is_empty() {
            return Err(OptionsError::Token);
        }
        token.set_sensitive(true);
        if options.user_id.trim().is_empty() {
            return Err(OptionsError::UserId);
        }
        let shows_published =
            ShowsPublished::new(options.list_shows_published, facts, &options.base_url, &options.user_id);
        Ok(Self {
            http,
            base,
            token,
            user_id: options.user_id,
            timeout: options.timeout,
            slow_timeout: options.slow_timeout,
            shows_published,
            weekdays: options.weekdays,
            clock,
        })
    }

    /// A request with the token and the account; each path segment is escaped.
    fn request(&self, method: Method, path: &[&str], account: Option<&AccountId>) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let mut query = url.query_pairs_mut();
        query.append_pair("userId", &self.user_id);
        if let Some(account) = account {
            query.append_pair("blogId", account.as_str());
        }
        drop(query);
        self.http
            .request(method, url)
            .header("X-Mc-Auth", self.token.clone())
            .timeout(self.timeout)
    }

    async fn send(&self, call: Call, request: RequestBuilder) -> Result<Answer, ProviderError> {
        call.send(request, || self.clock.now())
            .await
            .map_err(|error| self.without_token(error))
    }

    /// Takes the token out of an error, should the provider have repeated it in its explanation.
    fn without_token(&self, mut error: ProviderError) -> ProviderError {
        if let Ok(token) = self.token.to_str()
            && error.message.contains(token)
        {
            error.message = error.message.replace(token, "[token]");
        }
        error
    }

    async fn read(&self, account: &AccountId, network: Network, post: &PostId) -> Result<Reading, ProviderError> {
        let Some(path) = post_path(post) else {
            return Ok(Reading::Missing);
        };
        let request = self
            .request(Method::GET, &path, Some(account))
            .header(header::ACCEPT, "application/json");
        let answer = match self.send(Call::Brand, request).await {
            Ok(answer) => answer,
            Err(error) if error.http_status == Some(404) => return Ok(Reading::Missing),
            Err(error) => return Err(error),
        };
        // A 2xx that is about something else, or nothing, must not be taken for the end of this post.
        let about = wire::post(&answer.body).filter(|about| about.id.text() == Some(post.as_str()));
        let about = about.ok_or_else(|| answer.unreadable("word about the post"))?;
        Ok(reading::of(&about, network))
    }

    /// Whether a delete that was answered, or lost, has withdrawn a post that was pending just before it.
    async fn proof_of_withdrawal(
        &self,
        account: &AccountId,
        network: Network,
        post: &PostId,
        slot: Timestamp,
    ) -> Result<Withdrawal, ProviderError> {
        match self.read(account, network, post).await? {
            Reading::Missing if self.clock.now() + WITHDRAW_PROOF <= slot => Ok(Withdrawal::Withdrawn),
            Reading::Pending(_) => Err(ProviderError {
                verdict: Verdict::Unavailable,
                outage: false,
                code: "METRICOOL_NOT_WITHDRAWN".into(),
                message: "Metricool did not delete the post, which is still pending".into(),
                http_status: None,
                request_id: None,
            }),
            reading @ (Reading::Missing | Reading::Published { .. } | Reading::Failed(_)) => {
                Ok(Withdrawal::Refused(reading))
            }
        }
    }
}

/// The path of a post; `None` for an id that Metricool cannot have given.
fn post_path(post: &PostId) -> Option<[&str; 4]> {
    let id = post.as_str();
    let plausible = !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    plausible.then_some(["v2", "scheduler", "posts", id])
}

fn post_ref(post: &Post) -> Option<PostRef> {
    Some(PostRef {
        id: post.id.text()?.into(),
        uuid: post.uuid.text().map(Into::into),
    })
}

#[async_trait]
impl Provider for Metricool {
    async fn prepare(&self, account: &AccountId, url: &str) -> Result<Arc<str>, ProviderError> {
        // `Accept: application/json` makes Metricool answer 406 or 500 here.
        let request = self
            .request(Method::GET, &["actions", "normalize", "image", "url"], Some(account))
            .query(&[("url", url)])
            .header(header::ACCEPT, "*/*")
            .timeout(self.slow_timeout);
        let answer = self.send(Call::Brand, request).await?;
        let media = std::str::from_utf8(&answer.body).ok().and_then(wire::media_url);
        media.map(Into::into).ok_or_else(|| answer.unreadable("media URL"))
    }

    async fn create(&self, account: &AccountId, request: &Request) -> Result<PostRef, ProviderError> {
        let post = self
            .request(Method::POST, &["v2", "scheduler", "posts"], Some(account))
            .header(header::ACCEPT, "application/json")
            .timeout(self.timeout)
            .json(&wire::NewPost::of(request));
        let answer = self.send(Call::Create, post).await?;
        let created = wire::post(&answer.body).as_ref().and_then(post_ref);
        created.ok_or_else(|| {
            let message = "Metricool accepted the post but gave no id".to_owned();
            answer.error(Verdict::Unknown, false, "METRICOOL_NO_POST_ID", message)
        })
    }

    async fn status(&self, account: &AccountId, network: Network, post: &PostRef) -> Result<Reading, ProviderError> {
        self.read(account, network, &post.id).await
    }

    async fn find(&self, account: &AccountId, request: &Request) -> Result<Listing, ProviderError> {
        let (start, end) = listing::window(request.slot);
        let list = self
            .request(Method::GET, &["v2", "scheduler", "posts"], Some(account))
            .query(&[("start", start.as_str()), ("end", end.as_str()), ("timezone", "UTC")])
            .header(header::ACCEPT, "application/json");
        let answer = self.send(Call::Brand, list).await?;
        let (listed, complete) = wire::posts(&answer.body).ok_or_else(|| answer.unreadable("list of posts"))?;
        let posts: Vec<Candidate> = listed
            .iter()
            .filter_map(|post| listing::candidate(post, request))
            .collect();
        let complete = complete && posts.len() == listed.len();
        let shows_published = self
            .shows_published
            .observe(listed.iter().any(reading::any_published))
            .await;
        Ok(Listing {
            posts,
            complete,
            shows_published,
        })
    }

    async fn withdraw(
        &self,
        account: &AccountId,
        network: Network,
        post: &PostRef,
        slot: Timestamp,
    ) -> Result<Withdrawal, ProviderError> {
        let reading = self.read(account, network, &post.id).await?;
        let now = self.clock.now();
        let Some(path) = post_path(&post.id)
            .filter(|_| schedule::may_withdraw(&reading, slot, now) && !reading::is_live_unproved(&reading))
        else {
            return Ok(Withdrawal::Refused(reading));
        };
        // A delete answers success for a published post, too: only one answered well before the slot proves anything.
        let proof_until = slot - WITHDRAW_PROOF;
        let delete = self
            .request(Method::DELETE, &path, Some(account))
            .timeout(self.timeout.min(proof_until.since(now)));
        match self.send(Call::Brand, delete).await {
            Ok(answer) if wire::deleted(&answer.body) && self.clock.now() <= proof_until => Ok(Withdrawal::Withdrawn),
            Ok(_) => self.proof_of_withdrawal(account, network, &post.id, slot).await,
            Err(error) if error.http_status == Some(404) => Ok(Withdrawal::Refused(Reading::Missing)),
            Err(error) if error.outage => self.proof_of_withdrawal(account, network, &post.id, slot).await,
            Err(error) => Err(error),
        }
    }

    async fn check(&self, account: Option<&AccountId>) -> Result<(), ProviderError> {
        let (answer, brands) = self.profiles().await?;
        match account {
            Some(account) if !brands.iter().any(|brand| brand.id == *account) => {
                let verdict = Verdict::Unauthorized(Refused::Brand);
                let message = format!("Brand {account} is not among those of this Metricool account");
                Err(answer.error(verdict, false, "METRICOOL_FORBIDDEN", message))
            }
            Some(_) | None => Ok(()),
        }
    }
}
