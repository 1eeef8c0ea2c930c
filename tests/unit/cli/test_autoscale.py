"""`autoscale`: what it makes, what it refuses."""

from collections.abc import Iterator

import pytest

from tests.support.command import CommandLine
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.kinds import HORIZONTAL_POD_AUTOSCALER
from vaina.objects.manifest import to_dict


@pytest.fixture
def vaina() -> Iterator[CommandLine]:
    line = CommandLine()
    assert line.run("create", "deployment", "web", "--image", "busybox:1").code == 0
    return line


def spec(vaina: CommandLine, name: str = "web") -> dict[str, object]:
    made: v2.HorizontalPodAutoscaler = vaina.do(
        lambda clients: clients.horizontal_pod_autoscalers.get(name, "default")
    )
    found = to_dict(HORIZONTAL_POD_AUTOSCALER, made)["spec"]
    assert isinstance(found, dict)
    return found


def utilization(resource: str, percent: int) -> dict[str, object]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}


def amount(resource: str, text: str) -> dict[str, object]:
    target = {"type": "AverageValue", "averageValue": text}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}


def test_bounds_and_a_share(vaina: CommandLine) -> None:
    done = vaina.run("autoscale", "deployment/web", "--min", "2", "--max", "5", "--cpu-percent", "60")
    assert (done.code, done.out) == (0, "horizontalpodautoscaler.autoscaling/web autoscaled\n")
    assert spec(vaina) == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 2, "maxReplicas": 5, "metrics": [utilization("cpu", 60)],
    }  # fmt: skip


TARGETS = (
    ((), [utilization("cpu", 80)]),
    (("--cpu=70%", "--memory=60%"), [utilization("cpu", 70), utilization("memory", 60)]),
    (("--cpu=500", "--memory=200"), [amount("cpu", "500m"), amount("memory", "200Mi")]),
    (("--cpu=2",), [amount("cpu", "2m")]),
    (("--memory=1Gi",), [amount("memory", "1Gi")]),
)


@pytest.mark.parametrize(("given", "metrics"), TARGETS)
def test_targets(vaina: CommandLine, given: tuple[str, ...], metrics: list[object]) -> None:
    assert vaina.run("autoscale", "deploy", "web", "--max=5", "--name=mine", *given).code == 0
    made = spec(vaina, "mine")
    assert (made["minReplicas"], made["metrics"]) == (1, metrics)


REFUSED = (
    (("deployment/web",), "--max=MAXPODS is required and must be at least 1, max: -1"),
    (("deployment/web", "--max=2", "--min=3"), "--max=MAXPODS must be larger or equal to --min=MINPODS, max: 2, min: 3"),
    (("deployment/web", "--max=2", "--cpu=1", "--cpu-percent=2"), "--cpu-percent and --cpu are mutually exclusive"),
    (("deployment/web", "--max=2", "--cpu=x%"), "invalid percentage value: x"),
    (("deployment/web", "--max=2", "--memory=much"), "invalid resource memory value: much"),
    (("pod/web", "--max=2"), "cannot autoscale a Pod: the server could not find the requested resource"),
    (("deployment", "--max=2"), "resource(s) were provided, but no name was specified"),
    (("deployment/gone", "--max=2"), 'deployments.apps "gone" not found'),
)  # fmt: skip


@pytest.mark.parametrize(("given", "told"), REFUSED)
def test_what_makes_no_sense_is_refused(vaina: CommandLine, given: tuple[str, ...], told: str) -> None:
    done = vaina.run("autoscale", *given)
    assert done.code == 1
    assert told in done.err


def test_nothing_is_made_for_a_look(vaina: CommandLine) -> None:
    done = vaina.run("autoscale", "deployment/web", "--max=5", "--dry-run=client")
    assert done.out == "horizontalpodautoscaler.autoscaling/web autoscaled (dry run)\n"
    assert vaina.run("get", "hpa", "web").code == 1


def test_what_is_there_is_shown(vaina: CommandLine) -> None:
    vaina.run("autoscale", "deployment/web", "--max=5", "--memory=200Mi", "--cpu=50%")
    row = vaina.run("get", "hpa").out.splitlines()[1].split()
    assert row[:8] == [
        "web",
        "Deployment/web",
        "cpu:",
        "<unknown>/50%,",
        "memory:",
        "<unknown>/200Mi",
        "1",
        "5",
    ]
    page = vaina.run("describe", "hpa", "web").out
    assert "resource cpu on pods  (as a percentage of request):  <unknown> / 50%" in page
    assert "Deployment pods:  0 current / 0 desired" in page
