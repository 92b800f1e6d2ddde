//! Whether the settings fit together: keys, tenants and their brands.

use secrecy::ExposeSecret;
use storyclip_actors::model::Tenant;

use crate::{
    config::Config,
    http::{Keys, TenantAccounts},
};

use super::finding::Finding;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let set = config.settings.iter().filter(|setting| setting.source != "default");
    let mut findings = vec![Finding::ok(
        "settings",
        format!("{} settings, {} of them set here", config.settings.len(), set.count()),
    )];
    findings.extend(config.warnings.iter().map(|warning| {
        Finding::warning("settings", warning.clone())
            .todo("a typing error? `storyclip config --defaults` lists all names")
    }));
    findings.push(keys(config));
    findings
}

fn keys(config: &Config) -> Finding {
    let keys = match Keys::parse(config.api_keys.expose_secret()) {
        Ok(keys) => keys,
        Err(why) => return Finding::failed("keys", format!("api_keys: {why}")).todo("correct STORYCLIP_API_KEYS"),
    };
    let accounts = match TenantAccounts::parse(&config.tenant_accounts) {
        Ok(accounts) => accounts,
        Err(why) => {
            return Finding::failed("keys", format!("tenant_accounts: {why}"))
                .todo("correct STORYCLIP_TENANT_ACCOUNTS");
        }
    };
    if keys.none_of_environment() {
        let text = "none is among the settings: those that `storyclip keys` makes are in the database";
        return Finding::ok("keys", text).todo(
            "a first start makes one for an admin and prints it, once; if it is lost, set STORYCLIP_API_KEYS=default:sk_…:admin \
             to get in (a key of another tenant makes STORYCLIP_TENANT_ACCOUNTS necessary)",
        );
    }
    if keys.many_tenants() && config.tenant_accounts.trim().is_empty() {
        return Finding::failed(
            "keys",
            "there are keys of several tenants, but no brand belongs to any of them",
        )
        .todo("set STORYCLIP_TENANT_ACCOUNTS=tenant:blogId+blogId,…");
    }
    let without = keys.without_brands(&accounts);
    if !without.is_empty() {
        let tenants: Vec<&str> = without.iter().map(Tenant::as_str).collect();
        let text = format!(
            "no brand belongs to {}, so that keys of it can publish nothing",
            tenants.join(", ")
        );
        return Finding::warning("keys", text).todo("add them to STORYCLIP_TENANT_ACCOUNTS, or take the keys out");
    }
    Finding::ok("keys", "understood")
}
