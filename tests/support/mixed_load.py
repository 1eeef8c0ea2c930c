"""Pods of many kinds, made one after the other, of each of which it is known how it ends."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from tests.support.api import Api
from tests.support.manifests import FOREVER, container, pod
from tests.support.workspace import Workspace, ready, status_of
from vaina.api.core.v1 import pod_pb2
from vaina.errors import Conflict, NotFound, Timeout, Unavailable

#: Pods that have not ended yet: no more at once
AT_ONCE = 12
_FLAG: dict[str, Any] = {"volumes": [{"name": "v", "emptyDir": {}}]}
_MOUNT: dict[str, Any] = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
#: more than one pass of a killed kubelet, less than the time between two kills
_SOON = (0.2, 4.0)


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of Pod."""

    name: str
    make: Callable[[str, random.Random], dict[str, Any]]
    #: whether a Pod is as its spec says, in the end
    right: Callable[[pod_pb2.Pod], bool]
    #: somebody deletes it a moment later
    deleted: bool = False
    #: how often a container of it is started, by its spec
    runs: int = 1


def _ends(phase: str, restarts: int = 0, code: int = 0) -> Callable[[pod_pb2.Pod], bool]:
    def right(one: pod_pb2.Pod) -> bool:
        status = status_of(one)
        return (one.status.phase, status.restart_count, status.state.terminated.exit_code) == (
            phase,
            restarts,
            code,
        )

    return right


def _runs(one: pod_pb2.Pod) -> bool:
    return ready(one) and all(item.restart_count == 0 for item in one.status.container_statuses)


def _delay(rng: random.Random) -> str:
    return f"sleep {rng.uniform(*_SOON):.2f}"


SORTS = (
    Sort("stays", lambda name, rng: pod(name), _runs),
    Sort(
        "pair", lambda name, rng: pod(name, container("main"), container("other"), terminationGracePeriodSeconds=2), _runs
    ),
    Sort(
        "probed",
        lambda name, rng: pod(
            name, container(readinessProbe={"exec": {"command": ["true"]}, "periodSeconds": 1})
        ),
        _runs,
    ),
    Sort(
        "succeeds", lambda name, rng: pod(name, container(script=_delay(rng)), restartPolicy="Never"), _ends("Succeeded")
    ),
    Sort(
        "fails",
        lambda name, rng: pod(name, container(script=f"{_delay(rng)}; exit 3"), restartPolicy="Never"),
        _ends("Failed", code=3),
    ),
    Sort(
        "again",
        lambda name, rng: pod(
            name,
            container(script=f"test -f /v/once && exit 0; touch /v/once; {_delay(rng)}; exit 1", **_MOUNT),
            restartPolicy="OnFailure",
            **_FLAG,
        ),
        _ends("Succeeded", restarts=1),
        runs=2,
    ),
    Sort(
        "init",
        lambda name, rng: pod(
            name,
            # An init container that ran twice would make the main one fail.
            container(script="test $(cat /v/a) = a", **_MOUNT),
            initContainers=[container("i", f"printf a >>/v/a; {_delay(rng)}", **_MOUNT)],
            restartPolicy="Never",
            **_FLAG,
        ),
        _ends("Succeeded"),
    ),
    Sort("goes", lambda name, rng: pod(name), lambda one: False, deleted=True),
    Sort(
        "goes-slowly",
        lambda name, rng: pod(
            name, container(script=f"trap '{_delay(rng)}; exit 0' TERM; sleep infinity & wait; wait"),
            terminationGracePeriodSeconds=8,
        ),
        lambda one: False,
        deleted=True,
    ),
)  # fmt: skip
_BY_NAME = {sort.name: sort for sort in SORTS}
FOREVER_SORTS = frozenset({"stays", "pair", "probed"})


def sort_of(name: str) -> Sort:
    """Return the sort of a Pod of this load."""
    return _BY_NAME[name.rpartition("-")[0]]


def expected_runs(name: str) -> int:
    """Return how often a container of a Pod of this load is started at most, whatever is killed meanwhile."""
    return sort_of(name).runs


class MixedLoad:
    """Makes Pods on one node until told to stop."""

    def __init__(self, space: Workspace, node: str, rng: random.Random, *, pause_seconds: float) -> None:
        self._space, self._node, self._rng, self._pause = space, node, rng, pause_seconds
        self._stop = Event()
        self.made: list[str] = []
        self.deleted: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make Pods during a `with` block."""
        thread = Thread(target=self._work, name="mixed-load")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(timeout=60)

    def _work(self) -> None:
        stay = 0
        with Api(self._space.cluster.apiserver, self._space.cluster.credentials) as api:
            space = Workspace(self._space.cluster, api, self._space.namespace)
            number = 0
            while not self._stop.wait(self._pause * self._rng.uniform(0.3, 1.7)):
                going = [name for name in self.made if sort_of(name).deleted and name not in self.deleted]
                if going and self._rng.random() < 0.5:
                    self._delete(space, going[0])
                    continue
                if len(self.unfinished(space)) >= AT_ONCE:
                    continue
                sort = self._rng.choice(SORTS)
                stay += sort.name in FOREVER_SORTS
                if sort.name in FOREVER_SORTS and stay > AT_ONCE:
                    continue
                name = f"{sort.name}-{number}"
                number += 1
                made = sort.make(name, self._rng)
                made["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": self._node}}
                self.made.append(name)
                space.apply(made)
            for name in self.made:
                if sort_of(name).deleted and name not in self.deleted:
                    self._delete(space, name)

    def _delete(self, space: Workspace, name: str) -> None:
        self.deleted.append(name)
        try:
            space.delete(name)
        except (NotFound, Conflict):
            return
        except (Unavailable, Timeout):
            self.deleted.remove(name)

    def unfinished(self, space: Workspace) -> list[str]:
        """Name the Pods that are not yet as they have to be in the end."""
        there = {one.metadata.name: one for one in space.pods()}
        wrong = []
        for name in list(self.made):
            sort, found = sort_of(name), there.get(name)
            if sort.deleted:
                if found is not None:
                    wrong.append(name)
            elif found is None or not sort.right(found):
                wrong.append(name)
        return wrong


__all__ = ["FOREVER", "FOREVER_SORTS", "SORTS", "MixedLoad", "Sort", "expected_runs", "sort_of"]
