"""The scheduler's own service over the whole control plane.

Why, how many, what was decided, and whether the columns are true.
"""

import asyncio

import pytest

from scheduler.service import COPIES, MAX_WAITING
from tests.support.asking import client_of, service_of
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World, running
from vaina.api.core.v1 import pod_pb2
from vaina.client.scheduler import SchedulerClient
from vaina.errors import ApiError, BadRequest, NotFound, TooManyRequests, Unavailable
from vaina.testing.clock import settle

SSD = {"disk": "ssd"}
NODES = (
    node("node-1", labels=SSD, taints=[("key", "value", "NoSchedule")]),
    node("node-2", labels={"disk": "hdd"}),
    node("node-3", cpu="500m", labels=SSD),
)


def scheduler_of(world: World, *, leading: bool = True) -> SchedulerClient:
    return client_of(service_of(world.scheduler, world.server, leading=leading), world.server)


async def test_a_pending_pod_is_told_what_is_in_its_way_on_each_node_and_what_was_decided() -> None:
    async with running(*NODES) as world:
        await world.create(pod("a", {"cpu": "250m"}, selector=SSD), pod("web", {"cpu": "500m"}, selector=SSD))
        await world.advance(1)
        answer = await scheduler_of(world).explain("default", "web")
        assert (answer.state, answer.scheduler_name, answer.attempts) == (
            "Unschedulable",
            "default-scheduler",
            1,
        )
        seen = answer.evaluation
        assert (seen.nodes, seen.feasible) == (3, 0)
        assert [(list(group.nodes), [item.lack for item in group.refusals]) for group in seen.refused] == [
            (["node-3"], ["lacks 250m cpu (asks 500m, 250m free)"]),
            (["node-1"], ["untolerated taint {key=value:NoSchedule}"]),
            (["node-2"], ["remove nodeSelector disk=ssd"]),
        ]
        assert answer.condition.startswith(seen.message)
        [decision] = answer.decisions
        assert (decision.outcome, decision.evaluated_nodes, decision.attempt) == ("Unschedulable", 3, 1)
        assert decision.message == answer.condition
        assert list(decision.rejected_by) == ["NodeAffinity", "NodeResourcesFit", "TaintToleration"]
        assert decision.detail.own


async def test_a_bound_pod_is_told_the_decision_as_it_was_then() -> None:
    async with running(*NODES) as world:
        await world.create(pod("a", {"cpu": "250m"}, selector=SSD))
        await world.server.client.nodes.delete("node-1")
        await settle(200)
        answer = await scheduler_of(world).explain("default", "a")
        assert (answer.state, answer.node, answer.HasField("evaluation")) == ("Bound", "node-3", False)
        [decision] = answer.decisions
        assert (decision.outcome, decision.node) == ("Scheduled", "node-3")
        assert (decision.evaluated_nodes, decision.feasible_nodes) == (3, 1)
        assert [(item.plugin, item.nodes) for item in decision.detail.reasons] == [
            ("TaintToleration", 1), ("NodeAffinity", 1),
        ]  # fmt: skip
        [best] = decision.detail.best
        assert best.node == "node-3"
        assert best.total == sum(score.normalised * score.weight for score in best.scores) > 0


async def test_a_pod_whose_decision_is_not_in_the_ring_is_told_so() -> None:
    async with running(node("n1")) as world:
        await world.create(pod("theirs", scheduler="other"))
        made = await world.get("theirs")
        await world.server.client.pods.bind("theirs", namespace="default", uid=made.metadata.uid, node="n1")
        await settle(200)
        answer = await scheduler_of(world).explain("default", "theirs")
        assert answer.message == (
            "default/theirs is on node n1, by scheduler other; its decision was made by another process, "
            "or before this one began to lead"
        )
        world.scheduler.decisions.capacity = 3
        await world.create(*(pod(f"p{number}") for number in range(2)))
        answer = await scheduler_of(world, leading=False).explain("default", "theirs")
        assert "stands by and records no decisions (the leader is scheduler-0)" in answer.message
        assert (answer.answered_by.leading, answer.answered_by.leader) == (False, "scheduler-0")


