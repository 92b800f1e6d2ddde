//! Web Push from end to end: keys by the command, a browser's subscription, and what only that browser can read.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use ring::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand::SystemRandom,
};
use serde_json::{Value, json};

use super::{
    process::{PATIENCE, storyclip},
    receiver::{Receiver, Say},
    stage::{ACCOUNT, KEY, Stage, clips, stories},
};

/// A browser's half, by HKDF as the standard tells it.
pub struct Browser {
    private: EphemeralPrivateKey,
    public: Vec<u8>,
    auth: [u8; 16],
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(salt: &[u8], secret: &[u8], info: &[u8], length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    let random = Salt::new(HKDF_SHA256, salt).extract(secret);
    random.expand(&[info], Length(length)).unwrap().fill(&mut out).unwrap();
    out
}

impl Browser {
    pub fn new() -> Self {
        let private = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = private.compute_public_key().unwrap().as_ref().to_vec();
        Self {
            private,
            public,
            auth: rand::random(),
        }
    }

    pub fn subscription(&self, endpoint: &str) -> Value {
        json!({"endpoint": endpoint, "expirationTime": null, "keys": {
            "p256dh": URL_SAFE_NO_PAD.encode(&self.public),
            "auth": URL_SAFE_NO_PAD.encode(self.auth),
        }})
    }

    fn read(self, body: &[u8]) -> Value {
        let (salt, rest) = body.split_at(16);
        let (size, rest) = rest.split_at(4);
        assert_eq!((size, rest[0]), (&4_096_u32.to_be_bytes()[..], 65));
        let (theirs, sealed) = rest[1..].split_at(65);
        let info = [b"WebPush: info\0", &self.public[..], theirs].concat();
        let peer = UnparsedPublicKey::new(&ECDH_P256, theirs);
        let secret = agree_ephemeral(self.private, &peer, |shared| expand(&self.auth, shared, &info, 32)).unwrap();
        let key = expand(salt, &secret, b"Content-Encoding: aes128gcm\0", 16);
        let nonce = expand(salt, &secret, b"Content-Encoding: nonce\0", 12)
            .try_into()
            .unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut sealed = sealed.to_vec();
        let text = key
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .unwrap();
        serde_json::from_slice(text.strip_suffix(&[2]).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_browser_hears_of_the_end_and_is_forgotten_when_it_is_gone() {
    let printed = String::from_utf8(storyclip("vapid").output().unwrap().stdout).unwrap();
    let mut stage = Stage::new(json!({}))
        .await
        .set("STORYCLIP_API_KEYS", &format!("stories:{KEY}:admin"))
        .set("STORYCLIP_WEBHOOK_PRIVATE_ADDRESSES", "true");
    for line in printed.lines() {
        let (name, value) = line.split_once('=').unwrap();
        stage = stage.set(name, value);
    }
    let stage = stage.set("STORYCLIP_VAPID_SUBJECT", "mailto:ops@example.com");
    let (daemon, service, browser) = (stage.start().await, Receiver::start().await, Browser::new());
    let (_, key) = daemon.api.get("/api/push/key").await;
    let public = key["publicKey"].as_str().unwrap();
    assert!(printed.contains(public));

    let wanted = json!({"userId": "u1", "subscription": browser.subscription(&format!("{}/send/1", service.url))});
    let (status, subscribed) = daemon.api.post("/api/push/subscriptions", &wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{subscribed}");
    service.says([Say::Status(201), Say::Status(410)]);
    let batch = daemon.api.publish(&stories(ACCOUNT, &clips(2), json!({}))).await;
    let calls = service.until("a push", |calls| calls.len() == 1).await;
    let header = |name: &str| calls[0].headers[name].to_str().unwrap();
    assert_eq!((header("content-encoding"), header("ttl")), ("aes128gcm", "86400"));
    assert!(header("authorization").starts_with("vapid t=") && header("authorization").ends_with(public));
    let told = browser.read(&calls[0].body);
    assert_eq!(
        (&told["batchId"], &told["type"]),
        (&json!(batch), &json!("batch.completed"))
    );
    assert_eq!(told["body"], "2 of 2 clips published, 0 failed");

    let second = stories(ACCOUNT, &["https://cdn.example/other.mp4".to_owned()], json!({}));
    daemon.api.publish(&second).await;
    service.until("another", |calls| calls.len() == 2).await;
    let path = format!(
        "/api/push/subscriptions/{}",
        subscribed["subscriptionId"].as_str().unwrap()
    );
    let recorded = async {
        while daemon.api.get("/api/webhooks/deliveries?status=failed").await.1["count"] != 1 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, recorded).await.unwrap();
    let deleted = daemon.api.request(reqwest::Method::DELETE, &path).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NOT_FOUND);
    daemon.stop().await;
    stage.clear().await;
}
