"""The seven steps of a Pod's creation, named once for log lines, events, metrics and traces.

They are section A of docs/requirements.md; ARCHITECTURE.md says where each lives.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from vaina.texts import say

#: where a UUID says its version, and how long it is
_VERSION_AT, _LENGTH = 14, 36
#: of random UUIDs, and of those of a vendor's own meaning (RFC 9562, 5.4 and 5.8)
_RANDOM, _OURS = "4", "8"


#: what is shorter between two steps, or in one, needs no name
SHORT_SECONDS: Final = 0.05

#: on a Pod when it is made, with the value "true": its steps are written down, however many others are made
TRACE_ANNOTATION: Final = "vaina.dev/trace"


def asks_for_trace(annotations: Mapping[str, str]) -> bool:
    """Say whether somebody has asked for the trace of a Pod that is about to be made."""
    return annotations.get(TRACE_ANNOTATION) == "true"


class PodStep(StrEnum):
    """One step, in the order in which they happen."""

    ADMITTED = "ADMITTED"
    SCHEDULED = "SCHEDULED"
    OBSERVED = "OBSERVED"
    SANDBOXED = "SANDBOXED"
    MOUNTED = "MOUNTED"
    STARTED = "STARTED"
    REPORTED = "REPORTED"

    @property
    def number(self) -> int:
        """The step's place, 1 to 7."""
        return tuple(PodStep).index(self) + 1

    @property
    def words(self) -> str:
        """What happens in the step, in a few words."""
        return _WORDS[self]


def can_say(pod_uid: str) -> bool:
    """Say whether a uid can be made to say that its Pod has no trace: whether it is a random UUID."""
    return len(pod_uid) == _LENGTH and pod_uid[_VERSION_AT] == _RANDOM


def without_trace(pod_uid: str) -> str:
    """Return a random UUID as the uid of a Pod whose steps nobody writes down: one of version 8.

    The apiserver chooses the Pods that have a trace when it creates them (`apiserver.registry.pod_traces`),
    and so says it to everybody who would report a step, without a word on the wire (decision 171).
    """
    return f"{pod_uid[:_VERSION_AT]}{_OURS}{pod_uid[_VERSION_AT + 1 :]}"


def may_have_trace(pod_uid: str) -> bool:
    """Say whether a step of the Pod is worth reporting; True for uids that do not say."""
    return pod_uid[_VERSION_AT : _VERSION_AT + 1] != _OURS or len(pod_uid) != _LENGTH


_WORDS: Final = {
    PodStep.ADMITTED: say("applied, validated, stored in etcd"),
    PodStep.SCHEDULED: say("a node was chosen and bound"),
    PodStep.OBSERVED: say("the node's kubelet saw it"),
    PodStep.SANDBOXED: say("network namespace made, IP given"),
    PodStep.MOUNTED: say("volumes mounted"),
    PodStep.STARTED: say("init containers done, containers started"),
    PodStep.REPORTED: say("status reported"),
}
