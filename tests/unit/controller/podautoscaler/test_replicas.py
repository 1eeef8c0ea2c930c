"""How many replicas a metric calls for.

Cases follow upstream's `replica_calculator_test.go` in what they ask.
"""

from dataclasses import dataclass, field

import pytest

from controller.podautoscaler.measure import (
    Ask,
    MetricError,
    Proposal,
    Readiness,
    Tolerances,
    Usage,
    by_average,
    by_utilization,
    requests_of,
    usages_of,
)
from vaina.api.core.v1 import pod_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.clock import timestamp
from vaina.testing.builders import make_pod
from vaina.testing.clock import EPOCH

NOW = EPOCH + 3600


def pod(name: str, **changes: object) -> pod_pb2.Pod:
    """A Pod that runs since an hour, is ready since, and asks for a whole core."""
    started = float(changes.pop("started", EPOCH))  # type: ignore[arg-type]  # a number
    wanted: dict[str, object] = {"phase": "Running", "ready": True, "requests": {"cpu": "1", "memory": "1"}}
    made = make_pod(name, **{**wanted, **changes})  # type: ignore[arg-type]  # what make_pod takes
    made.status.start_time.CopyFrom(timestamp(started))
    return made


@dataclass(frozen=True)
class Case:
    name: str
    #: millicores of each ready Pod; None: not measured
    levels: tuple[int | None, ...]
    #: percent
    target: int
    want: Proposal | str
    current: int = 0
    #: changes of Pods, by number
    pods: dict[int, dict[str, object]] = field(default_factory=dict)
    resource: str = "cpu"
    tolerances: Tolerances = field(default_factory=Tolerances)
    #: end of the window of each measurement
    measured: float = NOW


def ask(case: Case) -> Ask:
    pods = [pod(f"p{number}", **case.pods.get(number, {})) for number in range(len(case.levels))]
    usages = {
        f"p{number}": Usage(level, case.measured, 60.0)
        for number, level in enumerate(case.levels)
        if level is not None
    }
    return Ask(
        case.resource, pods, usages, case.current or len(pods), NOW, case.tolerances, Readiness(300.0, 30.0)
    )


