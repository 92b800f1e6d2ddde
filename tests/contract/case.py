"""What the tests share: the callers, requests that are right, and ways to say what an answer must be."""

import itertools
import unittest

from services import ACCOUNT

# Set before the first test runs.
services = None

PUBLISH = "/api/metricool/publish/stories"
TERMINAL = {"completed", "cancelled", "error"}
_numbers = itertools.count(1)


def story(*names, user=None, account=ACCOUNT, **settings):
    """A right request: one clip per name."""
    return {
        "jobId": "job_123",
        "userId": user or new_user(),
        "posts": [{"id": f"clip_{n}", "url": f"https://cdn.example/{name}.mp4"} for n, name in enumerate(names or ("a",), 1)],
        "settings": {"accountId": account} | settings,
    }


def new_user():
    return f"user_{next(_numbers)}"


class Case(unittest.TestCase):
    """A test with callers."""

    @classmethod
    def setUpClass(cls):
        cls.acme = services.client("acme")
        cls.admin = services.client("acme_admin")
        cls.other = services.client("other")

    def publish(self, body, **query):
        answer = self.acme.post(PUBLISH, body, **query)
        self.assertEqual(answer.status, 202, answer)
        return answer.json

    def published(self, body):
        """The id of a batch that has run to its end."""
        batch_id = self.publish(body)["batchId"]
        self.follow(batch_id)
        return batch_id

    def follow(self, batch_id):
        """Every message of a batch until its stream is closed."""
        with self.acme.stream(batchId=batch_id) as stream:
            return list(stream)

    def until(self, batch_id, wanted):
        with self.acme.stream(batchId=batch_id) as stream:
            return stream.until(wanted)

    def batch(self, batch_id):
        answer = self.acme.get(f"/api/metricool/batch/{batch_id}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json["batch"]

    def assertProblem(self, answer, status, code=None, field=None):
        self.assertEqual(answer.status, status, answer)
        if code is not None:
            self.assertEqual(answer.code, code, answer)
        if field is not None:
            self.assertIn(field, [error["field"] for error in answer.json.get("errors", [])], answer)

    def assertHas(self, value, *names):
        missing = set(names) - value.keys()
        self.assertFalse(missing, f"{missing} missing in {value}")
