//! Lists page by page: how long a page is, and the opaque cursor at which the next one begins.
//!
//! A cursor names the last row that was shown, so rows that come or go meanwhile are neither shown twice nor passed over.
//! It holds nothing secret and grants nothing: the tenant is always the caller's.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{limits, problem::Problem, query::Query};
use crate::store::{BatchView, Listed, Page, Position};

/// Rows of a page at most.
pub const MOST: usize = 200;

/// Characters of a cursor at most.
const CURSOR: usize = 512;

/// A kind of list, by which one list's cursor is told from another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List(pub &'static str);

impl Query {
    /// `limit`: 1 to 200 rows.
    ///
    /// # Errors
    /// 400 `INVALID_LIMIT`.
    pub fn limit(&self, default: usize) -> Result<usize, Problem> {
        let Some(text) = self.get("limit")? else {
            return Ok(default);
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(limit @ 1..=MOST) if digits => Ok(limit),
            Ok(_) | Err(_) => Err(Problem::bad(
                "INVALID_LIMIT",
                "limit",
                format!("must be a number from 1 to {MOST}"),
            )),
        }
    }

    /// The page of a list of batches that the client wants.
    ///
    /// # Errors
    /// 400 `INVALID_LIMIT` or `INVALID_CURSOR`.
    pub fn page(&self, list: List, default: usize) -> Result<Page<Position>, Problem> {
        let limit = self.limit(default)?;
        let after = self.cursor(list, |[at, batch]| {
            limits::batch(batch).ok()?;
            Some(Position {
                created_at: at.parse().ok()?,
                batch: batch.into(),
            })
        })?;
        Ok(Page { after, limit })
    }

    /// `cursor`, as what `read` makes of its parts.
    ///
    /// # Errors
    /// 400 `INVALID_CURSOR`.
    pub fn cursor<T, const N: usize>(
        &self,
        list: List,
        read: impl Fn([&str; N]) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get("cursor")? else {
            return Ok(None);
        };
        let parts = (text.len() <= CURSOR).then(|| decode(text)).flatten();
        let place = parts.and_then(|parts| {
            let mut parts = parts.split('\n');
            let named = parts.next() == Some(list.0);
            let parts: Vec<&str> = parts.collect();
            read(named.then(|| parts.try_into().ok()).flatten()?)
        });
        let wrong = || {
            Problem::bad(
                "INVALID_CURSOR",
                "cursor",
                "must be the nextCursor of an answer of this list",
            )
        };
        place.map(Some).ok_or_else(wrong)
    }
}

/// The cursor of the page after the row with these parts.
pub fn next(list: List, parts: &[&str]) -> String {
    let text = [&[list.0], parts].concat().join("\n");
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

/// The cursor of the page after these batches, if there is one.
pub fn next_of(list: List, listed: &Listed<BatchView>) -> Option<String> {
    let last = listed.rows.last().filter(|_| listed.more)?;
    Some(next(list, &[&last.created_at.to_string(), last.id.as_str()]))
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use storyclip_actors::model::Timestamp;

    use super::*;

    const ONE: List = List("one");

    #[test]
    fn a_cursor_leads_back_to_its_row_and_to_no_other_list() {
        let position = Position {
            created_at: Timestamp::from_millis(1_767_225_600_123),
            batch: "batch_1_a".into(),
        };
        let cursor = next(ONE, &[&position.created_at.to_string(), position.batch.as_str()]);
        let page = |list, cursor: &str| Query::parse(&format!("cursor={cursor}")).page(list, 50);
        assert_eq!(page(ONE, &cursor).unwrap().after, Some(position));
        assert_eq!(page(ONE, "").unwrap().after, None);
        let odd = next(ONE, &["yesterday", "batch_1"]);
        let short = next(ONE, &["2026-01-01T00:00:00.000Z"]);
        let long = next(ONE, &["2026-01-01T00:00:00.000Z", "b", "c"]);
        let hostile = next(ONE, &["2026-01-01T00:00:00.000Z", "a'%00"]);
        let endless = "a".repeat(CURSOR + 1);
        for bad in ["x", "%ff", "====", &odd, &short, &long, &hostile, &endless] {
            assert!(page(ONE, bad).is_err(), "{bad}");
        }
        assert!(page(List("two"), &cursor).is_err());
    }

    #[test]
    fn a_page_has_one_to_two_hundred_rows() {
        let limit = |text: &str| Query::parse(&format!("limit={text}")).limit(50);
        assert_eq!(
            (limit("").unwrap(), limit("1").unwrap(), limit("200").unwrap()),
            (50, 1, 200)
        );
        for bad in ["0", "201", "-1", "%2B5", "1.0", "x", "99999999999999999999"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
