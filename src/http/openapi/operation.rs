//! One operation of the document, built in the order in which a reader wants it: what it does, who may, what goes in, what
//! comes out.
//!
//! The files beside this one say each operation once. What all operations of a kind have in common (the problems of a key,
//! of a query, of a body; the headers of answers) is added here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::http::{connections::OPERATING, fields::UNKNOWN_FIELD, keys::Scope};

/// One method of one path.
#[derive(Clone)]
pub struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    tag: &'static str,
    id: &'static str,
    summary: &'static str,
    description: Option<String>,
    scope: Option<Scope>,
    security: Vec<&'static str>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    problems: BTreeMap<u16, BTreeSet<&'static str>>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// The schemas that answers refer to.
#[derive(Default)]
pub struct Schemas(BTreeMap<String, RefOr<Schema>>);

const JSON: &str = "application/json";

impl Operation {
    /// An operation that everybody may call; `id` is what a generated client calls it.
    pub fn new(
        tag: &'static str,
        (method, path): (&'static str, &'static str),
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let operation = Self {
            method,
            path,
            tag,
            id,
            summary,
            description: None,
            scope: None,
            security: Vec::new(),
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            problems: BTreeMap::new(),
            schemas: Vec::new(),
        };
        let operation = operation
            .fails(414, &["URI_TOO_LONG"])
            .fails(431, &["REQUEST_HEADER_FIELDS_TOO_LARGE"])
            .fails(500, &["INTERNAL_ERROR"]);
        if OPERATING.contains(&path) {
            return operation;
        }
        operation.fails(503, &["TOO_MANY_CONNECTIONS"])
    }

    /// More than the summary.
    pub fn says(mut self, text: &str) -> Self {
        self.description = Some(text.to_owned());
        self
    }

    /// Takes a key with this scope, and the database.
    pub fn takes(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self.security = vec!["apiKey", "bearer"];
        self.fails(401, &["MISSING_API_KEY", "INVALID_API_KEY"])
            .fails(403, &["INSUFFICIENT_SCOPE", "TENANT_MISMATCH"])
            .fails(429, &["RATE_LIMITED"])
            .fails(503, &["STORE_UNAVAILABLE"])
    }

    /// What is asked for is in no row.
    pub fn without_the_database(mut self) -> Self {
        if let Some(codes) = self.problems.get_mut(&503) {
            codes.remove("STORE_UNAVAILABLE");
        }
        self
    }

    /// Takes the key also in the query, because a browser's `EventSource` can send no header.
    pub fn or_key_in_query(mut self) -> Self {
        self.security.push("query");
        self
    }

