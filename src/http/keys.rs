//! API keys: which tenant a key speaks for and what it may do.
//!
//! `STORYCLIP_API_KEYS` is parsed once at start; only SHA-256 hashes are kept. Every request asks [`Keys::find`].

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use sha2::{Digest, Sha256};
use storyclip_actors::model::Tenant;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Create batches and command them.
    Publish,
    /// Read batches and watch them.
    Read,
    /// Everything about its tenant, also across the users.
    Admin,
    /// Read how many batches and clips of *all* tenants are where, and nothing else.
    Metrics,
}

impl Scope {
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
        [Self::Publish, Self::Read, Self::Admin, Self::Metrics]
            .into_iter()
            .find(|scope| scope.as_str() == word)
            .ok_or(())
    }
}

struct Key {
    hash: [u8; 32],
    tenant: Tenant,
    scopes: BTreeSet<Scope>,
}

/// Who a request speaks for.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The tenant whose batches exist for it.
    pub tenant: Tenant,
    /// Names the key in records without giving it away: `key_` and the first eight digits of its hash.
    pub name: Arc<str>,
    scopes: BTreeSet<Scope>,
}

impl Holder {
    /// Whether the key has this scope; `admin` implies all that is the tenant's own.
    pub fn may(&self, scope: Scope) -> bool {
        let implied = match scope {
            Scope::Publish | Scope::Read | Scope::Admin => self.scopes.contains(&Scope::Admin),
            Scope::Metrics => false,
        };
        implied || self.scopes.contains(&scope)
    }
}

/// Every key that is accepted.
#[derive(Default)]
pub struct Keys(Vec<Key>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Reads `tenant:sk_…:publish+read,…`.
    ///
    /// # Errors
    /// Names the entry by its position and says what is wrong with it; never prints any of its text, which may be a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<Key> = Vec::new();
        for (position, entry) in entries(text) {
            let key = parse_entry(entry).map_err(|why| format!("entry {position}: {why}"))?;
            if keys.iter().any(|other| other.hash == key.hash) {
                return Err(format!("entry {position}: the same key is listed before"));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// Whose key this is. Takes the same time whichever of the keys it is like.
    pub fn find(&self, presented: &str) -> Option<Holder> {
        let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let mut found = u64::MAX;
        for (position, key) in self.0.iter().enumerate() {
            let equal: Choice = key.hash.ct_eq(&hash);
            found.conditional_assign(&(position as u64), equal);
        }
        let key = self.0.get(usize::try_from(found).ok()?)?;
        Some(Holder {
            tenant: key.tenant.clone(),
            name: format!("key_{}", &hex(&key.hash)[..8]).into(),
            scopes: key.scopes.clone(),
        })
    }

    /// Whether more than one tenant has a key; who only reads metrics is none.
    pub fn many_tenants(&self) -> bool {
        let only_metrics = BTreeSet::from([Scope::Metrics]);
        let mut tenants = self
            .0
            .iter()
            .filter(|key| key.scopes != only_metrics)
            .map(|key| &key.tenant);
        tenants
            .next()
            .is_some_and(|first| tenants.any(|tenant| tenant != first))
    }

    /// Whether there is no key at all: every request would be refused.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
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
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    Ok(Key {
        hash: Sha256::digest(secret.as_bytes()).into(),
        tenant: tenant(owner)?,
        scopes: scopes.map_err(|()| "scopes are publish, read, admin and metrics, joined by +".to_owned())?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_speaks_for_its_tenant_within_its_scopes() {
        let keys = Keys::parse("a:sk_aaaaa:publish+read, b:sk_bbbbb:admin").unwrap();
        let holder = keys.find("sk_aaaaa").unwrap();
        assert_eq!(holder.tenant.as_str(), "a");
        assert!(holder.may(Scope::Publish) && holder.may(Scope::Read) && !holder.may(Scope::Admin));
        assert!(keys.find("sk_bbbbb").unwrap().may(Scope::Read), "admin implies all");
        assert!(keys.find("sk_aaaab").is_none() && keys.find("").is_none());
        assert!(keys.many_tenants());
        assert!(Keys::parse("").unwrap().is_empty());
    }

    #[test]
    fn metrics_are_of_all_tenants_and_take_a_key_of_their_own() {
        let keys = Keys::parse("a:sk_aaaaa:admin,ops:sk_scrape:metrics").unwrap();
        assert!(!keys.find("sk_aaaaa").unwrap().may(Scope::Metrics));
        let scraper = keys.find("sk_scrape").unwrap();
        assert!(scraper.may(Scope::Metrics) && !scraper.may(Scope::Read) && !scraper.may(Scope::Publish));
        assert!(!keys.many_tenants(), "who reads metrics publishes nothing");
    }

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
            let error = Keys::parse(text).unwrap_err();
            assert!(error.starts_with("entry 2: "), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn nothing_printed_shows_a_key() {
        let keys = Keys::parse("a:sk_secret:read").unwrap();
        assert!(!format!("{keys:?} {:?}", keys.find("sk_secret")).contains("secret"));
    }
}
