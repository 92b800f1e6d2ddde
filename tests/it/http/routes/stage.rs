//! A server on which there is one of everything that a request can be about, and the right request for each operation.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use storyclip::{
    providers::metricool::Brand,
    store::{Attempted, Ending},
};
use storyclip_actors::model::{BatchId, ClipStatus, Timestamp};

use super::{
    super::{
        runner::Runner,
        server::{START, Server, Setup, read},
    },
    document::Operation,
    request::Request,
};

/// A key for each scope, and one of another tenant that may do everything there.
pub const KEYS: &str = "stories:sk_full_1:publish,stories:sk_read_1:read,stories:sk_admin_1:admin,\
                        ops:sk_metrics_1:metrics,other:sk_other_1:admin";
pub const ACCOUNT: &str = "5372118";
pub const OTHER: &str = "sk_other_1";

pub struct Stage {
    pub server: Server,
    pub runner: Runner,
    pub batch: String,
    pub endpoint: String,
    pub delivery: String,
    pub key: String,
    pub subscription: String,
}

pub fn setup() -> Setup {
    Setup {
        keys: KEYS,
        accounts: "stories:5372118,other:99",
        push_key: Some("BPublic"),
        ..Setup::default()
    }
}

/// The key that may do this.
pub fn key_for(scope: &str) -> &'static str {
    match scope {
        "publish" => "sk_full_1",
        "read" => "sk_read_1",
        "admin" => "sk_admin_1",
        "metrics" => "sk_metrics_1",
        other => panic!("there is no key for the scope {other}"),
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self::on(Server::start_with(setup()).await).await
    }

    /// With everything on it: of the batch's clips the first is held, the third and the fifth have failed; the delivery has
    /// failed.
    async fn on(server: Server) -> Self {
        let brands = [ACCOUNT, "99"].map(brand).to_vec();
        *server.notes.brands.lock().unwrap() = Some(Ok(brands));
        let batch = server.batch(5).await;
        let mut runner = Runner::claim(&server, &batch).await;
        runner.clip(1, ClipStatus::Held).await;
        for failed in [3, 5] {
            runner.clip(failed, ClipStatus::Failed).await;
        }
        let make = async |path: &str, key: &str, body: Value, pointer: &str| {
            let request = server.bare(Method::POST, path).bearer_auth(key).json(&body);
            let (_, answer) = read(request.send().await.unwrap()).await;
            answer
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{answer}"))
                .as_str()
                .unwrap()
                .to_owned()
        };
        let endpoint = make(
            "/api/webhooks",
            "sk_admin_1",
            json!({"url": "https://hooks.example/a"}),
            "/endpoint/id",
        )
        .await;
        let test = format!("/api/webhooks/{endpoint}/test");
        let delivery = make(&test, "sk_admin_1", json!({}), "/deliveryId").await;
        let key = make("/api/keys", "sk_admin_1", json!({"scopes": ["read"]}), "/key/id").await;
        let browser = Operation::named("subscribe").example.unwrap();
        let subscription = make("/api/push/subscriptions", "sk_read_1", browser, "/subscriptionId").await;
        let stage = Self {
            server,
            runner,
            batch: batch.to_string(),
            endpoint,
            delivery,
            key,
            subscription,
        };
        stage.settle_deliveries().await;
        stage
    }

    /// What a courier does to whom nobody answers.
    async fn settle_deliveries(&self) {
        let now = Timestamp::from_millis(START);
        let store = &self.server.store;
        let due = store
            .claim_deliveries(now, now + Duration::from_secs(60), 9, &[])
            .await
            .unwrap();
        let failed = due.into_iter().map(|due| Attempted {
            due,
            at: now,
            took: Duration::from_millis(1),
            http_status: Some(500),
            error: None,
            ending: Ending::Failed(None),
        });
        store.record_deliveries(&failed.collect::<Vec<_>>()).await.unwrap();
    }

    /// Another batch, of which no clip was touched.
    pub async fn another_batch(&self) -> BatchId {
        self.server.batch(5).await
    }

    /// The id of another endpoint.
    pub async fn another_endpoint(&self) -> String {
        let made = self.right(&Operation::named("createWebhook")).send(&self.server).await;
        let (_, made) = read(made).await;
        made["endpoint"]["id"].as_str().unwrap().to_owned()
    }

    /// What of this tenant a request could name, and an answer to another tenant must not.
    pub fn ids(&self) -> [&str; 6] {
        [
            &self.batch,
            &self.endpoint,
            &self.delivery,
            &self.key,
            &self.subscription,
            ACCOUNT,
        ]
    }

    /// The request that succeeds.
    pub fn right(&self, operation: &Operation) -> Request {
        let id = if operation.path.starts_with("/api/keys") {
            &self.key
        } else if operation.path.starts_with("/api/push") {
            &self.subscription
        } else if operation.path.starts_with("/api/webhooks/deliveries") {
            &self.delivery
        } else {
            &self.endpoint
        };
        let path = operation
            .path
            .replace("{batchId}", &self.batch)
            .replace("{index}", "1")
            .replace("{id}", id);
        assert!(!path.contains('{'), "{path} has a part that the stage knows nothing of");
        let mut request = Request {
            method: operation.method.clone(),
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: operation.example.as_ref().map(|body| body.to_string().into_bytes()),
        };
        if request.body.is_some() {
            request = request.header("content-type", Some("application/json"));
        }
        let names = |name: &str| operation.query.iter().any(|other| other == name);
        if names("batchId") {
            request = request.query("batchId", Some(&self.batch));
        } else if names("userId") {
            request = request.query("userId", Some("u1"));
        }
        request.key(operation.scope.as_deref().map(key_for))
    }
}

impl Operation {
    /// The one of this name.
    pub fn named(id: &str) -> Self {
        let mut all = super::document::operations().into_iter();
        all.find(|operation| operation.id == id)
            .unwrap_or_else(|| panic!("no operation {id}"))
    }
}

fn brand(id: &str) -> Brand {
    Brand {
        id: id.into(),
        user_id: None,
        label: None,
        picture: None,
        timezone: None,
        facebook: None,
        facebook_page_id: None,
        instagram: None,
        tiktok: None,
        youtube: None,
    }
}
