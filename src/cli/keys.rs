//! `storyclip keys create | list | revoke`: a tenant's API keys, over HTTP like everything else.
//!
//! A key is shown by the one answer that made it. If that is lost, the key is there and nobody has it: `list` shows it,
//! `revoke` ends it.

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::json;

use super::{
    Connection, Ending, Output,
    client::{Answer, Client},
    error::CliError,
    publish,
    table::table,
};

const PATH: &str = "/api/keys";

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make a key and print it, this once.
    Create(Create),
    /// List the tenant's keys, newest first.
    List {
        /// Print the daemon's answers as they are, a line per page.
        #[arg(long)]
        json: bool,
    },
    /// Put a key out of force, for good.
    Revoke {
        /// The key's id, as `list` prints it; never the key itself.
        key: String,
        /// Print the daemon's answer as it is.
        #[arg(long)]
        json: bool,
    },
}

/// The arguments of `create`.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it may do; may be given more than once.
    #[arg(long, required = true, value_name = "SCOPE")]
    scope: Vec<ScopeWord>,
    /// What to call it in lists.
    #[arg(long)]
    name: Option<String>,
    /// Print the daemon's answer as it is.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeWord {
    Publish,
    Read,
    Admin,
    Metrics,
}

#[derive(Deserialize)]
struct Made {
    key: Row,
    secret: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    keys: Vec<Row>,
    next_cursor: Option<String>,
    environment: Vec<EnvironmentRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: String,
    tenant: String,
    name: Option<String>,
    scopes: Vec<String>,
    created_at: String,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentRow {
    id: String,
    scopes: Vec<String>,
    last_used_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    id: String,
    revoked_at: String,
}

impl Keys {
    pub(super) async fn run(self, connection: &Connection) -> Result<Ending, CliError> {
        let client = Client::new(connection)?;
        match self {
            Self::Create(create) => create.run(&client).await,
            Self::List { json } => list(&client, json).await,
            Self::Revoke { key, json } => revoke(&client, &key, json).await,
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<Ending, CliError> {
        let word = |scope: &ScopeWord| match scope {
            ScopeWord::Publish => "publish",
            ScopeWord::Read => "read",
            ScopeWord::Admin => "admin",
            ScopeWord::Metrics => "metrics",
        };
        let scopes: Vec<&str> = self.scope.iter().map(word).collect();
        let body = json!({ "name": self.name, "scopes": scopes });
        let answer = client.post(PATH, body.to_string(), &publish::new_key()).await?;
        if self.json {
            return as_it_is(&answer);
        }
        let Made { key, secret } = client.json(&answer)?;
        eprintln!(
            "{} of tenant {}, {}; the key is shown this once:",
            key.id,
            key.tenant,
            key.scopes.join("+")
        );
        Output.line(&secret)?;
        Ok(Ending::Done)
    }
}

async fn list(client: &Client, json: bool) -> Result<Ending, CliError> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = client.get(PATH, &[("cursor", &cursor)]).await?;
        let list: List = client.json(&answer)?;
        if json {
            as_it_is(&answer)?;
        } else {
            let environment = list.environment.into_iter().filter(|_| cursor.is_empty());
            rows.extend(environment.map(EnvironmentRow::cells));
            rows.extend(list.keys.into_iter().map(Row::cells));
        }
        match list.next_cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    if json {
        return Ok(Ending::Done);
    }
    let head = ["KEY", "NAME", "SCOPES", "CREATED", "LAST USED", "STATE"];
    Output.text(&table(head, rows))
}

async fn revoke(client: &Client, key: &str, json: bool) -> Result<Ending, CliError> {
    let answer = client.delete(&["api", "keys", key]).await?;
    if json {
        return as_it_is(&answer);
    }
    let Revoked { id, revoked_at } = client.json(&answer)?;
    Output.line(&format!("{id} is revoked since {revoked_at}"))?;
    Ok(Ending::Done)
}

fn as_it_is(answer: &Answer) -> Result<Ending, CliError> {
    Output.text(&answer.text())
}

fn or_never(at: Option<String>) -> String {
    at.unwrap_or_else(|| "never".into())
}

impl Row {
    fn cells(self) -> [String; 6] {
        let state = match self.revoked_at {
            Some(at) => format!("revoked {at}"),
            None => "in force".into(),
        };
        [
            self.id,
            self.name.unwrap_or_default(),
            self.scopes.join("+"),
            self.created_at,
            or_never(self.last_used_at),
            state,
        ]
    }
}

impl EnvironmentRow {
    fn cells(self) -> [String; 6] {
        [
            self.id,
            String::new(),
            self.scopes.join("+"),
            String::new(),
            or_never(self.last_used_at),
            "of the environment".into(),
        ]
    }
}
