//! What a tenant may publish to.

use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storyclip::providers::metricool::Brand;
use storyclip_actors::{
    error::{ProviderError, Refused, Verdict},
    model::Timestamp,
};

use super::server::{START, Server, Setup, problem, read};

const BRANDS: &str = "/api/metricool/brands";

fn brand(id: &str) -> Brand {
    Brand {
        id: id.into(),
        user_id: Some("4000001".into()),
        label: Some(format!("Brand {id}")),
        picture: None,
        timezone: None,
        facebook: None,
        facebook_page_id: None,
        instagram: Some("shop".into()),
        tiktok: None,
        youtube: None,
    }
}

fn error(verdict: Verdict) -> ProviderError {
    ProviderError {
        verdict,
        outage: false,
        code: "X".into(),
        message: "in a sentence".into(),
        http_status: None,
        request_id: None,
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_brands_and_metricool_is_asked_once_a_minute() {
    let server = Server::start().await;
    let all = ["5372118", "99", "1"].map(brand).to_vec();
    *server.notes.brands.lock().unwrap() = Some(Ok(all));
    let told = async |key: &str| {
        let request = server.bare(Method::GET, BRANDS).bearer_auth(key);
        let (status, body) = read(request.send().await.unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        body
    };
    let expected = json!({"success": true, "count": 1, "nextCursor": null, "brands": [{
        "id": "5372118", "userId": "4000001", "label": "Brand 5372118", "facebook": null, "facebookPageId": null,
        "instagram": "shop", "tiktok": null, "youtube": null, "picture": null, "hasInstagram": true,
        "hasFacebook": false, "hasTikTok": false,
    }]});
    assert_eq!(told("sk_full_1").await, expected);
    assert_eq!(told("sk_other_1").await["brands"][0]["id"], "99");
    join_all((0..8).map(|_| told("sk_full_1"))).await;
    let asked = || server.notes.brands_asked.load(Ordering::Relaxed);
    assert_eq!(asked(), 1);
    server.clock.0.store(START + 59_999, Ordering::Relaxed);
    told("sk_full_1").await;
    assert_eq!(asked(), 1);
    server.clock.0.store(START + 60_000, Ordering::Relaxed);
    join_all((0..8).map(|_| told("sk_full_1"))).await;
    assert_eq!(asked(), 2);

    let alone = Setup {
        keys: "stories:sk_full_1:read",
        accounts: "",
        ..Setup::default()
    };
    let alone = Server::start_with(alone).await;
    *alone.notes.brands.lock().unwrap() = Some(Ok(vec![brand("1"), brand("2")]));
    let (_, all) = read(alone.get(BRANDS).send().await.unwrap()).await;
    assert_eq!(all["count"], 2, "who is alone sees all");
}

#[tokio::test]
async fn brands_come_whole_or_page_by_page_whatever_their_order_at_metricool() {
    let alone = Setup {
        keys: "stories:sk_full_1:read",
        accounts: "",
        ..Setup::default()
    };
    let server = Server::start_with(alone).await;
    let get = async |query: &str| server.get(&format!("{BRANDS}{query}")).send().await.unwrap();
    let order =
        |ids: &[&str]| *server.notes.brands.lock().unwrap() = Some(Ok(ids.iter().copied().map(brand).collect()));
    let ids = |page: &Value| -> Vec<String> {
        let brands = page["brands"].as_array().unwrap().iter();
        brands.map(|brand| brand["id"].as_str().unwrap().to_owned()).collect()
    };
    order(&["30", "9", "5372118", "10", "4"]);
    let (_, whole) = read(get("").await).await;
    assert_eq!(
        (ids(&whole), &whole["nextCursor"]),
        (
            ["4", "9", "10", "30", "5372118"].map(String::from).to_vec(),
            &Value::Null
        )
    );
    let (_, first) = read(get("?limit=2").await).await;
    assert_eq!(ids(&first), ["4", "9"]);
    // What is gone meanwhile takes nothing with it.
    server.clock.0.store(START + 60_000, Ordering::Relaxed);
    order(&["10", "5372118", "30", "4"]);
    let next = first["nextCursor"].as_str().unwrap();
    let (_, second) = read(get(&format!("?limit=2&cursor={next}")).await).await;
    assert_eq!(ids(&second), ["10", "30"]);
    let next = second["nextCursor"].as_str().unwrap();
    let (_, last) = read(get(&format!("?limit=2&cursor={next}")).await).await;
    assert_eq!(
        (ids(&last), &last["nextCursor"]),
        (vec!["5372118".into()], &Value::Null)
    );
    problem(get("?limit=0").await, 400, "INVALID_LIMIT").await;
    problem(get("?cursor=x").await, 400, "INVALID_CURSOR").await;
}

#[tokio::test]
async fn what_is_wrong_with_metricool_is_said() {
    let server = Server::start().await;
    let until = |millis| Verdict::Throttled(Timestamp::from_millis(millis));
    let mut now = START;
    for (verdict, status, code, wait) in [
        (
            Verdict::Unauthorized(Refused::Token),
            502,
            "METRICOOL_UNAUTHORIZED",
            None,
        ),
        (until(START + 42_000), 503, "METRICOOL_THROTTLED", Some("32")),
        (Verdict::Unavailable, 503, "METRICOOL_UNAVAILABLE", Some("5")),
        (Verdict::Rejected, 502, "METRICOOL_UNREADABLE", None),
    ] {
        *server.notes.brands.lock().unwrap() = Some(Err(error(verdict)));
        let answers = join_all((0..4).map(|_| server.get(BRANDS).send())).await;
        for answer in answers {
            let answer = answer.unwrap();
            let header = answer.headers().get("retry-after").cloned();
            assert_eq!(header.as_ref().map(|value| value.to_str().unwrap()), wait);
            assert_eq!(problem(answer, status, code).await["detail"], "in a sentence");
        }
        now += 10_000;
        server.clock.0.store(now, Ordering::Relaxed);
    }
    assert_eq!(
        server.notes.brands_asked.load(Ordering::Relaxed),
        4,
        "who waited shares the failure"
    );
    *server.notes.brands.lock().unwrap() = Some(Ok(vec![]));
    assert_eq!(server.get(BRANDS).send().await.unwrap().status(), StatusCode::OK);

    let without = Setup {
        configured: false,
        ..Setup::default()
    };
    let without = Server::start_with(without).await;
    problem(
        without.get(BRANDS).send().await.unwrap(),
        500,
        "METRICOOL_NOT_CONFIGURED",
    )
    .await;
}
