"""What JSON Schema cannot say about requests, for Schemathesis: values of the formats that the document names."""

from datetime import datetime, timedelta, timezone

import schemathesis
from hypothesis import strategies as st


def of(name, *values):
    schemathesis.openapi.format(name, st.sampled_from(values))


# Names that nobody has: nothing is sent to anybody.
HOSTS = ("cdn.example", "media.example:8443")
of("uri", *(f"{scheme}://{host}/{path}" for scheme in ("https", "HTTP") for host in HOSTS for path in ("a.mp4", "ü?b=@c#d")))
of("push-endpoint", "https://push.example/send/1", "https://push.example/send/2")
of("p256dh", "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
of("push-auth", "BTBZMqHH6r4Tts7J_aSIgg")
of("time-zone", "Europe/Madrid", "America/New_York", "Asia/Kolkata", "UTC")
of("cursor", "")

# In the future and within ten years, for whoever schedules.
NOW = datetime.now(timezone.utc).replace(microsecond=0)
of("date-time", *((NOW + timedelta(days=days, minutes=7)).isoformat() for days in (1, 40, 400, 3000)))


@schemathesis.hook
def map_body(context, body):
    """Ids of clips are unique in a batch."""
    posts = body.get("posts") if isinstance(body, dict) else None
    seen = set()
    for post in posts if isinstance(posts, list) else []:
        if isinstance(post, dict) and isinstance(post.get("id"), str):
            if post["id"] in seen:
                del post["id"]
            else:
                seen.add(post["id"])
    return body


@schemathesis.hook
def map_query(context, query):
    """A span has its end after its beginning, and a stream is about something."""
    query = query or {}
    if "from" in query and "to" in query:
        del query["to"]
    if context.operation.path.endswith("/stream") and "batchId" not in query:
        query["batchId"] = "batch_0_none"
    return query


@schemathesis.hook
def filter_case(context, case):
    """A live stream of a user has no end; tests/it/http/stream.rs is about it."""
    return not (case.path.endswith("/stream") and (case.query or {}).get("userId"))