YOUNG = {"started": NOW - 60, "ready_since": NOW - 50}
UTILIZATIONS = (
    Case("more", (300, 500, 700), 30, Proposal(5, 500, 50)),
    Case("fewer", (100, 300, 500, 250, 250), 50, Proposal(3, 280, 28)),
    Case("as many", (1010, 1030, 1020), 100, Proposal(3, 1020, 102)),
    Case("just within the tolerance above", (1100, 1100), 100, Proposal(2, 1100, 110)),
    Case("just beyond the tolerance above", (1110, 1110), 100, Proposal(3, 1110, 111)),
    Case("just within the tolerance below", (900, 900), 100, Proposal(2, 900, 90)),
    Case("just beyond the tolerance below", (440, 440, 440, 440), 50, Proposal(4, 440, 44)),
    Case("a tolerance of nothing", (1010, 1010), 100, Proposal(3, 1010, 101), tolerances=Tolerances(0.0, 0.0)),
    Case("a tolerance that is wide upwards alone", (1400, 1400), 100, Proposal(2, 1400, 140), tolerances=Tolerances(0.0, 0.5)),
    Case("nothing is used", (0, 0, 0), 50, Proposal(0, 0, 0)),
    Case("percents are cut off", (109, 109), 10, Proposal(2, 109, 10)),
    Case("those that are about to end do not count", (500, 500, 500), 50, Proposal(3, 500, 50),
         pods={2: {"deleted": NOW}}),
    Case("those that failed do not count", (800, 800, 800), 50, Proposal(4, 800, 80), pods={2: {"phase": "Failed"}}),
    Case("pending Pods hold more replicas back", (900, 900, None), 50, Proposal(4, 900, 90),
         pods={2: {"phase": "Pending", "ready": None}}),
    Case("pending Pods that would turn the direction leave all as it is", (600, None, None), 50, Proposal(3, 600, 60),
         pods={1: {"phase": "Pending"}, 2: {"phase": "Pending"}}),
    Case("pending Pods do not keep fewer replicas from being enough", (100, 100, None), 50, Proposal(1, 100, 10),
         pods={2: {"phase": "Pending"}}),
    Case("a Pod that was not measured uses nothing when there should be more", (900, 900, None), 30, Proposal(6, 900, 90)),
    Case("a Pod that was not measured uses all when there should be fewer", (100, 100, None), 50, Proposal(3, 100, 10)),
    Case("and more than all where more is wished for", (100, 100, None), 300, Proposal(2, 100, 10)),
    Case("one that was not measured, and no change otherwise", (500, 500, None), 50, Proposal(3, 500, 50)),
    Case("a young Pod that is not ready does not count", (900, 900, 5000), 50, Proposal(4, 900, 90),
         pods={2: {**YOUNG, "ready": False}}),
    Case("a young Pod counts a window after it became ready", (600, 600), 50, Proposal(3, 600, 60),
         pods={1: {"started": NOW - 250, "ready_since": NOW - 61}}),
    Case("a young Pod does not count before", (600, 2000), 50, Proposal(2, 600, 60), pods={1: YOUNG}),
    Case("an old Pod that has never been ready does not count", (900, 900), 50, Proposal(2, 900, 90),
         pods={1: {"started": NOW - 900, "ready": False, "ready_since": NOW - 899}}),
    Case("an old Pod that is unready now does", (900, 900), 50, Proposal(4, 900, 90),
         pods={1: {"started": NOW - 900, "ready": False, "ready_since": NOW - 100}}),
    Case("memory counts whether ready or not", (900, 900), 50, Proposal(4, 900, 90), resource="memory",
         pods={1: {**YOUNG, "ready": False}}),
    Case("nobody is ready", (900,), 50, "did not receive metrics for targeted pods (pods might be unready)",
         pods={0: {**YOUNG, "ready": False}}),
    Case("nobody was measured", (None, None), 50, "did not receive metrics for targeted pods (pods might be unready)"),
    Case("there is nobody", (), 50, "no pods returned by selector while calculating replica count", current=1),
    Case("one does not say what it asks for", (100, 100), 50, "missing request for cpu in container app of Pod p1",
         pods={1: {"requests": {}}}),
    Case("one asks for nothing", (100,), 50, "no metrics returned matched known pods", pods={0: {"requests": {"cpu": "0"}}}),
    Case("no more than a number can say", (2**40,), 1, Proposal(2**31 - 1, 2**40, 2**40 // 10)),
)  # fmt: skip


@pytest.mark.parametrize("case", UTILIZATIONS, ids=lambda case: case.name)
def test_by_utilization(case: Case) -> None:
    if isinstance(case.want, str):
        with pytest.raises(MetricError) as raised:
            by_utilization(ask(case), case.target)
        assert str(raised.value) == case.want
    else:
        assert by_utilization(ask(case), case.target) == case.want


AVERAGES = (
    Case("more", (300, 500, 700), 300, Proposal(5, 500)),
    Case("fewer", (100, 300, 500, 250, 250), 500, Proposal(3, 280)),
    Case("as many", (1010, 1030, 1020), 1000, Proposal(3, 1020)),
    Case("one that was not measured uses the target when there should be fewer", (100, 100, None), 500, Proposal(2, 100)),
    Case("one that was not measured uses nothing when there should be more", (900, 900, None), 300, Proposal(6, 900)),
    Case("one that is not ready uses nothing when there should be more", (900, 900, None), 300, Proposal(6, 900),
         pods={2: {"phase": "Pending"}}),
    Case("memory of Pods that say nothing of what they ask for", (2000, 2000), 1000, Proposal(4, 2000), resource="memory",
         pods={0: {"requests": {}}, 1: {"requests": {}}}),
    Case("there is nobody", (), 50, "no pods returned by selector while calculating replica count", current=1),
)  # fmt: skip


@pytest.mark.parametrize("case", AVERAGES, ids=lambda case: case.name)
def test_by_average(case: Case) -> None:
    if isinstance(case.want, str):
        with pytest.raises(MetricError) as raised:
            by_average(ask(case), case.target)
        assert str(raised.value) == case.want
    else:
        assert by_average(ask(case), case.target) == case.want


def metrics(name: str, **containers: dict[str, str]) -> metrics_pb2.PodMetrics:
    made = metrics_pb2.PodMetrics(timestamp=timestamp(NOW))
    made.metadata.name, made.metadata.namespace = name, "default"
    made.window.duration = 30 * 10**9
    for container, usage in containers.items():
        part = made.containers.add(name=container)
        for resource, amount in usage.items():
            part.usage[resource].string = amount
    return made


def test_what_a_pod_uses_is_what_its_containers_use() -> None:
    found = usages_of(
        [metrics("a", x={"cpu": "250m"}, y={"cpu": "1"}), metrics("b", x={"memory": "1"})], "cpu"
    )
    assert found == {"a": Usage(1250, NOW, 30.0)}


def test_one_container_of_each() -> None:
    measured = [metrics("a", x={"cpu": "250m"}, y={"cpu": "1"})]
    assert usages_of(measured, "cpu", "y") == {"a": Usage(1000, NOW, 30.0)}
    with pytest.raises(MetricError) as raised:
        usages_of(measured, "cpu", "z")
    told = "failed to get container metrics: container z not present in metrics for pod default/a"
    assert str(raised.value) == told


def test_what_a_pod_asks_for() -> None:
    sidecar = pod_pb2.Container(name="side", restart_policy="Always")
    sidecar.resources.requests["cpu"].string = "100m"
    setup = pod_pb2.Container(name="setup")
    made = pod("a", requests={"cpu": "500m"})
    made.spec.init_containers.extend([sidecar, setup])
    assert requests_of([made], "cpu") == {"a": 600}
    assert requests_of([made], "cpu", "side") == {"a": 100}
    with pytest.raises(MetricError, match="container nobody not found in Pod a"):
        requests_of([made], "cpu", "nobody")
    made.spec.resources.requests["cpu"].string = "2"
    made.spec.resources.requests["memory"].string = "1Ki"
    assert requests_of([made], "cpu") == {"a": 2000}
    assert requests_of([made], "memory") == {"a": 1024_000}
    with pytest.raises(MetricError, match="missing pod-level request for ephemeral-storage in Pod a"):
        requests_of([made], "ephemeral-storage")
