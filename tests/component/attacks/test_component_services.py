"""Threat: somebody who reaches the scheduler's and the controllers' own gRPC services."""

import asyncio
from collections.abc import Iterator

import grpc
import pytest

from bench.etcd import find_etcd
from tests.support.fresh import fresh
from tests.support.identities import (
    ADMIN,
    ANA,
    CONTROLLER_MANAGER,
    ETCD_CLIENT,
    KUBELET_CLIENT,
    SCHEDULER,
    node_profile,
)
from tests.support.secured import Plane, apply, code_of, refused
from vaina.api.scheduler.v1 import scheduler_service_pb2
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import Forbidden
from vaina.kinds import CLUSTER_ROLE_BINDING
from vaina.pki.authority import Profile

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

SCHEDULER_SERVICE = scheduler_service_pb2.DESCRIPTOR.services_by_name["SchedulerService"].full_name
METHODS = {
    "scheduler": [f"/{SCHEDULER_SERVICE}/{name}" for name in ("Explain", "Fit", "Verify", "ListDecisions")],
    "controller": ["/vaina.api.controller.v1.ControllerService/ListControllers"],
}
OTHERS = (ANA, node_profile("node-1"), SCHEDULER, CONTROLLER_MANAGER, Profile("kubernetes-admin"))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plane, dict[str, str]]]:
    """A plane with a scheduler and controllers, and where these listen."""
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    plane = Plane(tmp_path_factory.mktemp("services"))
    try:
        plane.start()
        yield (
            plane,
            {
                "scheduler": plane.start_component("scheduler", SCHEDULER),
                "controller": plane.start_component("controller", CONTROLLER_MANAGER),
            },
        )
    finally:
        plane.close()


@pytest.mark.parametrize("profile", OTHERS, ids=lambda profile: profile.name)
@pytest.mark.parametrize("service", METHODS)
async def test_who_has_no_right_is_refused(
    services: tuple[Plane, dict[str, str]], service: str, profile: Profile
) -> None:
    plane, targets = services
    transport = GrpcTransport(targets[service], plane.identities.credentials(profile))
    try:
        for method in METHODS[service]:
            with refused(403, f'User "{profile.name}" cannot post path "{method}"'):
                await transport.unary(method, b"")
    finally:
        await transport.close()


@pytest.mark.parametrize("service", METHODS)
async def test_who_is_nobody_is_not_heard(services: tuple[Plane, dict[str, str]], service: str) -> None:
    plane, targets = services
    strangers = (
        (ADMIN, "foreign"), (ETCD_CLIENT, "etcd"), (KUBELET_CLIENT, "kubelet_client"),
        (ADMIN, "etcd"),
    )  # fmt: skip
    shown = [plane.identities.credentials(profile, signer=signer) for profile, signer in strangers]
    for credentials in (None, *(folder.current().channel_credentials() for folder in shown)):
        for method in (*METHODS[service], "/grpc.health.v1.Health/Check"):
            assert await code_of(targets[service], credentials, method) is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("service", METHODS)
async def test_the_administrator_is_answered(services: tuple[Plane, dict[str, str]], service: str) -> None:
    plane, targets = services
    transport = GrpcTransport(targets[service], plane.identities.credentials(ADMIN))
    try:
        # The last one needs no arguments.
        await transport.unary(METHODS[service][-1], b"")
    finally:
        await transport.close()


@pytest.mark.parametrize("service", METHODS)
async def test_whom_a_role_lets_call_is_answered_as_long_as_it_does(
    services: tuple[Plane, dict[str, str]], service: str
) -> None:
    plane, targets = services
    user, name = Profile(fresh(f"reader-of-{service}")), fresh(f"{service}-reader")
    method = METHODS[service][-1]
    group = "rbac.authorization.k8s.io"
    role = (
        f"{{apiVersion: {group}/v1, kind: ClusterRole, metadata: {{name: {name}}}, "
        f"rules: [{{nonResourceURLs: [{method}], verbs: [post]}}]}}\n---\n"
        f"{{apiVersion: {group}/v1, kind: ClusterRoleBinding, metadata: {{name: {name}}}, "
        f"roleRef: {{apiGroup: {group}, kind: ClusterRole, name: {name}}}, "
        f"subjects: [{{apiGroup: {group}, kind: User, name: {user.name}}}]}}"
    )
    transport = GrpcTransport(targets[service], plane.identities.credentials(user))
    async with plane.client(ADMIN) as admin:
        await apply(admin, role)
        try:
            # Roles are in force as soon as the apiserver has heard of them; a refusal is kept for ten seconds.
            async with asyncio.timeout(60):
                while not await is_answered(transport, method):
                    await SystemClock().sleep(0.2)
            for other in METHODS[service][:-1]:
                with refused(403):
                    await transport.unary(other, b"")
            await admin.kind(CLUSTER_ROLE_BINDING).delete(name)
            # The answer is kept for ten seconds.
            async with asyncio.timeout(60):
                with refused(403):
                    await again_and_again(transport, method)
        finally:
            await transport.close()


async def is_answered(transport: GrpcTransport, method: str) -> bool:
    try:
        await transport.unary(method, b"")
    except Forbidden:
        return False
    return True


async def again_and_again(transport: GrpcTransport, method: str) -> None:
    while True:
        await transport.unary(method, b"")
        await SystemClock().sleep(0.5)
