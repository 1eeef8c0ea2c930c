"""Tab with a kubeconfig: names of the server that it names, over HTTPS, and nothing where it names none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.identities import ADMIN
from tests.support.secured import Plane
from vaina.api.core.v1 import service_account_pb2
from vaina.testing.builders import make_namespace, make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[3]


def offered(home: Path, line: str) -> list[str]:
    """Return what bash is told for the end of a line."""
    words = line.split(" ")
    environment = {
        "_VAINA_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1),
        "PATH": os.defpath, "HOME": str(home), "VAINA_CERT_DIR": "", "VAINA_SERVER": "127.0.0.1:1",
        "VAINA_COMPLETION_SECONDS": "20",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "cli"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return [word.partition(",")[2] for word in done.stdout.splitlines()]


async def test_names_come_from_the_server_of_a_kubeconfig(
    over_tls: tuple[Plane, Path], tmp_path: Path
) -> None:
    plane, kubeconfig = over_tls
    async with plane.client(ADMIN) as client:
        await client.namespaces.create(make_namespace("other"))
        for namespace in ("default", "other"):
            account = service_account_pb2.ServiceAccount()
            account.metadata.name, account.metadata.namespace = "default", namespace
            await client.service_accounts.create(account)
        for name, namespace in (("web-0", "default"), ("web-1", "default"), ("far", "other")):
            await client.pods.create(make_pod(name, namespace=namespace))
        containers = [one.name for one in (await client.pods.get("web-0", "default")).spec.containers]
    given = f"vaina --kubeconfig {kubeconfig}"
    assert offered(tmp_path, f"{given} get pods we") == ["web-0", "web-1"]
    assert offered(tmp_path, f"vaina --kubeconfig=~/{kubeconfig.name} -n other logs ") == ["far"]
    assert offered(tmp_path, f"{given} get pods -n oth") == ["other"]
    assert offered(tmp_path, f"{given} logs web-0 -c ") == containers
    assert offered(tmp_path, f"{given} --context nowhere get pods we") == []
    assert offered(tmp_path, "vaina --kubeconfig nowhere get pods we") == []
