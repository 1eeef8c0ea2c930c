"""PURE: which Pods of a namespace break the level that is to be enforced from now on.

Follows k8s.io/pod-security-admission `admission/admission.go` (EvaluatePodsInNamespace, prioritizePods).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from apiserver.admission.pod_security.checks import subject_of
from apiserver.admission.pod_security.levels import evaluate, reasons
from apiserver.admission.pod_security.policy import LevelVersion
from vaina.api.core.v1 import pod_pb2

#: so many Pods are looked at, within this time
MAX_PODS: Final = 3000
_SECONDS: Final = 1.0


def warnings_for_existing(
    namespace: str,
    enforce: LevelVersion,
    pods: Sequence[pod_pb2.Pod],
    total: int,
    now: Callable[[], float],
) -> list[str]:
    """Return the warnings for the author of a stricter level.

    Args:
        namespace: whose labels change.
        enforce: the new level.
        pods: of the namespace, at most MAX_PODS.
        total: how many Pods there are.
        now: monotonic seconds.
    """
    until, looked_at = now() + _SECONDS, 0
    names: dict[str, list[str]] = {}
    for pod in _one_of_each_controller_first(pods):
        looked_at += 1
        broken = evaluate(enforce, subject_of(pod.metadata, pod.spec))
        if broken:
            names.setdefault(reasons(broken), []).append(pod.metadata.name)
        if now() > until:
            break
    found: list[str] = []
    if looked_at < total:
        found.append(
            f"new PodSecurity enforce level only checked against the first {looked_at} of {total} existing pods"
        )
    if names:
        found.append(
            f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{enforce}"'
        )
    return [*found, *sorted(_line(pods, why) for why, pods in names.items())]


def _line(pods: Sequence[str], why: str) -> str:
    first, others = min(pods), len(pods) - 1
    also = {0: "", 1: " (and 1 other pod)"}.get(others, f" (and {others} other pods)")
    return f"{first}{also}: {why}"


def _one_of_each_controller_first(pods: Iterable[pod_pb2.Pod]) -> list[pod_pb2.Pod]:
    """Return the first Pod of each controller and all Pods without one, then the rest; both in their order."""
    first, again, seen = list[pod_pb2.Pod](), list[pod_pb2.Pod](), set[str]()
    for pod in pods:
        owner = next((one.uid for one in pod.metadata.owner_references if one.controller), "")
        (again if owner in seen else first).append(pod)
        if owner:
            seen.add(owner)
    return first + again
