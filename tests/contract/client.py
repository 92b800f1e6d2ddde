"""A client of the HTTP control plane that knows nothing but the contract, and holds every answer to what is common to all:
request ids, JSON in camelCase, instants in UTC with milliseconds, errors as problems."""

import http.client
import json
import re
import socket
import time
import urllib.parse

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CAMEL_CASE = re.compile(r"[a-z][a-zA-Z0-9]*")
UPPER_SNAKE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance", "error", "code"}

# Seconds that any one answer, or any one message of a stream, may take.
PATIENCE = 20


class Answer:
    """A status, headers, and a body."""

    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The stable code of a problem; none of a success."""
        return self.json.get("code") if self.status >= 400 else None

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Client:
    """One caller: the daemon's address and the headers that say who calls."""

    def __init__(self, address, headers=None):
        self.address = address
        self.headers = headers or {}

    @classmethod
    def with_key(cls, address, key):
        return cls(address, {"X-API-Key": key})

    def request(self, method, path, body=None, headers=None, query=None):
        """The answer to one request. A `body` that is no bytes is sent as JSON."""
        with self.connection() as connection:
            send(connection, self, method, path, body, headers, query)
            response = connection.getresponse()
            answer = Answer(response, response.read())
        hold_to_common_rules(answer, f"{method} {path}")
        return answer

    def get(self, path, headers=None, **query):
        return self.request("GET", path, headers=headers, query=query)

    def post(self, path, body=None, headers=None, **query):
        return self.request("POST", path, body=body, headers=headers, query=query)

    def stream(self, headers=None, **query):
        return Stream(self, headers, query)

    def connection(self):
        return Connection(self.address, timeout=PATIENCE)


class Connection(http.client.HTTPConnection):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def send(connection, client, method, path, body, headers, query):
    headers = client.headers | (headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    query = {name.rstrip("_"): value for name, value in (query or {}).items() if value is not None}
    if query:
        path += "?" + urllib.parse.urlencode(query)
    connection.request(method, path, body=body, headers=headers)


def hold_to_common_rules(answer, what):
    assert answer.headers["x-request-id"], f"{what}: no x-request-id: {answer}"
    if answer.status >= 400:
        hold_to_problems(answer, what)
    if answer.headers.get_content_type().endswith("json") and not answer.headers.get("Content-Encoding"):
        hold_to_spelling(answer.json, what)


def hold_to_problems(answer, what):
    kind = answer.headers.get_content_type()
    assert kind == "application/problem+json", f"{what}: a problem is {kind}: {answer}"
    problem = answer.json
    missing = PROBLEM_MEMBERS - problem.keys()
    assert not missing, f"{what}: a problem without {missing}: {answer}"
    assert problem["status"] == answer.status, f"{what}: {answer}"
    assert UPPER_SNAKE.fullmatch(problem["code"]), f"{what}: {answer}"
    assert isinstance(problem["error"], str) and problem["error"], f"{what}: {answer}"
    for field in problem.get("errors", []):
        assert field.keys() >= {"field", "message"}, f"{what}: {answer}"
    assert answer.status < 500 or problem["code"] == "METRICOOL_NOT_CONFIGURED", f"{what}: {answer}"


def hold_to_spelling(value, what):
    """Names in camelCase; whatever is called `…At` is an instant or null."""
    if isinstance(value, list):
        for item in value:
            hold_to_spelling(item, what)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in OPAQUE:
                continue
            assert CAMEL_CASE.fullmatch(name), f"{what}: {name} is not camelCase"
            if name.endswith("At") and item is not None and isinstance(item, str):
                assert INSTANT.fullmatch(item), f"{what}: {name} is {item}"
            hold_to_spelling(item, what)


# What is not the daemon's to spell: the networks' words, the document's.
OPAQUE = {"request", "evidence", "paths", "components", "payload"}


class Stream:
    """A live stream: an iterator over its messages, which ends when the server closes it."""

    def __init__(self, client, headers, query):
        self.connection = client.connection()
        send(self.connection, client, "GET", "/api/metricool/stream", None, headers, query)
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.headers = self.response.headers
        self.retry = None
        if self.status >= 400:
            answer = Answer(self.response, self.response.read())
            hold_to_problems(answer, "stream")
            self.code = answer.code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.response.close()
        self.connection.close()

    def __iter__(self):
        number, data = None, []
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                number = value
            elif name == "data":
                data.append(value)
            elif name == "retry":
                self.retry = int(value)
            elif name == "" and data:
                message = Message(number, json.loads("\n".join(data)))
                hold_to_spelling(message, "stream")
                number, data = None, []
                yield message

    def until(self, wanted):
        """All messages up to the first that `wanted` says yes to; an error where the stream ends before."""
        seen = []
        for message in self:
            seen.append(message)
            if wanted(message):
                return seen
        raise AssertionError(f"the stream ended before: {seen}")


class Message(dict):
    """What `data:` says, and the `id:` beside it, if any."""

    def __init__(self, number, data):
        super().__init__(data)
        self.number = number


def raw(address, request, until=b"\r\n\r\n"):
    """What the daemon says to these very bytes, up to `until` or to the end of the connection."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(request)
        heard = b""
        while until not in heard and (part := connection.recv(65536)):
            heard += part
    return heard


def eventually(look, what):
    """The first true value that `look` gives: for what is told by no stream."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {PATIENCE} s: {what}")
