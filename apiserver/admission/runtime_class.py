"""A Pod of a RuntimeClass has the class's overhead, node selector and tolerations.

Follows `plugin/pkg/admission/runtimeclass`, and `pkg/util/tolerations` in what two sets of tolerations come to.
"""

from collections.abc import Sequence
from typing import Final, cast

from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from vaina.api.core.v1 import pod_pb2
from vaina.api.node.v1 import runtime_class_pb2
from vaina.kinds import POD
from vaina.objects import amounts, names
from vaina.quoting import go_quote

_Class = runtime_class_pb2.RuntimeClass

_NO_OVERHEAD: Final = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClasses:
    """The plugin."""

    ignores_names = True

    def __init__(self, classes: Followed[_Class]) -> None:
        self._classes = classes

    async def admit(self, attributes: Attributes) -> None:
        """Give a new Pod what its class says; refuse an unknown class, and another overhead than the class's."""
        if attributes.kind is not POD or attributes.operation is not Operation.CREATE:
            return
        spec = cast("pod_pb2.Pod", attributes.object).spec
        if not spec.HasField("runtime_class_name"):
            if spec.overhead:
                raise attributes.forbidden(_NO_OVERHEAD)
            return
        found = await self._class(attributes, spec.runtime_class_name)
        _set_overhead(attributes, spec, found)
        _set_scheduling(attributes, spec, found.scheduling)

    async def _class(self, attributes: Attributes, name: str) -> _Class:
        for found in await self._classes.list():
            if found.metadata.name == name:
                return found
        # The cache may be behind whoever has just made it. What is no name is not looked for.
        made = None if names.dns_1123_subdomain(name) else await self._classes.find(name)
        if made is None:
            raise attributes.forbidden(f"pod rejected: RuntimeClass {go_quote(name)} not found")
        return made


def _set_overhead(attributes: Attributes, spec: pod_pb2.PodSpec, found: _Class) -> None:
    if not found.HasField("overhead"):
        if spec.overhead:
            raise attributes.forbidden(_NO_OVERHEAD)
        return
    fixed = found.overhead.pod_fixed
    if spec.overhead and amounts.read(spec.overhead) != amounts.read(fixed):
        raise attributes.forbidden(
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
        )
    spec.ClearField("overhead")
    for name, quantity in fixed.items():
        spec.overhead[name].CopyFrom(quantity)


def _set_scheduling(
    attributes: Attributes, spec: pod_pb2.PodSpec, scheduling: runtime_class_pb2.Scheduling
) -> None:
    for key in sorted(scheduling.node_selector):
        wanted, own = scheduling.node_selector[key], spec.node_selector.get(key)
        if own is not None and own != wanted:
            raise attributes.forbidden(
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; "
                f"pod.spec.nodeSelector[{key}] = {own}",
            )
        spec.node_selector[key] = wanted
    if scheduling.tolerations:
        merged = merge(spec.tolerations, scheduling.tolerations)
        del spec.tolerations[:]
        spec.tolerations.extend(merged)


def merge(
    first: Sequence[pod_pb2.Toleration], second: Sequence[pod_pb2.Toleration]
) -> list[pod_pb2.Toleration]:
    """Return both without those that another one covers; of equal ones the first stays."""
    both, merged = [*first, *second], list[pod_pb2.Toleration]()
    for index, one in enumerate(both):
        if any(covers(kept, one) for kept in merged):
            continue
        if any(later != one and covers(later, one) for later in both[index + 1 :]):
            continue
        merged.append(one)
    return merged


def covers(wide: pod_pb2.Toleration, narrow: pod_pb2.Toleration) -> bool:
    """Say whether `wide` tolerates all that `narrow` does."""
    if wide == narrow:
        return True
    if wide.key != narrow.key and not (not wide.key and wide.operator == "Exists"):
        return False
    if wide.effect not in {"", narrow.effect}:
        return False
    if wide.effect == "NoExecute" and wide.HasField("toleration_seconds"):
        longer = narrow.toleration_seconds > wide.toleration_seconds
        if not narrow.HasField("toleration_seconds") or longer:
            return False
    if wide.operator in {"", "Equal"}:
        return narrow.operator == "Equal" and narrow.value == wide.value
    return wide.operator == "Exists"
