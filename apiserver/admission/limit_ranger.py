"""LimitRanges of a namespace: new Pods get their defaults, and they and claims are held to their bounds.

Follows `plugin/pkg/admission/limitranger`: words, order of checks, the annotation. Of updates of Pods only
resizes are looked at, as upstream: otherwise the resources of their containers do not change. Claims may grow.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from vaina.api.core.v1 import limit_range_pb2, persistent_volume_pb2, pod_pb2, volume_pb2
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, POD
from vaina.objects import amounts
from vaina.objects.amounts import Amounts
from vaina.objects.quantity import Amount
from vaina.objects.quota import pod_amounts

LimitRange = limit_range_pb2.LimitRange
Item = limit_range_pb2.LimitRangeItem

#: says what the LimitRanger put into the spec; as upstream's
LIMIT_RANGER_ANNOTATION = "kubernetes.io/limit-ranger"
_CONTAINER, _POD, _CLAIM = "Container", "Pod", "PersistentVolumeClaim"
_NONE: Mapping[str, Amount] = {}


def _items(limit_range: LimitRange, kind: str) -> Iterator[Item]:
    return (item for item in limit_range.spec.limits if item.type == kind)


def _containers(pod: pod_pb2.Pod) -> Iterable[pod_pb2.Container]:
    return (*pod.spec.containers, *pod.spec.init_containers)


def set_defaults(limit_range: LimitRange, pod: pod_pb2.Pod) -> None:
    """Give containers the requests and limits that they do not set themselves; an annotation tells which."""
    limits: dict[str, str] = {}
    requests: dict[str, str] = {}
    for item in _items(limit_range, _CONTAINER):
        limits.update((name, item.default[name].string) for name in item.default)
        requests.update((name, item.default_request[name].string) for name in item.default_request)
    told: list[str] = []
    parts = ((pod.spec.containers, "container"), (pod.spec.init_containers, "init container"))
    for containers, what in parts:
        for container in containers:
            resources = container.resources
            for defaults, given, side in (
                (requests, resources.requests, "request"),
                (limits, resources.limits, "limit"),
            ):
                missing = sorted(name for name in defaults if name not in given)
                for name in missing:
                    given[name].string = defaults[name]
                if missing:
                    told.append(f"{', '.join(missing)} {side} for {what} {container.name}")
    if told:
        pod.metadata.annotations[LIMIT_RANGER_ANNOTATION] = "LimitRanger plugin set: " + "; ".join(told)


def check_pod(limit_range: LimitRange, pod: pod_pb2.Pod) -> list[str]:
    """Return what a Pod, with its defaults, violates."""
    found: list[str] = []
    for item in limit_range.spec.limits:
        if item.type == _CONTAINER:
            for container in _containers(pod):
                resources = container.resources
                found.extend(_check(item, amounts.read(resources.requests), amounts.read(resources.limits)))
        elif item.type == _POD:
            found.extend(_check(item, _without_overhead(pod, "requests"), _without_overhead(pod, "limits")))
    return found


def check_claim(limit_range: LimitRange, claim: volume_pb2.PersistentVolumeClaimSpec) -> list[str]:
    """Return what a claim violates: only what it requests counts."""
    requests = amounts.read(claim.resources.requests)
    found: list[str] = []
    for item in _items(limit_range, _CLAIM):
        found.extend(_below(item, requests, _NONE))
        for name, most in sorted(amounts.read(item.max).items()):
            words = f"maximum {name} usage per {item.type} is {most}"
            if name not in requests:
                found.append(f"{words}.  No request is specified")
            elif requests[name].nanos > most.nanos:
                found.append(f"{words}, but request is {requests[name]}")
    return found


def _without_overhead(pod: pod_pb2.Pod, side: str) -> Amounts:
    return amounts.minus(pod_amounts(pod, side), amounts.read(pod.spec.overhead))


def _check(item: Item, requests: Amounts, limits: Amounts) -> Iterator[str]:
    yield from _below(item, requests, limits)
    for name, most in sorted(amounts.read(item.max).items()):
        words = f"maximum {name} usage per {item.type} is {most}"
        if name not in limits:
            yield f"{words}.  No limit is specified"
        elif limits[name].nanos > most.nanos:
            yield f"{words}, but limit is {limits[name]}"
        elif name in requests and requests[name].nanos > most.nanos:
            yield f"{words}, but request is {requests[name]}"
    for name, ratio in sorted(amounts.read(item.max_limit_request_ratio).items()):
        words = f"{name} max limit to request ratio per {item.type} is {ratio}, but"
        request, limit = requests.get(name, amounts.ZERO).nanos, limits.get(name, amounts.ZERO).nanos
        if not request:
            yield f"{words} no request is specified or request is 0"
        elif not limit:
            yield f"{words} no limit is specified or limit is 0"
        elif limit * 10**9 > ratio.nanos * request:
            yield f"{words} provided ratio is {limit / request:f}"


def _below(item: Item, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, least in sorted(amounts.read(item.min).items()):
        words = f"minimum {name} usage per {item.type} is {least}"
        if name not in requests:
            yield f"{words}.  No request is specified"
        elif requests[name].nanos < least.nanos:
            yield f"{words}, but request is {requests[name]}"
        elif name in limits and limits[name].nanos < least.nanos:
            yield f"{words}, but limit is {limits[name]}"


Claim = persistent_volume_pb2.PersistentVolumeClaim


class LimitRanger:
    """The plugin."""

    ignores_names = True

    def __init__(self, ranges: Followed[LimitRange]) -> None:
        self._ranges = ranges

    async def admit(self, attributes: Attributes) -> None:
        """Give a new Pod what it does not say; refuse it, or a claim, with all that it violates."""
        kind, operation = attributes.kind, attributes.operation
        is_new = operation is Operation.CREATE
        resized = kind is POD and attributes.subresource == "resize"
        is_held = is_new or resized if kind is POD else kind is PERSISTENT_VOLUME_CLAIM
        if not is_held or operation is Operation.DELETE:
            return
        ranges = await self._ranges.list(attributes.namespace)
        if not ranges:
            return

        if resized:
            attributes.checks.append(lambda new, _old: _hold(attributes, ranges, check_pod, new))
        elif kind is POD:
            pod = cast("pod_pb2.Pod", attributes.object)
            for item in ranges:
                set_defaults(item, pod)
            _hold(attributes, ranges, check_pod, pod)
        elif is_new:
            _hold(attributes, ranges, check_claim, cast("Claim", attributes.object).spec)
        else:
            attributes.checks.append(lambda new, old: _hold_changed(attributes, ranges, new, old))


def _hold(
    attributes: Attributes,
    ranges: Sequence[LimitRange],
    check: Callable[[LimitRange, Any], list[str]],
    obj: Any,
) -> None:
    violations = list(dict.fromkeys(text for item in ranges for text in check(item, obj)))
    if violations:
        words = violations[0] if len(violations) == 1 else f"[{', '.join(violations)}]"
        raise attributes.forbidden(words)


def _hold_changed(attributes: Attributes, ranges: Sequence[LimitRange], new: Claim, old: Claim) -> None:
    # What is stored was in order, or older than the range; and one that is being deleted must be able to lose
    # its finalizers.
    deleted = old.metadata.HasField("deletion_timestamp")
    if not deleted and new.spec.resources.requests != old.spec.resources.requests:
        _hold(attributes, ranges, check_claim, new.spec)
