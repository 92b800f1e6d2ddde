//! Deaths within the migrations of a database: after each of their statements, none of which is durable then, and after each
//! of them.
//!
//! `schema` comes by before it migrates. Nothing is done here unless such a death was asked for.

use std::collections::HashSet;

use sqlx::{
    AnyConnection, AssertSqlSafe, Connection,
    migrate::{Migrate, MigrateError, Migrator},
};

use super::crash::{CRASH, Point, pass};

/// Where the migrator notes what it has applied.
const TABLE: &str = "_sqlx_migrations";

/// Runs what is to be run, point by point.
///
/// # Errors
/// As the migrator itself.
pub async fn migrating(migrator: &Migrator, conn: &mut AnyConnection) -> Result<(), MigrateError> {
    if !CRASH.as_ref().is_some_and(|crash| crash.is_at(Point::Migration)) {
        return Ok(());
    }
    conn.ensure_migrations_table(TABLE).await?;
    let applied = conn.list_applied_migrations(TABLE).await?;
    let applied: HashSet<i64> = applied.iter().map(|applied| applied.version).collect();
    for migration in migrator
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
    {
        let version = migration.version;
        let mut transaction = conn.begin().await?;
        for statement in migration.sql.as_str().split_inclusive(";\n") {
            let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
            statement.execute(&mut *transaction).await?;
            pass(Point::Migration, None, &format!("{version}, a statement")).await;
        }
        transaction.rollback().await?;
        migrator.run_to(version, &mut *conn).await?;
        pass(Point::Migration, None, &format!("{version}, applied")).await;
    }
    Ok(())
}
