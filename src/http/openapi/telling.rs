//! Webhooks and Web Push, in the document.

use serde_json::json;

use super::{bodies, operation::Operation};
use crate::http::{keys::Scope, page, push, webhooks};

fn hook(at: (&'static str, &'static str), id: &'static str, summary: &'static str) -> Operation {
    Operation::new("telling", at, id, summary).takes(Scope::Admin)
}

fn of_endpoint(at: (&'static str, &'static str), id: &'static str, summary: &'static str) -> Operation {
    hook(at, id, summary)
        .path("id", "The endpoint", bodies::name("wh_4xk2m7v0c9q1w8e5r3t6"))
        .fails(400, &["INVALID_ID"])
        .fails(404, &["ENDPOINT_NOT_FOUND"])
}

fn of_delivery(at: (&'static str, &'static str), id: &'static str, summary: &'static str) -> Operation {
    hook(at, id, summary)
        .path("id", "The delivery", bodies::name("dlv_1"))
        .fails(400, &["INVALID_ID"])
        .fails(404, &["DELIVERY_NOT_FOUND"])
}

fn log(operation: Operation) -> Operation {
    operation
        .query("status", "Only those that are there", bodies::delivery_status())
        .paged(webhooks::deliveries::PAGE)
        .answers::<webhooks::deliveries::Log>(200, "Newest first; e-mail and Web Push are in it, too")
        .fails(400, &["INVALID_STATUS"])
}

fn new_secret(operation: Operation) -> Operation {
    let schema = bodies::rotation(webhooks::secrets::OVERLAP, webhooks::secrets::LONGEST);
    operation
        .says(
            "What signed before signs, too, until the overlap is over: `webhook-signature` then has a signature of each, \
             and a receiver changes over when it likes.",
        )
        .repeatable()
        .body(false, schema, json!({"overlapSeconds": 3_600}))
        .answers::<webhooks::secrets::Secret>(201, "In force; `secret` is null where the answer is given again")
        .fails(400, &["INVALID_OVERLAP"])
        .fails(409, &["TOO_MANY_SECRETS"])
}

