//! The condition of a database, for `storyclip doctor`: whether a daemon could work with it, found out without changing it.
//!
//! A SQLite file that a daemon has is not opened: its locks say so. Otherwise they are held while the file is looked
//! at, so that no daemon begins to write meanwhile; they go with the process at the latest.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use sqlx::{AnyConnection, Connection, Row};
use storyclip_actors::model::Timestamp;

use super::{
    open::{self, OpenError, Target},
    schema,
    sql::Dialect,
};

/// What a database is like that is not broken.
#[derive(Debug)]
pub enum Condition {
    /// The file is not there yet, and a daemon would make it.
    Absent {
        /// Where it would be.
        file: PathBuf,
    },
    /// Another process has the file: not looked at.
    InUse {
        /// `process 4711`, or what is known of it.
        holder: String,
    },
    /// It can be read and written.
    Usable {
        /// `SQLite` or `PostgreSQL`.
        engine: &'static str,
        /// Migrations that the next start would run; all of them on an empty database.
        pending: usize,
        /// The server's clock; a file has none.
        clock: Option<Timestamp>,
    },
}

/// Looks at the database. On SQLite every page is read, which takes a second or so per gigabyte.
///
/// # Errors
/// What is in a daemon's way, in a sentence.
pub async fn examine(url: &str) -> Result<Condition, OpenError> {
    if let Some(("sqlite", rest)) = url.split_once(':') {
        let file = open::sqlite_file(rest)?;
        if !file.exists() {
            can_be_made(&file)?;
            return Ok(Condition::Absent { file });
        }
    }
    let target = match open::target(url) {
        Ok(target) => target,
        Err(OpenError::Locked { pid, .. }) => return Ok(Condition::InUse { holder: pid }),
        Err(OpenError::Elsewhere { lock, .. }) => {
            let holder = format!("a process that has it under another name or without {}", lock.display());
            return Ok(Condition::InUse { holder });
        }
        Err(error) => return Err(error),
    };
    let mut conn = open::plain(&target).await?;
    let condition = look(&mut conn, &target).await?;
    conn.close().await?;
    Ok(condition)
}

async fn look(conn: &mut AnyConnection, target: &Target) -> Result<Condition, OpenError> {
    let dialect = target.dialect;
    let pending = schema::pending(conn, dialect).await?;
    match dialect {
        Dialect::Sqlite => {
            let row = sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut *conn).await?;
            let found: String = row.try_get(0)?;
            if found != "ok" {
                return Err(OpenError::Damaged(found));
            }
            // Takes the right to write, and gives it back.
            sqlx::raw_sql("PRAGMA busy_timeout = 2000; BEGIN IMMEDIATE; ROLLBACK")
                .execute(&mut *conn)
                .await?;
            Ok(Condition::Usable {
                engine: "SQLite",
                pending,
                clock: None,
            })
        }
        Dialect::Postgres => {
            let text = "SELECT current_setting('transaction_read_only'), \
                        CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
            let row = sqlx::query(text).fetch_one(&mut *conn).await?;
            let (read_only, clock): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            if read_only == "on" {
                return Err(OpenError::ReadOnly);
            }
            Ok(Condition::Usable {
                engine: "PostgreSQL",
                pending,
                clock: Some(Timestamp::from_millis(clock)),
            })
        }
    }
}

/// Whether files can be made where this one would be.
fn can_be_made(file: &Path) -> Result<(), OpenError> {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".doctor-{}", std::process::id()));
    let probe = PathBuf::from(name);
    let made: io::Result<()> = File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe));
    made.map_err(|error| OpenError::LockFile { file: probe, error })
}
