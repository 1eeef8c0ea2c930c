"""Plugins that are called after a decision, against the whole apiserver in process.

Order, what failures do, and who waits how long.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from scheduler.framework.binding_points import APPROVE, BindingPoints, Handle, PermitResult
from scheduler.framework.events import ClusterEvent
from scheduler.framework.plugin import Plugin
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Profile
from tests.unit.scheduler.objects import node, pod
from tests.unit.scheduler.test_scheduler import World, running


class Told(Plugin):
    """Notes what it is asked, in one list for all; answers as it is told."""

    def __init__(self, name: str, calls: list[str], **answers: object) -> None:
        self.name = name  # type: ignore[misc] - one class, several plugins
        self.calls, self.answers = calls, answers

    @property
    def hints(self) -> dict[ClusterEvent, Callable[..., bool]]:
        return {ClusterEvent.NODE_ADD: lambda *_: True, ClusterEvent.ASSIGNED_POD_DELETE: lambda *_: True}

    def _say(self, point: str, default: object) -> object:
        self.calls.append(f"{self.name} {point}")
        answer = self.answers.get(point, default)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def reserve(self, state, pod, node_name):
        return self._say("reserve", "")

    def unreserve(self, state, pod, node_name):
        self._say("unreserve", None)

    def permit(self, state, pod, node_name):
        return self._say("permit", APPROVE)

    async def pre_bind(self, state, pod, node_name):
        if self.answers.get("hangs"):
            await asyncio.Event().wait()
        return self._say("pre_bind", "")

    async def bind(self, state, pod, node_name):
        return self._say("bind", False)

    def post_bind(self, state, pod, node_name):
        self._say("post_bind", None)


def with_plugins(*plugins: Told, **points: object) -> Profile:
    made = BindingPoints(
        reserve=plugins, permit=plugins, pre_bind=plugins, bind=plugins, post_bind=plugins, **points
    )
    return replace(default_profile(), binding=made)


ALL = ("reserve", "permit", "pre_bind", "bind", "post_bind")


async def test_points_are_called_in_order_and_the_pod_is_bound() -> None:
    calls: list[str] = []
    profile = with_plugins(Told("A", calls), Told("B", calls))
    async with running(node("n1"), profiles=[profile]) as world:
        await world.create(pod("web"))
        await world.advance(1)
        assert await world.node_of("web") == "n1"
    assert calls == [f"{name} {point}" for point in ALL for name in "AB"]


@pytest.mark.parametrize("point", ["reserve", "pre_bind"])
async def test_a_failure_takes_everything_back_in_reverse_order(point: str) -> None:
    calls: list[str] = []
    profile = with_plugins(Told("A", calls), Told("B", calls, **{point: RuntimeError("boom")}))
    async with running(node("n1"), profiles=[profile]) as world:
        await world.create(pod("web", {"cpu": "1"}))
        await world.advance(0.25)
        assert calls[-2:] == ["B unreserve", "A unreserve"]
        assert await world.node_of("web") == ""
        assert world.requested_cpu("n1") == 0
        words = {"reserve": "Reserve", "pre_bind": "PreBind"}[point]
        told = (await world.events())[0]
        assert told[1:] == (
            "FailedScheduling", f'binding rejected: running {words} plugin "B": RuntimeError: boom',
        )  # fmt: skip
        # It is tried again after its back-off, and again in vain.
        await world.advance(2)
        assert calls.count("A reserve") >= 2


async def test_a_pod_that_is_rejected_waits_for_what_could_help_and_not_for_its_own_place() -> None:
    calls: list[str] = []
    plugin = Told("A", calls, permit=PermitResult(rejected="not today"))
    async with running(node("n1"), profiles=[with_plugins(plugin)]) as world:
        await world.create(pod("web"))
        await world.advance(30)
        assert calls == ["A reserve", "A permit", "A unreserve"]
        assert (await world.events())[0][2] == "0/1 nodes are available: 1 not today."
        del plugin.answers["permit"]
        await world.add_node(node("n2"))
        await world.advance(2)
        assert await world.node_of("web") != ""


async def test_a_pod_waits_until_all_plugins_allow_it() -> None:
    calls: list[str] = []
    handle = Handle()
    wait = PermitResult(wait_seconds=60)
    profile = with_plugins(Told("A", calls, permit=wait), Told("B", calls, permit=wait))
    async with running(node("n1"), profiles=[profile], handle=handle) as world:
        await world.create(pod("web", {"cpu": "1"}))
        [waiting] = handle.waiting
        assert (waiting.node_name, waiting.pending_plugins) == ("n1", ("A", "B"))
        # Its room is taken meanwhile.
        assert world.requested_cpu("n1") == 1000
        waiting.allow("A")
        await world.advance(1)
        assert await world.node_of("web") == ""
        waiting.allow("B")
        assert not waiting.reject("B", "too late")
        await world.advance(1)
        assert await world.node_of("web") == "n1"
        assert len(handle.waiting) == 0


async def test_a_wait_ends_with_the_shortest_time_and_never_later_than_a_quarter_of_an_hour() -> None:
    calls: list[str] = []
    plugin = Told("A", calls, permit=PermitResult(wait_seconds=1e9))
    async with running(node("n1"), profiles=[with_plugins(plugin)]) as world:
        await world.create(pod("web"))
        await world.advance(890)
        assert "A unreserve" not in calls
        await world.advance(15)
        assert calls[-1] == "A unreserve"
        words = "rejected due to timeout after waiting 900s at plugin A"
        assert (await world.events())[0][2] == f"0/1 nodes are available: 1 {words}."


async def test_a_pod_that_goes_while_it_waits_gives_everything_back() -> None:
    calls: list[str] = []
    handle = Handle()
    plugin = Told("A", calls, permit=PermitResult(wait_seconds=60))
    async with running(node("n1"), profiles=[with_plugins(plugin)], handle=handle) as world:
        await world.create(pod("web", {"cpu": "1"}))
        await world.server.client.pods.delete("web", "default")
        await world.advance(2)
        assert calls[-1] == "A unreserve"
        assert (len(handle.waiting), world.requested_cpu("n1")) == (0, 0)


async def test_a_plugin_that_takes_too_long_is_broken_off() -> None:
    calls: list[str] = []
    plugin = Told("A", calls, hangs=True)
    async with running(node("n1"), profiles=[with_plugins(plugin)]) as world:
        await world.create(pod("web"))
        await world.advance(62)
        assert "A unreserve" in calls
        words = 'binding rejected: running PreBind plugin "A": no answer within 60s'
        assert (await world.events())[0][2] == words


async def test_a_plugin_may_bind_itself() -> None:
    calls: list[str] = []
    handle = Handle()

    class Binds(Told):
        async def bind(self, state, pod, node_name):
            assert handle.clients is not None
            await handle.clients.pods.bind(pod.name, namespace=pod.namespace, uid=pod.uid, node=node_name)
            return self._say("bind", True)

    profile = with_plugins(Binds("A", calls), Told("B", calls))
    async with running(node("n1"), profiles=[profile], handle=handle) as world:
        await world.create(pod("web"))
        await world.advance(1)
        assert await world.node_of("web") == "n1"
    assert "B bind" not in calls
    assert calls[-2:] == ["A post_bind", "B post_bind"]


async def test_a_pod_that_no_plugin_binds_is_told_so() -> None:
    calls: list[str] = []
    async with running(node("n1"), profiles=[with_plugins(Told("A", calls), default_binder=False)]) as world:
        await world.create(pod("web"))
        assert (await world.events())[0][2] == "binding rejected: no bind plugin took the pod"


@pytest.mark.parametrize(
    ("point", "answer", "words"),
    [
        ("reserve", 7, "answers reserve with int, it should be a text"),
        ("permit", True, "answers permit with bool, it should be a PermitResult"),
        ("permit", PermitResult(wait_seconds=math.nan),
         "answers wait_seconds of permit with nan, it should be 0 or more seconds"),
        ("pre_bind", None, "answers pre_bind with NoneType, it should be a text"),
        ("bind", "yes", "answers bind with str, it should be a bool"),
    ],
)  # fmt: skip
async def test_a_wrong_answer_names_the_plugin_and_what_is_allowed(
    point: str, answer: object, words: str
) -> None:
    calls: list[str] = []
    async with running(node("n1"), profiles=[with_plugins(Told("A", calls, **{point: answer}))]) as world:
        await world.create(pod("web"))
        assert (await world.events())[0][2].endswith(f'plugin "A" {words}')


async def test_what_fails_after_the_binding_harms_nobody() -> None:
    calls: list[str] = []
    async with running(
        node("n1"), profiles=[with_plugins(Told("A", calls, post_bind=RuntimeError("boom")))]
    ) as world:
        await world.create(pod("a"), pod("b"))
        await world.advance(1)
        assert {await world.node_of(name) for name in "ab"} == {"n1"}


def figures(world: World, point: str) -> dict[str, float]:
    """Return how often an extension point was timed, by the status that it ended with."""
    return {
        status: count
        for status in ("Success", "Unschedulable", "Wait", "Skip", "Error")
        if (
            count := world.registry.get_sample_value(
                "scheduler_framework_extension_point_duration_seconds_count",
                {"extension_point": point, "status": status, "profile": "default-scheduler"},
            )
        )
    }


@pytest.mark.parametrize(
    ("answers", "want"),
    [
        ({}, {"Reserve": "Success", "Permit": "Success", "PreBind": "Success", "Bind": "Skip", "PostBind": "Success"}),
        ({"reserve": "no"}, {"Reserve": "Unschedulable", "Unreserve": "Success"}),
        ({"permit": PermitResult(rejected="no")}, {"Reserve": "Success", "Permit": "Unschedulable", "Unreserve": "Success"}),
        ({"permit": PermitResult(wait_seconds=60)}, {"Reserve": "Success", "Permit": "Wait"}),
        ({"pre_bind": RuntimeError("boom")}, {"Reserve": "Success", "Permit": "Success", "PreBind": "Error", "Unreserve": "Success"}),
    ],
)  # fmt: skip
async def test_each_point_has_its_figures(answers: dict[str, object], want: dict[str, str]) -> None:
    calls: list[str] = []
    async with running(node("n1"), profiles=[with_plugins(Told("A", calls, **answers))]) as world:
        await world.create(pod("web"))
        points = ("Reserve", "Permit", "PreBind", "Bind", "PostBind", "Unreserve")
        found = {point: figures(world, point) for point in points}
        assert {point: said for point, said in found.items() if said} == {
            point: {status: 1.0} for point, status in want.items()
        }
