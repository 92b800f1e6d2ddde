//! API keys: which tenant a key speaks for and what it may do.
//!
//! `STORYCLIP_API_KEYS` is parsed once at start; others are rows of `api_keys`. Only SHA-256 hashes are kept of either: a
//! key is long and random, so its hash cannot be turned back. [`super::keyring`] finds them.

use std::{
    collections::BTreeSet,
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use storyclip_actors::model::{Tenant, Timestamp};

use crate::store::KeyView;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Create batches and command them.
    Publish,
    /// Read batches and watch them.
    Read,
    /// Everything about its tenant, also across the users, and its keys.
    Admin,
    /// Read how many batches and clips of *all* tenants are where, and nothing else.
    Metrics,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Publish, Self::Read, Self::Admin, Self::Metrics];

    /// The word in the setting and in problems.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        }
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word).ok_or(())
    }
}

/// Scopes as they are written in the setting and in rows: `publish+read`.
pub fn joined(scopes: &BTreeSet<Scope>) -> String {
    let words: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    words.join("+")
}

/// Never used.
const NEVER: i64 = i64::MIN;

/// A key that is accepted, without the key itself.
pub struct Key {
    pub(super) hash: [u8; 32],
    pub(super) name: Arc<str>,
    pub(super) tenant: Tenant,
    pub(super) scopes: BTreeSet<Scope>,
    /// Milliseconds; as far as this process knows.
    used_at: AtomicI64,
    /// The same as it is in the row.
    noted_at: AtomicI64,
    revoked: AtomicBool,
}

impl Key {
    fn new(hash: [u8; 32], tenant: Tenant, scopes: BTreeSet<Scope>) -> Self {
        Self {
            name: name_of(&hash),
            hash,
            tenant,
            scopes,
            used_at: AtomicI64::new(NEVER),
            noted_at: AtomicI64::new(NEVER),
            revoked: AtomicBool::new(false),
        }
    }

    /// The key of a row; `None` if its hash is none. A scope that this version does not know grants nothing.
    pub(super) fn of_row(row: &KeyView) -> Option<Self> {
        let mut hash = [0; 32];
        let digits = row.hash.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        let scopes = row.scopes.split('+').filter_map(|word| word.parse().ok()).collect();
        let key = Self {
            name: row.id.as_str().into(),
            ..Self::new(hash, row.tenant.clone(), scopes)
        };
        let used = row.last_used_at.map_or(NEVER, Timestamp::as_millis);
        key.used_at.store(used, Ordering::Relaxed);
        key.noted_at.store(used, Ordering::Relaxed);
        Some(key)
    }

    pub(super) fn use_at(&self, now: Timestamp) {
        self.used_at.fetch_max(now.as_millis(), Ordering::Relaxed);
    }

    /// When it was last used, as far as this process knows.
    pub fn used_at(&self) -> Option<Timestamp> {
        let at = self.used_at.load(Ordering::Relaxed);
        (at != NEVER).then(|| Timestamp::from_millis(at))
    }

    /// A use that its row does not have.
    pub(super) fn unnoted(&self) -> Option<Timestamp> {
        let newer = |at: &Timestamp| at.as_millis() > self.noted_at.load(Ordering::Relaxed);
        self.used_at().filter(newer)
    }

    pub(super) fn note(&self, at: Timestamp) {
        self.noted_at.fetch_max(at.as_millis(), Ordering::Relaxed);
    }

    pub(super) fn revoke(&self) {
        self.revoked.store(true, Ordering::Relaxed);
    }
}

/// Who a request speaks for.
#[derive(Clone)]
pub struct Holder {
    /// The tenant whose batches exist for it.
    pub tenant: Tenant,
    /// Names the key in records without giving it away.
    pub name: Arc<str>,
    key: Arc<Key>,
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Holder({} of {})", self.name, self.tenant)
    }
}

impl Holder {
    pub(super) fn of(key: &Arc<Key>) -> Self {
        Self {
            tenant: key.tenant.clone(),
            name: key.name.clone(),
            key: key.clone(),
        }
    }

