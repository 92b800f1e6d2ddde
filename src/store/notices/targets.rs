//! To whom a notice goes: the tenant's enabled endpoints that want its type, the user's browsers, the batch's own URL, and
//! addresses.
//!
//! Read in the transaction that tells them, so that whoever was there before an event is not missed.

use std::collections::{BTreeSet, HashMap};

use sqlx::{AnyConnection, SqlStr};
use storyclip_actors::model::{Tenant, Timestamp, UserId};

use super::{
    super::{
        decode::Cursor,
        rows::Rows,
        sql::{Dialect, returning},
    },
    endpoints::events,
    view::{Channel, Notice, NoticeKind},
};

/// The statements.
pub struct Texts {
    endpoints: SqlStr,
    browsers: SqlStr,
}

impl Texts {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            endpoints: dialect.over(
                "owner",
                "SELECT e.tenant, e.endpoint_id, e.events, e.enabled_at FROM webhook_endpoints e \
                     WHERE e.disabled_reason IS NULL AND e.tenant IN (SELECT v.owner FROM v)",
            ),
            browsers: dialect.over(
                "owner u",
                "SELECT s.tenant, s.user_id, s.subscription_id, s.created_at FROM v CROSS JOIN push_subscriptions s \
                 WHERE s.tenant = v.owner AND s.user_id = v.u",
            ),
        }
    }
}

struct Listener {
    id: String,
    /// Empty: whatever is pushed.
    events: Vec<NoticeKind>,
    since: Timestamp,
}

/// Who listens, of everyone whom some notices are about.
#[derive(Default)]
pub struct Targets {
    endpoints: HashMap<Tenant, Vec<Listener>>,
    browsers: HashMap<(Tenant, UserId), Vec<Listener>>,
}

impl Targets {
    pub async fn read(conn: &mut AnyConnection, texts: &Texts, notices: &[&Notice]) -> sqlx::Result<Self> {
        let mut targets = Self::default();
        let tenants: BTreeSet<&Tenant> = notices.iter().map(|notice| &notice.tenant).collect();
        let mut rows = Rows::default();
        tenants.iter().for_each(|tenant| rows.push(&[tenant]));
        for row in returning(conn, &texts.endpoints, rows).await? {
            let mut columns = Cursor::new(&row);
            let tenant = columns.text()?.into();
            targets.endpoints.entry(tenant).or_default().push(Listener {
                id: columns.text()?.to_owned(),
                events: events(columns.text()?),
                since: columns.parsed()?,
            });
        }
        let pushed = notices.iter().filter(|notice| notice.pushed);
        let users: BTreeSet<(&Tenant, &UserId)> = pushed.map(|notice| (&notice.tenant, &notice.user)).collect();
        let mut rows = Rows::default();
        users.iter().for_each(|(tenant, user)| rows.push(&[tenant, user]));
        for row in returning(conn, &texts.browsers, rows).await? {
            let mut columns = Cursor::new(&row);
            let user = (columns.text()?.into(), columns.text()?.into());
            targets.browsers.entry(user).or_default().push(Listener {
                id: columns.text()?.to_owned(),
                events: Vec::new(),
                since: columns.parsed()?,
            });
        }
        Ok(targets)
    }

    /// Where this notice goes.
    pub fn of<'t>(&'t self, notice: &'t Notice) -> Vec<(Channel, &'t str)> {
        let there = |listener: &&Listener| listener.since <= notice.created_at;
        let mut to: Vec<(Channel, &str)> = Vec::new();
        let endpoints = self.endpoints.get(&notice.tenant).into_iter().flatten();
        let wanting = endpoints
            .filter(|endpoint| endpoint.events.contains(&notice.kind))
            .filter(there);
        to.extend(wanting.map(|endpoint| (Channel::Webhook, endpoint.id.as_str())));
        if notice.pushed {
            let browsers = self.browsers.get(&(notice.tenant.clone(), notice.user.clone()));
            to.extend(
                (browsers.into_iter().flatten().filter(there)).map(|browser| (Channel::Push, browser.id.as_str())),
            );
        }
        to.extend(notice.webhook_url.as_deref().map(|url| (Channel::Batch, url)));
        to.extend(notice.emails.iter().map(|address| (Channel::Email, address.as_str())));
        to
    }
}
