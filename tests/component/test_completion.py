"""Tab in a real shell, with a real apiserver: names of its objects; and nothing where it does not answer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.etcd import free_port
from tests.support.apiserver_process import ApiserverProcess
from vaina.client.clientset import Clientset
from vaina.testing.builders import make_namespace, make_pod

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
BASH = """
source <(vaina completion bash)
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_vaina_completion vaina
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = "vaina completion fish | source; complete -C '{line}'"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a user's shell has: the command on its path, a home of its own."""
    command = tmp_path / "bin" / "vaina"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m cli "$@"\n')
    command.chmod(0o755)
    # A busy machine is slower than a Tab may be.
    return {
        "PATH": f"{command.parent}:{os.defpath}", "HOME": str(tmp_path), "VAINA_CERT_DIR": "",
        "VAINA_COMPLETION_SECONDS": "20",
    }  # fmt: skip


def offered(environment: dict[str, str], line: str, shell: str = "bash") -> list[str]:
    """Return what a shell offers for the end of a line."""
    words = " ".join(f"'{word}'" for word in line.split(" "))
    script = BASH.format(words=words) if shell == "bash" else FISH.format(line=line)
    done = subprocess.run(
        [shell, "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stderr == ""
    return [word.split("\t")[0] for word in done.stdout.splitlines() if word]


async def filled(client: Clientset) -> None:
    await client.namespaces.create(make_namespace("other"))
    for name, namespace in (("web-0", "default"), ("web-1", "default"), ("far", "other")):
        await client.pods.create(make_pod(name, namespace=namespace))


async def test_a_shell_offers_what_the_server_has(
    server: ApiserverProcess, client: Clientset, environment: dict[str, str]
) -> None:
    await filled(client)
    environment["VAINA_SERVER"] = server.target
    assert offered(environment, "vaina get pods we") == ["web-0", "web-1"]
    assert offered(environment, "vaina -n other logs ") == ["far"]
    assert offered(environment, "vaina get pods -n oth") == ["other"]
    pod = await client.pods.get("web-0", "default")
    assert offered(environment, "vaina logs web-0 -c ") == [one.name for one in pod.spec.containers]
    assert offered(environment, "vaina get depl") == ["deployments"]
    assert offered(environment, "vaina descr") == ["describe"]
    if shutil.which("fish"):
        assert offered(environment, "vaina get pods we", "fish") == ["web-0", "web-1"]


def test_a_server_that_does_not_answer_offers_nothing_and_says_nothing(environment: dict[str, str]) -> None:
    environment |= {"VAINA_SERVER": f"127.0.0.1:{free_port()}", "VAINA_COMPLETION_SECONDS": "0.1"}
    assert offered(environment, "vaina get pods we") == []
    assert offered(environment, "vaina get po") == [
        "poddisruptionbudgets", "pods", "podtemplates", "podtraces",
    ]  # fmt: skip
