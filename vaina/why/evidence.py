"""What is known of a Pod, and what was found in it: the values of `vaina why`. PURE."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import seconds_of
from vaina.printers.cells import human_duration
from vaina.texts import sentence

_MISSING: Final = re.compile(r'(configmap|secret)s? "([^"]+)" not found')


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (or that nothing is)."""

    #: one line, without a full stop
    what: str
    #: lines that say more: the system's own words, the end of a log
    details: Sequence[str] = ()
    #: commands to paste
    look: Sequence[str] = ()


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

    def describe(self) -> str:
        return self.command("describe", f"pod {self.name}")

    def ago(self, stamp: Timestamp) -> str:
        return human_duration(self.now - seconds_of(stamp))

    def missing_object(self, where: str, message: str) -> Finding | None:
        """Find that a ConfigMap or Secret does not exist, where a message says so."""
        missing = _MISSING.search(message)
        if missing is None:
            return None
        kind = "ConfigMap" if missing[1] == "configmap" else "Secret"
        what = sentence(
            "{where} needs the {kind} {name}, which does not exist", where=where, kind=kind, name=missing[2]
        )
        return Finding(what, said(message), [self.command("get", f"{missing[1]}s")])

    def last(self, *reasons: str, words: str = "", container: str = "") -> event_pb2.Event | None:
        """Return the newest event of some reasons with these words, about a container where one is named."""
        path = f"{{{container}}}" if container else ""
        for event in reversed(self.events):
            about = event.involved_object.field_path.endswith(path)
            if about and event.reason in reasons and words in event.message:
                return event
        return None


def event_time(event: event_pb2.Event) -> float:
    """Return when an event happened last, in seconds since the epoch; 0: it does not say."""
    stamps = (
        event.last_timestamp,
        event.event_time,
        event.first_timestamp,
        event.metadata.creation_timestamp,
    )
    return next((seconds_of(stamp) for stamp in stamps if stamp.seconds), 0.0)


def statuses_of(pod: pod_pb2.Pod) -> list[pod_pb2.ContainerStatus]:
    """Return how the containers of a Pod are, init containers first."""
    return [*pod.status.init_container_statuses, *pod.status.container_statuses]


def said(message: str) -> list[str]:
    """Return the lines of a message that may be empty."""
    return [shortened(message)] if message.strip() else []


def shortened(text: str, length: int = 400) -> str:
    """Return a text on one line, not longer than this."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
