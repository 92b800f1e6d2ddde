//! Every key that is accepted, in memory: a request costs no read of the database.
//!
//! The daemon fills it at start and, where others may change the rows, every few seconds; the routes of `/api/keys` change
//! rows and ring together. Uses are noted in memory and written down once a minute. A process that dies loses at most
//! that minute's.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use sha2::{Digest, Sha256};
use storyclip_actors::{
    error::StoreError,
    model::{Tenant, Timestamp},
};
use subtle::ConstantTimeEq;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    TenantAccounts,
    keys::{self, Holder, Key, Scope},
};
use crate::store::{KeyView, Store};

/// Every key that is accepted.
pub struct Keys {
    environment: Vec<Arc<Key>>,
    ring: RwLock<Arc<Ring>>,
    /// Held while rows are changed, or read to be put here: what was read before a change is never put here after it.
    changing: Mutex<()>,
}

/// What is in force.
#[derive(Default)]
struct Ring {
    stored: Vec<Arc<Key>>,
    /// By the first bytes of the hash; which of them it is, if any, is compared in constant time.
    by_hash: HashMap<[u8; 8], Vec<Arc<Key>>>,
    /// Of all keys that are there or ever were: a brand that was another's does not become everybody's with its last key. Only
    /// the first start's own key is not among them: nobody chose its tenant, so that it is one as long as the key is there.
    ever: HashSet<Tenant>,
    /// Of the keys that are there.
    present: BTreeSet<Tenant>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (environment, stored) = (self.environment.len(), self.ring().stored.len());
        write!(f, "Keys({environment} of the environment, {stored} stored)")
    }
}

impl Keys {
    /// Those of the environment: reads `tenant:sk_…:publish+read,…`.
    ///
    /// # Errors
    /// Names the entry by its position and says what is wrong with it; never prints any of its text, which may be a key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys = Self {
            environment: keys::parse(text)?.into_iter().map(Arc::new).collect(),
            ring: RwLock::default(),
            changing: Mutex::new(()),
        };
        keys.put(Vec::new(), HashSet::new());
        Ok(keys)
    }

    /// Whose key this is; notes that it was used now.
    pub fn find(&self, presented: &str, now: Timestamp) -> Option<Holder> {
        let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let ring = self.ring();
        let alike = ring.by_hash.get(&first_of(&hash))?;
        let key = alike.iter().find(|key| key.hash.ct_eq(&hash).into())?;
        key.use_at(now);
        Some(Holder::of(key))
    }

    /// Whether more than one tenant has, or had, a key; who only reads metrics is none.
    pub fn many_tenants(&self) -> bool {
        let ring = self.ring();
        let only_present = ring.present.iter().filter(|tenant| !ring.ever.contains(*tenant));
        ring.ever.len() + only_present.count() > 1
    }

    /// The tenants that have keys and, beside others, no brand: what they publish is refused, whichever brand it is for.
    pub fn without_brands(&self, accounts: &TenantAccounts) -> Vec<Tenant> {
        if !self.many_tenants() {
            return Vec::new();
        }
        let ring = self.ring();
        let unlisted = ring.present.iter().filter(|tenant| !accounts.lists(tenant));
        unlisted.cloned().collect()
    }

    /// Whether there is no key of the environment.
    pub fn none_of_environment(&self) -> bool {
        self.environment.is_empty()
    }

    /// Those of the environment that are this tenant's.
    pub fn of_environment(&self, tenant: &Tenant) -> impl Iterator<Item = &Arc<Key>> {
        self.environment.iter().filter(move |key| key.tenant == *tenant)
    }

    /// When a stored key was last used, as far as this process knows.
    pub fn used_at(&self, name: &str) -> Option<Timestamp> {
        let ring = self.ring();
        ring.stored.iter().find(|key| *key.name == *name)?.used_at()
    }

    /// Waits until nobody else changes rows and ring; the guard is held over both.
    pub async fn change(&self) -> Changing<'_> {
        Changing {
            keys: self,
            _one_at_a_time: self.changing.lock().await,
        }
    }

    /// Writes down when stored keys were last used.
    ///
    /// # Errors
    /// When the database is away; then it is tried again with the next use.
    pub async fn note_uses(&self, store: &Store) -> Result<(), StoreError> {
        let ring = self.ring();
        let used: Vec<(&Arc<Key>, Timestamp)> = ring
            .stored
            .iter()
            .filter_map(|key| Some((key, key.unnoted()?)))
            .collect();
        let rows: Vec<(&str, Timestamp)> = used.iter().map(|(key, at)| (&*key.name, *at)).collect();
        store.keys_used(&rows).await?;
        used.iter().for_each(|(key, at)| key.note(*at));
        Ok(())
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts these stored keys in force. Those that were and are no more are told so, for who still holds them.
    fn put(&self, stored: Vec<Arc<Key>>, mut ever: HashSet<Tenant>) {
        let mut present = BTreeSet::new();
        let mut by_hash: HashMap<[u8; 8], Vec<Arc<Key>>> = HashMap::new();
        for key in self.environment.iter().chain(&stored) {
            by_hash.entry(first_of(&key.hash)).or_default().push(key.clone());
            let tenant = tenant_of(&key.tenant, &key.scopes);
            if &*key.name != keys::FIRST {
                ever.extend(tenant.clone());
            }
            present.extend(tenant);
        }
        let names: HashSet<Arc<str>> = stored.iter().map(|key| key.name.clone()).collect();
        let ring = Ring {
            stored,
            by_hash,
            ever,
            present,
        };
        let before = std::mem::replace(
            &mut *self.ring.write().unwrap_or_else(PoisonError::into_inner),
            Arc::new(ring),
        );
        let gone = before.stored.iter().filter(|key| !names.contains(&key.name));
        gone.for_each(|key| key.revoke());
    }
}

