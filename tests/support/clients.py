"""Kubernetes' client libraries for Python, each in a program of its own (`tests/clients`).

`deploy/clients.sh` makes their virtual environment: they have other packages than the product.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".tools" / "clients" / "bin" / "python"
#: what is imported, and the programs
CLIENTS = {"kubernetes": "official_client.py", "lightkube": "lightkube_client.py", "kr8s": "kr8s_client.py"}


def need_clients() -> None:
    """Skip the test where the environment was not made; under CI it must be there."""
    if PYTHON.exists():
        return
    reason = "no client libraries: run `deploy/clients.sh`"
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)  # noqa: TID251 (where tests begin)


async def run_cases(name: str, kubeconfig: Path, namespace: str, image: str = "") -> dict[str, str]:
    """Run a program's cases; return what went wrong, by case, "" where nothing did.

    That it did not come to its end (it crashed, or waited for something in vain) is told as a case, too.
    """
    process = await asyncio.create_subprocess_exec(
        PYTHON, ROOT / "tests" / "clients" / CLIENTS[name], kubeconfig, namespace, *filter(None, [image]),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        # Nothing of whoever runs the tests.
        env={"PATH": os.defpath, "HOME": str(kubeconfig.parent), "KUBECONFIG": os.devnull},
    )  # fmt: skip
    out, err = await process.communicate()
    told = {answer["case"]: answer["error"] for answer in map(json.loads, out.decode().splitlines())}
    return told if process.returncode == 0 else {**told, "its end": err.decode()}
