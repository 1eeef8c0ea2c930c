"""Kill tests: thirty replicas come up while the parts of the cluster die.

Seeded by VAINA_SEED; the seed is in the failure's text.

What must hold is checked from a watch history that was recorded from outside and from the events of the
nodes' engines, which know what was started whether or not anybody reported it.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import pytest

from tests.support import invariants
from tests.support.api import Api, History
from tests.support.cluster import hold, run, wait_until
from tests.support.manifests import config_map, replica_set
from tests.support.workspace import Workspace, ready
from vaina.api.core.v1 import config_pb2, pod_pb2
from vaina.errors import ApiError, Conflict, Timeout, Unavailable
from vaina.kinds import CONFIG_MAP, POD

REPLICAS = 30
SEED = int(os.environ.get("VAINA_SEED", "1"))  # noqa: TID251 (a setting of the test run)


@dataclass(slots=True)
class Writes:
    """What a client wrote meanwhile, by what it was told."""

    created: list[str] = field(default_factory=list)
    #: increments of one number that were acknowledged, and those of which nobody knows
    counted: int = 0
    unknown: int = 0
    other_errors: list[str] = field(default_factory=list)


@contextmanager
def writing(space: Workspace) -> Iterator[Writes]:
    """Create ConfigMaps and count up a number by compare-and-swap during a `with` block, in a client of its
    own.
    """
    writes, stop = Writes(), Event()
    space.apply(config_map("counter", value="0"))

    def create(api: Api, number: int) -> None:
        made = config_pb2.ConfigMap(data={"number": str(number)})
        made.metadata.name, made.metadata.namespace = f"written-{number}", space.namespace
        api.call(api.clients.config_maps.create(made))
        writes.created.append(made.metadata.name)

    def increment(api: Api) -> None:
        found = api.call(api.clients.config_maps.get("counter", space.namespace))
        found.data["value"] = str(int(found.data["value"]) + 1)
        try:
            api.call(api.clients.config_maps.update(found))
            writes.counted += 1
        except (Unavailable, Timeout):
            writes.unknown += 1
        except Conflict:
            pass  # an increment of unknown outcome had happened: not once more

    def attempt(step: Callable[..., None], *arguments: object) -> None:
        try:
            step(*arguments)
        except (Unavailable, Timeout):
            pass  # expected while parts are dead; what is unknown was counted
        except ApiError as error:
            writes.other_errors.append(f"{type(error).__name__}: {error}")

    def work() -> None:
        number = 0
        with Api(space.cluster.apiserver, space.cluster.credentials) as api:
            while not stop.wait(0.05):
                number += 1
                attempt(create, api, number)
                attempt(increment, api)

    writer = Thread(target=work, name="writer")
    writer.start()
    try:
        yield writes
    finally:
        stop.set()
        writer.join(timeout=60)


def created(history: History[pod_pb2.Pod]) -> int:
    """Count the Pods that were ever seen."""
    return len({seen.object.metadata.uid for seen in list(history.seen)})


def running(history: History[pod_pb2.Pod]) -> int:
    """Count the Pods whose newest state is ready."""
    newest = {seen.object.metadata.uid: seen for seen in list(history.seen)}
    return sum(seen.type != "DELETED" and ready(seen.object) for seen in newest.values())


def check(
    space: Workspace,
    history: History[pod_pb2.Pod],
    events: invariants.EngineEvents,
    writes: Writes,
    words: str,
) -> None:
    """Assert what must hold after any run."""
    there = space.pods("app=herd")
    assert invariants.violations(history.seen, events, [p.metadata.uid for p in there]) == [], words
    assert history.gaps == 0, words
    assert len(there) == REPLICAS, words
    assert all(ready(p) for p in there), words
    # Nothing healthy was restarted, and nobody has two addresses.
    assert {s.restart_count for p in there for s in p.status.container_statuses} == {0}, words
    assert len({p.status.pod_ip for p in there}) == REPLICAS, words
    # The engines' records know every one of them, and say the same of it: the checks above were not made of
    # nothing.
    alive = [run for run in invariants.runs(events) if run.ended == float("inf")]
    assert {p.metadata.uid for p in there} <= {run.uid for run in alive if run.name}, words
    recorded = {run.uid: run.address for run in alive if not run.name}
    assert [p.status.pod_ip for p in there] == [recorded.get(p.metadata.uid) for p in there], words

    stored = {one.metadata.name: one for one in space.api.list(CONFIG_MAP, space.namespace)}
    assert [name for name in writes.created if name not in stored] == [], words
    value = int(stored["counter"].data["value"])
    assert writes.counted <= value <= writes.counted + writes.unknown, words
    assert writes.other_errors == [], words
    assert len(writes.created) > 10, words


def test_thirty_replicas_come_up_while_every_part_is_killed_once(space: Workspace) -> None:
    rng = random.Random(SEED)
    cluster, words = space.cluster, f"VAINA_SEED={SEED}"
    node = rng.choice(cluster.nodes)
    kills: list[Callable[[], object]] = [
        lambda: cluster.kill_service("apiserver"),
        lambda: cluster.kill_service("scheduler"),
        lambda: cluster.kill_service("controller"),
        lambda: cluster.kill_kubelet(node),
    ]
    rng.shuffle(kills)
    # The first as soon as Pods are being made, the others when so many run.
    moments = [0, *sorted(rng.sample(range(1, REPLICAS - 5), len(kills) - 1))]
    with (
        cluster.recorded_events() as events,
        space.api.history(POD, space.namespace) as history,
        writing(space) as writes,
    ):
        space.apply(replica_set("herd", REPLICAS))
        wait_until(lambda: created(history) > 2, 30, "the first replicas are made", every=0.02)
        for moment, kill in zip(moments, kills, strict=True):
            wait_until(lambda at=moment: running(history) >= at, 90, f"{moment} replicas run", every=0.02)
            kill()
        cluster.wait_healthy()
        wait_until(lambda: running(history) == REPLICAS, 120, f"all replicas run again ({words})")
        wait_until(lambda: len(space.pods("app=herd")) == REPLICAS, 30, "none is there too many")
    check(space, history, events, writes, words)
    assert history.resumed > 0, "the watch was never broken: the apiserver was not killed"


@pytest.mark.soak
def test_thirty_replicas_come_up_though_etcd_is_away_for_ten_seconds(space: Workspace) -> None:
    rng = random.Random(SEED)
    moment, words = rng.randrange(3, REPLICAS - 8), f"VAINA_SEED={SEED}"
    with (
        space.cluster.recorded_events() as events,
        space.api.history(POD, space.namespace) as history,
        writing(space) as writes,
    ):
        space.apply(replica_set("herd", REPLICAS))
        wait_until(lambda: running(history) >= moment, 90, f"{moment} replicas run", every=0.02)
        with space.cluster.stopped("etcd"):
            hold(10)
            away = len(writes.created)
        space.cluster.wait_healthy()
        wait_until(lambda: running(history) == REPLICAS, 120, f"all replicas run again ({words})")
        wait_until(lambda: len(writes.created) > away, 30, "writes are acknowledged again")
        wait_until(lambda: len(space.pods("app=herd")) == REPLICAS, 30, "none is there too many")
    check(space, history, events, writes, words)
    assert writes.unknown > 0 or len(writes.created) > away, words


@pytest.mark.soak
def test_killed_services_are_back_and_run_the_next_pod(space: Workspace) -> None:
    """All at once: who leads next waits for the lease of the one that was killed, which is most of the time
    this takes.
    """
    parts = {part: space.cluster.container(part) for part in ("scheduler", "controller", "apiserver")}

    def restarts() -> list[int]:
        return [int(run("docker", "inspect", "-f", "{{.RestartCount}}", name)) for name in parts.values()]

    before = restarts()
    for part in parts:
        space.cluster.kill_service(part)
    wait_until(
        lambda: all(new > old for new, old in zip(restarts(), before, strict=True)),
        30,
        "all are started again",
    )
    space.cluster.wait_healthy()
    space.apply(replica_set("next", 1))
    wait_until(lambda: [p for p in space.pods("app=next") if ready(p)], 40, "a Pod runs")
