//! Encrypting a push message for one browser: RFC 8291 over RFC 8188 (`aes128gcm`), one record.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{self, ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey},
    hmac::{self, HMAC_SHA256},
    rand::SystemRandom,
};

/// Bytes of a point of P-256, uncompressed.
const POINT: usize = 65;
/// Bytes of a record: one is enough for every message.
const RECORD: u32 = 4_096;
/// What ends the last record.
const LAST: u8 = 2;

/// A browser's public key and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushKeys {
    public: [u8; POINT],
    auth: [u8; 16],
}

/// The keys of a subscription (base64url, with or without padding); `None` if they are not such keys.
pub fn keys(p256dh: &str, auth: &str) -> Option<PushKeys> {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let keys = PushKeys {
        public: bytes(p256dh)?.try_into().ok()?,
        auth: bytes(auth)?.try_into().ok()?,
    };
    // Whether it is a point of the curve shows when it is used.
    agree(&keys.public).map(|_| keys)
}

/// The body of the request; `None` if the keys cannot be used or the text is too long for one record.
pub fn encrypt(keys: &PushKeys, text: &[u8]) -> Option<Vec<u8>> {
    let (public, shared) = agree(&keys.public)?;
    seal(keys, &public, &shared, rand::random(), text)
}

/// A new key of ours, its public half, and the secret that it shares with the browser.
fn agree(browser: &[u8; POINT]) -> Option<(Vec<u8>, Vec<u8>)> {
    let ours = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).ok()?;
    let public = ours.compute_public_key().ok()?.as_ref().to_vec();
    let browser = UnparsedPublicKey::new(&ECDH_P256, browser);
    let shared = agreement::agree_ephemeral(ours, &browser, <[u8]>::to_vec).ok()?;
    Some((public, shared))
}

fn seal(keys: &PushKeys, public: &[u8], shared: &[u8], salt: [u8; 16], text: &[u8]) -> Option<Vec<u8>> {
    let info = [b"WebPush: info\0", &keys.public[..], public].concat();
    let secret = derive(&mac(&keys.auth, shared), &info);
    let random = mac(&salt, &secret);
    let key = &derive(&random, b"Content-Encoding: aes128gcm\0")[..16];
    let nonce = derive(&random, b"Content-Encoding: nonce\0")[..12].try_into().ok()?;

    let mut body = [
        &salt[..],
        &RECORD.to_be_bytes(),
        &[u8::try_from(public.len()).ok()?],
        public,
    ]
    .concat();
    let mut sealed = [text, &[LAST]].concat();
    if sealed.len() + AES_128_GCM.tag_len() > RECORD as usize {
        return None;
    }
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).ok()?);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .ok()?;
    body.append(&mut sealed);
    Some(body)
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text).as_ref().to_vec()
}

/// HKDF's second half, for up to 32 bytes.
fn derive(random: &[u8], info: &[u8]) -> Vec<u8> {
    mac(random, &[info, &[1]].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    const PUBLIC: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn the_example_of_the_standard_comes_out_as_it_is_printed_there() {
        let keys = keys(PUBLIC, AUTH).unwrap();
        let public = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
        let shared = "kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs";
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let text = b"When I grow up, I want to be a watermelon";
        let body = seal(&keys, &bytes(public), &bytes(shared), salt, text).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl\
             7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn no_two_messages_look_alike_and_a_long_one_is_refused() {
        let keys = keys(&format!("{PUBLIC}="), AUTH).unwrap();
        assert_ne!(encrypt(&keys, b"a").unwrap(), encrypt(&keys, b"a").unwrap());
        assert!(encrypt(&keys, &[0; 4_000]).is_some() && encrypt(&keys, &[0; 4_096]).is_none());
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let off_the_curve = URL_SAFE_NO_PAD.encode([4; POINT]);
        for (public, auth) in [
            ("", AUTH),
            (PUBLIC, ""),
            (AUTH, AUTH),
            (PUBLIC, PUBLIC),
            (&*off_the_curve, AUTH),
            ("%", AUTH),
        ] {
            assert_eq!(super::keys(public, auth), None, "{public} {auth}");
        }
    }
}
