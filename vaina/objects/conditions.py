"""Conditions in the status of any kind: finding one, and setting one so that its transition time stays true.

Called by the kubelet, the scheduler, the controllers and the apiserver's merge of statuses. Follows
`UpdatePodCondition` of upstream: the transition time changes when, and only when, the status of the condition
does.
"""

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message

from vaina.clock import timestamp

#: PodCondition, NodeCondition, ReplicaSetCondition, ...: type, status, last_transition_time, reason, message
C = TypeVar("C", bound=Message)


class HasConditions(Protocol[C]):
    """A status with conditions."""

    @property
    def conditions(self) -> RepeatedCompositeFieldContainer[C]: ...


def find_condition(conditions: Iterable[C], condition_type: str) -> C | None:
    """Return the condition of this type, if it is there."""
    for item in conditions:
        fields: Any = item
        if fields.type == condition_type:
            return item
    return None


def get_condition(status: HasConditions[C], condition_type: str) -> C | None:
    """Return the status's condition of this type, if it is there."""
    return find_condition(status.conditions, condition_type)


def set_condition(status: HasConditions[C], condition: C, now: float) -> bool:
    """Set a condition by its type; say whether anything changed. `condition` itself is not changed.

    The transition time becomes `now` (seconds since the epoch) when the condition is new or its status
    changed.
    """
    wanted: Any = type(condition)()
    wanted.CopyFrom(condition)
    wanted.last_transition_time.CopyFrom(timestamp(now))
    current: Any = get_condition(status, wanted.type)
    if current is None:
        status.conditions.append(wanted)
        return True
    if current.status == wanted.status:
        wanted.last_transition_time.CopyFrom(current.last_transition_time)
        if not current.HasField("last_transition_time"):
            wanted.ClearField("last_transition_time")
    if wanted == current:
        return False
    current.CopyFrom(wanted)
    return True
