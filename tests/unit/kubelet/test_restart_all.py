"""Rules that restart all containers of a Pod in place (KEP-5532), on a whole node."""

import asyncio

from tests.unit.kubelet.harness import Node, node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from vaina.api.core.v1 import pod_pb2
from vaina.objects.conditions import get_condition


def asking(container: pod_pb2.Container, code: int, policy: str = "Never") -> pod_pb2.Container:
    container.restart_policy = policy
    rule = container.restart_policy_rules.add(action="RestartAllContainers")
    rule.exit_codes.operator = "In"
    rule.exit_codes.values.append(code)
    return container


def training() -> pod_pb2.Pod:
    """Make a Pod whose worker asks for a restart after five seconds; nothing in it restarts by its policy."""
    pod = pod_of(
        asking(shell("worker", "sleep 5; exit 42"), 42), shell("done", "exit 0"), shell("peer", "sleep infinity"),
        restart="Never",
    )  # fmt: skip
    pod.spec.init_containers.append(shell("setup", "exit 0"))
    return pod


def counts(pod: pod_pb2.Pod) -> list[int]:
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return [status.restart_count for status in statuses]


def started(on: Node) -> list[str]:
    return [name.partition("_")[2] for verb, name in on.runtime.history if verb == "start_container"]


async def test_all_containers_start_again_in_their_order_in_the_same_sandbox() -> None:
    async with node() as on:
        await on.create(training())
        before = await on.until(is_running)
        phases: set[str] = set()

        def again(pod: pod_pb2.Pod) -> bool:
            phases.add(pod.status.phase)
            return counts(pod) == [1, 1, 1, 1] and pod.status.container_statuses[0].state.HasField("running")

        after = await on.until(again)

        first, second = started(on)[:4], started(on)[4:]
        assert first == ["setup_0", "worker_0", "done_0", "peer_0"]
        assert second == ["setup_1", "worker_1", "done_1", "peer_1"]
        assert (after.status.pod_ip, phases) == (before.status.pod_ip, {"Running"})
        assert len(await on.runtime.list_pod_sandboxes()) == 1
        for status in (*after.status.init_container_statuses, *after.status.container_statuses):
            ended = status.last_state.terminated
            assert (ended.reason, ended.exit_code) == ("RestartingAllContainers", 137)
            assert ended.message == "The container is removed because RestartAllContainers in place"
        assert get_condition(after.status, "AllContainersRestarting").status == "False"
        assert "killing" in on.recorder.messages("Killing")


async def test_another_code_ends_the_pod() -> None:
    async with node() as on:
        pod = pod_of(asking(shell("worker", "sleep 5; exit 1"), 42), restart="Never")
        await on.create(pod)

        ended = await on.until(lambda pod: pod.status.phase == "Failed")

        condition = get_condition(ended.status, "AllContainersRestarting")
        assert (condition.status, condition.reason) == ("False", "PodFailed")
        assert started(on) == ["worker_0"]


async def test_a_pod_that_asks_again_and_again_is_backed_off() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"), restart="Never")
        pod.spec.init_containers.append(asking(shell("setup", "exit 7"), 7))
        await on.create(pod)
        await on.clock.advance(60)

        # At once, after 10 and after 20 s more.
        assert started(on) == ["setup_0", "setup_1", "setup_2", "setup_3"]
        pod = await on.get()
        waiting = pod.status.init_container_statuses[0].state.waiting
        assert (waiting.reason, pod.status.phase) == ("CrashLoopBackOff", "Pending")


async def test_an_init_container_that_is_killed_for_it_does_not_fail_the_pod() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"), restart="Never")
        pod.spec.init_containers.extend([
            asking(shell("proxy", "sleep 2; exit 3"), 3, policy="Always"), shell("setup", "sleep infinity"),
        ])  # fmt: skip
        await on.create(pod)

        after = await on.until(lambda pod: counts(pod)[:2] == [1, 1])

        assert after.status.phase == "Pending"
        assert started(on) == ["proxy_0", "setup_0", "proxy_1", "setup_1"]


async def test_a_restarted_kubelet_goes_on_with_it() -> None:
    async with node() as on, asyncio.TaskGroup() as group:
        await on.create(training())
        await on.until(is_running)
        await on.stop_kubelet()
        await on.clock.advance(10)
        await on.runtime.remove_container(next(s.id for s in await on.containers() if s.name == "setup"))

        await on.start_kubelet(group)
        await on.until(lambda pod: counts(pod) == [1, 1, 1, 1])

        assert started(on)[4:8] == ["setup_1", "worker_1", "done_1", "peer_1"]
        await on.stop_kubelet()
