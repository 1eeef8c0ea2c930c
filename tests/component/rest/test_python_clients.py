"""Python's client libraries against the REST API of a real apiserver over etcd, with certificates and tokens.

The programs (`tests/clients`) do the cases and judge them: the verbs of their library that need no running Pod.
Those that do are in `tests/cluster/test_python_clients.py`.
"""

import asyncio
from pathlib import Path

import pytest

from tests.support.clients import CLIENTS, need_clients, run_cases
from tests.support.identities import ADMIN
from tests.support.secured import Plane
from vaina.api.core.v1 import service_account_pb2
from vaina.kinds import SERVICE_ACCOUNT
from vaina.testing.builders import make_namespace

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]


async def test_programs_written_in_python_work(over_tls: tuple[Plane, Path]) -> None:
    need_clients()
    plane, kubeconfig = over_tls
    async with plane.client(ADMIN) as client:
        for name in CLIENTS:
            namespace = f"of-{name}"
            await client.namespaces.create(make_namespace(namespace))
            # No controller makes it here, and Pods want it.
            account = service_account_pb2.ServiceAccount()
            account.metadata.name, account.metadata.namespace = "default", namespace
            await client.kind(SERVICE_ACCOUNT).create(account)
    told = await asyncio.gather(*(run_cases(name, kubeconfig, f"of-{name}") for name in CLIENTS))
    wrong = [
        f"{name}, {case}:\n{error}"
        for name, cases in zip(CLIENTS, told, strict=True)
        for case, error in cases.items()
        if error
    ]
    assert not wrong, "\n".join(wrong)
    assert [len(cases) for cases in told] == [8, 6, 7]
