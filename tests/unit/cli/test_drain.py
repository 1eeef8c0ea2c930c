"""Draining nodes: which Pods go, which stay, and what is said, as kubectl does."""

import pytest

from cli.commands.drain import DrainFilters, plan_drain
from tests.support.command import CommandLine
from vaina.api.core.v1 import pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.client.clientset import Clientset
from vaina.testing.builders import make_node, make_pod, owner_ref

NOW = 1_700_000_000.0
DAEMON = "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/a"
LOCAL = "cannot delete Pods with local storage (use --delete-emptydir-data to override): default/a"
BARE = "cannot delete Pods that declare no controller (use --force to override): default/a"


def pod(*, owner: str = "", local: bool = False, phase: str = "Running", mirror: bool = False) -> pod_pb2.Pod:
    made = make_pod("a", node="node-1")
    made.status.phase = phase
    if owner:
        made.metadata.owner_references.append(owner_ref(owner, "set", uid="u"))
    if local:
        made.spec.volumes.add(name="scratch").volume_source.empty_dir.SetInParent()
    if mirror:
        made.metadata.annotations["kubernetes.io/config.mirror"] = "hash"
    return made


@pytest.mark.parametrize(
    ("there", "filters", "goes", "error", "warning"),
    [
        (pod(owner="ReplicaSet"), DrainFilters(), True, "", ""),
        (pod(), DrainFilters(), False, BARE, ""),
        (pod(), DrainFilters(force=True), True, "", "deleting Pods that declare no controller: default/a"),
        (pod(phase="Succeeded"), DrainFilters(), True, "", ""),
        (pod(mirror=True), DrainFilters(), False, "", ""),
        (pod(owner="ReplicaSet", local=True), DrainFilters(), False, LOCAL, ""),
        (
            pod(owner="ReplicaSet", local=True), DrainFilters(delete_empty_dir_data=True), True, "",
            "deleting Pods with local storage: default/a",
        ),
        (pod(local=True), DrainFilters(), False, f"[{BARE}, {LOCAL}]", ""),
        (
            pod(local=True), DrainFilters(delete_empty_dir_data=True, force=True), True, "",
            "deleting Pods with local storage: default/a; deleting Pods that declare no controller: default/a",
        ),
        (pod(phase="Failed", local=True), DrainFilters(), True, "", ""),
        (pod(owner="DaemonSet"), DrainFilters(), False, DAEMON, ""),
        (
            pod(owner="DaemonSet"), DrainFilters(ignore_daemon_sets=True), False, "",
            "ignoring DaemonSet-managed Pods: default/a",
        ),
        (pod(owner="DaemonSet", phase="Failed"), DrainFilters(), True, "", ""),
    ],
)  # fmt: skip
def test_what_goes_and_what_is_said(
    there: pod_pb2.Pod, filters: DrainFilters, goes: bool, error: str, warning: str
) -> None:
    plan = plan_drain([there], filters, {"default/set": True}, NOW)
    assert ([pod.metadata.name for pod in plan.delete] == ["a"], plan.error, plan.warning) == (
        goes,
        error,
        warning,
    )


def test_a_pod_whose_daemon_set_is_gone_needs_force() -> None:
    assert plan_drain([pod(owner="DaemonSet")], DrainFilters(), {}, NOW).error == BARE


def test_who_has_been_ending_for_long_is_not_waited_for() -> None:
    there = pod(owner="ReplicaSet")
    there.metadata.deletion_timestamp.seconds = int(NOW) - 70
    there.metadata.deletion_grace_period_seconds = 30
    assert plan_drain([there], DrainFilters(skip_wait_seconds=60), {}, NOW).delete == []
    assert plan_drain([there], DrainFilters(skip_wait_seconds=200), {}, NOW).delete == [there]


@pytest.fixture
def command() -> CommandLine:
    made = CommandLine()

    async def fill(clients: Clientset) -> None:
        await clients.nodes.create(make_node("node-1"))
        await clients.nodes.create(make_node("node-2"))
        for name in ("a", "b"):
            wanted = make_pod(name)
            wanted.metadata.owner_references.append(owner_ref("ReplicaSet", "set", uid="u"))
            pod = await clients.pods.create(wanted)
            await clients.pods.bind(name, namespace="default", uid=pod.metadata.uid, node="node-1")

    made.do(fill)
    return made


