"""LimitRanges of a namespace: new Pods get their defaults, and they and new claims are held to their bounds. Nothing is looked at where there are none.

Follows `plugin/pkg/admission/limitranger`. Updates are not looked at, as upstream: the resources of a Pod's containers do not change.
"""

from typing import cast

from apiserver.admission import limit_range
from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from apiserver.registry import refusals
from vaina.api.core.v1 import limit_range_pb2, persistent_volume_pb2, pod_pb2
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, POD


class LimitRanger:
    """The plugin."""

    ignores_names = True

    def __init__(self, ranges: Followed[limit_range_pb2.LimitRange]) -> None:
        self._ranges = ranges

    async def admit(self, attributes: Attributes) -> None:
        """Give a new Pod what it does not say, then refuse it, or a new claim, with all that it violates."""
        if (
            attributes.kind not in (POD, PERSISTENT_VOLUME_CLAIM)
            or attributes.operation is not Operation.CREATE
        ):
            return
        ranges = await self._ranges.list(attributes.namespace)
        if not ranges:
            return
        found: list[str] = []
        if attributes.kind is POD:
            pod = cast("pod_pb2.Pod", attributes.object)
            for item in ranges:
                limit_range.set_defaults(item, pod)
            for item in ranges:
                found += limit_range.check_pod(item, pod)
        else:
            claim = cast("persistent_volume_pb2.PersistentVolumeClaim", attributes.object)
            for item in ranges:
                found += limit_range.check_claim(item, claim.spec)
        violations = list(dict.fromkeys(found))
        if violations:
            words = violations[0] if len(violations) == 1 else f"[{', '.join(violations)}]"
            raise refusals.forbidden(attributes.kind, attributes.shown_name, words)
