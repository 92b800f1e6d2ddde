//! Whether a daemon answers, takes work and knows the key.

use serde::Deserialize;
use tokio::net::TcpListener;

use crate::{
    cli::{Connection, client::Client, error::CliError},
    config::Config,
};

use super::finding::{Finding, State};

/// `holder` is the process that has the database file, where there is one: then a daemon should answer.
pub(super) async fn check(connection: &Connection, holder: Option<&str>) -> Result<Vec<Finding>, CliError> {
    let client = match Client::new(connection) {
        Ok(client) => client,
        Err(error @ (CliError::Url(_) | CliError::Client(_))) => {
            return Ok(vec![
                Finding::failed("daemon", error.to_string()).todo("correct STORYCLIP_URL"),
            ]);
        }
        Err(error) => return Err(error),
    };
    let url = client.url().to_owned();
    if let Err(error) = client.get("/healthz", &[]).await {
        return Ok(vec![absent(&url, &error, holder)]);
    }
    let mut findings = vec![match client.get("/readyz", &[]).await {
        Ok(_) => Finding::ok(
            "daemon",
            format!("{url} answers and takes work; its database can be written"),
        ),
        Err(error) => Finding::failed("daemon", format!("{url} takes no work: {error}"))
            .todo("its log says more; it goes on by itself once the reason is gone"),
    }];
    let key = key(&client).await;
    let accepted = key.state == State::Ok;
    findings.push(key);
    if accepted {
        findings.push(brands(&client).await?);
    }
    Ok(findings)
}

fn absent(url: &str, error: &CliError, holder: Option<&str>) -> Finding {
    match (error, holder) {
        (CliError::Unreachable { reason, .. }, None) => {
            Finding::skipped("daemon", format!("none answers at {url} ({reason})")).todo("start one: storyclip serve")
        }
        (CliError::Unreachable { reason, .. }, Some(holder)) => Finding::failed(
            "daemon",
            format!("{holder} has the database, but nothing answers at {url} ({reason})"),
        )
        .todo("say where it listens with STORYCLIP_URL; if that process is no daemon, end it"),
        (error, _) => Finding::failed("daemon", format!("{url}: {error}")).todo("is something else running there?"),
    }
}

/// The key that the client commands would use.
async fn key(client: &Client) -> Finding {
    match client
        .get("/api/metricool/batches/active", &[("userId", "doctor")])
        .await
    {
        Ok(_) => Finding::ok("key", "STORYCLIP_API_KEY is accepted"),
        Err(CliError::Refused(problem)) if problem.status == 401 && !client.has_key() => {
            Finding::skipped("key", "STORYCLIP_API_KEY is not set").todo("set it to use the client commands")
        }
        Err(CliError::Refused(problem)) if problem.status == 403 => {
            Finding::warning("key", format!("the daemon knows the key, but {problem}"))
                .todo("use a key with the scope read for the client commands")
        }
        Err(CliError::Refused(problem)) if problem.status == 401 => Finding::failed("key", problem.sentence()).todo(
            "set STORYCLIP_API_KEY to a key of this daemon: one of its STORYCLIP_API_KEYS, or one that `storyclip keys` made \
             and nobody revoked",
        ),
        Err(error) => Finding::failed("key", error.to_string()).todo("the daemon's log says more"),
    }
}

/// Whether the key's tenant may publish to any brand.
async fn brands(client: &Client) -> Result<Finding, CliError> {
    #[derive(Deserialize)]
    struct Brands {
        count: usize,
    }
    let answer = match client.get("/api/metricool/brands", &[]).await {
        Ok(answer) => answer,
        Err(error) => return Ok(Finding::skipped("brands", error.to_string()).todo("see \"credentials\"")),
    };
    let Brands { count } = client.json(&answer)?;
    if count > 0 {
        return Ok(Finding::ok(
            "brands",
            format!("this key's tenant may publish to {count}"),
        ));
    }
    let none = Finding::failed("brands", "none is this key's tenant's, so that it can publish nothing");
    Ok(none.todo(
        "set STORYCLIP_TENANT_ACCOUNTS=tenant:blogId+blogId,… for the daemon: it is needed as soon as several tenants have \
         keys, and the key of a first start, key_first, is of the tenant default (where it is not needed, revoke it)",
    ))
}

/// Whether a daemon could listen where it is told to; asked only where none has the database.
pub(super) async fn port(config: &Config, connection: &Connection) -> Option<Finding> {
    let address = config.listen;
    let reason = TcpListener::bind(address).await.err()?;
    let here = connection.url.contains(&address.to_string());
    let todo = "end what listens there, or set STORYCLIP_LISTEN";
    // A daemon on a server's database may well be the one that listens.
    (!here).then(|| Finding::failed("port", format!("cannot listen on {address}: {reason}")).todo(todo))
}
