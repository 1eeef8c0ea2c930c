"""PURE: what must hold of a recorded run, whatever was killed meanwhile (I1, I2, I3, I4, I11, I12 of the list
of invariants).

Each function returns the violations in words, none when all is well. The records are the events of the nodes'
engines (`Cluster.recorded_events`) and the history of a watch (`Api.history`); nothing is concluded from a
final count alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

from tests.support.api import Seen
from vaina.api.core.v1 import pod_pb2

EngineEvents = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one container (a sandbox's pause has no name), on a node, for a time in seconds since the
    epoch.
    """

    node: str
    id: str
    uid: str
    name: str
    attempt: int
    #: of a sandbox, "" of other containers
    address: str
    started: float
    ended: float = inf


def runs(events: EngineEvents) -> list[Run]:
    """Return every start of a Pod's container, oldest first on each node, with its end when it had one."""
    return [run for node, seen in events.items() for run in _runs_of_node(node, seen)]


def _runs_of_node(node: str, events: Iterable[Mapping[str, Any]]) -> Iterator[Run]:
    open_runs: dict[str, Run] = {}
    for event in events:
        actor = event.get("Actor", {})
        labels = actor.get("Attributes", {})
        uid, number = labels.get("io.kubernetes.pod.uid", ""), actor.get("ID", "")
        if event.get("Type", "container") != "container" or not uid:
            continue
        at = event["timeNano"] / 1e9
        if event["Action"] == "start":
            if number in open_runs:
                yield open_runs[number]
            open_runs[number] = Run(
                node=node, id=number, uid=uid, name=labels.get("io.kubernetes.container.name", ""),
                attempt=int(labels["vaina.dev/attempt"]),
                address=labels.get("vaina.dev/pod-ip", ""), started=at,
            )  # fmt: skip
        elif event["Action"] == "die" and number in open_runs:
            run = open_runs.pop(number)
            yield Run(**{**{f: getattr(run, f) for f in Run.__slots__}, "ended": at})
    yield from open_runs.values()


def bound_twice(history: Sequence[Seen[pod_pb2.Pod]]) -> list[str]:
    """I1: spec.nodeName goes only from empty to a node."""
    nodes: dict[str, list[str]] = defaultdict(list)
    for seen in history:
        values = nodes[seen.object.metadata.uid]
        if not values or values[-1] != seen.object.spec.node_name:
            values.append(seen.object.spec.node_name)
    return [
        f"Pod {uid} was bound to {' then '.join(repr(v) for v in values)}"
        for uid, values in nodes.items()
        if len([value for value in values if value]) > 1 or "" in values[1:]
    ]


def started_twice(found: Sequence[Run]) -> list[str]:
    """I12: an attempt of a container (or a sandbox) is started once."""
    count: dict[tuple[str, str, int], int] = defaultdict(int)
    for run in found:
        count[run.uid, run.name, run.attempt] += 1
    return [
        f"{name or 'the sandbox'} of Pod {uid}, attempt {attempt}, was started {times} times"
        for (uid, name, attempt), times in count.items()
        if times > 1
    ]


def on_two_nodes(found: Sequence[Run]) -> list[str]:
    """I2: the containers of a Pod run on one node."""
    nodes: dict[str, set[str]] = defaultdict(set)
    for run in found:
        nodes[run.uid].add(run.node)
    return [f"Pod {uid} ran on {', '.join(sorted(where))}" for uid, where in nodes.items() if len(where) > 1]


def two_at_once(found: Sequence[Run]) -> list[str]:
    """I2: two attempts of one container (or two sandboxes of one Pod) never run at the same time."""
    by_container: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in found:
        by_container[run.uid, run.name].append(run)
    return [
        f"{name or 'the sandbox'} of Pod {uid}: attempts {first.attempt} and {second.attempt} ran at the same time"
        for (uid, name), of_one in by_container.items()
        for first, second in pairwise(sorted(of_one, key=lambda run: run.started))
        if second.started < first.ended
    ]


def address_shared(found: Sequence[Run]) -> list[str]:
    """I3: no two live sandboxes have one IP, on any nodes."""
    by_address: dict[str, list[Run]] = defaultdict(list)
    for run in found:
        if run.address:
            by_address[run.address].append(run)
    return [
        f"{address} was of Pods {first.uid} and {second.uid} at the same time"
        for address, of_one in by_address.items()
        for first, second in pairwise(sorted(of_one, key=lambda run: run.started))
        if second.started < first.ended and first.uid != second.uid
    ]


def vanished(history: Sequence[Seen[pod_pb2.Pod]], there: Iterable[str]) -> list[str]:
    """I4: a Pod that was ever seen is there in the end, or its deletion was seen."""
    known = set(there)
    deleted = {seen.object.metadata.uid for seen in history if seen.type == "DELETED"}
    ever = {seen.object.metadata.uid for seen in history}
    return [f"Pod {uid} was seen, never deleted, and is not there" for uid in sorted(ever - deleted - known)]


def went_back(history: Sequence[Seen[pod_pb2.Pod]]) -> list[str]:
    """I6: the versions of one object only grow over a watch that is resumed without a gap."""
    last: dict[str, int] = {}
    found = []
    for seen in history:
        uid, version = seen.object.metadata.uid, int(seen.object.metadata.resource_version)
        if version <= last.get(uid, 0):
            found.append(f"Pod {uid}: version {version} was seen after {last[uid]}")
        last[uid] = version
    return found


def violations(history: Sequence[Seen[pod_pb2.Pod]], events: EngineEvents, there: Iterable[str]) -> list[str]:
    """Return everything that is wrong with a run of which all Pods were watched."""
    uids = {seen.object.metadata.uid for seen in history}
    found = [run for run in runs(events) if run.uid in uids]
    # An address may also be shared with a Pod of somebody else.
    return [
        *bound_twice(history),
        *went_back(history),
        *vanished(history, there),
        *started_twice(found),
        *on_two_nodes(found),
        *two_at_once(found),
        *address_shared(runs(events)),
    ]
