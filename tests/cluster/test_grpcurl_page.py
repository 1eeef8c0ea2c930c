"""docs/grpcurl.md: its commands are run as they stand there, all of them, in one shell."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cluster import ROOT, Cluster
from tests.support.workspace import Workspace

PAGE = ROOT / "docs" / "grpcurl.md"
GRPCURL = ROOT / ".tools" / "bin" / "grpcurl"
STAND_IN = ROOT / "tests" / "support" / "grpcurl.py"
MARK = "=== "


def blocks() -> dict[str, str]:
    """Return the commands of the page by the names that stand behind their fences."""
    return dict(re.findall(r"^```sh (\w+)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE))


def script(second_terminal: Path) -> str:
    """Join the blocks into one script, which says where each begins; the watch runs in a terminal of its own."""
    lines = []
    for name, text in blocks().items():
        lines.append(f"echo '{MARK}{name}'")
        if name == "watch":
            lines.append(f"( {text} ) >{shlex.quote(str(second_terminal))} 2>&1 &")
            lines.append("watcher=$!")
        else:
            lines.append(text)
    # The terminal is closed when the Pod's end was seen in it, or after a while.
    lines.append(
        f"for _ in $(seq 100); do grep -q DELETED {shlex.quote(str(second_terminal))} && break; sleep 0.2; done"
    )
    lines.append("pkill -P $watcher; wait $watcher || true")
    return "\n".join(lines)


def run_page(cluster: Cluster, program: Path, second_terminal: Path) -> dict[str, str]:
    """Run the whole page; return what each block printed (errors with it)."""
    env = {
        **cluster.env,
        "API": cluster.apiserver,
        "SCHEDULER": cluster.scheduler,
        "CONTROLLER": cluster.controller,
        "PYTHONPATH": str(ROOT),
        "GRPCURL": str(program),
    }
    settings = " ".join(f"export {name}={shlex.quote(value)};" for name, value in env.items())
    preamble = f"set -e; exec 2>&1; {settings}\n"
    done = subprocess.run(
        ["bash", "-c", preamble + script(second_terminal)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    parts = re.split(rf"^{MARK}(\w+)\n", done.stdout, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.requirement("E2", "A2")
def test_every_command_of_the_page_does_what_the_page_says(space: Workspace, tmp_path: Path) -> None:
    # Without Go (deploy/grpcurl.sh) there is none: a stand-in in Python makes the same calls.
    program = GRPCURL
    if not program.exists():
        program = tmp_path / "grpcurl"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        program.chmod(0o755)
    cluster, terminal = space.cluster, tmp_path / "second-terminal"
    try:
        said = run_page(cluster, program, terminal)
    finally:
        cluster.compose("start", "scheduler")
        cluster.wait_healthy()

    assert list(said) == list(blocks())
    for service in ("PodService", "NodeService", "ManifestService"):
        assert f"vaina.api.core.v1.{service}" in said["services"].split()
    assert {"vaina.api.core.v1.PodService.Bind", "vaina.api.core.v1.PodService.Watch"} <= set(
        said["services"].split()
    )
    assert "string manifest = 1;" in said["services"]
    assert said["health"].count('"status": "SERVING"') == 3
    assert "vaina.api.controller.v1.ControllerService" in said["health"]
    assert said["kubelet"].rstrip().endswith("refused, as it should be")
    assert "KubeletService" not in said["kubelet"]
    assert '"action": "created"' in said["apply"]
    assert said["etcd"].split() == ["/registry/pods/default/by-hand"]
    assert "spec.containers[0].image: Required value" in said["refused"]
    assert "spec.containers[0].ports[0].containerPort: Invalid value: 70000" in said["refused"]
    assert said["refused"].rstrip().endswith("refused, as it should be")
    assert said["pending"].split() == ['"phase":', '"Pending",'] or said["pending"].split() == [
        '"phase":',
        '"Pending"',
    ]
    assert '"Success"' in said["bind"]
    assert "Code: Aborted" in said["bind"]
    assert said["bind"].rstrip().endswith("bound already")
    assert '"phase": "Running"' in said["run"]
    for step in ("ADMITTED", "SCHEDULED", "OBSERVED", "SANDBOXED", "MOUNTED", "STARTED", "REPORTED"):
        assert f'"step": "{step}"' in said["status"]
    assert ", by hand (grpcurl" in said["who"]
    assert '"reason": "Started"' in said["status"]
    assert said["logs"] == "hello from by-hand\n"
    assert said["exec"] == "by-hand\n"
    assert "deletionTimestamp" in said["delete"]

    watched = terminal.read_text()
    kinds = re.findall(r'"type": "(ADDED|MODIFIED|DELETED)"', watched)
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("ADDED", "DELETED", {"MODIFIED"})
    assert re.findall(r'"phase": "(\w+)"', watched)[0] == "Pending"
    assert '"phase": "Running"' in watched