    /// Whether the key has this scope; `admin` implies all that is the tenant's own.
    pub fn may(&self, scope: Scope) -> bool {
        let scopes = &self.key.scopes;
        let implied = match scope {
            Scope::Publish | Scope::Read | Scope::Admin => scopes.contains(&Scope::Admin),
            Scope::Metrics => false,
        };
        implied || scopes.contains(&scope)
    }

    /// Whether the key was revoked since it was presented, for what lasts longer than an answer.
    pub fn is_revoked(&self) -> bool {
        self.key.revoked.load(Ordering::Relaxed)
    }
}

/// Names the row of the key that a first start makes; fixed, so that of several daemons that make one at once only one does.
pub const FIRST: &str = "key_first";

/// A new key: `sk_` and 48 random base-36 digits, which are 248 bits.
pub fn new_secret() -> SecretString {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rng = rand::rng();
    let digits = (0..48).map(|_| char::from(DIGITS[rng.random_range(0..DIGITS.len())]));
    SecretString::from("sk_".chars().chain(digits).collect::<String>())
}

/// The hash of a key.
pub fn hash_of(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}

/// `key_` and the first twelve digits of its hash.
pub fn name_of(hash: &[u8; 32]) -> Arc<str> {
    format!("key_{}", &hex(hash)[..12]).into()
}

/// Comma-separated entries with their positions from 1; empty ones are no entries.
pub(super) fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.split(',').map(str::trim))
        .filter(|(_, entry)| !entry.is_empty())
}

/// A tenant's name: 1 to 64 letters, digits, `.`, `_` or `-`.
pub(super) fn tenant(text: &str) -> Result<Tenant, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(plain) {
        return Err("the tenant must be 1 to 64 letters, digits, dots, dashes or underscores".into());
    }
    Ok(text.into())
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads `tenant:sk_…:publish+read,…`.
///
/// # Errors
/// Names the entry by its position and says what is wrong with it; never prints any of its text, which may be a key.
pub(super) fn parse(text: &str) -> Result<Vec<Key>, String> {
    let mut keys: Vec<Key> = Vec::new();
    for (position, entry) in entries(text) {
        let key = parse_entry(entry).map_err(|why| format!("entry {position}: {why}"))?;
        if keys.iter().any(|other| other.hash == key.hash) {
            return Err(format!("entry {position}: the same key is listed before"));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn parse_entry(entry: &str) -> Result<Key, String> {
    let parts: Vec<&str> = entry.split(':').map(str::trim).collect();
    let [owner, secret, words] = parts[..] else {
        return Err("expected tenant:sk_…:scope+scope".into());
    };
    let visible = |c: char| c.is_ascii_graphic();
    if !secret.starts_with("sk_") || secret.len() < 8 || secret.len() > 255 || !secret.chars().all(visible) {
        return Err("the key must begin with sk_ and have 8 to 255 visible ASCII characters".into());
    }
    let scopes: Result<BTreeSet<Scope>, ()> = words.split('+').map(|word| word.trim().parse()).collect();
    let scopes = scopes.map_err(|()| "scopes are publish, read, admin and metrics, joined by +".to_owned())?;
    Ok(Key::new(
        Sha256::digest(secret.as_bytes()).into(),
        tenant(owner)?,
        scopes,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_error_names_the_entry_and_never_the_key() {
        for text in [
            "a:sk_good1:read,sk_secret",
            "a:sk_good1:read,a:sk_secret:write",
            "a:sk_good1:read,a:secret:read",
            "a:sk_good1:read,sk_secret:a:read",
            "a:sk_good1:read,a b:sk_secret:read",
            "a:sk_good1:read,a:sk_secret:",
            "a:sk_secret:read,a:sk_secret:read",
        ] {
            let Err(error) = parse(text) else {
                panic!("{text} is taken");
            };
            assert!(error.starts_with("entry 2: "), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_new_key_fits_where_keys_are_written_and_is_never_the_same() {
        let (one, other) = (new_secret(), new_secret());
        assert_ne!(one.expose_secret(), other.expose_secret());
        let [key] = &parse(&format!("a:{}:read", one.expose_secret())).unwrap()[..] else {
            panic!("it is one key");
        };
        assert_eq!(key.hash, hash_of(&one));
        assert!(!format!("{one:?}").contains(one.expose_secret()));
    }
}