async def test_gates_back_offs_other_schedulers_and_pods_that_are_gone_have_their_words() -> None:
    async with running(node("n1", cpu="1")) as world:
        scheduler = scheduler_of(world)
        await world.create(pod("gated", gates=["approval"]), pod("theirs", scheduler="other"))
        gated = await scheduler.explain("default", "gated")
        assert (gated.state, gated.evaluation.feasible) == ("Gated", 1)
        assert gated.message.endswith("waiting for scheduling gates: [approval]")
        theirs = await scheduler.explain("default", "theirs")
        assert (theirs.state, theirs.HasField("evaluation")) == ("OtherScheduler", False)
        world.transport.meddle = lambda: world.server.client.nodes.delete("n1")
        await world.create(pod("refused", {"cpu": "1"}))
        refused = await scheduler.explain("default", "refused")
        assert refused.state == "Backoff"
        assert refused.backoff_until.ToSeconds() == refused.queued_since.ToSeconds() + 1
        assert [item.outcome for item in refused.decisions] == ["BindingRefused", "Scheduled"]
        await world.server.client.pods.delete("refused", "default", grace_period_seconds=0)
        await settle(200)
        gone = await scheduler.explain("default", "refused")
        assert (gone.state, len(gone.decisions)) == ("Gone", 2)
        assert (await scheduler.explain(uid=gone.uid)).name == "refused"
        with pytest.raises(NotFound, match='pods "never" not found'):
            await scheduler.explain("default", "never")


async def test_a_pod_is_found_by_its_uid_too() -> None:
    async with running(node("n1")) as world:
        await world.create(pod("web"), pod("theirs", scheduler="other"))
        for name in ("web", "theirs"):
            uid = (await world.get(name)).metadata.uid
            assert (await scheduler_of(world).explain(uid=uid)).name == name
        with pytest.raises(NotFound):
            await scheduler_of(world).explain("default", "web", uid="another")


async def test_a_manifest_is_evaluated_and_nothing_is_created() -> None:
    async with running(*NODES) as world:
        before = world.scheduler.cache.table.journal.position
        asks = pod("new", {"cpu": "1"}, tolerations=[("key", "Exists", "", "")])
        answer = await scheduler_of(world).explain(pod=asks)
        assert (answer.state, answer.evaluation.feasible) == ("Manifest", 2)
        assert [best.node for best in answer.evaluation.best] == ["node-1", "node-2"]
        assert list(answer.evaluation.ties) == ["node-1", "node-2"]
        named = pod("new", node="node-2")
        assert [best.node for best in (await scheduler_of(world).explain(pod=named)).evaluation.best] == [
            "node-2"
        ]
        assert world.scheduler.cache.table.journal.position == before
        assert len(world.scheduler.queue) == 0
        assert (await world.server.client.pods.list("default")).items == []


def broken() -> pod_pb2.Pod:
    made = pod("x")
    made.spec.containers[0].resources.requests["cpu"].string = "1x"
    return made


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "name, uid or pod: one of them is required"),
        ({"name": "a", "pod": pod()}, "name or uid, or pod: one of them, not both"),
        ({"pod": pod_pb2.Pod()}, "pod.spec.containers: Required value"),
        ({"pod": broken()}, "pod cannot be read: quantities must match"),
        ({"name": "a", "limit": -1}, "limit: Invalid value: -1: must be greater than or equal to 0"),
    ],
)
async def test_questions_that_make_no_sense_are_refused(asked: dict[str, object], words: str) -> None:
    async with running(node("n1")) as world:
        with pytest.raises(BadRequest) as refusal:
            await scheduler_of(world).explain(**asked)  # type: ignore[arg-type]  # a table of arguments
        assert words in refusal.value.message


