//! Which brands (Metricool's `blogId`) a tenant may use.
//!
//! `STORYCLIP_TENANT_ACCOUNTS` is parsed once at start; publishing asks before anything is created.

use std::collections::{HashMap, HashSet};

use storyclip_actors::model::{AccountId, Tenant};

use super::{keys, limits};

/// The brands listed for each tenant.
#[derive(Clone, Debug, Default)]
pub struct TenantAccounts(HashMap<Tenant, HashSet<AccountId>>);

impl TenantAccounts {
    /// Reads `tenant:blogId+blogId,…`; a tenant that is listed twice has the brands of both.
    ///
    /// # Errors
    /// Names the entry by its position and says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut listed: HashMap<Tenant, HashSet<AccountId>> = HashMap::new();
        for (position, entry) in keys::entries(text) {
            let (tenant, accounts) = parse_entry(entry).map_err(|why| format!("entry {position}: {why}"))?;
            listed.entry(tenant).or_default().extend(accounts);
        }
        Ok(Self(listed))
    }

    /// Every brand that is listed, of whichever tenant.
    pub fn brands(&self) -> impl Iterator<Item = &AccountId> {
        self.0.values().flatten()
    }

    /// Whether brands are listed for this tenant.
    pub fn lists(&self, tenant: &Tenant) -> bool {
        self.0.contains_key(tenant)
    }

    /// Whether the tenant may use the brand. A tenant without a list may use every brand only if it is alone, and never one
    /// that is listed for another.
    pub fn allow(&self, tenant: &Tenant, account: &AccountId, many_tenants: bool) -> bool {
        match self.0.get(tenant) {
            Some(accounts) => accounts.contains(account),
            None => !many_tenants && !self.brands().any(|listed| listed == account),
        }
    }
}

fn parse_entry(entry: &str) -> Result<(Tenant, Vec<AccountId>), String> {
    let (owner, words) = entry.split_once(':').ok_or("expected tenant:blogId+blogId")?;
    let accounts: Result<Vec<AccountId>, String> = words
        .split('+')
        .map(str::trim)
        .map(|word| {
            limits::account(word)
                .map(|()| word.into())
                .map_err(|why| format!("a brand {why}"))
        })
        .collect();
    Ok((keys::tenant(owner.trim())?, accounts?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_listed_tenant_has_its_brands_and_a_lone_unlisted_one_has_all() {
        let accounts = TenantAccounts::parse("a:1+2, b:3, a:4").unwrap();
        let allow = |tenant: &str, account: &str, many| accounts.allow(&tenant.into(), &account.into(), many);
        assert!(allow("a", "1", true) && allow("a", "4", true) && allow("a", "2", false));
        assert!(!allow("a", "3", true) && !allow("a", "3", false));
        assert!(allow("c", "9", false) && !allow("c", "9", true));
        assert!(
            !allow("c", "3", false),
            "it is another's, who may have no key at present"
        );
        assert!(accounts.lists(&"b".into()) && !accounts.lists(&"c".into()));
    }

    #[test]
    fn an_error_names_the_entry() {
        for text in ["a:1,b", "a:1,b:", "a:1,b c:2", "a:1,b:2+", "a:1,b:2 3"] {
            assert!(
                TenantAccounts::parse(text).unwrap_err().starts_with("entry 2: "),
                "{text}"
            );
        }
    }
}