    /// A part of the path.
    pub fn path(mut self, name: &str, about: &str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": about, "schema": schema,
        }));
        self
    }

    /// A parameter of the query; an empty one counts as absent.
    pub fn query(self, name: &str, about: &str, schema: Value) -> Self {
        self.parameter(name, about, schema, (false, true))
    }

    /// A parameter of the query that must be there.
    pub fn required_query(self, name: &str, about: &str, schema: Value) -> Self {
        self.parameter(name, about, schema, (true, false))
    }

    /// One that may be left away and not be empty, because nobody may take that for absent.
    pub fn query_not_empty(self, name: &str, about: &str, schema: Value) -> Self {
        self.parameter(name, about, schema, (false, false))
    }

    fn parameter(mut self, name: &str, about: &str, schema: Value, (required, may_be_empty): (bool, bool)) -> Self {
        let mut parameter = json!({
            "name": name, "in": "query", "required": required, "description": about, "schema": schema,
        });
        if may_be_empty {
            parameter["allowEmptyValue"] = json!(true);
        }
        self.parameters.push(parameter);
        self.fails(400, &["INVALID_QUERY"])
    }

    /// A header that may be sent.
    pub fn header(mut self, name: &str, about: &str, schema: Value) -> Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": false, "description": about, "schema": schema,
        }));
        self
    }

    /// `limit` and `cursor`; without a default the list is whole where nobody names a limit.
    pub fn paged(self, default: impl Into<Option<usize>>) -> Self {
        let most = crate::http::page::MOST;
        let mut limit = json!({"type": "integer", "minimum": 1, "maximum": most});
        if let Some(default) = default.into() {
            limit["default"] = json!(default);
        }
        self.query("limit", "How many at most", limit)
            .query(
                "cursor",
                "Where to go on: the `nextCursor` of the page before",
                json!({"type": "string", "format": "cursor"}),
            )
            .fails(400, &["INVALID_LIMIT", "INVALID_CURSOR"])
    }

    /// The answer is kept for 7 days by the header `Idempotency-Key`.
    pub fn repeatable(self) -> Self {
        let about = "The same key and the same body within 7 days give the first answer again and create nothing";
        let schema = json!({"type": "string", "pattern": "^[!-~]{1,255}$"});
        self.header("Idempotency-Key", about, schema)
            .fails(400, &["INVALID_IDEMPOTENCY_KEY"])
            .fails(422, &["IDEMPOTENCY_KEY_REUSED"])
    }

    /// A JSON body.
    pub fn body(mut self, required: bool, schema: Value, example: Value) -> Self {
        let closed = schema["additionalProperties"] == json!(false);
        self.body = Some(json!({
            "required": required,
            "content": {JSON: {"schema": schema, "example": example}},
        }));
        let of_text = [
            "INVALID_UTF8",
            "MALFORMED_JSON",
            "BODY_TOO_COMPLEX",
            "DUPLICATE_FIELD",
            "INVALID_BODY",
            "INCOMPLETE_BODY",
        ];
        let members = if closed { [UNKNOWN_FIELD].as_slice() } else { &[] };
        self.fails(400, &of_text)
            .fails(400, members)
            .fails(408, &["REQUEST_TIMEOUT"])
            .fails(413, &["PAYLOAD_TOO_LARGE"])
            .fails(415, &["UNSUPPORTED_MEDIA_TYPE", "UNSUPPORTED_CONTENT_ENCODING"])
    }

    /// A success whose body is this type.
    pub fn answers<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        let schema = json!({"$ref": format!("#/components/schemas/{}", T::name())});
        self.answers_as(status, about, JSON, schema)
    }

    /// A success whose body is something else than a type of the code.
    pub fn answers_as(mut self, status: u16, about: &str, media_type: &str, schema: Value) -> Self {
        self.answers.insert(
            status,
            json!({"description": about, "content": {media_type: {"schema": schema}}}),
        );
        self
    }

    /// The batch's version, and 304 for who has it.
    pub fn versioned(mut self) -> Self {
        let tag = json!({"$ref": "#/components/headers/ETag"});
        for answer in self.answers.values_mut() {
            answer["headers"]["ETag"] = tag.clone();
        }
        let not_modified = json!({"description": "The client has this version", "headers": {"ETag": tag}});
        self.answers.insert(304, not_modified);
        self.header(
            "If-None-Match",
            "The `ETag` of an answer that is still there",
            json!({"type": "string"}),
        )
    }

    /// Problems of this status, by their codes.
    pub fn fails(mut self, status: u16, codes: &[&'static str]) -> Self {
        self.problems.entry(status).or_default().extend(codes);
        self
    }

    /// As OpenAPI has it.
    pub fn object(&self) -> Value {
        let mut object = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "security": self.security.iter().map(|scheme| json!({*scheme: []})).collect::<Vec<Value>>(),
            "responses": self.responses(),
        });
        let scope = self.scope.map(|scope| format!("Takes the scope `{}`.", scope.as_str()));
        let description: Vec<&str> = [self.description.as_deref(), scope.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        if !description.is_empty() {
            object["description"] = description.join("\n\n").into();
        }
        if !self.parameters.is_empty() {
            object["parameters"] = self.parameters.clone().into();
        }
        if let Some(body) = &self.body {
            object["requestBody"] = body.clone();
        }
        object
    }

    fn responses(&self) -> Map<String, Value> {
        let mut responses = Map::new();
        for (status, answer) in &self.answers {
            responses.insert(status.to_string(), self.with_headers(*status, answer.clone()));
        }
        for (status, codes) in &self.problems {
            let codes: Vec<&str> = codes.iter().copied().collect();
            let problem = json!({
                "description": codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", "),
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            });
            responses.insert(status.to_string(), self.with_headers(*status, problem));
        }
        responses
    }

    fn with_headers(&self, status: u16, mut response: Value) -> Value {
        let mut headers = vec!["x-request-id"];
        if self.scope.is_some() && !matches!(status, 401 | 414 | 431) {
            headers.extend(["RateLimit", "RateLimit-Policy"]);
        }
        match status {
            401 => headers.push("WWW-Authenticate"),
            429 | 503 => headers.push("Retry-After"),
            _ => {}
        }
        for name in headers {
            response["headers"][name] = json!({"$ref": format!("#/components/headers/{name}")});
        }
        response
    }
}

impl Schemas {
    /// A type and those within it.
    pub fn add<T: ToSchema>(&mut self) {
        let mut all = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut all);
        self.0.extend(all);
    }

    /// Those that an operation's answers are made of.
    pub fn extend(&mut self, operation: &Operation) {
        self.0.extend(operation.schemas.iter().cloned());
    }

    /// As OpenAPI has them. A field that may be null is always written; one that may be missing is never null.
    pub fn finish(self) -> Value {
        let mut schemas = json!(self.0);
        let objects = schemas.as_object_mut().into_iter().flat_map(Map::values_mut);
        for schema in objects {
            let Some(properties) = schema["properties"].as_object() else {
                continue;
            };
            let nullable = properties.iter().filter(|(_, property)| may_be_null(property));
            let mut required: BTreeSet<String> = nullable.map(|(name, _)| name.clone()).collect();
            let already = schema["required"].as_array().into_iter().flatten();
            required.extend(already.filter_map(Value::as_str).map(str::to_owned));
            schema["required"] = json!(required);
        }
        schemas
    }
}

fn may_be_null(property: &Value) -> bool {
    let list = |name: &str| property[name].as_array().cloned().unwrap_or_default();
    list("type").contains(&json!("null")) || list("oneOf").iter().any(|one| one["type"] == "null")
}

/// The headers that answers refer to.
pub fn headers() -> Value {
    let text = |about: &str, required: bool, example: &str| json!({"description": about, "required": required, "schema": {"type": "string", "examples": [example]}});
    json!({
        "x-request-id": text("The request's own id where it had one, else a new one", true, "req_4xk2m7v0c9q1w8e5r3t6"),
        "RateLimit": text("What is left for this key, and in how many seconds it is full again", false, "\"key\";r=599;t=1"),
        "RateLimit-Policy": text("How many requests the key has in how many seconds", false, "\"key\";q=600;w=60"),
        "Retry-After": text("Seconds after which to ask again", false, "1"),
        "WWW-Authenticate": text("How to say who calls", true, "Bearer"),
        "ETag": text("The version of the answer", true, "W/\"12-1767225600123\""),
    })
}

/// How a key can be sent.
pub fn security_schemes() -> Value {
    json!({
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "query": {
            "type": "apiKey", "in": "query", "name": "apiKey",
            "description": "Only for live events, because `EventSource` sends no headers; never logged",
        },
    })
}
