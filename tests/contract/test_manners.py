"""Common rules: who calls, errors, and what is on every answer."""

import gzip
import json

import case
from case import PUBLISH, Case, story
from client import Client, raw
from services import STUCK

STATUS = "/api/metricool/status"
ACTIVE = "/api/metricool/batches/active"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Who(Case):
    def test_both_headers_name_the_key(self):
        key = self.acme.headers["X-API-Key"]
        bearer = Client(case.services.daemon, {"Authorization": f"Bearer {key}"})
        for client in (self.acme, bearer):
            self.assertEqual(client.get(ACTIVE, userId="u").status, 200)

    def test_without_a_key_and_with_a_wrong_one(self):
        nobody, stranger = Client(case.services.daemon), Client.with_key(case.services.daemon, "sk_wrong")
        for path in (ACTIVE, STATUS, "/api/metricool/history", "/api/metricool/brands", "/api/keys", "/api/webhooks"):
            self.assertProblem(nobody.get(path), 401, "MISSING_API_KEY")
            self.assertProblem(stranger.get(path), 401, "INVALID_API_KEY")

    def test_a_scope_opens_only_its_own(self):
        reader, publisher = case.services.client("acme_reader"), case.services.client("acme_publisher")
        self.assertProblem(reader.post(PUBLISH, story()), 403, "INSUFFICIENT_SCOPE")
        self.assertProblem(publisher.get(ACTIVE, userId="u"), 403, "INSUFFICIENT_SCOPE")
        self.assertProblem(self.acme.get("/api/keys"), 403, "INSUFFICIENT_SCOPE")
        self.assertProblem(self.acme.get("/api/webhooks"), 403, "INSUFFICIENT_SCOPE")

    def test_the_tenant_that_is_named_is_the_keys(self):
        self.assertEqual(self.acme.get(ACTIVE, {"X-Tenant": "acme"}, userId="u").status, 200)
        self.assertProblem(self.acme.get(ACTIVE, {"X-Tenant": "other"}, userId="u"), 403)

    def test_another_tenants_batch_does_not_exist(self):
        batch_id = self.published(story())
        batch = f"/api/metricool/batch/{batch_id}"
        for path in (f"{STATUS}?batchId={batch_id}", batch, f"{batch}/attempts", f"/api/metricool/reconcile/{batch_id}"):
            self.assertProblem(self.other.get(path), 404, "BATCH_NOT_FOUND")
        for command in ("cancel", "pause", "resume", "retry-failed"):
            self.assertProblem(self.other.post(f"{batch}/{command}"), 404, "BATCH_NOT_FOUND")
        self.assertProblem(self.other.post(f"{batch}/clips/1/resolve", {"action": "retry"}), 404, "BATCH_NOT_FOUND")
        with self.other.stream(batchId=batch_id) as stream:
            self.assertEqual((stream.status, stream.code), (404, "BATCH_NOT_FOUND"))

    def test_a_query_carries_the_key_to_streams_only_and_into_no_log(self):
        key = self.acme.headers["X-API-Key"]
        nobody = Client(case.services.daemon)
        batch_id = self.published(story())
        with nobody.stream(batchId=batch_id, apiKey=key) as stream:
            self.assertEqual(stream.status, 200)
            self.assertEqual(list(stream)[-1]["type"], "completed")
        self.assertProblem(nobody.get(STATUS, batchId=batch_id, apiKey=key), 401, "MISSING_API_KEY")
        self.assertNotIn(key, case.services.log("daemon").read_text())


