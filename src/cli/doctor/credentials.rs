//! Whether Metricool takes the token, and whether the brands that tenants may use are among the token's.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use storyclip_actors::error::{ProviderError, StoreError, Verdict};

use crate::{
    cli::client::root_cause,
    clock::SystemClock,
    config::Config,
    http::TenantAccounts,
    providers::{
        Facts, http_client,
        metricool::{Brand, Metricool, Options},
    },
};

use super::finding::Finding;

/// Remembers nothing: reading the brands needs no memory.
struct Forgetful;

#[async_trait]
impl Facts for Forgetful {
    async fn get(&self, _: &str) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn set(&self, _: &str, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

pub(super) async fn check(config: &Config, reachable: bool) -> Vec<Finding> {
    if config.metricool_user_token.expose_secret().is_empty() {
        let missing = Finding::failed(
            "credentials",
            "METRICOOL_USER_TOKEN is not set: nothing can be published",
        );
        return vec![missing.todo("set METRICOOL_USER_TOKEN and METRICOOL_USER_ID (Metricool: Account settings, API)")];
    }
    if !reachable {
        return vec![Finding::skipped("credentials", "Metricool cannot be reached")];
    }
    let options = Options::new(
        &config.metricool_url,
        config.metricool_user_token.clone(),
        &config.metricool_user_id,
    );
    let client = match http_client(&config.metricool_url, 1) {
        Ok(client) => client,
        Err(error) => return vec![Finding::failed("credentials", root_cause(&error))],
    };
    let metricool = match Metricool::new(options, client, Arc::new(Forgetful), Arc::new(SystemClock)) {
        Ok(metricool) => metricool,
        Err(error) => return vec![Finding::failed("credentials", error.to_string()).todo("correct the setting")],
    };
    match metricool.brands().await {
        Ok(brands) => taken(config, &brands),
        Err(error) => vec![refused(&error)],
    }
}

fn taken(config: &Config, brands: &[Brand]) -> Vec<Finding> {
    let mut findings = vec![match brands {
        [] => Finding::failed("credentials", "the token is accepted, but it has no brand")
            .todo("add a brand at Metricool"),
        brands => Finding::ok(
            "credentials",
            format!("the token is accepted; brands: {}", brands.len()),
        ),
    }];
    // Settings that are not understood are another check's finding.
    let listed = TenantAccounts::parse(&config.tenant_accounts).unwrap_or_default();
    for listed in listed.brands() {
        if !brands.iter().any(|brand| brand.id == *listed) {
            findings.push(
                Finding::warning(
                    "credentials",
                    format!("brand {listed} of tenant_accounts is none of this token's"),
                )
                .todo("correct STORYCLIP_TENANT_ACCOUNTS, or share the brand with the token's user"),
            );
        }
    }
    findings
}

fn refused(error: &ProviderError) -> Finding {
    let found = format!("{error} ({})", error.code);
    match error.verdict {
        Verdict::Unauthorized(_) => Finding::failed("credentials", found).todo(
            "make a new token at Metricool (Account settings, API) and set METRICOOL_USER_TOKEN and METRICOOL_USER_ID",
        ),
        Verdict::Throttled(_) | Verdict::Unavailable => {
            Finding::warning("credentials", found).todo("run it again in a while: this may pass")
        }
        Verdict::Rejected | Verdict::Unknown => {
            Finding::failed("credentials", found).todo("is STORYCLIP_METRICOOL_URL the API's address?")
        }
    }
}
