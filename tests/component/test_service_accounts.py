"""Accounts with real processes: a new namespace's first Pod waits for its account, and finds what it needs."""

from collections.abc import AsyncIterator

import pytest

from bench.etcd import find_etcd
from tests.support.identities import ADMIN, CONTROLLER_MANAGER
from tests.support.secured import Plane
from tests.support.tokens import ISSUER
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import NotFound
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
    for name in ("one", "two", "three"):
        await admin.namespaces.create(make_namespace(name))
        made = await admin.pods.create(make_pod(namespace=name))
        assert made.spec.service_account_name == "default"
        [volume] = made.spec.volumes
        assert volume.name.startswith("kube-api-access-")
    while True:
        try:
            found = await admin.config_maps.get("kube-root-ca.crt", "one")
            break
        except NotFound:
            await clock.sleep(0.05)
    assert found.data["ca.crt"].startswith("-----BEGIN CERTIFICATE-----")
    # What each namespace has goes with it, and does not come again.
    await admin.pods.delete("web", "one", grace_period_seconds=0)
    await admin.namespaces.delete("one")
    while "one" in {namespace.metadata.name for namespace in (await admin.namespaces.list()).items}:
        await clock.sleep(0.1)
    with pytest.raises(NotFound):
        await admin.service_accounts.get("default", "one")