pub fn operations() -> Vec<Operation> {
    let example = json!({"url": "https://backend.example/hooks", "events": ["batch.completed", "clip.failed"]});
    let wrong = [
        "INVALID_URL",
        "INVALID_DESCRIPTION",
        "INVALID_EVENTS",
        "INVALID_ENABLED",
    ];
    let mut all = vec![
        hook(("get", "/api/webhooks"), "listWebhooks", "List the tenant's endpoints")
            .paged(page::MOST)
            .answers::<webhooks::endpoints::List>(200, "The endpoints, oldest first"),
        hook(
            ("post", "/api/webhooks"),
            "createWebhook",
            "Have events told to a URL, from now on",
        )
        .says("The secret by which messages are signed (Standard Webhooks 1.0) is in this answer and nowhere else.")
        .repeatable()
        .body(true, bodies::endpoint(true), example.clone())
        .answers::<webhooks::endpoints::Made>(201, "The endpoint; `secret` is null where the answer is given again")
        .fails(400, &wrong)
        .fails(400, &["MISSING_URL"])
        .fails(409, &["TOO_MANY_ENDPOINTS"]),
        of_endpoint(("get", "/api/webhooks/{id}"), "getWebhook", "Show an endpoint")
            .answers::<webhooks::endpoints::One>(200, "The endpoint"),
        of_endpoint(
            ("patch", "/api/webhooks/{id}"),
            "changeWebhook",
            "Change what is named of an endpoint",
        )
        .says("Enabling it sends what had to wait. A `description` of null removes it.")
        .body(true, bodies::endpoint(false), json!({"enabled": true}))
        .answers::<webhooks::endpoints::One>(200, "The endpoint as it is now")
        .fails(400, &wrong),
        of_endpoint(
            ("delete", "/api/webhooks/{id}"),
            "deleteWebhook",
            "Delete an endpoint and give up what waits for it",
        )
        .answers::<webhooks::endpoints::Gone>(200, "It is gone"),
        of_endpoint(
            ("post", "/api/webhooks/{id}/test"),
            "testWebhook",
            "Send a message of the type `webhook.test`, once",
        )
        .repeatable()
        .answers::<webhooks::deliveries::Queued>(202, "It is on its way")
        .fails(409, &["ENDPOINT_DISABLED"]),
        new_secret(of_endpoint(
            ("post", "/api/webhooks/{id}/rotate-secret"),
            "rotateWebhookSecret",
            "Make a new secret of an endpoint, and show it once",
        )),
        log(of_endpoint(
            ("get", "/api/webhooks/{id}/deliveries"),
            "listDeliveriesOfWebhook",
            "List what was sent to an endpoint",
        )),
        log(hook(
            ("get", "/api/webhooks/deliveries"),
            "listDeliveries",
            "List what was sent to anybody",
        ))
        .query(
            "batchId",
            "About this batch",
            bodies::id("batch_1761725644409_k3f9a1c2z"),
        )
        .fails(400, &["INVALID_BATCH_ID"]),
        of_delivery(
            ("get", "/api/webhooks/deliveries/{id}"),
            "getDelivery",
            "Show a delivery with each try",
        )
        .answers::<webhooks::deliveries::One>(200, "The delivery"),
        of_delivery(
            ("post", "/api/webhooks/deliveries/{id}/replay"),
            "replayDelivery",
            "Send it again, under the same id",
        )
        .answers::<webhooks::deliveries::One>(202, "It is queued")
        .fails(404, &["ENDPOINT_NOT_FOUND"])
        .fails(409, &["DELIVERY_NOT_SETTLED", "ENDPOINT_DISABLED"]),
        new_secret(hook(
            ("post", "/api/webhooks/batch-secret"),
            "makeBatchSecret",
            "Make the secret that signs messages to the `webhookUrl` of batches, and show it once",
        )),
    ];
    all.extend(web_push());
    all
}

fn web_push() -> [Operation; 3] {
    let browser = |at, id, summary| Operation::new("telling", at, id, summary).takes(Scope::Read);
    let example = json!({
        "userId": "u1",
        "subscription": {
            "endpoint": "https://push.example/send/1",
            "keys": {
                "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
                "auth": "BTBZMqHH6r4Tts7J_aSIgg",
            },
        },
    });
    [
        browser(
            ("get", "/api/push/key"),
            "getPushKey",
            "Tell the key for `PushManager.subscribe`",
        )
        .without_the_database()
        .answers::<push::PublicKey>(200, "The key")
        .fails(404, &["PUSH_NOT_CONFIGURED"]),
        browser(
            ("post", "/api/push/subscriptions"),
            "subscribe",
            "Have a browser told how a user's batches end",
        )
        .repeatable()
        .body(true, bodies::subscription(push::KEY), example)
        .answers::<push::Subscription>(201, "It is told from now on")
        .fails(
            400,
            &[
                "MISSING_USER_ID",
                "INVALID_USER_ID",
                "MISSING_SUBSCRIPTION",
                "INVALID_SUBSCRIPTION",
            ],
        )
        .fails(404, &["PUSH_NOT_CONFIGURED"])
        .fails(409, &["TOO_MANY_SUBSCRIPTIONS"]),
        browser(
            ("delete", "/api/push/subscriptions/{id}"),
            "unsubscribe",
            "Tell a browser nothing more",
        )
        .path("id", "The subscription", bodies::name("push_4xk2m7v0c9q1w8e5r3t6"))
        .answers::<push::Subscription>(200, "It is gone")
        .fails(400, &["INVALID_ID"])
        .fails(404, &["SUBSCRIPTION_NOT_FOUND"]),
    ]
}
