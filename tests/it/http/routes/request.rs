//! A request that is right, and the ways to make it wrong.

use reqwest::{Method, Response};
use serde_json::Value;

use super::super::server::Server;

#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Vec<u8>>,
}

impl Request {
    pub async fn send(self, server: &Server) -> Response {
        let query: Vec<String> = (self.query.iter())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("{}{mark}{}", self.path, query.join("&"));
        let mut request = server.bare(self.method, &path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        request.send().await.unwrap()
    }

    /// With this header, or without it.
    pub fn header(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    /// From somebody else, or from nobody.
    pub fn key(self, key: Option<&str>) -> Self {
        self.header("x-api-key", key)
    }

    /// With this parameter, percent-encoded already, or without it.
    pub fn query(mut self, name: &str, value: Option<&str>) -> Self {
        self.query.retain(|(other, _)| other != name);
        self.query
            .extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With this field of the body, named as a JSON pointer, or without it.
    pub fn field(self, pointer: &str, value: Option<Value>) -> Self {
        let mut body: Value = serde_json::from_slice(self.body.as_ref().unwrap()).unwrap();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = body.pointer_mut(parent).unwrap();
        match (value, parent) {
            (Some(value), Value::Array(list)) => list[name.parse::<usize>().unwrap()] = value,
            (Some(value), parent) => parent[name] = value,
            (None, parent) => drop(parent.as_object_mut().unwrap().remove(name)),
        }
        self.body(body.to_string())
    }

    /// About something else: this part of the path, or this parameter, becomes another.
    pub fn instead_of(mut self, named: &str, other: &str) -> Self {
        self.path = self.path.replace(named, other);
        for (_, value) in &mut self.query {
            *value = value.replace(named, other);
        }
        self
    }
}
