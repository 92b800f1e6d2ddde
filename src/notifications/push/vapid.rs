//! Who pushes: a token for each push service, signed with the daemon's key pair (RFC 8292).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Url;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use storyclip_actors::model::Timestamp;

use super::{PushError, VapidOptions};

/// How long a token is good for: seconds; a day is the most that push services take.
const GOOD_FOR: i64 = 12 * 3_600;

/// Where the private key is in ring's PKCS #8 document of a P-256 key, and how long it is.
const PRIVATE: std::ops::Range<usize> = 36..68;

/// The key pair in use.
pub struct Vapid {
    keys: EcdsaKeyPair,
    public: String,
    subject: String,
}

/// A new pair: public, private.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_keys() -> Result<(String, SecretString), PushError> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| PushError::Keys)?;
    let keys = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).map_err(|_| PushError::Keys)?;
    let private = document.as_ref().get(PRIVATE).ok_or(PushError::Keys)?;
    Ok((
        URL_SAFE_NO_PAD.encode(keys.public_key()),
        SecretString::from(URL_SAFE_NO_PAD.encode(private)),
    ))
}

impl Vapid {
    pub fn new(options: VapidOptions) -> Result<Self, PushError> {
        if !["mailto:", "https://"]
            .iter()
            .any(|scheme| options.subject.starts_with(scheme))
        {
            return Err(PushError::Subject);
        }
        let bytes = |text: &str| {
            URL_SAFE_NO_PAD
                .decode(text.trim_end_matches('='))
                .map_err(|_| PushError::Keys)
        };
        let keys = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &bytes(options.private_key.expose_secret())?,
            &bytes(&options.public_key)?,
            &SystemRandom::new(),
        )
        .map_err(|_| PushError::Keys)?;
        Ok(Self {
            public: URL_SAFE_NO_PAD.encode(keys.public_key()),
            keys,
            subject: options.subject,
        })
    }

    /// The header for a push service; `None` if it cannot be signed.
    pub fn authorization(&self, service: &Url, now: Timestamp) -> Option<String> {
        let claims = json!({
            "aud": service.origin().ascii_serialization(),
            "exp": now.as_millis() / 1_000 + GOOD_FOR,
            "sub": self.subject,
        });
        let header = json!({"typ": "JWT", "alg": "ES256"});
        let encoded = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let token = encoded.join(".");
        let signature = self.keys.sign(&SystemRandom::new(), token.as_bytes()).ok()?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Some(format!("vapid t={token}.{signature}, k={}", self.public))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    fn options(public_key: String, private_key: SecretString) -> VapidOptions {
        VapidOptions {
            public_key,
            private_key,
            subject: "mailto:ops@example.com".into(),
        }
    }

    #[test]
    fn a_new_pair_signs_a_token_for_the_service_that_its_public_half_verifies() {
        let (public, private) = new_keys().unwrap();
        let vapid = Vapid::new(options(public.clone(), private)).unwrap();
        let service = Url::parse("https://push.example:8443/send/abc").unwrap();
        let header = vapid
            .authorization(&service, Timestamp::from_millis(1_780_000_000_000))
            .unwrap();
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        assert_eq!(key, public);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes(key))
            .verify(signed.as_bytes(), &bytes(signature))
            .unwrap();
        let claims: Value = serde_json::from_slice(&bytes(signed.split_once('.').unwrap().1)).unwrap();
        assert_eq!(claims["aud"], "https://push.example:8443");
        assert_eq!(claims["exp"], 1_780_000_000 + GOOD_FOR);
    }

    #[test]
    fn halves_of_different_pairs_and_strange_subjects_are_refused() {
        let ((public, private), (other, _)) = (new_keys().unwrap(), new_keys().unwrap());
        assert!(matches!(
            Vapid::new(options(other, private.clone())),
            Err(PushError::Keys)
        ));
        let mut strange = options(public, private);
        strange.subject = "ops@example.com".into();
        assert!(matches!(Vapid::new(strange), Err(PushError::Subject)));
    }
}
