"""The pod_security_* metrics, under upstream's names (k8s.io/pod-security-admission `metrics/metrics.go`)."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

from apiserver.admission.chain import Attributes
from apiserver.admission.pod_security.levels import LATEST, Level, LevelVersion
from vaina.kinds import NAMESPACE, POD
from vaina.version import MINOR

_REQUEST: Final = ("request_operation", "resource", "subresource")


class PodSecurityMetrics:
    """Counts evaluations, exemptions and errors."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._evaluations = Counter(
            "pod_security_evaluations_total",
            "Number of policy evaluations that occurred, not counting ignored or exempt requests.",
            ("decision", "policy_level", "policy_version", "mode", *_REQUEST), registry=registry,
        )  # fmt: skip
        self._exemptions = Counter(
            "pod_security_exemptions_total",
            "Number of exempt requests, not counting ignored or out of scope requests.",
            _REQUEST, registry=registry,
        )  # fmt: skip
        self._errors = Counter(
            "pod_security_errors_total",
            "Number of errors preventing normal evaluation. Non-fatal errors may result in the latest restricted profile being used for evaluation.",
            ("fatal", *_REQUEST), registry=registry,
        )  # fmt: skip
        #: to find a counter by its labels costs as much as a rule
        self._found: dict[tuple[str, ...], Counter] = {}

    def evaluated(self, attributes: Attributes, mode: str, asked: LevelVersion, *, allowed: bool) -> None:
        labels = (
            "allow" if allowed else "deny", asked.level.name.lower(), _version(asked), mode, *_request(attributes)
        )  # fmt: skip
        counter = self._found.get(labels)
        if counter is None:
            counter = self._found[labels] = self._evaluations.labels(*labels)
        counter.inc()

    def exempted(self, attributes: Attributes) -> None:
        self._exemptions.labels(*_request(attributes)).inc()

    def failed(self, attributes: Attributes) -> None:
        self._errors.labels("false", *_request(attributes)).inc()


def _version(asked: LevelVersion) -> str:
    if asked.minor == LATEST or asked.level is Level.PRIVILEGED:
        return "latest"
    return "future" if asked.minor > int(MINOR) else f"v1.{asked.minor}"


def _request(attributes: Attributes) -> tuple[str, str, str]:
    kind = attributes.kind
    resource = "pod" if kind is POD else "namespace" if kind is NAMESPACE else "controller"
    return attributes.operation.lower(), resource, attributes.subresource
