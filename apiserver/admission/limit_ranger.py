"""LimitRanges of a namespace: new Pods get their defaults and are held to their bounds. Nothing is looked at where there are none.

Follows `plugin/pkg/admission/limitranger`. Updates are not looked at, as upstream: the resources of a Pod's containers do not change.
"""

from typing import cast

from apiserver.admission import limit_range
from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from apiserver.registry import refusals
from vaina.api.core.v1 import limit_range_pb2, pod_pb2
from vaina.kinds import POD


class LimitRanger:
    """The plugin."""

    ignores_names = True

    def __init__(self, ranges: Followed[limit_range_pb2.LimitRange]) -> None:
        self._ranges = ranges

    async def admit(self, attributes: Attributes) -> None:
        """Give a new Pod what it does not say, then refuse it with all that it violates."""
        if attributes.kind is not POD or attributes.operation is not Operation.CREATE:
            return
        ranges = await self._ranges.list(attributes.namespace)
        if not ranges:
            return
        pod = cast("pod_pb2.Pod", attributes.object)
        for found in ranges:
            limit_range.set_defaults(found, pod)
        violations = list(
            dict.fromkeys(text for found in ranges for text in limit_range.check_pod(found, pod))
        )
        if violations:
            words = violations[0] if len(violations) == 1 else f"[{', '.join(violations)}]"
            raise refusals.forbidden(POD, attributes.shown_name, words)
