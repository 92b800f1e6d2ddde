"""Live events: both kinds of stream, and how they resume."""

from case import TERMINAL, Case, new_user, story
from client import INSTANT, raw
from services import BROKEN, STUCK

import case

PROGRESS = {"uploading", "waiting_confirmation", "waiting", "published", "failed", "retrying", "queued", "held", "scheduled"}


class Stream(Case):
    def hold(self, message, batch_id):
        """What is true of every message."""
        self.assertEqual(message["batchId"], batch_id)
        self.assertRegex(message["timestamp"], INSTANT)
        match message["type"]:
            case "connected":
                self.assertHas(message, "status", "published", "errors", "total")
            case "progress":
                self.assertHas(message, "current", "total", "published", "errors", "currentStory", "status")
                self.assertIn(message["status"], PROGRESS)
                if message["status"] == "waiting":
                    self.assertIsNone(message.number, "a tick has no number")
                else:
                    self.assertIsNotNone(message.number, message)
                if message["status"] == "failed":
                    self.assertTrue(message["error"])
            case "paused" | "resumed":
                self.assertHas(message, "published", "errors", "total")
                self.assertIsNotNone(message.number)
                self.assertEqual("error" in message, message["type"] == "paused", message)
                self.assertEqual(message["status"] == "paused", message["type"] == "paused", message)
            case ending:
                self.assertIn(ending, TERMINAL)
                self.assertHas(message, "published", "errors", "total")
                self.assertIsNotNone(message.number)
                if ending == "error":
                    self.assertTrue(message["error"])

    def test_a_batch_from_its_first_message_to_its_last(self):
        batch_id = self.publish(story("a", BROKEN, "b"))["batchId"]
        with self.acme.stream(batchId=batch_id) as stream:
            self.assertEqual(stream.status, 200)
            self.assertEqual(stream.headers.get_content_type(), "text/event-stream")
            messages = list(stream)
            self.assertEqual(stream.retry, 1000)
        self.assertEqual(messages[0]["type"], "connected")
        for message in messages:
            self.hold(message, batch_id)
        self.assertEqual(messages[-1]["type"], "completed")
        self.assertEqual((messages[-1]["published"], messages[-1]["errors"], messages[-1]["total"]), (2, 1, 3))
        numbers = [int(message.number) for message in messages[1:] if message.number is not None]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "no gap and no repeat")

    def test_a_pause_ends_nothing_and_the_last_message_is_the_last(self):
        batch_id = self.publish(story(*"abcdefgh"))["batchId"]
        command = lambda word: self.assertEqual(self.acme.post(f"/api/metricool/batch/{batch_id}/{word}").status, 200)
        with self.acme.stream(lastEventId=0, batchId=batch_id) as stream:
            messages = stream.until(lambda message: message.get("status") == "published")
            for _ in range(2):
                command("pause")
                messages += stream.until(lambda message: message["type"] == "paused")
                command("resume")
                messages += stream.until(lambda message: message["type"] == "resumed")
            messages += list(stream)
        for message in messages:
            self.hold(message, batch_id)
        types = [message["type"] for message in messages]
        self.assertEqual([kind for kind in types if kind != "progress"], ["connected", *["paused", "resumed"] * 2, "completed"])
        self.assertEqual(types[-1], "completed", "a client that stops at the first ending message has heard everything")
        numbers = [int(message.number) for message in messages if message.number is not None]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)), "no gap and no repeat")
        self.assertEqual(self.batch(batch_id)["published"], 8)

    def test_a_policy_that_waits_for_a_person_pauses(self):
        batch_id = self.publish(story(BROKEN, "a", onFailure="hold"))["batchId"]
        with self.acme.stream(lastEventId=0, batchId=batch_id) as stream:
            paused = stream.until(lambda message: message["type"] == "paused")[-1]
            self.hold(paused, batch_id)
            self.assertEqual(self.acme.post(f"/api/metricool/batch/{batch_id}/resume").status, 200)
            self.assertEqual(list(stream)[-1]["type"], "completed")

    def test_a_tick_tells_how_long_was_waited(self):
        batch_id = self.publish(story(STUCK))["batchId"]
        tick = self.until(batch_id, lambda message: message.get("status") == "waiting")[-1]
        self.assertHas(tick["waitProgress"], "elapsed", "total", "attempt", "currentStatus")
        self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")

    def test_it_resumes_without_a_gap_or_a_repeat(self):
        batch_id = self.published(story("a", "b"))
        everything = self.resume(batchId=batch_id, after=0)
        numbers = [int(message.number) for message in everything]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        for after in numbers:
            rest = self.resume(batchId=batch_id, after=after)
            self.assertEqual([int(message.number) for message in rest], numbers[after:], after)

    def resume(self, after, **query):
        """The recorded messages after this number, asked for in both ways."""
        recorded = lambda messages: [message for message in messages if message.number and message["type"] != "connected"]
        with self.acme.stream({"Last-Event-ID": str(after)}, **query) as stream:
            by_header = recorded(stream)
        with self.acme.stream(lastEventId=after, **query) as stream:
            by_query = recorded(stream)
        self.assertEqual(by_header, by_query)
        return by_header

    def test_a_finished_batch_answers_with_its_last_state_and_closes(self):
        batch_id = self.published(story())
        messages = self.follow(batch_id)
        self.assertEqual([message["type"] for message in messages], ["connected", "completed"])

    def test_a_cancelled_batch(self):
        batch_id = self.publish(story("a", STUCK))["batchId"]
        self.until(batch_id, lambda message: message.get("status") == "waiting" and message["currentStory"] == "clip_2")
        self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")
        self.assertEqual(self.batch(batch_id)["status"], "cancelled")

    def test_a_batch_that_cannot_go_on(self):
        batch_id = self.publish(story(BROKEN, "a", onFailure="stop"))["batchId"]
        messages = self.follow(batch_id)
        for message in messages:
            self.hold(message, batch_id)
        self.assertEqual(messages[-1]["type"], "error")
        self.assertEqual(self.batch(batch_id)["status"], "failed")

    def test_a_user_on_one_connection(self):
        user = new_user()
        old = [self.publish(story(STUCK, user=user))["batchId"] for _ in range(2)]
        with self.acme.stream(userId=user) as stream:
            messages = iter(stream)
            connected = [next(messages), next(messages)]
            self.assertEqual([message["type"] for message in connected], ["connected"] * 2)
            self.assertEqual({message["batchId"] for message in connected}, set(old))
            new = self.publish(story("a", user=user))["batchId"]
            seen = stream.until(lambda message: message["batchId"] == new and message["type"] == "completed")
        self.assertIn("published", [message.get("status") for message in seen if message["batchId"] == new])
        numbers = [int(message.number) for message in seen if message.number]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        for message in seen:
            self.hold(message, message["batchId"])
        # From the middle: what comes next is what came next.
        middle = numbers[len(numbers) // 2]
        for way in ({"headers": {"Last-Event-ID": str(middle)}}, {"lastEventId": middle}):
            with self.acme.stream(userId=user, **way) as stream:
                again = stream.until(lambda message: message.number == str(numbers[-1]))
            told = [int(message.number) for message in again if message.number and message["type"] != "connected"]
            self.assertEqual(told, list(range(middle + 1, numbers[-1] + 1)))
        for batch_id in old:
            self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")

    def test_another_tenants_user_is_another_user(self):
        user = new_user()
        batch_id = self.publish(story(STUCK, user=user))["batchId"]
        host = case.services.daemon
        heard = raw(host, f"GET /api/metricool/stream?userId={user} HTTP/1.1\r\nHost: {host}\r\n"
                          f"X-API-Key: {self.other.headers['X-API-Key']}\r\n\r\n".encode(), until=b"retry: 1000")
        self.assertNotIn(batch_id.encode(), heard)
        self.acme.post(f"/api/metricool/batch/{batch_id}/cancel")

    def test_what_is_refused(self):
        for query, status, code in (({}, 400, None), ({"batchId": "batch_1_none"}, 404, "BATCH_NOT_FOUND"),
                                    ({"batchId": "a", "lastEventId": "x"}, 400, None), ({"userId": "u", "lastEventId": "-1"}, 400, None)):
            with self.acme.stream(**query) as stream:
                self.assertEqual(stream.status, status, query)
                self.assertEqual(stream.code, code or stream.code)
