"""Operating: what a person or a machine asks about the daemon itself."""

import case
from case import Case
from client import Client


class Operating(Case):
    def setUp(self):
        self.nobody = Client(case.services.daemon)

    def test_alive_and_ready(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.nobody.get(path).status, 200)

    def test_metrics(self):
        answer = case.services.client("metrics").get("/metrics")
        self.assertEqual(answer.status, 200)
        self.assertIn("text/plain", answer.headers["Content-Type"])
        self.assertIn(b"# TYPE storyclip_", answer.body)

    def test_the_document_describes_every_route(self):
        answer = self.nobody.get("/openapi.json")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.json["openapi"].startswith("3.1"))
        promised = {
            "/api/metricool/publish/stories": {"post"},
            "/api/metricool/status": {"get"},
            "/api/metricool/batch/{batchId}": {"get"},
            "/api/metricool/batch/{batchId}/attempts": {"get"},
            "/api/metricool/batches/active": {"get"},
            "/api/metricool/batch/user-active": {"get"},
            "/api/metricool/reconcile/{batchId}": {"get"},
            "/api/metricool/history": {"get"},
            "/api/metricool/brands": {"get"},
            "/api/metricool/batch/{batchId}/cancel": {"post"},
            "/api/metricool/batch/{batchId}/pause": {"post"},
            "/api/metricool/batch/{batchId}/resume": {"post"},
            "/api/metricool/batch/{batchId}/retry-failed": {"post"},
            "/api/metricool/batch/{batchId}/clips/{index}/resolve": {"post"},
            "/api/metricool/stream": {"get"},
            "/api/keys": {"get", "post"},
            "/api/webhooks": {"get", "post"},
            "/healthz": {"get"},
            "/readyz": {"get"},
            "/metrics": {"get"},
        }
        paths = answer.json["paths"]
        for path, methods in promised.items():
            self.assertIn(path, paths)
            self.assertLessEqual(methods, paths[path].keys(), path)

    def test_the_page(self):
        answer = self.nobody.get("/docs")
        self.assertEqual((answer.status, answer.headers.get_content_type()), (200, "text/html"))
