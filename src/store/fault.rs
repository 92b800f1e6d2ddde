//! What went wrong in a drain, and therefore what the committer does next.
//!
//! The committer alone reads it. Codes are SQLite's extended result codes and PostgreSQL's SQLSTATEs.

use storyclip_actors::error::StoreError;

/// Why a transaction was not committed.
#[derive(Debug)]
pub enum Fault {
    /// The guards of these operations (by their place in the drain) missed; the others may run again without them.
    Missed(Vec<(usize, StoreError)>),
    /// A rule refused somebody's rows; whose is found by halving the drain.
    Refused(StoreError),
    /// Busy, a deadlock, a serialization failure: the same again.
    Passing(String),
    /// The connection, or the whole database, cannot be used; nothing was committed.
    Gone(String),
    /// The answer of a COMMIT was lost: it may be committed.
    InDoubt(String),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        let Some(database) = error.as_database_error() else {
            return Self::Gone(text);
        };
        if database.is_unique_violation() {
            return Self::Refused(StoreError::Conflict(text));
        }
        match database.code().as_deref().map(family) {
            Some(Family::Busy) => Self::Passing(text),
            Some(Family::Data) => Self::Refused(StoreError::Unavailable(text)),
            Some(Family::Other) | None => Self::Gone(text),
        }
    }
}

enum Family {
    Busy,
    Data,
    Other,
}

/// SQLite's low byte (5 busy, 6 locked, 19 constraint, 20 mismatch) or PostgreSQL's class (22 data, 23 integrity).
fn family(code: &str) -> Family {
    if code.len() == 5 {
        return match (code, &code[..2]) {
            ("40001" | "40P01" | "55P03", _) => Family::Busy,
            (_, "22" | "23") => Family::Data,
            _ => Family::Other,
        };
    }
    match code.parse::<i64>().map(|code| code & 0xff) {
        Ok(5 | 6) => Family::Busy,
        Ok(19 | 20) => Family::Data,
        Ok(_) | Err(_) => Family::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_engines_fall_into_place() {
        for code in ["5", "6", "517", "261", "40001", "40P01"] {
            assert!(matches!(family(code), Family::Busy), "{code}");
        }
        for code in ["1299", "787", "22P05", "23502"] {
            assert!(matches!(family(code), Family::Data), "{code}");
        }
        for code in ["13", "8", "10", "57P01", "08006", "42601"] {
            assert!(matches!(family(code), Family::Other), "{code}");
        }
    }
}
