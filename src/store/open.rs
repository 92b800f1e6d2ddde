//! Opening the database: the URL, and connections.
//!
//! `Store::open` calls it. A process that dies in between leaves at most an empty file, which is a new database.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use thiserror::Error;

use super::{express, health::READ_ONLY, lock::Lock, place::Place, schema::SchemaError, sql::Dialect};

/// All that SQLite says of whatever is wrong with a disk that is not full.
const DISK_ERROR: &str = "disk I/O error";

/// How long a connect may take before the database counts as gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the database is and how many connections read from it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite://path` or `postgres://…`.
    pub url: String,
    /// Connections for reads; writes have one of their own.
    pub readers: u32,
}

/// A database that cannot be opened.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum OpenError {
    #[error("database URL: {0}")]
    Url(String),
    #[error("another daemon ({pid}) is running on this database: {} is locked", .file.display())]
    Locked { file: PathBuf, pid: String },
    #[error(
        "another process has {} open, under another name (a link to it, or a mount of it) or with {} removed: one daemon \
         at a time works on a file",
        .file.display(), .lock.display()
    )]
    Elsewhere { file: PathBuf, lock: PathBuf },
    #[error("database file {}: {error}", .file.display())]
    File { file: PathBuf, error: std::io::Error },
    #[error("lock file {}: {error}", .file.display())]
    LockFile { file: PathBuf, error: std::io::Error },
    #[error("the database is damaged: {0}")]
    Damaged(String),
    #[error("the database takes no writes: it is read-only")]
    ReadOnly,
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("database: {0}")]
    Schema(#[from] SchemaError),
}

/// Where to connect to, and what keeps others out.
pub struct Target {
    pub dialect: Dialect,
    pub source: Source,
    /// To be held while the database is open; `None` on PostgreSQL.
    pub lock: Option<Lock>,
}

/// Where connections lead. On SQLite none of them makes the file, which was made when it was locked: one that is away for a
/// while would be replaced by an empty one.
#[derive(Clone)]
pub struct Source {
    options: AnyConnectOptions,
    /// `None` on PostgreSQL, whose files are the server's.
    pub place: Option<Arc<Place>>,
}

impl Source {
    /// A connection of the committer was made.
    pub fn connected(&self) -> sqlx::Result<()> {
        match &self.place {
            Some(place) => Ok(place.connected()?),
            None => Ok(()),
        }
    }

    /// With the one cause of a disk's error that can be found out.
    pub async fn explained(&self, reason: String) -> String {
        let Some(place) = self.place.clone().filter(|_| reason.contains(DISK_ERROR)) else {
            return reason;
        };
        // A file system that hangs takes a thread with it, not the committer.
        match tokio::task::spawn_blocking(move || place.is_read_only()).await {
            Ok(true) => format!("{reason}: {READ_ONLY}"),
            Ok(false) | Err(_) => reason,
        }
    }
}

/// Understands the URL and, on SQLite, takes the lock.
pub fn target(url: &str) -> Result<Target, OpenError> {
    sqlx::any::install_default_drivers();
    match url.split_once(':') {
        Some(("sqlite", rest)) => {
            let file = sqlite_file(rest)?;
            let options = quiet(&format!("{}?mode=rw", sqlite_url(&file)?))?;
            let lock = Lock::take(&file)?;
            let place = Place::of(&file, lock.file()).map_err(|error| OpenError::File { file, error })?;
            Ok(Target {
                dialect: Dialect::Sqlite,
                source: Source {
                    options,
                    place: Some(Arc::new(place)),
                },
                lock: Some(lock),
            })
        }
        Some(("postgres" | "postgresql", _)) => Ok(Target {
            dialect: Dialect::Postgres,
            source: Source {
                options: quiet(url)?,
                place: None,
            },
            lock: None,
        }),
        _ => Err(OpenError::Url("it must begin with sqlite:// or postgres://".into())),
    }
}

fn quiet(url: &str) -> sqlx::Result<AnyConnectOptions> {
    let options: AnyConnectOptions = url.parse()?;
    Ok(options.disable_statement_logging())
}

/// The file's one true path, so that two spellings of it share one lock.
pub fn sqlite_file(rest: &str) -> Result<PathBuf, OpenError> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(":memory:") || path.contains("mode=memory") {
        return Err(OpenError::Url(
            "SQLite needs a file: what is only in memory would not outlive a restart".into(),
        ));
    }
    let path = match path.split_once('?') {
        None | Some((_, "mode=rwc")) => Path::new(path.split('?').next().unwrap_or(path)),
        Some((_, query)) => return Err(OpenError::Url(format!("\"?{query}\" is not understood"))),
    };
    if let Ok(existing) = path.canonicalize() {
        return Ok(existing);
    }
    let Some(name) = path.file_name() else {
        return Err(OpenError::Url(format!("{} names no file", path.display())));
    };
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    match parent.canonicalize() {
        Ok(parent) => Ok(parent.join(name)),
        Err(error) => Err(OpenError::Url(format!("directory {}: {error}", parent.display()))),
    }
}

