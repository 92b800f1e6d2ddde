//! How a question or an operation gets at the database: the committer's queue, and the readers' connections.
//!
//! Everything that [`Store`] offers goes through here. What waits in the queue when the process dies was never promised.

use std::{io, time::Duration};

use sqlx::{Any, AnyPool, Transaction, pool::PoolConnection};
use storyclip_actors::error::StoreError;
use tokio::sync::oneshot;

use super::{
    Store,
    op::{Op, Reply},
    sql::Dialect,
};

/// How long a server may take over one read before it counts as gone.
const READ_TIMEOUT: Duration = Duration::from_secs(15);

impl Store {
    /// Queues an operation for the committer and waits for its end.
    pub(super) async fn submit<T>(&self, op: impl FnOnce(Reply<T>) -> Op) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the store is closed".into());
        self.0.queue.send(op(reply)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Whether what is written now will be found again. Asked before each promise to a client; the actors' changes follow
    /// from promises made before, and whoever puts the file back finds them in it.
    pub(super) fn may_promise(&self) -> Result<(), StoreError> {
        match &self.0.place {
            Some(place) => place
                .check()
                .map_err(|displaced| StoreError::Unavailable(displaced.to_string())),
            None => Ok(()),
        }
    }

    /// Runs a read; a server that does not answer is not waited for.
    pub(super) async fn reading<T>(&self, read: impl Future<Output = sqlx::Result<T>>) -> Result<T, StoreError> {
        let result = match self.0.dialect {
            Dialect::Sqlite => read.await,
            Dialect::Postgres => match tokio::time::timeout(READ_TIMEOUT, read).await {
                Ok(result) => result,
                Err(_) => Err(sqlx::Error::PoolTimedOut),
            },
        };
        result.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// A connection that reads.
    pub(super) async fn reader(&self) -> sqlx::Result<PoolConnection<Any>> {
        self.0.readers.acquire().await
    }

    /// A transaction in which every statement sees the same rows.
    pub(super) async fn steady(&self) -> sqlx::Result<Transaction<'static, Any>> {
        begin(&self.0.readers, self.0.dialect.steady()).await
    }

    /// A transaction of the connection that writes beside the committer: notices and keys.
    pub(super) async fn aside(&self) -> sqlx::Result<Transaction<'static, Any>> {
        begin(&self.0.aside, self.0.dialect.writing()).await
    }
}

/// Begins a transaction on a connection of its own, by a task of its own: whoever asked may be gone before the server has
/// answered, and the driver knows of a transaction, and ends it, only from its answer on. The connection's next user would
/// be in it, and see what there was long ago.
async fn begin(pool: &AnyPool, statement: &'static str) -> sqlx::Result<Transaction<'static, Any>> {
    let pool = pool.clone();
    let begun = tokio::spawn(async move { pool.begin_with(statement).await }).await;
    begun.unwrap_or_else(|died| Err(sqlx::Error::Io(io::Error::other(died))))
}
