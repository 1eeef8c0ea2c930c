"""Watch events, whatever they say: cache and queue end up true."""

from collections import Counter
from collections.abc import Sequence

from scheduler.cache.cache import Cache
from scheduler.cache.event_handlers import EventHandlers
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.decide.cycle import Cycles
from scheduler.framework.events import ClusterEvent
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.plugins.node_resources import NodeResourcesFit
from scheduler.queue.scheduling_queue import SchedulingQueue
from tests.unit.scheduler.objects import info, node, pod
from vaina.api.core.v1 import pod_pb2
from vaina.testing.clock import FakeClock


class Parts:
    """Handlers over real parts; notes what was settled and how often somebody was woken."""

    def __init__(self) -> None:
        framework = Framework(default_profile())
        self.cache, self.woken = Cache(), 0
        self.queue = SchedulingQueue(hints=framework.hints, gate=framework.gate)
        self.settled: list[tuple[str, str]] = []
        #: event -> how often it was handled
        self.heard: Counter[ClusterEvent] = Counter()
        #: nodes where there may be room
        self.changed: list[str] = []
        self.handlers = EventHandlers(
            self.cache, self.queue, compiler=PodCompiler(), clock=FakeClock(), scheduler_names=frozenset({"default-scheduler"}),
            heard=frozenset(framework.hints), settle=self.settle, expectant=self, wake=self.wake, observe=self.observed,
        )  # fmt: skip

    def observe(self, info: PodInfo) -> None:
        self.cache.nominations.observe(info)

    def placed(self, uid: str, node_name: str) -> None:
        self.cache.nominations.remove(uid)

    def gone(self, uid: str) -> None:
        self.cache.nominations.remove(uid)

    def room_on(self, node_name: str) -> None:
        self.changed.append(node_name)

    def node_gone(self, node_name: str) -> None:
        self.changed.append(node_name)

    def settle(self, uid: str, node_name: str) -> None:
        self.settled.append((uid, node_name))

    def observed(self, event: ClusterEvent, seconds: Sequence[float]) -> None:
        self.heard[event] += len(seconds)

    def wake(self) -> None:
        self.woken += 1


def test_a_batch_wakes_once_and_each_pod_goes_where_it_belongs() -> None:
    parts = Parts()
    parts.handlers.on_nodes([(None, node("n1"))])
    parts.handlers.on_pods(
        [
            (None, pod("waits", uid="waits")),
            (None, pod("runs", {"cpu": "1"}, uid="runs", node="n1")),
            (None, pod("done", uid="done", node="n1", phase="Succeeded")),
            (None, pod("ends", uid="ends", deleted=1.0)),
            (None, pod("theirs", uid="theirs", scheduler="other")),
        ]
    )
    assert parts.woken == 2
    assert "waits" in parts.queue
    assert len(parts.queue) == 1
    assert parts.cache.sizes() == {"nodes": 1, "pods": 1, "assumed_pods": 0}


def test_an_object_that_cannot_be_read_does_not_stop_the_others() -> None:
    parts = Parts()
    parts.handlers.on_nodes([(None, node("bad", cpu="many")), (None, node("n1"))])
    parts.handlers.on_pods([(None, pod("bad", {"cpu": "much"}, uid="bad")), (None, pod("good", uid="good"))])
    assert list(parts.cache.table.rows) == ["n1"]
    assert "good" in parts.queue
    assert "bad" not in parts.queue


def test_a_pod_that_turns_up_bound_leaves_the_queue() -> None:
    parts = Parts()
    before, after = pod("web", uid="u"), pod("web", uid="u", node="n1")
    parts.handlers.on_pods([(None, before)])
    parts.handlers.on_pods([(before, after)])
    assert "u" not in parts.queue
    assert parts.settled == [("u", "n1")]


def test_a_pod_handed_to_another_scheduler_leaves_the_queue() -> None:
    parts = Parts()
    before = pod("web", uid="u")
    parts.handlers.on_pods([(None, before)])
    parts.handlers.on_pods([(before, pod("web", uid="u", scheduler="other"))])
    assert "u" not in parts.queue


def test_an_old_state_of_a_pod_that_was_bound_meanwhile_is_not_queued() -> None:
    parts = Parts()
    made = pod("web", uid="u")
    parts.handlers.on_pods([(None, made)])
    found = parts.queue.pop(now=0.0)
    assert found is not None
    parts.cache.assume(found.info, "n1")
    parts.queue.delete("u")
    parts.handlers.on_pods([(made, pod("web", uid="u"))])
    assert "u" not in parts.queue


