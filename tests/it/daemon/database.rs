//! A fresh database that outlives the daemons on it: a SQLite file in a folder of its own, or a database of a server.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection, any::AnyPoolOptions};

use super::experiment::tell;

/// See the file's first line.
pub enum Database {
    Sqlite(PathBuf),
    Postgres { server: AnyPool, name: String, url: String },
}

impl Database {
    pub fn sqlite() -> Self {
        Self::sqlite_in(&env::temp_dir())
    }

    pub fn sqlite_in(parent: &Path) -> Self {
        let folder = parent.join(format!("storyclip-daemon-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder).unwrap();
        Self::Sqlite(folder)
    }

    /// `None` when no server is named and none is required.
    pub async fn postgres() -> Option<Self> {
        let Ok(url) = env::var("STORYCLIP_TEST_POSTGRES_URL") else {
            let required = env::var("STORYCLIP_TEST_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!required, "STORYCLIP_TEST_POSTGRES_URL is not set");
            tell("skipped: STORYCLIP_TEST_POSTGRES_URL is not set");
            return None;
        };
        Some(Self::on(&url).await)
    }

    /// On the server that this URL leads to.
    pub async fn on(url: &str) -> Self {
        sqlx::any::install_default_drivers();
        let server = AnyPoolOptions::new().max_connections(1).connect(url).await.unwrap();
        let name = format!("storyclip_daemon_{:016x}", rand::random::<u64>());
        let create = format!("CREATE DATABASE {name}");
        sqlx::query(AssertSqlSafe(create)).execute(&server).await.unwrap();
        let (base, query) = match url.split_once('?') {
            Some((base, query)) => (base, format!("?{query}")),
            None => (url, String::new()),
        };
        let (root, _) = base.rsplit_once('/').unwrap();
        let url = format!("{root}/{name}{query}");
        Self::Postgres { server, name, url }
    }

    /// As it is printed.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(_) => format!("sqlite://{}", self.file().display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// The SQLite file.
    pub fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.join("storyclip.db"),
            Self::Postgres { .. } => panic!("PostgreSQL has no file"),
        }
    }

    /// A connection to the database itself, which is made if need be.
    pub async fn open(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match self {
            Self::Sqlite(_) => format!("{}?mode=rwc", self.url()),
            Self::Postgres { url, .. } => url.clone(),
        };
        AnyConnection::connect(&url).await.unwrap()
    }

    /// A connection to what a daemon that is gone has left. Of a SQLite file it is a copy: whoever opens the file itself
    /// would tidy up its log, and the next daemon would not find it as the last one left it.
    pub async fn remains(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = match self {
            Self::Sqlite(folder) => {
                // Never the same name again: a copy that is still being closed tidies up, too.
                let copy = folder.join(format!("copy-{:016x}.db", rand::random::<u64>()));
                fs::copy(self.file(), &copy).unwrap();
                let log = folder.join("storyclip.db-wal");
                if log.exists() {
                    fs::copy(log, copy.with_extension("db-wal")).unwrap();
                }
                format!("sqlite://{}", copy.display())
            }
            Self::Postgres { url, .. } => url.clone(),
        };
        AnyConnection::connect(&url).await.unwrap()
    }

    /// Cuts every connection to the database, which only a server can do.
    pub async fn cut_connections(&self) {
        let Self::Postgres { server, name, .. } = self else {
            panic!("SQLite has no connections to cut");
        };
        let cut =
            format!("SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity WHERE datname = '{name}'");
        sqlx::query(AssertSqlSafe(cut)).execute(server).await.unwrap();
    }

    /// Ends the leases of a daemon that is gone, which only a server waits for.
    pub async fn let_leases_lapse(&self) {
        let sql = "UPDATE publish_batches SET lease_expires_at = updated_at WHERE lease_owner IS NOT NULL";
        let mut conn = self.open().await;
        sqlx::query(sql).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    pub async fn remove(&self) {
        match self {
            Self::Sqlite(folder) => fs::remove_dir_all(folder).unwrap(),
            Self::Postgres { server, name, .. } => {
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                sqlx::query(AssertSqlSafe(drop)).execute(server).await.unwrap();
            }
        }
    }
}