fn sqlite_url(file: &Path) -> Result<String, OpenError> {
    let Some(path) = file.to_str() else {
        return Err(OpenError::Url(format!("{} is not UTF-8", file.display())));
    };
    let mut url = String::from("sqlite://");
    for c in path.chars() {
        match c {
            '%' | '?' | '#' | ' ' | '\\' => url.push_str(&format!("%{:02X}", c as u32)),
            _ => url.push(c),
        }
    }
    Ok(url)
}

/// What every SQLite connection is told: a commit that was answered survives a power cut.
const DURABLE: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                       PRAGMA foreign_keys = ON; ";

/// The writer keeps in memory what undoes a statement: a file costs a write per page. Its page cache holds what a large drain
/// touches (8 MB), or pages would be written and read again within it, and no more: SQLite walks through all of it in every
/// commit that split a page. Likewise the log (16 MB): everybody waits while it is moved into the file, but the same pages
/// change again and again and are moved once.
const WRITER: &str = "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000; PRAGMA wal_autocheckpoint = 4000";

/// Readers cannot write by mistake.
const READER: &str = "PRAGMA query_only = ON";

/// The committer's connection, ready to write.
pub async fn connect(dialect: Dialect, source: &Source) -> sqlx::Result<AnyConnection> {
    let connecting = AnyConnection::connect_with(&source.options);
    match dialect {
        Dialect::Sqlite => {
            let mut conn = connecting.await?;
            prepare(&mut conn, WRITER).await?;
            Ok(conn)
        }
        Dialect::Postgres => match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        },
    }
}

/// A connection that changes nothing about how the database is kept.
pub async fn plain(target: &Target) -> sqlx::Result<AnyConnection> {
    let connecting = AnyConnection::connect_with(&target.source.options);
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// The same on a database that has its schema, with what the committer puts on top, after its connection was lost.
pub async fn reconnect(dialect: Dialect, source: &Source) -> sqlx::Result<AnyConnection> {
    if let Some(place) = &source.place {
        place.disconnected();
    }
    let mut conn = connect(dialect, source).await?;
    equip(&mut conn, dialect).await?;
    source.connected()?;
    Ok(conn)
}

/// Puts on top of the schema what the committer needs.
pub async fn equip(conn: &mut AnyConnection, dialect: Dialect) -> sqlx::Result<()> {
    match dialect {
        Dialect::Sqlite => express::prepare(conn).await,
        Dialect::Postgres => Ok(()),
    }
}

/// The one connection for what the outside is told of. It moves no more of the log into the file than the writer's does.
pub fn aside(target: &Target) -> AnyPool {
    pool(target, 1, "PRAGMA wal_autocheckpoint = 4000")
}

/// The pool of readers; connections are made when they are needed.
pub fn readers(target: &Target, count: u32) -> AnyPool {
    pool(target, count.max(1), READER)
}

fn pool(target: &Target, count: u32, role: &'static str) -> AnyPool {
    let (dialect, place) = (target.dialect, target.source.place.clone());
    AnyPoolOptions::new()
        .max_connections(count)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(move |conn, _| {
            let place = place.clone();
            Box::pin(async move {
                if let Some(place) = place {
                    place.check()?;
                }
                match dialect {
                    Dialect::Sqlite => prepare(conn, role).await,
                    Dialect::Postgres => Ok(()),
                }
            })
        })
        .connect_lazy_with(target.source.options.clone())
}

async fn prepare(conn: &mut AnyConnection, role: &str) -> sqlx::Result<()> {
    let pragmas = AssertSqlSafe(format!("{DURABLE}{role}"));
    sqlx::raw_sql(pragmas).execute(conn).await.map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn memory_and_foreign_urls_are_refused_with_a_reason() {
        for url in [
            "sqlite::memory:",
            "sqlite://",
            "mysql://x",
            "sqlite://a.db?mode=ro",
            "nonsense",
        ] {
            assert!(matches!(target(url), Err(OpenError::Url(_))), "{url}");
        }
    }

    #[test]
    fn a_path_with_odd_characters_survives_the_url() {
        let url = sqlite_url(Path::new("/tmp/a b#c?d%e.db")).unwrap();
        assert_eq!(url, "sqlite:///tmp/a%20b%23c%3Fd%25e.db");
    }
}
