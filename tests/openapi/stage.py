"""Batches for a person to command: clips that failed, and clips that are held because the network cannot tell. Nobody could
guess their ids from the document, so the hooks put them into requests that are meant to be right."""

import itertools
import json
import os
import time
import urllib.request

# Media whose names decide what becomes of them at the network.
BROKEN, LOST = "broken", "lost"
FAULTS = {
    "failed": {"media": BROKEN, "detail": "The media could not be processed"},
    "cut_after_commit": {"media": LOST},
    "list_lag_ms": 3_600_000,
}
CLIPS, BATCHES = 5, 20
BRAND = os.environ["STORYCLIP_BRAND"]
LONGEST_WAIT_SECONDS = 30


def ask(url, body=None):
    headers = {"X-API-Key": os.environ["STORYCLIP_KEY"], "Content-Type": "application/json"}
    request = urllib.request.Request(url, headers=headers, data=None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Stage:
    """What lies ready."""

    def __init__(self):
        self.address = f"http://{os.environ['STORYCLIP_DAEMON']}/api"
        ask(f"http://{os.environ['STORYCLIP_SANDBOX']}/_sandbox/faults", FAULTS)
        self.failed = itertools.cycle([self.publish(BROKEN, n) for n in range(BATCHES)])
        self.held = itertools.cycle([self.publish(LOST, n) for n in range(BATCHES)])

    def publish(self, media, number):
        posts = [{"url": f"https://cdn.example/{media}-{n}.mp4"} for n in range(CLIPS)]
        # One that fails or is held keeps no other waiting.
        settings = {"accountId": BRAND, "onFailure": "skip", "maxRetries": 0}
        request = {"jobId": "stage", "userId": f"{media} {number}", "posts": posts, "settings": settings}
        return ask(f"{self.address}/metricool/publish/stories", request)["batchId"]

    def commandable(self, batches):
        """Batches in turn; the ids of all are listed, and somebody may have cancelled one."""
        for batch_id in patiently(batches):
            batch = ask(f"{self.address}/metricool/batch/{batch_id}")["batch"]
            if batch["status"] != "cancelled":
                yield batch

    def failed_batch(self):
        """One whose clips have all failed."""
        return next(
            batch["batchId"] for batch in self.commandable(self.failed)
            if all(clip["status"] == "failed" for clip in batch["clips"]))

    def held_clip(self):
        """A batch, and a clip of it that is held."""
        return next(
            (batch["batchId"], clip) for batch in self.commandable(self.held)
            for clip in batch["clips"] if clip["status"] == "held")

    def delivery(self):
        """A message to somebody who is told."""
        endpoints = ask(f"{self.address}/webhooks")["endpoints"]
        told = [endpoint for endpoint in endpoints if endpoint["enabled"]]
        endpoint = told[0] if told else ask(f"{self.address}/webhooks", {"url": "https://hooks.example/told"})["endpoint"]
        return ask(f"{self.address}/webhooks/{endpoint['id']}/test", {})["deliveryId"]


def patiently(batches):
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while time.monotonic() < end:
        yield next(batches)
        time.sleep(0.01)
    raise AssertionError(f"for {LONGEST_WAIT_SECONDS} s nobody's clips were as they must be")
