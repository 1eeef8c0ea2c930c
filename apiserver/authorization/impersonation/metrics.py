"""The apiserver_impersonation_* metrics, under upstream's names (`impersonation/metrics/metrics.go`)."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS: Final = tuple(0.001 * 2**power for power in range(15))
_LABELS: Final = ("mode", "decision")
_DECISIONS: Final = {True: "allowed", False: "denied"}


class ImpersonationMetrics:
    """Counts and times attempts, and the questions that they ask authorization."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        name = "apiserver_impersonation"
        self._attempts = Counter(
            f"{name}_attempts_total", "Impersonations that were tried, by mode and decision.", _LABELS,
            registry=registry,
        )  # fmt: skip
        self._attempt_seconds = Histogram(
            f"{name}_attempts_duration_seconds", "How long an impersonation took to decide, by mode and decision.", _LABELS,
            registry=registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._questions = Counter(
            f"{name}_authorization_attempts_total", "What impersonation asked authorization, by mode and decision.",
            _LABELS, registry=registry,
        )  # fmt: skip
        self._question_seconds = Histogram(
            f"{name}_authorization_attempts_duration_seconds", "How long authorization took to answer, by mode and decision.",
            _LABELS, registry=registry, buckets=_BUCKETS,
        )  # fmt: skip

    def attempted(self, verb: str, *, allowed: bool, seconds: float) -> None:
        """Count an attempt; `verb` is that of the mode by which it was allowed, empty: by none."""
        labels = mode_of(verb), _DECISIONS[allowed]
        self._attempts.labels(*labels).inc()
        self._attempt_seconds.labels(*labels).observe(seconds)

    def asked(self, verb: str, *, allowed: bool, seconds: float) -> None:
        """Count a question."""
        labels = mode_of(verb), _DECISIONS[allowed]
        self._questions.labels(*labels).inc()
        self._question_seconds.labels(*labels).observe(seconds)


def mode_of(verb: str) -> str:
    """Return the mode that asks with a verb, as metrics have it (modeFromVerb)."""
    if verb == "impersonate":
        return "legacy"
    return verb.split(":")[1] if ":" in verb else ""
