//! What the outside is told of: endpoints, subscriptions, and the queue of what is to be delivered.
//!
//! HTTP and the notifications call it. Its rows are nobody else's, so its writes do not pass the committer but a
//! connection of their own: a batch's step never waits in one queue with a webhook's outcome. (On SQLite, whose writers
//! take turns, it may wait for the few milliseconds of one.) A transaction that is cut off leaves nothing.

mod deliveries;
mod endpoints;
mod log;
mod outbox;
mod secrets;
mod subscriptions;
mod targets;
mod tries;
mod view;

use sqlx::{AnyConnection, SqlStr, any::AnyRow};
use storyclip_actors::error::StoreError;

use super::{Store, rows::Rows, sql, sql::Dialect};

pub use endpoints::MOST_ENDPOINTS;
pub use log::NewTest;
pub use outbox::delivery_id as new_delivery_id;
pub use secrets::{MOST_OLD_SECRETS, NewSecret, Turned};
pub use subscriptions::{MOST_SUBSCRIPTIONS, Subscribed};
pub use tries::{Attempted, Due, Ending};
pub use view::{
    Behind, Channel, DeliveriesOf, DeliveryStatus, DeliveryView, DisabledReason, Endpoint, EndpointChange, NewEndpoint,
    NewSubscription, News, Notice, NoticeKind, Round, TryView,
};

/// The statements.
pub struct Texts {
    endpoints: endpoints::Texts,
    secrets: secrets::Texts,
    subscriptions: subscriptions::Texts,
    outbox: outbox::Texts,
    deliveries: deliveries::Texts,
    log: log::Texts,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            endpoints: endpoints::Texts::new(dialect),
            secrets: secrets::Texts::new(dialect),
            subscriptions: subscriptions::Texts::new(dialect),
            outbox: outbox::Texts::new(dialect),
            deliveries: deliveries::Texts::new(dialect),
            log: log::Texts::new(dialect),
        }
    }
}

impl Store {
    /// One statement over rows, as a transaction of the notices' own connection.
    async fn alone(&self, statement: &SqlStr, rows: Rows) -> Result<Vec<AnyRow>, StoreError> {
        self.reading(async {
            let mut tx = self.aside().await?;
            let returned = sql::returning(&mut tx, statement, rows).await?;
            tx.commit().await?;
            Ok(returned)
        })
        .await
    }
}

/// Lets the deliveries to these endpoints rest or go on.
async fn rest(conn: &mut AnyConnection, texts: &Texts, rows: Rows) -> sqlx::Result<()> {
    sql::execute(conn, &texts.endpoints.rest, rows).await
}

async fn go_on(conn: &mut AnyConnection, texts: &Texts, rows: Rows) -> sqlx::Result<()> {
    sql::execute(conn, &texts.endpoints.go_on, rows).await
}