/// The right to change rows and ring.
pub struct Changing<'k> {
    keys: &'k Keys,
    _one_at_a_time: MutexGuard<'k, ()>,
}

impl Changing<'_> {
    /// Reads the rows and puts them in force; gives how many there are, revoked ones included.
    ///
    /// # Errors
    /// When the database is away; then what is in force stays.
    pub async fn reload(&self, store: &Store) -> Result<usize, StoreError> {
        let rows = store.all_keys().await?;
        let before = self.keys.ring();
        let known: HashMap<&str, &Arc<Key>> = before.stored.iter().map(|key| (&*key.name, key)).collect();
        let mut ever = HashSet::new();
        let mut stored = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(key) = Key::of_row(row) else {
                tracing::warn!(key = row.id, "the row of this key cannot be read");
                continue;
            };
            if row.id != keys::FIRST {
                ever.extend(tenant_of(&key.tenant, &key.scopes));
            }
            if row.revoked_at.is_none() {
                let same = known.get(row.id.as_str()).filter(|known| known.hash == key.hash);
                stored.push(same.map_or_else(|| Arc::new(key), |known| (*known).clone()));
            }
        }
        self.keys.put(stored, ever);
        Ok(rows.len())
    }

    /// Puts a key in force whose row is durable.
    pub fn add(&self, row: &KeyView) {
        let before = self.keys.ring();
        let key = Key::of_row(row).map(Arc::new);
        let stored = before.stored.iter().cloned().chain(key).collect();
        self.keys.put(stored, before.ever.clone());
    }

    /// Puts a key out of force whose revocation is durable.
    pub fn remove(&self, name: &str) {
        let before = self.keys.ring();
        let others = before.stored.iter().filter(|key| *key.name != *name);
        self.keys.put(others.cloned().collect(), before.ever.clone());
    }
}

fn first_of(hash: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    first
}

