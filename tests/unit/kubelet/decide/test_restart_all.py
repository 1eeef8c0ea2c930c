"""What is due, and what is said, while all containers of a Pod restart."""

from dataclasses import replace

from kubelet.decide.actions import KillContainer, KillReason, RemoveContainer
from kubelet.decide.compute import compute_pod_plan
from kubelet.decide.containers import RestartPolicy
from kubelet.decide.observation import PodObservation
from kubelet.decide.status import NodeAddresses, compute_pod_status
from kubelet.decide.termination import natural_ending
from tests.unit.kubelet.decide.observations import NOW, exited, pod, running, seen
from vaina.api.core.v1 import pod_pb2
from vaina.objects.conditions import get_condition

POLICY = RestartPolicy()


def asking() -> pod_pb2.Pod:
    made = pod("app", "two", init=("one",), debug=("debug",), restart="Never")
    made.spec.containers[0].restart_policy = "Never"
    rule = made.spec.containers[0].restart_policy_rules.add(action="RestartAllContainers")
    rule.exit_codes.operator = "In"
    rule.exit_codes.values.append(42)
    return made


def actions(observed: PodObservation) -> list[object]:
    made = asking()
    ending = natural_ending(made, observed, NOW)
    return [*compute_pod_plan(made, observed, ending=ending, now=NOW, policy=POLICY).actions]


def test_what_runs_is_killed_without_grace_but_for_debug_containers() -> None:
    found = actions(seen(exited("one"), exited(code=42), running("two"), running("debug")))
    assert found == [KillContainer("two-0", "two", KillReason.RESTART_ALL)]


def test_all_records_go_and_that_of_the_one_that_asked_last() -> None:
    found = actions(seen(exited(attempt=1, code=42), exited(code=1), exited("one"), exited("two", code=137)))
    assert found == [RemoveContainer(key) for key in ("app-0", "one-0", "two-0", "app-1")]


def test_an_earlier_end_asks_for_nothing() -> None:
    assert actions(seen(exited(code=42), running(attempt=1), running("two"), running("debug"))) == []


def test_the_condition_is_true_while_it_goes_on_and_only_of_pods_that_may() -> None:
    observed = seen(exited("one"), exited(code=42), running("two"))
    made, node = asking(), NodeAddresses("192.0.2.1", "docker")
    status = compute_pod_status(made, observed, node=node, ending=None, now=NOW, policy=POLICY)
    condition = get_condition(status, "AllContainersRestarting")
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "RestartAllContainersStarted")
    waiting = status.container_statuses[0].state.waiting
    assert (waiting.reason, status.phase) == ("RestartingAllContainers", "Running")
    assert status.container_statuses[0].last_state.terminated.exit_code == 42

    cleaned = replace(observed, containers=(), previous=status)
    after = compute_pod_status(made, cleaned, node=node, ending=None, now=NOW, policy=POLICY)
    assert get_condition(after, "AllContainersRestarting").status == "False"  # type: ignore[union-attr]
    assert [item.last_state.terminated.reason for item in after.container_statuses] == [
        "RestartingAllContainers", "RestartingAllContainers",
    ]  # fmt: skip

    plain = compute_pod_status(pod("app"), seen(running()), node=node, ending=None, now=NOW, policy=POLICY)
    assert get_condition(plain, "AllContainersRestarting") is None
