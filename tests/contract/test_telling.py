"""Keys and webhooks."""

import base64
import hashlib
import hmac
import http.server
import json
import queue
import threading

import case
from case import Case, new_user, story
from client import PATIENCE, Client, eventually
from services import BROKEN


class Keys(Case):
    def test_a_key_is_made_shown_once_used_and_revoked(self):
        answer = self.admin.post("/api/keys", {"scopes": ["read"], "name": "reporting"})
        self.assertEqual(answer.status, 201, answer)
        key_id, secret = answer.json["key"]["id"], answer.json["secret"]
        self.assertTrue(secret.startswith("sk_"), answer)
        holder = Client.with_key(case.services.daemon, secret)
        self.assertEqual(holder.get("/api/metricool/history", userId="u").status, 200)
        self.assertProblem(holder.post(case.PUBLISH, story()), 403, "INSUFFICIENT_SCOPE")
        listed = self.admin.get("/api/keys")
        self.assertEqual(listed.status, 200)
        self.assertNotIn(secret.encode(), listed.body)
        [mine] = [one for one in listed.json["keys"] if one["id"] == key_id]
        self.assertEqual(mine["scopes"], ["read"])
        self.assertIn("lastUsedAt", mine)
        self.assertEqual([one for one in self.other.get("/api/keys").json["keys"] if one["id"] == mine["id"]], [])
        self.assertProblem(self.other.request("DELETE", f"/api/keys/{mine['id']}"), 404)
        self.assertEqual(holder.get("/api/metricool/history", userId="u").status, 200)
        self.assertIn(self.admin.request("DELETE", f"/api/keys/{mine['id']}").status, (200, 204))
        self.assertProblem(holder.get("/api/metricool/history", userId="u"), 401, "INVALID_API_KEY")

    def test_what_is_refused(self):
        for body, field in (({"scopes": ["everything"]}, "scopes"), ({"scopes": []}, "scopes"), ({}, "scopes")):
            answer = self.admin.post("/api/keys", body)
            self.assertProblem(answer, 400)
        self.assertProblem(self.admin.request("DELETE", "/api/keys/none"), 404)


class Receiver:
    """Somebody else's server, to which messages are sent."""

    def __init__(self):
        self.messages = queue.Queue()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.messages.put((self.path, self.headers, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def next(self):
        return self.messages.get(timeout=PATIENCE)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def signed(secret, headers, body):
    """Whether Standard Webhooks' signature is this secret's."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return f"v1,{signature}" in headers["webhook-signature"].split()


class Webhooks(Case):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)

    def test_an_endpoint_hears_signed_messages(self):
        answer = self.admin.post("/api/webhooks", {"url": f"{self.receiver.url}/all"})
        self.assertEqual(answer.status, 201, answer)
        self.addCleanup(self.admin.request, "DELETE", f"/api/webhooks/{answer.json['endpoint']['id']}")
        batch_id = self.published(story("a", BROKEN))
        heard = {}
        while len(heard) < 3:
            _, headers, body = self.receiver.next()
            self.assertTrue(signed(answer.json["secret"], headers, body), dict(headers))
            message = json.loads(body)
            if message["data"]["batchId"] == batch_id:
                heard[message["type"]] = message
        self.assertEqual(set(heard), {"clip.published", "clip.failed", "batch.completed"})

    def test_a_batch_has_a_url_of_its_own(self):
        batch_id = self.published(story(webhookUrl=f"{self.receiver.url}/mine"))
        path, headers, body = self.receiver.next()
        self.assertEqual(path, "/mine")
        self.assertEqual(json.loads(body)["data"]["batchId"], batch_id)
        self.assertTrue(headers["webhook-id"] and headers["webhook-timestamp"])

    def test_another_tenants_endpoint_does_not_exist(self):
        endpoint = self.admin.post("/api/webhooks", {"url": f"{self.receiver.url}/b"}).json["endpoint"]
        path = f"/api/webhooks/{endpoint['id']}"
        self.assertEqual(self.admin.get(path).status, 200)
        self.assertNotIn(b"whsec_", self.admin.get(path).body)
        self.assertProblem(self.other.get(path), 404)
        self.assertProblem(self.other.request("DELETE", path), 404)
        self.assertIn(self.admin.request("DELETE", path).status, (200, 204))
        self.assertProblem(self.admin.get(path), 404)

    def test_what_is_refused(self):
        for body in ({}, {"url": "nowhere"}, {"url": "ftp://a.example"}, {"url": f"{self.receiver.url}", "events": ["batch.wrong"]}):
            self.assertProblem(self.admin.post("/api/webhooks", body), 400)
