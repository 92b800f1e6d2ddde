//! The brands of a Metricool account: what a token may publish to.
//!
//! The credential check and the brands page read it. Nothing is kept.

use reqwest::{Method, header};
use serde::Deserialize;
use storyclip_actors::{error::ProviderError, model::AccountId};

use super::{
    Metricool,
    call::{Answer, Call},
    loose::Loose,
};

/// One brand, its `blogId`, and the networks that are connected to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Metricool's")]
pub struct Brand {
    pub id: AccountId,
    pub user_id: Option<String>,
    pub label: Option<String>,
    pub picture: Option<String>,
    pub timezone: Option<String>,
    pub facebook: Option<String>,
    pub facebook_page_id: Option<String>,
    pub instagram: Option<String>,
    pub tiktok: Option<String>,
    pub youtube: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Profile {
    id: Loose,
    user_id: Loose,
    label: Loose,
    picture: Loose,
    timezone: Loose,
    facebook: Loose,
    facebook_page_id: Loose,
    instagram: Loose,
    tiktok: Loose,
    youtube: Loose,
    deleted: Loose,
    is_demo: Loose,
}

/// `/admin` answers bare lists; an envelope is tolerated.
#[derive(Deserialize)]
#[serde(untagged)]
enum Profiles {
    Bare(Vec<Profile>),
    Enveloped { data: Vec<Profile> },
}

impl Metricool {
    /// The brands of the account, without deleted and demonstration ones.
    ///
    /// # Errors
    /// As every read: the verdict is never `Unknown`.
    pub async fn brands(&self) -> Result<Vec<Brand>, ProviderError> {
        Ok(self.profiles().await?.1)
    }

    pub(super) async fn profiles(&self) -> Result<(Answer, Vec<Brand>), ProviderError> {
        let request = self.request(Method::GET, &["admin", "simpleProfiles"], None);
        let answer = self
            .send(Call::Account, request.header(header::ACCEPT, "application/json"))
            .await?;
        let profiles = match serde_json::from_slice(&answer.body) {
            Ok(Profiles::Bare(profiles) | Profiles::Enveloped { data: profiles }) => profiles,
            Err(_) => return Err(answer.unreadable("list of brands")),
        };
        let brands = profiles.into_iter().filter_map(brand).collect();
        Ok((answer, brands))
    }
}

fn brand(profile: Profile) -> Option<Brand> {
    let set = |flag: &Loose| flag.text() == Some("true");
    if set(&profile.deleted) || set(&profile.is_demo) {
        return None;
    }
    Some(Brand {
        id: profile.id.text()?.into(),
        user_id: profile.user_id.0,
        label: profile.label.0,
        picture: profile.picture.0,
        timezone: profile.timezone.0,
        facebook: profile.facebook.0,
        facebook_page_id: profile.facebook_page_id.0,
        instagram: profile.instagram.0,
        tiktok: profile.tiktok.0,
        youtube: profile.youtube.0,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn deleted_and_demo_brands_are_left_out_of_both_shapes() {
        let list = r#"[{"id":5372118,"label":"Shop","facebook":"Shop","instagram":null,"deleted":false},
                       {"id":2,"deleted":true},{"id":3,"isDemo":true},{"label":"no id"}]"#;
        for body in [list.to_owned(), format!(r#"{{"data":{list}}}"#)] {
            let (Profiles::Bare(profiles) | Profiles::Enveloped { data: profiles }) =
                serde_json::from_str(&body).unwrap();
            let brands: Vec<Brand> = profiles.into_iter().filter_map(brand).collect();
            assert_eq!(brands.len(), 1);
            assert_eq!(
                (brands[0].id.as_str(), brands[0].instagram.as_deref()),
                ("5372118", None)
            );
        }
    }
}