def test_a_status_alone_touches_nothing() -> None:
    parts = Parts()
    parts.handlers.on_nodes([(None, node("n1"))])
    made = pod("web", uid="u", node="n1")
    parts.handlers.on_pods([(None, made)])
    generation, settled = parts.cache.table.journal.position, len(parts.settled)
    parts.handlers.on_pods([(made, pod("web", uid="u", node="n1", phase="Running"))])
    assert (parts.cache.table.journal.position, len(parts.settled)) == (generation, settled)


def test_a_resize_is_counted_and_may_help_others() -> None:
    parts = Parts()
    parts.handlers.on_nodes([(None, node("n1", cpu="4"))])
    large, small = pod("web", {"cpu": "4"}, uid="u", node="n1"), pod("web", {"cpu": "1"}, uid="u", node="n1")
    small.metadata.generation = 2
    waits = pod("waits", {"cpu": "2"}, uid="waits")
    parts.handlers.on_pods([(None, large), (None, waits)])
    found = parts.queue.pop(now=0.0)
    assert found is not None
    parts.queue.park(found, frozenset({"NodeResourcesFit"}), now=-20.0)
    parts.handlers.on_pods([(large, small)])
    assert parts.queue.sizes()["active"] == 1
    row = parts.cache.table.rows["n1"]
    assert parts.cache.table.snapshot().requested[0][row] == 1000


def test_room_is_given_back_when_the_status_says_so_and_not_when_it_is_asked() -> None:
    parts = Parts()
    parts.handlers.on_nodes([(None, node("n1", cpu="4"))])
    states = [
        pod("web", {"cpu": "4"}, uid="u", node="n1"),
        *(pod("web", {"cpu": "1"}, uid="u", node="n1") for _ in "ab"),
    ]
    for state, given in zip(states, ("4", "4", "1"), strict=True):
        container = state.status.container_statuses.add(name=state.spec.containers[0].name)
        container.resources.requests["cpu"].string = container.allocated_resources["cpu"].string = given
    states[1].metadata.generation = states[2].metadata.generation = 2
    counted = []
    for before, after in zip([None, *states], states, strict=False):
        parts.handlers.on_pods([(before, after)])
        counted.append(int(parts.cache.table.snapshot().requested[0][0]))
    assert counted == [4000, 4000, 1000]


def test_a_heartbeat_of_a_node_changes_nothing() -> None:
    parts = Parts()
    before, after = node("n1"), node("n1")
    parts.handlers.on_nodes([(None, before)])
    generation = parts.cache.table.journal.position
    after.status.conditions[0].last_heartbeat_time.seconds += 10
    parts.handlers.on_nodes([(before, after)])
    assert parts.cache.table.journal.position == generation


def test_a_node_that_goes_is_forgotten_with_its_pods_kept_in_mind() -> None:
    parts = Parts()
    parts.handlers.on_nodes([(None, node("n1"))])
    parts.handlers.on_pods([(None, pod("web", {"cpu": "1"}, uid="u", node="n1"))])
    parts.handlers.on_nodes([(node("n1"), None)])
    assert parts.cache.sizes() == {"nodes": 0, "pods": 1, "assumed_pods": 0}
    parts.handlers.on_nodes([(None, node("n1"))])
    assert parts.cache.table.snapshot().pod_count.tolist() == [1]


def test_only_what_somebody_listens_to_is_passed_on() -> None:
    heard = frozenset(Framework(Profile("test", filters=(NodeResourcesFit(),))).hints)
    assert ClusterEvent.ASSIGNED_POD_DELETE in heard
    assert ClusterEvent.NODE_DELETE not in heard
    assert ClusterEvent.NODE_DELETE in frozenset(Framework(default_profile()).hints)


def test_a_bound_pod_that_is_relabelled_is_counted_by_its_new_labels() -> None:
    parts = Parts()
    parts.handlers.on_nodes([(None, node("n1", labels={"kubernetes.io/hostname": "n1"}))])
    made = pod("web", uid="u", node="n1")
    made.metadata.labels["app"] = "web"
    parts.handlers.on_pods([(None, made)])
    waiting = pod("lonely", uid="w")
    term = waiting.spec.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution.add()
    term.topology_key = "kubernetes.io/hostname"
    term.label_selector.match_labels["app"] = "web"
    cycles = Cycles(parts.cache.table, Framework(default_profile()))
    lonely = info(waiting).pod_class
    assert isinstance(cycles.decide(lonely, lambda _count: 0), Unschedulable)
    renamed = pod_pb2.Pod()
    renamed.CopyFrom(made)
    renamed.metadata.labels["app"] = "db"
    parts.handlers.on_pods([(made, renamed)])
    assert isinstance(cycles.decide(lonely, lambda _count: 0), Scheduled)