def names(command: CommandLine) -> list[str]:
    async def listed(clients: Clientset) -> list[str]:
        return [pod.metadata.name for pod in (await clients.pods.list()).items]

    return command.do(listed)


def test_cordon_says_what_it_did_and_what_was_done_already(command: CommandLine) -> None:
    said = [
        command.run(*words.split()).out
        for words in ("cordon node-1", "cordon node/node-1", "uncordon node-1")
    ]
    assert said == ["node/node-1 cordoned\n", "node/node-1 already cordoned\n", "node/node-1 uncordoned\n"]
    assert "SchedulingDisabled" not in command.run("get", "nodes").out


def test_a_drained_node_is_cordoned_and_empty(command: CommandLine) -> None:
    result = command.run("drain", "node-1", "--grace-period", "0")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "node/node-1 cordoned"
    assert lines[-1] == "node/node-1 drained"
    assert sorted(lines[1:-1]) == [
        "evicting pod default/a", "evicting pod default/b", "pod/a evicted", "pod/b evicted"
    ]  # fmt: skip
    assert names(command) == []
    assert "SchedulingDisabled" in command.run("get", "nodes").out


def test_what_may_not_go_stops_a_node_and_not_the_others(command: CommandLine) -> None:
    async def add(clients: Clientset) -> None:
        bare = await clients.pods.create(make_pod("bare"))
        await clients.pods.bind("bare", namespace="default", uid=bare.metadata.uid, node="node-2")

    command.do(add)
    result = command.run("drain", "node-2", "node-1", "--grace-period", "0")
    refused = "cannot delete Pods that declare no controller (use --force to override): default/bare"
    assert result.code == 1
    assert result.err.splitlines() == [
        f'error: unable to drain node "node-2" due to error: {refused}, continuing command...',
        "There are pending nodes to be drained:",
        " node-2",
        f"error: {refused}",
    ]
    assert "node/node-1 drained" in result.out
    assert names(command) == ["bare"]


def test_a_dry_run_leaves_everything(command: CommandLine) -> None:
    result = command.run("drain", "node-1", "--dry-run", "server")
    assert result.code == 0
    assert "evicting pod default/a (server dry run)" in result.out
    assert result.out.endswith("node/node-1 drained (server dry run)\n")
    assert names(command) == ["a", "b"]
    assert "SchedulingDisabled" not in command.run("get", "nodes").out


def test_a_budget_holds_a_drain_up_until_its_time_is_over(command: CommandLine) -> None:
    async def protect(clients: Clientset) -> None:
        made = pod_disruption_budget_pb2.PodDisruptionBudget()
        made.metadata.name, made.metadata.namespace = "none", "default"
        made.spec.selector.match_expressions.add(key="x", operator="DoesNotExist")
        made.spec.max_unavailable.SetInParent()
        made = await clients.pod_disruption_budgets.create(made)
        made.status.observed_generation = made.metadata.generation
        await clients.pod_disruption_budgets.update_status(made)
        for name in ("a", "b"):
            pod = await clients.pods.get(name)
            pod.status.phase = "Running"
            pod.status.conditions.add(type="Ready", status="True")
            await clients.pods.update_status(pod)

    command.do(protect)
    result = command.run("drain", "node-1", "--timeout", "300ms")
    assert result.code == 1
    assert (
        'error when evicting pods/"a" -n "default" (will retry after 5s): '
        "Cannot evict pod as it would violate the pod's disruption budget."
    ) in result.err
    assert result.err.splitlines()[-1] == "error: global timeout reached: 0.3s"
    assert names(command) == ["a", "b"]
    assert command.run("drain", "node-1", "--disable-eviction", "--grace-period", "0").code == 0
    assert names(command) == []


def test_wrong_words_are_told(command: CommandLine) -> None:
    assert command.run("drain").err.startswith("error: USAGE")
    assert "cannot specify both" in command.run("drain", "node-1", "-l", "a=b").err
    assert "only nodes can be drained" in command.run("drain", "pod/a").err
    assert 'nodes "nobody" not found' in command.run("drain", "nobody").err
