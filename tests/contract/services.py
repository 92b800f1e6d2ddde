"""The programs behind the tests: the stand-in for Metricool, and daemons before it with databases of their own. Each listens
on a port that is free; all end with this process's `stop`."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

from client import Client

ACCOUNT, ANOTHER_ACCOUNT = "5372118", "5372119"
# Media whose names decide what becomes of them at the network.
BROKEN, STUCK, LOST = "broken", "stuck", "lost"
FAULTS = {
    "failed": {"media": BROKEN, "detail": "The media could not be processed"},
    "stuck": {"media": STUCK},
    "cut_after_commit": {"media": LOST},
    "list_lag_ms": 3_600_000,
}
KEYS = {
    "acme": ("sk_acme_publish_and_read", "publish+read"),
    "acme_admin": ("sk_acme_admin", "publish+read+admin"),
    "acme_reader": ("sk_acme_read", "read"),
    "acme_publisher": ("sk_acme_publish", "publish"),
    "other": ("sk_other_everything", "publish+read+admin"),
    "metrics": ("sk_metrics", "metrics"),
}


class Services:
    """What runs, and where it writes."""

    def __init__(self, program):
        self.program = pathlib.Path(program).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="storyclip-contract."))
        self.running = []
        self.sandbox = self.start(
            "sandbox", r"http://(127\.0\.0\.1:\d+)",
            ["sandbox", "--listen", "127.0.0.1:0", "--granularity-seconds", "0", "--confirm-ms", "10..30"],
        )
        self.at_sandbox("POST", "faults", FAULTS)
        self.daemon = self.serve("daemon")

    def serve(self, name, **settings):
        """The address of a new daemon."""
        tenants = {"acme": ACCOUNT, "other": ANOTHER_ACCOUNT}
        keys = ",".join(f"{'other' if name == 'other' else 'acme'}:{key}:{scopes}" for name, (key, scopes) in KEYS.items())
        environment = {
            "STORYCLIP_LISTEN": "127.0.0.1:0",
            "STORYCLIP_DATABASE_URL": f"sqlite://{self.folder}/{name}.db",
            "STORYCLIP_API_KEYS": keys,
            "STORYCLIP_TENANT_ACCOUNTS": ",".join(f"{tenant}:{account}" for tenant, account in tenants.items()),
            "STORYCLIP_CORS_ORIGINS": "https://app.example",
            "STORYCLIP_METRICOOL_URL": f"http://{self.sandbox}/api",
            "METRICOOL_USER_TOKEN": "token",
            "METRICOOL_USER_ID": "1",
            "STORYCLIP_METRICOOL_GRANULARITY_SECONDS": "0",
            "STORYCLIP_METRICOOL_LEAD_SECONDS": "0",
            "STORYCLIP_FIND_SETTLE_SECONDS": "0.2",
            "STORYCLIP_LOOK_WAITS_SECONDS": "0.05",
            "STORYCLIP_WEBHOOK_PRIVATE_ADDRESSES": "true",
        } | settings
        return self.start(name, r"listening.*address=(127\.0\.0\.1:\d+)", ["serve"], environment)

    def start(self, name, address, arguments, environment=None):
        """Starts the program, and waits for the address in what it writes."""
        log = self.log(name)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.program, *arguments], cwd=self.folder, env=own_environment() | (environment or {}),
                stdout=output, stderr=subprocess.STDOUT,
            )
        self.running.append(process)
        end = time.monotonic() + 30
        while time.monotonic() < end and process.poll() is None:
            if found := re.search(address, log.read_text()):
                return found[1]
            time.sleep(0.02)
        raise AssertionError(f"{name} does not listen:\n{log.read_text()}")

    def log(self, name):
        return self.folder / f"{name}.log"

    def at_sandbox(self, method, what, body=None):
        request = urllib.request.Request(
            f"http://{self.sandbox}/_sandbox/{what}", method=method, data=json.dumps(body).encode() if body else None)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null")

    def client(self, who, address=None):
        return Client.with_key(address or self.daemon, KEYS[who][0])

    def stop(self):
        for process in reversed(self.running):
            process.terminate()
        codes = [process.wait(30) for process in self.running]
        shutil.rmtree(self.folder)
        assert not any(codes), f"a program ended badly: {codes}"


def own_environment():
    """This process's, without what would configure a daemon."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("STORYCLIP_", "METRICOOL_"))}
