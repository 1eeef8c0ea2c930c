"""A Pod's priority comes from its priority class. Only the two classes of the system exist so far.

Follows `plugin/pkg/admission/priority`.
"""

from typing import cast

from apiserver.admission.chain import Attributes, Operation
from apiserver.registry import refusals
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import POD

CLASSES = {"": 0, "system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class Priority:
    """The plugin."""

    async def admit(self, attributes: Attributes) -> None:
        """Set spec.priority and spec.preemptionPolicy of a new Pod."""
        if attributes.kind is not POD or attributes.operation is not Operation.CREATE:
            return
        pod = cast("pod_pb2.Pod", attributes.object)
        spec = pod.spec
        priority = CLASSES.get(spec.priority_class_name)
        if priority is None:
            words = f"no PriorityClass with name {spec.priority_class_name} was found"
            raise refusals.forbidden(attributes.kind, attributes.name, words)
        if spec.HasField("priority") and spec.priority != priority:
            raise refusals.forbidden(
                attributes.kind, attributes.name,
                f"the integer value of priority ({spec.priority}) must not be provided in pod spec; "
                f"priority admission controller computed {priority} from the given PriorityClass name",
            )  # fmt: skip
        spec.priority = priority
        if not spec.preemption_policy:
            spec.preemption_policy = "PreemptLowerPriority"
