"""The server's Prometheus metrics."""

from bisect import bisect_right
from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

# A prediction takes well under a millisecond, so the default buckets (from 5 ms) would show nothing.
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
REASONS = (
    "missing",
    "unreadable",
    "too_large",
    "json",
    "description",
    "run",
    "digest",
    "predictor",
    "model",
    "stopped",
    "version",
)


class Metrics:
    """Counters of one server process, in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, deployment):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        deploy = {"registry": self.registry}
        self.requests = Counter(
            "benchtop_requests", "Requests answered.", ("deployment", "route", "method", "status"), **deploy
        )
        self.latency = Histogram(
            "benchtop_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ("deployment", "route"),
            buckets=BUCKETS,
            **deploy,
        )
        self.in_flight = Gauge("benchtop_requests_in_flight", "Requests being answered.", ("deployment",), **deploy)
        self.predictions = Counter(
            "benchtop_predictions",
            "Instances predicted, by predicted class; the class is empty where a model has no known classes.",
            ("deployment", "model", "class"),
            **deploy,
        )
        self.features = Counter(
            "benchtop_feature_observations",
            "Feature values received, by bin of the training data: bin i holds baseline.share[i] of that.",
            ("deployment", "model", "feature", "bin"),
            **deploy,
        )
        self.info = Gauge(
            "benchtop_model_info",
            "1 for the model version that is served.",
            ("deployment", "model", "version", "run_id", "dataset_sha256"),
            **deploy,
        )
        self.loaded_at = Gauge(
            "benchtop_model_loaded_timestamp_seconds", "When the served version was loaded.", ("deployment",), **deploy
        )
        self.loads = Counter("benchtop_model_loads", "Model versions taken up.", ("deployment",), **deploy)
        self.failures = Counter(
            "benchtop_model_load_failures",
            "Attempts to load a version that failed.",
            ("deployment", "reason"),
            **deploy,
        )
        self.stale = Gauge(
            "benchtop_model_load_error",
            "1 while the version that ought to be served can't be.",
            ("deployment",),
            **deploy,
        )
        self.deployment = deployment
        # Present at 0 from the start, so that rate() sees the first increase.
        for reason in REASONS:
            self.failures.labels(deployment, reason)
        for gauge in (self.in_flight, self.stale, self.loads):
            gauge.labels(deployment)

    def loaded(self, model):
        """A version went into service."""
        dataset = model.description.get("dataset", {}).get("sha256", "")
        run_id = model.description.get("run_id", "")
        self.info.clear()
        self.info.labels(self.deployment, model.name, model.version, run_id, dataset).set(1)
        self.loaded_at.labels(self.deployment).set(model.loaded_at)
        self.loads.labels(self.deployment).inc()
        for name in model.classes:
            self.predictions.labels(self.deployment, model.name, name)
        # Looked up once per version: a batch would otherwise spend more time on labels than on predicting.
        model.bins = [
            [self.features.labels(self.deployment, model.name, name, str(b)) for b in range(len(edges) + 1)]
            for name, edges in zip(model.expected.names if model.edges else (), model.edges, strict=True)
        ]

    def load_recovered(self):
        """What ought to be served is."""
        self.stale.labels(self.deployment).set(0)

    def load_failed(self, reason):
        self.failures.labels(self.deployment, reason).inc()
        self.stale.labels(self.deployment).set(1)

    def answered(self, route, method, status, seconds):
        self.requests.labels(self.deployment, route, method, str(status)).inc()
        self.latency.labels(self.deployment, route).observe(seconds)

    def predicted(self, model, rows, indexes):
        """Count instances by class and their features by bin."""
        for index, count in Tally(indexes).items():
            self.predictions.labels(self.deployment, model.name, model.classes[index]).inc(count)
        for i, (edges, counters) in enumerate(zip(model.edges, model.bins, strict=True)):
            for bin_, count in Tally(bisect_right(edges, row[i]) for row in rows).items():
                counters[bin_].inc(count)

    def answered_rows(self, model, rows):
        """Count predictions that aren't of known classes: numbers, texts, anything."""
        self.predictions.labels(self.deployment, model.name, "").inc(rows)

    def exposition(self):
        return generate_latest(self.registry)
