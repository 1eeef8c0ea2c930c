"""Accounts with real processes: a new namespace's first Pod waits for its account, and finds what it needs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import count

import pytest

from bench.etcd import find_etcd
from tests.support.identities import ADMIN, CONTROLLER_MANAGER
from tests.support.secured import Plane
from tests.support.tokens import ISSUER
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import Forbidden, NotFound
from vaina.pki.token_keys import make_token_keys
from vaina.testing.builders import make_namespace, make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]


@pytest.fixture
async def admin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clientset]:
    if find_etcd() is None:
        pytest.skip("no etcd: run `make test-component`, which fetches it")
    root = tmp_path_factory.mktemp("accounts")
    keys = root / "keys"
    make_token_keys(keys, SystemClock().now(), 1e7)
    plane = Plane(
        root, f"--service-account-issuer={ISSUER}", f"--service-account-signing-key-file={keys / 'sa.key'}",
        f"--service-account-key-file={keys / 'sa.pub'}",
    )  # fmt: skip
    try:
        await plane.apiserver.start()
        authority = f"{plane.apiserver.cert_dir}/ca.crt"
        plane.start_component("controller", CONTROLLER_MANAGER, f"--root-ca-file={authority}")
        async with plane.client(ADMIN) as client:
            yield client
    finally:
        plane.close()


async def test_the_first_pod_of_a_new_namespace_gets_its_account(admin: Clientset) -> None:
    clock = SystemClock()
    # The controllers are leading once the first namespace has what each has.
    while True:
        try:
            await admin.service_accounts.get("default", "kube-system")
            break
        except NotFound:
            await clock.sleep(0.05)
    names = (f"space-{number}" for number in count())
    for _ in range(3):
        one, made = await first_pod(admin, names)
        assert made.spec.service_account_name == "default"
        [volume] = made.spec.volumes
        assert volume.name.startswith("kube-api-access-")
    while True:
        try:
            found = await admin.config_maps.get("kube-root-ca.crt", one)
            break
        except NotFound:
            await clock.sleep(0.05)
    assert found.data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    # What each namespace has goes with it, and does not come again.
    await admin.pods.delete("web", one, grace_period_seconds=0)
    await admin.namespaces.delete(one)
    while one in {namespace.metadata.name for namespace in (await admin.namespaces.list()).items}:
        await clock.sleep(0.1)
    with pytest.raises(NotFound):
        await admin.service_accounts.get("default", one)


async def first_pod(admin: Clientset, names: Iterator[str]) -> tuple[str, pod_pb2.Pod]:
    """Make a namespace and at once its first Pod, and return both.

    A Pod waits for its account for a second or two. Where the controllers stand still for longer it is refused,
    and another namespace is tried.
    """
    async with asyncio.timeout(60):
        while True:
            name = next(names)
            await admin.namespaces.create(make_namespace(name))
            with suppress(Forbidden):
                return name, await admin.pods.create(make_pod(namespace=name))