async def test_how_many_fit_and_where_and_why_no_more() -> None:
    async with running(*NODES) as world:
        await world.create(pod("a", {"cpu": "250m"}, selector=SSD))
        scheduler = scheduler_of(world)
        answer = await scheduler.fit(pod("x", {"cpu": "250m"}))
        assert [(item.node, item.copies) for item in answer.nodes] == [("node-2", 16), ("node-3", 1)]
        assert (answer.copies, answer.more) == (17, False)
        assert (
            answer.message
            == "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu."
        )
        assert [(item.plugin, item.nodes) for item in answer.reasons] == [
            ("TaintToleration", 1), ("NodeResourcesFit", 2),
        ]  # fmt: skip
        few = await scheduler.fit(pod("x", {"cpu": "250m"}), max_copies=5)
        assert (few.copies, few.more, few.message) == (5, True, "")
        many = await scheduler.fit(pod("x", {"cpu": "1n"}, tolerations=[("", "Exists", "", "")]))
        assert many.copies <= COPIES
        with pytest.raises(BadRequest, match="Required value"):
            await scheduler.fit(pod_pb2.Pod())


async def test_columns_that_are_bent_are_found_and_what_the_watch_does_not_show_too() -> None:
    async with running(node("n1"), node("n2")) as world:
        await world.create(pod("a", {"cpu": "1"}), pod("big", {"cpu": "64"}))
        scheduler = scheduler_of(world)
        answer = await scheduler.verify(against_apiserver=True)
        assert (answer.nodes, answer.pods, answer.waiting, answer.difference_count) == (2, 1, 1, 0)
        world.scheduler.cache.table._requested[0][:2] += 5
        answer = await scheduler.verify(max_differences=1)
        assert (answer.difference_count, len(answer.differences)) == (2, 1)
        [found] = answer.differences
        assert (found.subject, found.what, found.have, found.want) == ("n1", "requested[cpu]", "1005", "1000")
        world.scheduler.cache.table._requested[0][:2] -= 5


async def test_what_the_watch_hides_is_found_by_a_second_look() -> None:
    async with running(node("n1")) as world:
        await world.create(pod("a", {"cpu": "64"}))
        await world.advance(1)
        held = world.scheduler.pods.lister.get("default/a")
        assert held is not None
        newer = held.metadata.resource_version
        # As if the watch had shown the Pod's creation and nothing of it since.
        held.metadata.resource_version = "1"
        world.scheduler.pods._store.objects["default/a"] = held
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(scheduler_of(world).verify(against_apiserver=True))
            await settle(200)
            assert not asking.done()
            await world.advance(3)
        answer = asking.result()
        assert [(item.subject, item.what, item.have, item.want) for item in answer.differences] == [
            ("default/a", "watch", "version 1", f"version {newer}"),
        ]  # fmt: skip


async def test_an_assumed_pod_is_named_and_no_difference() -> None:
    async with running(node("n1")) as world:
        world.transport.lose_request = 1.0
        await world.create(pod("web", {"cpu": "1"}))
        answer = await scheduler_of(world).verify()
        assert (answer.difference_count, answer.assumed) == (0, 1)
        [assumed] = answer.assumed_pods
        assert (assumed.namespace, assumed.name, assumed.node) == ("default", "web", "n1")
        explained = await scheduler_of(world).explain("default", "web")
        assert (explained.state, explained.node) == ("Assumed", "n1")


async def test_decisions_are_listed_newest_first_and_of_one_pod() -> None:
    async with running(node("n1", cpu="1")) as world:
        await world.create(pod("a", {"cpu": "1"}), pod("b", {"cpu": "1"}), pod("c", {"cpu": "1"}))
        scheduler = scheduler_of(world)
        answer = await scheduler.list_decisions()
        assert [(item.number, item.name, item.outcome) for item in answer.decisions] == [
            (3, "c", "Unschedulable"), (2, "b", "Unschedulable"), (1, "a", "Scheduled"),
        ]  # fmt: skip
        assert (answer.recorded, answer.kept) == (3, 3)
        assert [item.name for item in (await scheduler.list_decisions(name="b")).decisions] == ["b"]
        assert [item.number for item in (await scheduler.list_decisions(limit=1)).decisions] == [3]
        assert not (await scheduler.list_decisions("kube-system")).decisions


