"""A Pod while it is looked at: over the whole apiserver in this process, at the browser's end of the page."""

import asyncio
from typing import Any

from tests.support.apiserver import cached_apiserver
from tests.support.node_streams import FakeNode
from tests.support.page import Browser, Socket, page
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.api.trace.v1 import trace_pb2, trace_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import micro_timestamp
from vaina.steps import PodStep
from vaina.testing.builders import make_container, make_node, make_pod, make_replica_set
from vaina.testing.clock import settle
from vaina.texts import language_of

TOPIC = "pod/default/web"
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"


async def step(clients: Clientset, uid: str, name: str, at: float) -> None:
    record = trace_pb2.StepRecord(step=name, component="kubelet", instance="n", start_time=micro_timestamp(at), end_time=micro_timestamp(at + 1))  # fmt: skip
    await clients.pod_traces.report(
        [trace_service_pb2.StepReport(namespace="default", pod_name="web", pod_uid=uid, record=record)]
    )


async def until(socket: Socket, holds: Any) -> dict[str, Any]:
    """Return the first frame's value of which something holds."""
    while True:
        frame = await socket.frame()
        value = frame.get("snapshot") or frame.get("changes")
        if frame["topic"] == TOPIC and value is not None and holds(value):
            found: dict[str, Any] = value
            return found


def done(value: dict[str, Any]) -> list[str]:
    return [row["step"] for row in value["steps"]["rows"] if row["done"]]


async def test_steps_are_told_as_they_happen_and_what_it_was_when_it_has_gone() -> None:
    async with cached_apiserver() as server, page(server.client) as browser:
        await browser.login()
        clients = server.client
        await clients.nodes.create(make_node("n1"))
        made = await clients.pods.create(make_pod("web"))
        async with browser.live(TOPIC) as socket:
            first = await until(socket, lambda it: True)
            assert (first["uid"], first["gone"]) == (made.metadata.uid, False)
            await step(clients, made.metadata.uid, "SCHEDULED", 1.0)
            await clients.pods.bind("web", namespace="default", uid=made.metadata.uid, node="n1")
            await until(socket, lambda it: it["node"] == "n1" and "SCHEDULED" in done(it))
            await step(clients, made.metadata.uid, "STARTED", 5.0)
            await until(socket, lambda it: "STARTED" in done(it))
            await clients.pods.delete("web", "default", grace_period_seconds=0)
            last = await until(socket, lambda it: it["gone"])
            assert "STARTED" in done(last)
            assert [one["name"] for one in last["containers"]] == ["app"]
        # Who leaves takes the watches along; load tests are followed all the time.
        while [row.resource for row in (await clients.machinery()).streams] != ["namespaces"]:
            await settle(10)
        # Who comes later finds its trace.
        async with browser.live(TOPIC) as socket:
            later = await until(socket, lambda it: True)
            assert (later["uid"], later["gone"], "containers" in later) == (made.metadata.uid, True, False)


async def test_events_and_owners_are_told() -> None:
    async with cached_apiserver() as server, page(server.client) as browser:
        await browser.login()
        clients = server.client
        owner = await clients.replica_sets.create(make_replica_set("web"))
        pod = make_pod("web", labels=dict(owner.spec.selector.match_labels))
        pod.metadata.owner_references.add(
            api_version="apps/v1", kind="ReplicaSet", name="web", uid=owner.metadata.uid, controller=True
        )
        made = await clients.pods.create(pod)
        event = event_pb2.Event(reason="Loud", message=HOSTILE, type="Warning")
        event.metadata.name, event.metadata.namespace = "e", "default"
        about = event.involved_object
        about.kind, about.namespace, about.name, about.uid = "Pod", "default", "web", made.metadata.uid
        await clients.events.create(event)
        async with browser.live(TOPIC) as socket:
            shown = await until(socket, lambda it: it["events"] and it["family"])
            assert shown["events"][0]["message"] == HOSTILE
            [parent] = shown["family"]["owners"]
            assert (parent["kind"], parent["found"], [one["name"] for one in parent["children"]]) == (
                "ReplicaSet", True, ["web"],
            )  # fmt: skip


async def test_another_pod_of_the_name_has_owners_of_its_own() -> None:
    async with cached_apiserver() as server, page(server.client) as browser:
        await browser.login()
        clients = server.client
        owner = await clients.replica_sets.create(make_replica_set("web"))
        pod = make_pod("web")
        pod.metadata.owner_references.add(
            api_version="apps/v1", kind="ReplicaSet", name="web", uid=owner.metadata.uid, controller=True
        )
        await clients.pods.create(pod)
        async with browser.live(TOPIC) as socket:
            await until(socket, lambda it: it["family"] and it["family"]["owners"])
            await clients.pods.delete("web", "default", grace_period_seconds=0)
            made = await clients.pods.create(make_pod("web"))
            shown = await until(socket, lambda it: it["uid"] == made.metadata.uid)
            assert not (shown["family"] and shown["family"]["owners"])


async def test_a_node_that_gives_no_logs_holds_back_nothing_else() -> None:
    node = FakeNode()
    node.log_lasts.clear()
    async with cached_apiserver() as server:
        clients = Clientset(InProcessTransport(node.over(server.app.handlers)))
        async with page(clients) as browser:
            await browser.login()
            await clients.pods.create(make_pod("web", containers=[make_container(f"c{n}") for n in range(8)]))
            await clients.nodes.create(make_node("n1"))
            uid = (await clients.pods.get("web", "default")).metadata.uid
            await clients.pods.bind("web", namespace="default", uid=uid, node="n1")
            pod = await clients.pods.get("web", "default")
            ended = pod_pb2.ContainerState(terminated=pod_pb2.ContainerStateTerminated(exit_code=1))
            for n in range(8):
                pod.status.container_statuses.add(name=f"c{n}", state=ended)
            await clients.pods.update_status(pod)
            # One after the other their logs are given up after 40 s.
            async with browser.live(TOPIC) as socket, asyncio.timeout(30):
                await until(socket, lambda it: it["family"] is not None)
                assert {one.container for one in node.log_options} == {f"c{n}" for n in range(8)}
                node.log_lasts.set()


async def refused(browser: Browser, topic: str) -> dict[str, Any]:
    async with browser.live(topic) as socket:
        found: dict[str, Any] = await socket.until(topic, "error")
        return found


async def test_a_pod_that_is_nowhere_and_a_name_that_is_none_are_told() -> None:
    async with cached_apiserver() as server, page(server.client) as browser:
        await browser.login()
        assert (await refused(browser, "pod/default/nobody"))["reason"] == "NotFound"
        for topic in ("pod/default", "pod/default/a,metadata.name=b", "pod/../x", "pod/default/web/x"):
            assert (await refused(browser, topic))["code"] == 400


async def test_what_is_said_of_a_pod_is_said_in_the_language_that_was_asked_for() -> None:
    async with cached_apiserver() as server, page(server.client) as browser:
        await browser.login()
        await server.client.pods.create(make_pod("web"))
        for language, words in (
            ("es", language_of("es").say(PodStep.MOUNTED.words)),
            ("xx", "volumes mounted"),
        ):
            name = f"{TOPIC}?lang={language}"
            async with browser.live(name) as socket:
                shown = await socket.until(name, "snapshot")
            assert shown["steps"]["rows"][4]["what"] == words
