"""A Pod's priority comes from its priority class, and only one class is the default.

Follows `plugin/pkg/admission/priority`.
"""

from collections.abc import Iterable
from typing import Any, cast

from apiserver.admission.chain import Attributes, Operation
from apiserver.admission.followed import Followed
from apiserver.validation.classes import SYSTEM_CLASSES
from vaina.api.core.v1 import pod_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.kinds import POD, PRIORITY_CLASS
from vaina.objects import names

PriorityClass = priority_class_pb2.PriorityClass

_PREEMPT = "PreemptLowerPriority"
#: of Pods without a class, where no class is the default
_NO_CLASS = PriorityClass(preemption_policy=_PREEMPT)


def default_class(classes: Iterable[PriorityClass]) -> PriorityClass:
    """Return the class of Pods that name none: of several defaults the one with the lowest value."""
    defaults = (found for found in classes if found.global_default)
    return min(defaults, key=lambda found: found.value, default=_NO_CLASS)


class Priority:
    """The plugin."""

    ignores_names = True

    def __init__(self, classes: Followed[PriorityClass]) -> None:
        self._classes = classes

    async def admit(self, attributes: Attributes) -> None:
        """Set spec.priority and spec.preemptionPolicy of a new Pod; refuse a second default class."""
        if attributes.kind is POD:
            if attributes.operation is Operation.CREATE:
                pod = cast("pod_pb2.Pod", attributes.object)
                _resolve(attributes, pod, await self._class_of(attributes, pod))
        elif attributes.kind is PRIORITY_CLASS and attributes.operation is not Operation.DELETE:
            default = default_class(await self._classes.list())
            if attributes.operation is Operation.CREATE:
                _check_default(attributes, cast("PriorityClass", attributes.object), default)
            else:
                attributes.checks.append(lambda new, _: _check_default(attributes, new, default))

    async def _class_of(self, attributes: Attributes, pod: pod_pb2.Pod) -> PriorityClass:
        name, classes = pod.spec.priority_class_name, await self._classes.list()
        if not name:
            return default_class(classes)
        for found in classes:
            if found.metadata.name == name:
                return found
        if name in SYSTEM_CLASSES:
            # It is made at start. Until then, or after somebody deleted it, the Pods of the system need it
            # all the same.
            return PriorityClass(value=SYSTEM_CLASSES[name], preemption_policy=_PREEMPT)
        # The cache may be behind whoever has just made it, perhaps at another apiserver. What is no name is
        # not looked for.
        made = None if names.dns_1123_subdomain(name) else await self._classes.find(name)
        if made is not None:
            return made
        raise attributes.forbidden(f"no PriorityClass with name {name} was found")


def _resolve(attributes: Attributes, pod: pod_pb2.Pod, found: PriorityClass) -> None:
    spec, policy = pod.spec, found.preemption_policy or _PREEMPT
    if spec.HasField("priority") and spec.priority != found.value:
        raise attributes.forbidden(
            f"the integer value of priority ({spec.priority}) must not be provided in pod spec; "
            f"priority admission controller computed {found.value} from the given PriorityClass name"
        )
    if spec.HasField("preemption_policy") and spec.preemption_policy != policy:
        raise attributes.forbidden(
            f"the string value of PreemptionPolicy ({spec.preemption_policy}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name"
        )
    if found.metadata.name:
        spec.priority_class_name = found.metadata.name
    spec.priority, spec.preemption_policy = found.value, policy


def _check_default(attributes: Attributes, wanted: Any, default: PriorityClass) -> None:
    there = default.metadata.name
    if wanted.global_default and there and there != wanted.metadata.name:
        words = f"PriorityClass {there} is already marked as default. Only one default can exist"
        raise attributes.forbidden(words)