fn tenant_of(tenant: &Tenant, scopes: &BTreeSet<Scope>) -> Option<Tenant> {
    let only_metrics = scopes.iter().all(|scope| *scope == Scope::Metrics);
    (!only_metrics).then(|| tenant.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn row(id: &str, secret: &str, tenant: &str, scopes: &str) -> KeyView {
        KeyView {
            id: id.into(),
            hash: keys::hex(&Sha256::digest(secret.as_bytes())),
            tenant: tenant.into(),
            scopes: scopes.into(),
            label: None,
            created_by: "key_1".into(),
            created_at: NOW,
            last_used_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn a_key_speaks_for_its_tenant_within_its_scopes() {
        let keys = Keys::parse("a:sk_aaaaa:publish+read, b:sk_bbbbb:admin").unwrap();
        let holder = keys.find("sk_aaaaa", NOW).unwrap();
        assert_eq!(holder.tenant.as_str(), "a");
        assert!(holder.may(Scope::Publish) && holder.may(Scope::Read) && !holder.may(Scope::Admin));
        assert!(
            keys.find("sk_bbbbb", NOW).unwrap().may(Scope::Read),
            "admin implies all"
        );
        assert!(keys.find("sk_aaaab", NOW).is_none() && keys.find("", NOW).is_none());
        assert!(keys.many_tenants() && !keys.none_of_environment());
        assert!(Keys::parse("").unwrap().none_of_environment());
    }

    #[test]
    fn metrics_are_of_all_tenants_and_take_a_key_of_their_own() {
        let keys = Keys::parse("a:sk_aaaaa:admin,ops:sk_scrape:metrics").unwrap();
        assert!(!keys.find("sk_aaaaa", NOW).unwrap().may(Scope::Metrics));
        let scraper = keys.find("sk_scrape", NOW).unwrap();
        assert!(scraper.may(Scope::Metrics) && !scraper.may(Scope::Read) && !scraper.may(Scope::Publish));
        assert!(!keys.many_tenants(), "who reads metrics publishes nothing");
    }

    #[tokio::test]
    async fn a_stored_key_comes_into_force_and_goes_and_its_tenant_is_not_forgotten() {
        let keys = Keys::parse("a:sk_aaaaa:admin").unwrap();
        let changing = keys.change().await;
        changing.add(&row("key_1", "sk_stored", "b", "read+fly"));
        let holder = keys.find("sk_stored", NOW).unwrap();
        assert_eq!((&*holder.name, holder.tenant.as_str()), ("key_1", "b"));
        assert!(
            holder.may(Scope::Read) && !holder.may(Scope::Publish),
            "what is not known grants nothing"
        );
        assert_eq!(keys.used_at("key_1"), Some(NOW));
        assert!(keys.many_tenants() && !holder.is_revoked());
        changing.remove("key_1");
        assert!(keys.find("sk_stored", NOW).is_none() && holder.is_revoked());
        assert!(keys.many_tenants(), "its brands do not become everybody's");
    }

    #[tokio::test]
    async fn the_first_start_s_key_makes_a_tenant_only_as_long_as_it_is_there() {
        let without = |keys: &Keys, accounts: &str| {
            let accounts = TenantAccounts::parse(accounts).unwrap();
            let tenants = keys.without_brands(&accounts).into_iter();
            tenants.map(|tenant| tenant.to_string()).collect::<Vec<_>>()
        };
        let keys = Keys::parse("stories:sk_aaaaa:publish,ops:sk_scrape:metrics").unwrap();
        let changing = keys.change().await;
        assert_eq!(without(&keys, ""), [""; 0], "who is alone has them all");
        changing.add(&row(keys::FIRST, "sk_first", "default", "admin+metrics"));
        assert!(keys.many_tenants());
        assert_eq!(without(&keys, ""), ["default", "stories"]);
        assert_eq!(without(&keys, "stories:1"), ["default"]);
        changing.remove(keys::FIRST);
        assert!(!keys.many_tenants(), "nobody chose its tenant");
        assert_eq!(without(&keys, ""), [""; 0]);
        changing.add(&row(keys::FIRST, "sk_first", "default", "admin+metrics"));
        changing.add(&row("key_2", "sk_other", "default", "publish"));
        changing.remove("key_2");
        changing.remove(keys::FIRST);
        assert!(keys.many_tenants(), "somebody made a key for it");
        assert_eq!(without(&keys, ""), ["stories"]);
    }

    #[test]
    fn nothing_printed_shows_a_key() {
        let keys = Keys::parse("a:sk_secret:read").unwrap();
        assert!(!format!("{keys:?} {:?}", keys.find("sk_secret", NOW)).contains("secret"));
    }
}
