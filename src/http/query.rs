//! The query string, read strictly: a parameter that cannot be understood is named, never guessed.
//!
//! Handlers take it as an argument. Values may hold a key and are never logged.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use storyclip_actors::model::{BatchId, Timestamp, UserId};

use super::{limits, problem::Problem};

/// The parameters in the order in which they came.
pub struct Query(Vec<(String, Result<String, ()>)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name).unwrap_or_default(), decode(value))
        });
        Self(pairs.collect())
    }

    /// The parameter, if it is there and not empty.
    ///
    /// # Errors
    /// 400 if it is there twice or is not UTF-8.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
        let value = match values.next() {
            None => return Ok(None),
            Some(Err(())) => return Err(Problem::bad("INVALID_QUERY", name, "must be percent-encoded UTF-8")),
            Some(Ok(value)) => value.as_str(),
        };
        if values.next().is_some() {
            return Err(Problem::bad("INVALID_QUERY", name, "must be given once"));
        }
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// `batchId`, if it is there.
    ///
    /// # Errors
    /// 400 if it cannot be an id.
    pub fn batch(&self) -> Result<Option<BatchId>, Problem> {
        self.checked("batchId", "INVALID_BATCH_ID", limits::batch)
            .map(|id| id.map(BatchId::from))
    }

    /// `userId`, if it is there.
    ///
    /// # Errors
    /// 400 if it cannot be an id.
    pub fn user(&self) -> Result<Option<UserId>, Problem> {
        self.checked("userId", "INVALID_USER_ID", limits::name)
            .map(|id| id.map(UserId::from))
    }

    /// An instant, if it is there: ISO 8601 with an offset, or a date, which means its beginning in UTC.
    ///
    /// # Errors
    /// 400 if it is something else.
    pub fn instant(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.get(name)? else {
            return Ok(None);
        };
        // A plus sign that was not encoded has become a space.
        let text = text.replace(' ', "+");
        let whole = match text.parse::<jiff::civil::Date>() {
            Ok(_) if text.len() == 10 => format!("{text}T00:00:00Z"),
            Ok(_) | Err(_) => text,
        };
        let wrong = |_| {
            let message = "must be an instant as in 2026-12-01T18:00:00+01:00, or a date";
            Problem::bad("INVALID_QUERY", name, message)
        };
        whole.parse().map(Some).map_err(wrong)
    }

    /// A parameter that is `true` or `false`; only where it is absent does it mean `false`.
    ///
    /// # Errors
    /// 400 if it is another word, or none.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name)? {
            None if !self.has(name) => Ok(false),
            Some("false") => Ok(false),
            Some("true") => Ok(true),
            None | Some(_) => Err(Problem::bad("INVALID_QUERY", name, "must be true or false")),
        }
    }

    /// Whether the parameter is there, even without a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// For a route on which a parameter that is misspelled, and so means nothing, would do harm.
    ///
    /// # Errors
    /// 400 if there is any other.
    pub fn only(&self, names: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                let message = format!("is no parameter of this route; those are: {}", names.join(", "));
                Err(Problem::bad("INVALID_QUERY", name, message))
            }
        }
    }

    fn checked(
        &self,
        name: &str,
        code: &'static str,
        rule: fn(&str) -> Result<(), String>,
    ) -> Result<Option<&str>, Problem> {
        let Some(value) = self.get(name)? else {
            return Ok(None);
        };
        rule(value).map_err(|why| Problem::bad(code, name, why))?;
        Ok(Some(value))
    }
}

fn decode(text: &str) -> Result<String, ()> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let [high, low, tail @ ..] = tail else {
                    return Err(());
                };
                rest = tail;
                digit(*high)? << 4 | digit(*low)?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| ())
}

fn digit(byte: u8) -> Result<u8, ()> {
    char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn parameters_are_decoded_and_named_when_wrong() {
        let query = Query::parse("a=1&b=x%20y+z&c=%ff&d=%4&e=1&e=2&f=&dryRun=maybe");
        assert_eq!(query.get("a").unwrap(), Some("1"));
        assert_eq!(query.get("b").unwrap(), Some("x y z"));
        for wrong in ["c", "d", "e"] {
            assert!(format!("{:?}", query.get(wrong).unwrap_err()).contains("INVALID_QUERY"));
        }
        assert_eq!(query.get("f").unwrap(), None);
        assert_eq!(query.get("g").unwrap(), None);
        let instant = |text: &str| Query::parse(&format!("at={text}")).instant("at");
        for same in [
            "2026-01-01T01:00:00%2B01:00",
            "2026-01-01T01:00:00+01:00",
            "2026-01-01",
            "2026-01-01T00:00:00Z",
        ] {
            assert_eq!(instant(same).unwrap().unwrap().to_string(), "2026-01-01T00:00:00.000Z");
        }
        for wrong in [
            "yesterday",
            "2026-13-01",
            "2026-01-01T00:00:00",
            "1767225600",
            "2026-01",
        ] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
        assert!(query.flag("dryRun").is_err() && !query.flag("g").unwrap());
        assert!(
            query.flag("f").is_err(),
            "what is there without a value is no \"false\""
        );
        assert!(query.has("f") && !query.has("g"));
    }

    #[test]
    fn what_a_route_does_not_know_is_named_where_it_would_do_harm() {
        let only = |text: &str| Query::parse(text).only(&["dryRun"]);
        assert!(only("").is_ok() && only("dryRun").is_ok() && only("dryRun=true&dryRun=x").is_ok());
        for wrong in ["dryrun=true", "dry_run=true", "dryRun=true&a=", "%64ryrun", "%ff=1"] {
            assert!(
                format!("{:?}", only(wrong).unwrap_err()).contains("INVALID_QUERY"),
                "{wrong}"
            );
        }
    }
}
