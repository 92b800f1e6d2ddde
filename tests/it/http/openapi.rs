//! The document and its page: for everybody, without a key, and about this daemon.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::server::Server;

/// What a page loads or links to: all that stands behind the words by which that is done, in HTML, CSS and script.
fn named(page: &str) -> Vec<&str> {
    let words = [
        "fetch(\"",
        "src=\"",
        "src: \"",
        "href=\"",
        "href: \"",
        "action=\"",
        "url(",
        "import \"",
        "import(\"",
    ];
    let behind = |word| {
        page.split(word)
            .skip(1)
            .filter_map(|rest| rest.split(['"', ')']).next())
    };
    words.into_iter().flat_map(behind).collect()
}

#[tokio::test]
async fn everybody_may_read_the_document_and_its_page() {
    let server = Server::start().await;
    let response = server.bare(Method::GET, "/openapi.json").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    let document: Value = response.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let committed = include_str!("../../../src/http/openapi.json");
    let committed: Value = serde_json::from_str(committed).unwrap();
    // The two are long; the unit test beside the document says what to do.
    assert!(document == committed, "the committed document is another one");

    let response = server.bare(Method::GET, "/docs").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    let here = response.url().clone();
    let page = response.text().await.unwrap();
    let named = named(&page);
    assert!(named.contains(&"openapi.json"), "{named:?}");
    for asset in named {
        let url = here.join(asset).unwrap();
        assert_eq!(url.origin(), here.origin(), "{asset} is from elsewhere");
        assert_eq!(
            server.client.get(url).send().await.unwrap().status(),
            StatusCode::OK,
            "{asset}"
        );
    }

    let wrong = server.bare(Method::POST, "/openapi.json").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// The table of routes is compared with the document in source; here each path of the document is asked for its methods.
#[tokio::test]
async fn every_path_of_the_document_takes_the_methods_that_it_names() {
    let server = Server::start().await;
    let response = server.bare(Method::GET, "/openapi.json").send().await.unwrap();
    let document: Value = response.json().await.unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{index}", "1").replace(['{', '}'], "");
        let wrong = server.bare(Method::PUT, &path).send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let mut allowed: Vec<String> = (wrong.headers()["allow"].to_str().unwrap().split(','))
            .map(|method| method.trim().to_lowercase())
            .filter(|method| method != "head")
            .collect();
        allowed.sort();
        let mut named: Vec<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
        named.sort();
        assert_eq!(allowed, named, "{path}");
    }
}