class Errors(Case):
    def test_the_codes_that_clients_know(self):
        get, post = self.acme.get, self.acme.post
        self.assertProblem(get(STATUS), 400, "MISSING_BATCH_ID")
        self.assertProblem(get(ACTIVE), 400, "MISSING_USER_ID")
        self.assertProblem(get("/api/metricool/history"), 400, "MISSING_USER_ID")
        self.assertProblem(get(STATUS, batchId="batch_1_none"), 404, "BATCH_NOT_FOUND")
        without = lambda name: {key: value for key, value in story().items() if key != name}
        self.assertProblem(post(PUBLISH, without("userId")), 400, "MISSING_USER_ID")
        self.assertProblem(post(PUBLISH, without("posts")), 400, "MISSING_POSTS")
        self.assertProblem(post(PUBLISH, without("settings")), 400, "MISSING_ACCOUNT_ID")
        self.assertProblem(post(PUBLISH, story() | {"settings": {}}), 400, "MISSING_ACCOUNT_ID")
        self.assertProblem(post(PUBLISH, story() | {"posts": []}), 400, "MISSING_POSTS")

    def test_a_daemon_without_a_token_says_so(self):
        address = case.services.serve("unconfigured", METRICOOL_USER_TOKEN="", METRICOOL_USER_ID="")
        client = case.services.client("acme", address)
        self.assertProblem(client.post(PUBLISH, story()), 500, "METRICOOL_NOT_CONFIGURED")
        self.assertProblem(client.get("/api/metricool/brands"), 500, "METRICOOL_NOT_CONFIGURED")

    def test_what_http_itself_refuses_is_a_problem_too(self):
        request = self.acme.request
        for answer in (request("DELETE", PUBLISH), request("POST", STATUS), request("PUT", "/healthz")):
            self.assertProblem(answer, 405)
            self.assertTrue(answer.headers["Allow"], answer)
        self.assertProblem(request("GET", "/nowhere"), 404)
        self.assertProblem(request("POST", PUBLISH, b" " * (1 << 20) + b"{}", {"Content-Type": "application/json"}), 413)
        text = {"Content-Type": "text/plain"}
        self.assertProblem(request("POST", PUBLISH, json.dumps(story()).encode(), text), 415)
        for malformed in (b"", b"{", b"[]", b'"a"', b"\xff\xfe", b"[" * 5000, b'{"userId": NaN}'):
            self.assertProblem(request("POST", PUBLISH, malformed, {"Content-Type": "application/json"}), 400)

    def test_a_body_of_a_mebibyte_is_taken(self):
        body = json.dumps(story()).encode()
        answer = self.acme.request("POST", PUBLISH, body.ljust(1 << 20), {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 202, answer)

    def test_nothing_in_a_query_or_a_header_is_a_server_error(self):
        odd = ["%00", "%ff%fe", "%F0%9F%92%A9", "'", '"', "%0d%0a", "..%2f..", "a" * 4000, "-1", "1e400", "{}", "%"]
        for value in odd:
            for path in (STATUS, ACTIVE, "/api/metricool/history", "/api/metricool/stream"):
                for name in ("batchId", "userId", "limit", "cursor", "from", "status", "lastEventId", "apiKey", value):
                    answer = self.acme.get(f"{path}?{name}={value}&batchId=batch_1_none&userId=nobody")
                    self.assertLess(answer.status, 500, (path, name, value))
                    if answer.status == 200:
                        self.assertNotEqual(path, STATUS)
            for path in (f"/api/metricool/batch/{value}", f"/api/metricool/reconcile/{value}"):
                self.assertIn(self.acme.get(path).status, (400, 404))
        for name in ("X-Tenant", "X-Request-Id", "traceparent", "If-None-Match", "Last-Event-ID", "Accept-Encoding",
                     "Idempotency-Key", "Origin"):
            for value in ("\xff", "a" * 3000, "\t", '"', ","):
                answer = self.acme.get(STATUS, {name: value}, batchId="batch_1_none")
                self.assertIn(answer.status, (400, 403, 404), (name, value, answer))


class OnEveryAnswer(Case):
    def test_the_log_names_the_request(self):
        batch_id = self.publish(story(STUCK))["batchId"]
        for client, path, body in (
            (self.acme, PUBLISH, story()),
            (self.acme, f"/api/metricool/batch/{batch_id}/cancel", None),
            (self.admin, "/api/keys", {"scopes": ["read"]}),
            (self.admin, "/api/webhooks", {"url": "https://hooks.example/a"}),
        ):
            with self.subTest(path):
                headers = {"X-Request-Id": f"mine-{path}", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
                self.assertLess(client.post(path, body, headers).status, 300)
                lines = [line for line in case.services.log("daemon").read_text().splitlines() if f"mine-{path}" in line]
                self.assertTrue(lines, "no line of the request")
                self.assertTrue(all(TRACE in line for line in lines), lines)

    def test_a_request_id_is_taken_over_and_made_where_none_was_sent(self):
        self.assertEqual(self.acme.get("/healthz", {"X-Request-Id": "mine-1"}).headers["x-request-id"], "mine-1")
        first, second = (self.acme.get("/healthz").headers["x-request-id"] for _ in range(2))
        self.assertNotEqual(first, second)

    def test_pages_of_the_configured_origins_may_call(self):
        origin = "https://app.example"
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "x-api-key,content-type,idempotency-key,x-tenant"}
        answer = Client(case.services.daemon).request("OPTIONS", PUBLISH, headers=asked)
        self.assertIn(answer.status, (200, 204))
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
        self.assertIn("POST", answer.headers["Access-Control-Allow-Methods"])
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        for name in ("x-api-key", "content-type", "idempotency-key", "x-tenant"):
            self.assertIn(name, allowed)
        answer = self.acme.get(ACTIVE, {"Origin": origin}, userId="u")
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)
        exposed = answer.headers["Access-Control-Expose-Headers"].lower()
        for name in ("x-request-id", "etag", "idempotency-replayed", "ratelimit"):
            self.assertIn(name, exposed)
        answer = self.acme.get(ACTIVE, {"Origin": "https://evil.example"}, userId="u")
        self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
        # An error must be readable by the page, too.
        answer = Client(case.services.daemon).get(ACTIVE, {"Origin": origin})
        self.assertProblem(answer, 401)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], origin)

    def test_long_answers_are_compressed_for_who_asks(self):
        batch_id = self.published(story(*("a" * n for n in range(1, 11))))
        path = f"/api/metricool/batch/{batch_id}"
        plain, packed = self.acme.get(path), self.acme.get(path, {"Accept-Encoding": "gzip"})
        self.assertIsNone(plain.headers["Content-Encoding"])
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertEqual(json.loads(gzip.decompress(packed.body)), plain.json)
        with self.acme.stream({"Accept-Encoding": "gzip"}, batchId=batch_id) as stream:
            self.assertIsNone(stream.headers["Content-Encoding"])

    def test_a_keys_requests_are_counted(self):
        address = case.services.serve("limited", STORYCLIP_REQUESTS_PER_MINUTE="3")
        client = case.services.client("acme", address)
        answers = [client.get(ACTIVE, userId="u") for _ in range(4)]
        self.assertEqual([answer.status for answer in answers], [200, 200, 200, 429])
        for answer in answers:
            self.assertTrue(answer.headers["RateLimit"] and answer.headers["RateLimit-Policy"], answer.headers)
        self.assertGreater(int(answers[3].headers["Retry-After"]), 0)
        self.assertEqual(case.services.client("other", address).get(ACTIVE, userId="u").status, 200, "another key")

    def test_bytes_that_are_no_request_end_the_connection(self):
        for request in (b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\xff\xff: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"):
            heard = raw(case.services.daemon, request)
            self.assertTrue(heard == b"" or heard.startswith(b"HTTP/1.1 4"), heard)
