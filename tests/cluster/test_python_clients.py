"""Clients of others at running Pods: Python's libraries and client-go. Logs, exec, attach, port-forward.

The programs (`tests/clients`, `tests/interop/clientgo`) do the cases and judge them. What needs no running Pod
is in `tests/component/rest`. lightkube 1.0 has neither attach nor port-forward, kr8s 0.20 no attach, and its
exec takes no input (of v4, which it asks for, no end of the input can be told).
"""

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.support.clients import CLIENTS, need_clients, run_cases
from tests.support.cluster import ROOT, run
from tests.support.manifests import IMAGE
from tests.support.workspace import Workspace

pytestmark = [pytest.mark.beside_others, pytest.mark.timeout(300)]

CLIENT_GO = ROOT / ".tools" / "bin" / "k8s-client-go"
CASES = {"kubernetes": 5, "lightkube": 3, "kr8s": 5}


def kubeconfig(space: Workspace) -> Path:
    return space.cluster.cert_dir / "kubeconfig"


@pytest.mark.parametrize("name", CLIENTS)
def test_programs_written_in_python_reach_running_pods(space: Workspace, name: str) -> None:
    need_clients()
    told = asyncio.run(run_cases(name, kubeconfig(space), space.namespace, IMAGE))
    wrong = [f"{case}:\n{error}" for case, error in told.items() if error]
    assert not wrong, "\n".join(wrong)
    assert len(told) == CASES[name]


def test_programs_written_with_client_go_reach_running_pods(space: Workspace) -> None:
    if not CLIENT_GO.exists():
        reason = "no k8s-client-go: run `deploy/interop.sh`"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)  # noqa: TID251 (where tests begin)
    [line] = run(CLIENT_GO, kubeconfig(space), space.namespace, IMAGE).splitlines()
    told = json.loads(line)
    assert (told["case"], told.get("error", "")) == ("streams", "")
