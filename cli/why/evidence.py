"""What is known of a Pod, and what was found in it: the values of `vaina why`. PURE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import seconds_of


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was asked of the cluster."""

    name: str
    namespace: str
    #: seconds since the epoch
    now: float
    #: None: it is gone, or never was
    pod: pod_pb2.Pod | None = None
    #: about the Pod, the oldest first
    events: Sequence[event_pb2.Event] = ()
    trace: trace_pb2.PodTrace | None = None
    #: of the Pod; None: it has none, or that is gone
    node: node_pb2.Node | None = None
    #: by container: the last lines of the life that failed
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    def command(self, verb: str, *words: str) -> str:
        """Write a command to paste, with the Pod's namespace where it is not the default one."""
        place = [] if self.namespace == "default" else ["-n", self.namespace]
        return " ".join(["vaina", verb, *place, *words])

    def last(self, *reasons: str, words: str = "", container: str = "") -> event_pb2.Event | None:
        """Return the newest event of some reasons with these words, about a container where one is named."""
        path = f"{{{container}}}"
        for event in reversed(self.events):
            if (
                event.reason in reasons
                and words in event.message
                and (not container or event.involved_object.field_path.endswith(path))
            ):
                return event
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (or that nothing is)."""

    #: one line, without a full stop
    what: str
    #: lines that say more: the system's own words, the end of a log
    details: Sequence[str] = ()
    #: commands to paste
    look: Sequence[str] = ()


def event_time(event: event_pb2.Event) -> float:
    """Return when an event happened last, in seconds since the epoch; 0: it does not say."""
    for stamp in (
        event.last_timestamp,
        event.event_time,
        event.first_timestamp,
        event.metadata.creation_timestamp,
    ):
        if stamp.seconds:
            return seconds_of(stamp)
    return 0.0


def shortened(text: str, length: int = 400) -> str:
    """Return a text on one line, not longer than this."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
