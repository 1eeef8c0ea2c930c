"""All that the page shows of one Pod, as values that JSON has. PURE; `topic` asks for it.

namespace, name, uid, gone, deletedAt, phase, state, ready, node, nodeReady, ip, created, deletionAt
steps        the timeline (dashboard.life.steps)
containers   dashboard.life.containers
events       [{type, reason, message, count, first, last, from}], the newest first
why          {head, healthy, findings: [{what, details, look}], notes}
family       {owners, owned}, see dashboard.life.family
others       [{uid, created, gone}] other Pods that have had the name, the newest first: ?uid= shows them
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboard.life.containers import containers_of
from dashboard.life.family import Family
from dashboard.life.steps import timeline
from dashboard.texts import Say, cut
from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import seconds_of
from vaina.objects.conditions import get_condition
from vaina.objects.pods import is_ready
from vaina.printers.cells import event_count, event_source, event_times
from vaina.printers.pod_summary import summarise
from vaina.traces import first_start
from vaina.why.diagnose import Diagnosis, diagnose
from vaina.why.evidence import Evidence

#: Events that are shown
MAX_EVENTS: Final = 100
#: other Pods of the name that are named
MAX_OTHERS: Final = 10


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of the Pods that have, or had, a name is shown."""

    uid: str
    pod: pod_pb2.Pod | None
    trace: trace_pb2.PodTrace | None
    others: Sequence[trace_pb2.PodTrace]


def choose(pod: pod_pb2.Pod | None, traces: Iterable[trace_pb2.PodTrace], uid: str = "") -> Chosen | None:
    """Choose the Pod with a uid; without one that which is there, else the newest. None: there is none."""
    newest_first = sorted(traces, key=_begin, reverse=True)
    if not uid:
        uid = pod.metadata.uid if pod is not None else newest_first[0].spec.pod_uid if newest_first else ""
    trace = next((one for one in newest_first if one.spec.pod_uid == uid), None)
    shown = pod if pod is not None and pod.metadata.uid == uid else None
    if shown is None and trace is None:
        return None
    return Chosen(uid, shown, trace, [one for one in newest_first if one.spec.pod_uid != uid])


def _begin(trace: trace_pb2.PodTrace) -> tuple[float, float]:
    return trace.metadata.creation_timestamp.seconds, first_start(trace)


def life_of(
    given: Evidence,
    chosen: Chosen,
    family: Family | None,
    *,
    before: pod_pb2.Pod | None = None,
    say: Say = str,
) -> dict[str, Any]:
    """Return what is shown of a Pod, from all that is known of it; `before`: as it was there last."""
    pod, trace = chosen.pod, chosen.trace
    shown: dict[str, Any] = {
        "namespace": given.namespace, "name": given.name, "uid": chosen.uid, "gone": pod is None,
        "steps": timeline(trace, pod, say), "events": [_event(event) for event in reversed(given.events[-MAX_EVENTS:])],
        "why": _why(diagnose(given), say),
        "others": [_other(one) for one in chosen.others[:MAX_OTHERS]],
        "family": family.shown() if family is not None else None,
    }  # fmt: skip
    if pod is not None:
        return shown | _there(pod, given.node) | {"containers": containers_of(pod, given.events)}
    if before is not None:
        shown |= _there(before, given.node) | {"containers": containers_of(before, given.events)}
    if trace is not None:
        shown |= {"node": trace.status.node_name, "deletedAt": _time_of(trace.status, "pod_deleted_time")}
    return shown


def _there(pod: pod_pb2.Pod, node: node_pb2.Node | None) -> dict[str, Any]:
    ready = get_condition(node.status, "Ready") if node is not None else None
    return {
        "phase": pod.status.phase, "state": summarise(pod).status, "ready": is_ready(pod), "node": pod.spec.node_name,
        "nodeReady": ready is not None and ready.status == "True", "ip": pod.status.pod_ip,
        "created": seconds_of(pod.metadata.creation_timestamp),
        "deletionAt": _time_of(pod.metadata, "deletion_timestamp"),
    }  # fmt: skip


def _time_of(message: Any, field: str) -> float | None:
    return seconds_of(getattr(message, field)) if message.HasField(field) else None


def _event(event: event_pb2.Event) -> dict[str, Any]:
    first, last = event_times(event)
    return {
        "type": cut(event.type, 100), "reason": cut(event.reason, 200), "message": cut(event.message),
        "count": event_count(event), "first": first, "last": last, "from": cut(event_source(event), 300),
    }  # fmt: skip


def _why(found: Diagnosis, say: Say) -> dict[str, Any]:
    return {
        "head": cut(say(found.head)), "healthy": found.healthy, "notes": [cut(say(note)) for note in found.notes],
        "findings": [
            {"what": cut(say(one.what)), "details": [cut(say(line)) for line in one.details], "look": [cut(it) for it in one.look]}
            for one in found.findings
        ],
    }  # fmt: skip


def _other(trace: trace_pb2.PodTrace) -> dict[str, Any]:
    created = first_start(trace) or float(trace.metadata.creation_timestamp.seconds)
    return {
        "uid": trace.spec.pod_uid,
        "created": created,
        "gone": _time_of(trace.status, "pod_deleted_time") is not None,
    }
