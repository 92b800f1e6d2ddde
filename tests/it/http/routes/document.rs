//! What the OpenAPI document promises, as far as a test can hold the daemon to it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

/// One method of one path.
pub struct Operation {
    pub id: String,
    pub method: Method,
    /// With its parts in braces.
    pub path: String,
    /// The scope of the key that it takes.
    pub scope: Option<String>,
    /// A body that is right.
    pub example: Option<Value>,
    /// Names of the query's parameters.
    pub query: Vec<String>,
    /// Statuses of answers that are no problems.
    pub answers: BTreeSet<u16>,
    /// Problems by status and code.
    pub problems: Vec<(u16, String)>,
}

/// All of them.
pub fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(include_str!("../../../../src/http/openapi.json")).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(Operation::read(path, method, operation));
        }
    }
    operations
}

impl Operation {
    fn read(path: &str, method: &str, operation: &Value) -> Self {
        let about = operation["description"].as_str().unwrap_or_default();
        let scope = about
            .rsplit_once("Takes the scope `")
            .map(|(_, rest)| rest.trim_end_matches("`.").to_owned());
        assert_eq!(
            scope.is_none(),
            operation["security"] == serde_json::json!([]),
            "{path}"
        );
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let query = parameters.filter(|parameter| parameter["in"] == "query");
        let mut problems = Vec::new();
        let mut answers = BTreeSet::new();
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let status: u16 = status.parse().unwrap();
            if status < 400 {
                answers.insert(status);
                continue;
            }
            let codes = answer["description"].as_str().unwrap().split(", ");
            problems.extend(codes.map(|code| (status, code.trim_matches('`').to_owned())));
        }
        Self {
            id: operation["operationId"].as_str().unwrap().to_owned(),
            method: method.to_uppercase().parse().unwrap(),
            path: path.to_owned(),
            scope,
            example: operation
                .pointer("/requestBody/content/application~1json/example")
                .cloned(),
            query: query
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                .collect(),
            answers,
            problems,
        }
    }

    /// The code for what does not exist, where that can be.
    pub fn not_found(&self) -> Option<&str> {
        let problem = self.problems.iter().find(|(status, _)| *status == 404);
        problem.map(|(_, code)| code.as_str())
    }
}
