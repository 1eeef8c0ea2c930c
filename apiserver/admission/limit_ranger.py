"""LimitRanges of a namespace: new Pods get their defaults, and they and claims are held to their bounds.

Nothing is looked at where there are none.

Follows `plugin/pkg/admission/limitranger`. Of updates of Pods only resizes are looked at, as upstream:
otherwise the resources of their containers do not change. Claims may grow.
"""

from collections.abc import Sequence
from typing import cast

from apiserver import refusals
from apiserver.admission import limit_range
from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from vaina.api.core.v1 import limit_range_pb2, persistent_volume_pb2, pod_pb2
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, POD

LimitRange = limit_range_pb2.LimitRange
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
        if not (kind is POD and (is_new or resized)) and not (
            kind is PERSISTENT_VOLUME_CLAIM and operation is not Operation.DELETE
        ):
            return
        ranges = await self._ranges.list(attributes.namespace)
        if not ranges:
            return
        if resized:
            attributes.checks.append(lambda new, old: _hold_resized(attributes, ranges, new))
        elif kind is POD:
            _hold_pod(attributes, ranges, cast("pod_pb2.Pod", attributes.object))
        elif is_new:
            _hold_claim(attributes, ranges, cast("Claim", attributes.object))
        else:
            attributes.checks.append(lambda new, old: _hold_changed(attributes, ranges, new, old))


def _hold_pod(attributes: Attributes, ranges: Sequence[LimitRange], pod: pod_pb2.Pod) -> None:
    for item in ranges:
        limit_range.set_defaults(item, pod)
    _refuse(attributes, [text for item in ranges for text in limit_range.check_pod(item, pod)])


def _hold_resized(attributes: Attributes, ranges: Sequence[LimitRange], pod: pod_pb2.Pod) -> None:
    _refuse(attributes, [text for item in ranges for text in limit_range.check_pod(item, pod)])


def _hold_claim(attributes: Attributes, ranges: Sequence[LimitRange], claim: Claim) -> None:
    _refuse(attributes, [text for item in ranges for text in limit_range.check_claim(item, claim.spec)])


def _hold_changed(attributes: Attributes, ranges: Sequence[LimitRange], new: Claim, old: Claim) -> None:
    # What is stored was in order, or older than the range; and one that ends must be able to lose its
    # finalizers.
    if old.metadata.HasField("deletion_timestamp"):
        return
    if new.spec.resources.requests != old.spec.resources.requests:
        _hold_claim(attributes, ranges, new)


def _refuse(attributes: Attributes, found: Sequence[str]) -> None:
    violations = list(dict.fromkeys(found))
    if violations:
        words = violations[0] if len(violations) == 1 else f"[{', '.join(violations)}]"
        raise refusals.forbidden(attributes.kind, attributes.shown_name, words)
