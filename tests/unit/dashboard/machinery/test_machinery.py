"""The machine: from what its parts answered to what is shown; and over a control plane in process."""

import asyncio
from typing import Any

import pytest

from dashboard.machinery import following
from dashboard.machinery.state import MAX_UNREADY, SILENT, Look, machinery_of
from tests.support.controlplane import control_plane
from tests.support.page import page
from vaina.api.controller.v1 import controller_service_pb2
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.machinery.v1 import machinery_service_pb2 as pb
from vaina.client.transport import InProcessTransport
from vaina.clock import micro_timestamp
from vaina.serving.handlers import UNARY, Method, RequestContext
from vaina.testing.builders import make_node

NOW = 1000.0


def lease(name: str, holder: str, renewed: float) -> lease_pb2.Lease:
    made = lease_pb2.Lease()
    made.metadata.name = name
    made.spec.holder_identity, made.spec.lease_duration_seconds = holder, 15
    made.spec.renew_time.CopyFrom(micro_timestamp(renewed))
    return made


def test_a_leader_that_has_not_renewed_its_lease_leads_no_more() -> None:
    look = Look(
        NOW,
        leases=[lease("kube-scheduler", "a_1", NOW - 2), lease("kube-controller-manager", "b_1", NOW - 16)],
    )
    shown = machinery_of(look)
    assert [(one["name"], one["holder"], one["expired"]) for one in shown["leaders"]] == [
        ("kube-controller-manager", "b_1", True), ("kube-scheduler", "a_1", False),
    ]  # fmt: skip
    assert {one["component"]: one["leader"] for one in shown["components"]} == {
        "apiserver": "", "scheduler": "a_1", "controller": "",
    }  # fmt: skip


def test_a_part_that_does_not_answer_says_why_and_the_others_are_shown() -> None:
    state = controller_service_pb2.ControllerState(name="job", queue_depth=3, last_error="<b>no</b>")
    controllers = controller_service_pb2.ListControllersResponse(controllers=[state], identity="b_1")
    shown = machinery_of(Look(NOW, "connection refused", "away", controllers))
    assert [(one["component"], one["error"]) for one in shown["components"]] == [
        ("apiserver", "connection refused"), ("scheduler", "away"), ("controller", ""),
    ]  # fmt: skip
    assert shown["components"][2]["identity"] == "b_1"
    assert (shown["controllers"][0]["depth"], shown["controllers"][0]["lastError"]) == (3, "<b>no</b>")
    assert (shown["streams"], shown["storage"]) == (None, None)


def test_nothing_is_said_of_what_nobody_has_told() -> None:
    shown = machinery_of(Look(NOW, "away", "away", "away", leases=None, nodes=None))
    unknown = ("leaders", "controllers", "kubelets", "streams", "open", "storage")
    assert {shown[name] for name in unknown} == {None}
    assert {one["leader"] for one in shown["components"] if one["elects"]} == {None}


def test_streams_and_etcd_are_told() -> None:
    stream = pb.Stream(
        user="system:node:n1", clients=1, verb="watch", resource="pods", field_selector="spec.nodeName=n1", count=2,
        oldest=micro_timestamp(5.0), impersonated_user="eva",
    )  # fmt: skip
    member = pb.StorageMember(
        endpoint="etcd:2379", version="3.5.16", size_bytes=2048, size_in_use_bytes=1024, leader=True
    )
    found = pb.Machinery(instance="a", revision=77, streams=[stream], storage=[member], open=2)
    shown = machinery_of(Look(NOW, found))
    [row] = shown["streams"]
    assert (row["user"], row["as"], row["resource"], row["fields"], row["count"], row["since"]) == (
        "system:node:n1", "eva", "pods", "spec.nodeName=n1", 2, 5.0,
    )  # fmt: skip
    assert shown["storage"]["revision"] == 77
    assert shown["storage"]["members"][0]["size"] == 2048
    assert [one["identity"] for one in shown["components"] if one["component"] == "etcd"] == ["etcd:2379"]


def test_nodes_that_are_not_ready_are_named_up_to_a_bound() -> None:
    nodes = [make_node(f"n{number}") for number in range(MAX_UNREADY + 5)]
    for node in nodes:
        del node.status.conditions[:]
    ready = make_node("well")
    ready.status.conditions.add(type="Ready", status="True")
    shown = machinery_of(Look(NOW, nodes=[*nodes, ready], more_nodes=True))["kubelets"]
    assert (shown["all"], shown["ready"], len(shown["unready"]), shown["more"]) == (
        MAX_UNREADY + 6,
        1,
        MAX_UNREADY,
        True,
    )


async def test_what_is_open_is_drawn_from_what_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first look is a whole one, on a busy machine too.
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 60.0)
    async with control_plane() as plane, page(plane.client) as browser:
        await browser.login()
        async with browser.live("machinery") as socket:
            shown: dict[str, Any] = await socket.until("machinery", "snapshot")
        by_resource = {row["resource"]: row for row in shown["streams"]}
        # The controllers' informers.
        assert by_resource["replicasets.apps"]["verb"] == "watch"
        assert shown["open"] == sum(row["count"] for row in shown["streams"]) > 5
        assert shown["storage"]["revision"] > 0


def errors_of(shown: dict[str, Any]) -> dict[str, str]:
    return {one["component"]: one["error"] for one in shown["components"]}


async def test_a_part_that_does_not_answer_holds_back_no_other() -> None:
    released = asyncio.Event()

    async def answer(_request: bytes, _: RequestContext) -> bytes:
        await released.wait()
        return controller_service_pb2.ListControllersResponse().SerializeToString()

    silent = InProcessTransport(
        {"/vaina.api.controller.v1.ControllerService/ListControllers": Method(UNARY, answer)}
    )
    async with control_plane() as plane, page(plane.client, controller=silent) as browser:
        await browser.login()
        async with browser.live("machinery") as socket:
            shown: dict[str, Any] = await socket.until("machinery", "snapshot")
            # On a busy machine the others may be shown with a later look.
            while errors_of(shown)["apiserver"]:
                shown = await socket.until("machinery", "changes")
            assert errors_of(shown)["controller"] == SILENT
            assert shown["open"] > 0
            released.set()
            while errors_of(shown)["controller"]:
                shown = await socket.until("machinery", "changes")
