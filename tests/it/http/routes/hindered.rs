//! Requests that are right and cannot be carried out: of what the batch, the network or the daemon is.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use storyclip::providers::BestHours;
use storyclip_actors::{
    error::{ProviderError, Refused, Verdict},
    model::{BatchStatus, ClipStatus, Timestamp, Trouble, code as codes},
};

use super::{
    super::{
        runner::Runner,
        scheduling::error,
        server::{START, Server, Setup},
    },
    document::Operation,
    request::Request,
    stage::{Stage, setup},
};

/// The answer to a right request that this hinders; `None` if this is not the place that knows.
pub async fn provoke(stage: &mut Stage, operation: &Operation, code: &str) -> Option<Response> {
    let right = stage.right(operation);
    let answer = match code {
        "BATCH_NOT_CANCELLABLE" | "BATCH_NOT_PAUSABLE" | "BATCH_NOT_RESUMABLE" => {
            stage.runner.turn(BatchStatus::Completed, true).await;
            right.send(&stage.server).await
        }
        "BATCH_NOT_RETRYABLE" => {
            stage.runner.turn(BatchStatus::Cancelled, true).await;
            let retry = json!({"action": "retry"}).to_string();
            let right = if operation.id == "resolveClip" {
                right.body(retry)
            } else {
                right
            };
            right.send(&stage.server).await
        }
        "POST_TAKEN" => {
            let batch = stage.another_batch().await;
            let mut runner = Runner::claim(&stage.server, &batch).await;
            runner.clips[0].error = Some(Trouble::new(codes::POST_TAKEN, "it is another clip's"));
            runner.clip(1, ClipStatus::Held).await;
            *stage.server.notes.answer.lock().unwrap() = Some(BatchStatus::Paused);
            right.instead_of(&stage.batch, batch.as_str()).send(&stage.server).await
        }
        "DELIVERY_NOT_SETTLED" => {
            assert_eq!(right.clone().send(&stage.server).await.status(), StatusCode::ACCEPTED);
            right.send(&stage.server).await
        }
        "ENDPOINT_DISABLED" => {
            let change = stage.right(&Operation::named("changeWebhook"));
            let off = change
                .body(json!({"enabled": false}).to_string())
                .send(&stage.server)
                .await;
            assert_eq!(off.status(), StatusCode::OK);
            right.send(&stage.server).await
        }
        "ENDPOINT_NOT_FOUND" => {
            let gone = stage
                .right(&Operation::named("deleteWebhook"))
                .send(&stage.server)
                .await;
            assert_eq!(gone.status(), StatusCode::OK);
            right.send(&stage.server).await
        }
        "DRAINING" | "NOT_READY" => {
            stage.server.notes.draining.store(true, Ordering::Relaxed);
            right.send(&stage.server).await
        }
        "STORE_UNAVAILABLE" => {
            stage.server.store.close().await;
            right.send(&stage.server).await
        }
        "RATE_LIMITED" => {
            let server = Server::start_with(Setup {
                per_minute: 1,
                ..setup()
            })
            .await;
            *server.notes.brands.lock().unwrap() = Some(Ok(vec![]));
            right.clone().send(&server).await;
            right.send(&server).await
        }
        "TOO_MANY_ENDPOINTS" | "TOO_MANY_KEYS" | "TOO_MANY_SECRETS" | "TOO_MANY_SUBSCRIPTIONS" => {
            too_many(&stage.server, right).await
        }
        "TOO_MANY_CONNECTIONS" => crowded(right).await,
        "PUSH_NOT_CONFIGURED" => {
            right
                .send(
                    &Server::start_with(Setup {
                        push_key: None,
                        ..setup()
                    })
                    .await,
                )
                .await
        }
        "METRICOOL_NOT_CONFIGURED" => {
            let setup = Setup {
                configured: false,
                ..setup()
            };
            right.send(&Server::start_with(setup).await).await
        }
        _ => of_the_network(&stage.server, right, code)?.send(&stage.server).await,
    };
    Some(answer)
}

/// Over a connection for which there is no place: the client's first one is in use.
async fn crowded(right: Request) -> Response {
    let server = Server::start_with(Setup {
        connections: 1,
        ..setup()
    })
    .await;
    let _open = super::super::connections::lingering(&server).await;
    right.send(&server).await
}

/// Lets the network answer so that this code follows.
fn of_the_network(server: &Server, right: Request, code: &str) -> Option<Request> {
    let brands = |verdict| *server.notes.brands.lock().unwrap() = Some(Err(error(verdict, false)));
    let connected = |answer: Result<bool, ProviderError>| *server.network.connected.lock().unwrap() = answer;
    let hours = |hours: BestHours| *server.network.hours.lock().unwrap() = Ok(hours);
    let best = |request: Request| request.field("/schedule", Some(json!({"mode": "bestTime"})));
    let dry = |request: Request| request.query("dryRun", Some("true"));
    Some(match code {
        "METRICOOL_UNAUTHORIZED" => {
            brands(Verdict::Unauthorized(Refused::Token));
            right
        }
        "METRICOOL_UNREADABLE" => {
            brands(Verdict::Rejected);
            right
        }
        "METRICOOL_THROTTLED" => {
            brands(Verdict::Throttled(Timestamp::from_millis(START + 1_000)));
            right
        }
        "METRICOOL_UNAVAILABLE" => {
            brands(Verdict::Unavailable);
            right
        }
        "NETWORK_NOT_CONNECTED" => {
            connected(Ok(false));
            dry(right)
        }
        "ACCOUNT_UNAUTHORIZED" => {
            connected(Err(error(Verdict::Unauthorized(Refused::Brand), false)));
            dry(right)
        }
        "PROVIDER_REFUSED" => {
            connected(Err(error(Verdict::Rejected, false)));
            dry(right)
        }
        "PROVIDER_UNAVAILABLE" => {
            connected(Err(error(Verdict::Unavailable, true)));
            dry(right)
        }
        "MEDIA_NOT_READABLE" => {
            let body: Value = serde_json::from_slice(right.body.as_ref()?).unwrap();
            let url = body["posts"][0]["url"].as_str()?.to_owned();
            server
                .network
                .media
                .lock()
                .unwrap()
                .insert(url, error(Verdict::Rejected, false));
            dry(right)
        }
        "NO_BEST_TIMES" => best(right),
        "NOT_ENOUGH_BEST_TIMES" => {
            let mut one = BestHours::default();
            one.0[3][18] = 1.0;
            hours(one);
            let posts = ["a", "b"].map(|name| json!({"url": format!("https://cdn.example/{name}.mp4")}));
            best(right.field("/posts", Some(json!(posts))))
        }
        _ => return None,
    })
}

/// The first answer that is no success, of as many requests as it takes. Each makes something else.
async fn too_many(server: &Server, right: Request) -> Response {
    for round in 0..100 {
        let sends = (0..20).map(|n| {
            let request = right.clone();
            let browser = format!("https://push.example/send/{round}-{n}");
            let request = match request.path.starts_with("/api/push") {
                true => request.field("/subscription/endpoint", Some(json!(browser))),
                false => request,
            };
            request.send(server)
        });
        if let Some(refused) = join_all(sends)
            .await
            .into_iter()
            .find(|answer| !answer.status().is_success())
        {
            return refused;
        }
    }
    panic!("{} takes everything", right.path)
}