async def test_a_preemption_is_recorded_with_its_victims() -> None:
    async with running(node("n1", cpu="1")) as world:
        await world.create(pod("small", {"cpu": "1"}))
        await world.create(pod("large", {"cpu": "1"}, priority=0))
        important = pod("important", {"cpu": "1"})
        important.spec.priority_class_name = "system-cluster-critical"
        important.spec.ClearField("priority")
        important.metadata.namespace = "kube-system"
        await world.create(important)
        await world.advance(1)
        answer = await scheduler_of(world).list_decisions("kube-system", "important")
        preempted = [item for item in answer.decisions if item.outcome == "Preempted"]
        assert [(item.node, [victim.name for victim in item.preemption.victims]) for item in preempted] == [
            ("n1", ["small"]),
        ]  # fmt: skip
        waiting = await scheduler_of(world).explain("kube-system", "important")
        assert "room is being made for it on node n1" in waiting.message


async def test_whose_eviction_would_make_room_is_said_and_nobody_is_evicted() -> None:
    async with running(node("n1", cpu="1"), node("n2", cpu="500m")) as world:
        await world.create(pod("small", {"cpu": "1"}))
        before = world.scheduler.cache.table.journal.position
        answer = await scheduler_of(world).explain(pod=pod("new", {"cpu": "1"}, priority=5))
        seen = answer.evaluation
        assert (seen.feasible, seen.preemption.node, seen.preemption.victim_count) == (0, "n1", 1)
        assert [(item.name, item.priority) for item in seen.preemption.victims] == [("small", 0)]
        same = (await scheduler_of(world).explain(pod=pod("new", {"cpu": "1"}))).evaluation
        assert not same.HasField("preemption")
        assert same.message.endswith(
            "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, "
            "1 Preemption is not helpful for scheduling."
        )
        await world.advance(2)
        assert await world.node_of("small") == "n1"
        assert world.scheduler.cache.table.journal.position == before


async def test_too_many_questions_at_once_are_turned_away() -> None:
    async with running(node("n1", pods="1000")) as world:
        scheduler = scheduler_of(world)
        results = await asyncio.gather(
            *(scheduler.fit(pod("x", {"cpu": "1m"})) for _ in range(MAX_WAITING + 3)), return_exceptions=True
        )
        assert sum(isinstance(item, TooManyRequests) for item in results) == 3
        assert not [
            item for item in results if isinstance(item, ApiError) and not isinstance(item, TooManyRequests)
        ]


async def test_before_its_caches_are_filled_nothing_is_answered() -> None:
    async with running(node("n1")) as world:
        world.scheduler.pods._synced.clear()
        with pytest.raises(Unavailable, match="caches are not filled"):
            await scheduler_of(world).verify()
        world.scheduler.pods._synced.set()


async def test_what_waits_and_what_is_known_is_told_in_numbers() -> None:
    async with running(node("n1", cpu="1")) as world:
        await world.create(
            pod("fits", {"cpu": "1"}), pod("waits", {"cpu": "1"}), pod("gated", gates=["approval"])
        )
        await world.advance(1)
        seen = await scheduler_of(world).overview()
        assert (seen.queue.active, seen.queue.backoff, seen.queue.unschedulable, seen.queue.gated) == (
            0,
            0,
            1,
            1,
        )
        assert (seen.nodes, seen.pods, seen.recorded) == (1, 1, 2)
        assert list(seen.profiles) == ["default-scheduler"]
        assert seen.answered_by.leading
