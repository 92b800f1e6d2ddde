//! The schema: brought up to date when the database is opened, or refused with a sentence that says what to do.
//!
//! `Store::open` calls it. Each migration is a transaction, so a death within one leaves the schema before it, and the
//! next start goes on from there.

use sqlx::{
    AnyConnection, Row,
    migrate::{MigrateError, Migrator},
};
use thiserror::Error;

use super::sql::Dialect;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A schema that this binary cannot work with.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each is")]
pub enum SchemaError {
    #[error(
        "this database was upgraded by a newer StoryClip: it has migration {found}, this binary knows none after {known}. \
         Nothing was changed. Start the newer StoryClip again, or put back the copy made before the upgrade"
    )]
    Newer { found: i64, known: i64 },
    #[error(
        "this database has a migration {0} that is not this StoryClip's: it belongs to another build, or to another \
         program. Nothing was changed. Start the build that made it, or name another database in STORYCLIP_DATABASE_URL"
    )]
    Foreign(i64),
    #[error(
        "migration {0} of this database was begun and not finished. Nothing was changed. Put back the copy made before \
         that upgrade"
    )]
    Unfinished(i64),
    #[error(
        "migration {version} failed and was taken back ({error}). The database still works with the StoryClip that \
         wrote it last"
    )]
    Failed { version: i64, error: sqlx::Error },
    #[error(transparent)]
    Database(sqlx::Error),
    #[error("migrations: {0}")]
    Other(MigrateError),
}

/// Brings the schema up to date; a second run does nothing.
pub async fn migrate(conn: &mut AnyConnection) -> Result<(), SchemaError> {
    #[cfg(feature = "crash-points")]
    (crate::crash_points::migrating(&MIGRATIONS, &mut *conn).await).map_err(explained)?;
    MIGRATIONS.run(conn).await.map_err(explained)
}

/// How many migrations [`migrate`] would run; refuses what it would refuse, and changes nothing.
pub async fn pending(conn: &mut AnyConnection, dialect: Dialect) -> Result<usize, SchemaError> {
    let begun = match dialect {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM pg_tables \
             WHERE tablename = '_sqlx_migrations' AND schemaname = ANY(current_schemas(false))"
        }
    };
    let begun = sqlx::query(begun).fetch_one(&mut *conn).await;
    let begun: i64 = begun.and_then(|row| row.try_get(0)).map_err(SchemaError::Database)?;
    let all = MIGRATIONS.iter().count();
    if begun == 0 {
        return Ok(all);
    }
    let text = "SELECT version, CASE WHEN success THEN 1 ELSE 0 END, checksum FROM _sqlx_migrations ORDER BY version";
    let rows = sqlx::query(text).fetch_all(&mut *conn).await;
    let rows = rows.map_err(SchemaError::Database)?;
    for row in &rows {
        let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        let (version, done, checksum): (i64, i64, Vec<u8>) = read().map_err(SchemaError::Database)?;
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == version) else {
            return Err(explained(MigrateError::VersionMissing(version)));
        };
        if done == 0 {
            return Err(explained(MigrateError::Dirty(version)));
        }
        if *migration.checksum != *checksum {
            return Err(explained(MigrateError::VersionMismatch(version)));
        }
    }
    Ok(all - rows.len())
}

fn explained(error: MigrateError) -> SchemaError {
    let known = MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default();
    match error {
        MigrateError::VersionMissing(found) if found > known => SchemaError::Newer { found, known },
        MigrateError::VersionMissing(version) | MigrateError::VersionMismatch(version) => SchemaError::Foreign(version),
        MigrateError::Dirty(version) => SchemaError::Unfinished(version),
        MigrateError::ExecuteMigration(error, version) => SchemaError::Failed { version, error },
        MigrateError::Execute(error) => SchemaError::Database(error),
        // What is left concerns files and directions of migrations, which are compiled in here.
        other => SchemaError::Other(other),
    }
}
