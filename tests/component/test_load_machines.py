"""`vaina load run --generate-on, --hollow-on`: a load that comes from several machines, in one report.

Each is a network namespace here.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.load.report import decode
from tests.support.apiserver_process import ROOT
from tests.support.marks import marked

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

AGENT = f"{sys.executable} -m cli load agent"
#: on the loopback of the control plane's machine: the way to it goes through the others' links
ADDRESS = "10.213.0.1"
SERVER = f"{ADDRESS}:6443"
HEALTHY = """
import sys, urllib.request
for _ in range(100_000):
    try:
        urllib.request.urlopen(sys.argv[1], timeout=5)
    except OSError:
        continue
    break
"""
#: an agent that is lost as soon as it is to create Pods
LOST = """
import os, sys
from bench.load import agent
from cli.__main__ import main

async def create(self):
    print("the machine has no memory left", file=sys.stderr, flush=True)
    os._exit(9)

agent._Set.create = create
sys.argv = ["vaina", "load", "agent", "--name=lost"]
main()
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def networks() -> Iterator[tuple[str, str, str]]:
    """The control plane's machine, and two others with a link to it each."""
    names = tuple(f"vl{os.getpid()}-{name}" for name in ("plane", "one", "two"))
    plane, *others = names
    with ExitStack() as stack:
        try:
            for name in names:
                ip("netns", "add", name)
                stack.callback(ip, "netns", "delete", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("-n", plane, "address", "add", f"{ADDRESS}/32", "dev", "lo")
            for number, name in enumerate(others, 1):
                link, net = f"to{number}", f"10.213.{number}"
                ip("-n", plane, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
                ip("-n", plane, "address", "add", f"{net}.1/24", "dev", link)
                ip("-n", plane, "link", "set", link, "up")
                ip("-n", name, "address", "add", f"{net}.2/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "route", "add", ADDRESS, "via", f"{net}.1")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces need root and iproute2 (apt install iproute2): {error}")
        yield plane, others[0], others[1]


def inside(network: str, *words: str) -> list[str]:
    return ["ip", "netns", "exec", network, sys.executable, *words]


def test_two_machines_make_one_load_over_the_network(networks: tuple[str, str, str], tmp_path: Path) -> None:
    plane, one, two = networks
    mark = f"LOAD_TEST_MARK={uuid.uuid4().hex}"
    certs = tmp_path / "certs"
    subprocess.run(
        [sys.executable, "-m", "cli", "certs", "make", str(certs), f"--host={ADDRESS}"],
        cwd=ROOT, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    shown = f"VAINA_CERT_DIR={certs / 'admin'}"
    with ExitStack() as stack:
        for service, page, *flags in (
            ("apiserver", "127.0.0.1:8080", "--storage=memory", f"--listen={SERVER}"),
            ("scheduler", "127.0.0.1:10251", f"--apiserver={SERVER}"),
        ):
            flags.append(f"--cert-dir={certs / service}")
            words = inside(plane, "-m", service, f"--metrics-listen={page}", "--log-level=warning", *flags)
            process = stack.enter_context(subprocess.Popen(words, cwd=ROOT))
            stack.callback(process.kill)
            subprocess.run(inside(plane, "-c", HEALTHY, f"http://{page}/healthz"), check=True, timeout=60)
        commands = [
            f"ip netns exec {network} env {mark} {shown} {AGENT} --name m-{number}"
            for number, network in enumerate((one, two))
        ]
        done = subprocess.run(
            ["env", shown, *inside(
                plane, "-m", "cli", f"--server={SERVER}", "load", "run", "SchedulingBasic/5Nodes_20Pods", "--nodes=hollow",
                "--rate=100", "--keep", "--etcd-metrics=", "--controller-metrics=", "--verify-seconds=600",
                f"--output={tmp_path / 'r.json'}", f"--html={tmp_path / 'r.html'}",
                *(f"--{option}={command}" for command in commands for option in ("generate-on", "hollow-on")),
            )],
            cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert marked(mark) == []
    report = decode((tmp_path / "r.json").read_bytes())
    [found] = report.measurements
    assert (found.pods, found.bound, found.running) == (20, 20, 20)
    assert [(one.name, one.pods, one.kubelets) for one in report.machines] == [("m-0", 10, 1), ("m-1", 10, 1)]
    assert {f"{name}@m-{number}" for name in ("load", "kubelets-0") for number in (0, 1)} <= set(
        found.processes
    )
    # Twenty Pods, evenly at a hundred a second, from both together.
    assert found.seconds > 0.19
    assert found.latencies["create_to_running"].summary.count == 20
    assert report.verification is not None
    assert (report.verification.reason, report.verification.violations) == ("", [])
    assert "machine m-1: " in done.stdout
    assert "<td>machine" in (tmp_path / "r.html").read_text()


def test_a_machine_that_is_lost_in_the_middle_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(LOST)
    done = subprocess.run(
        [
            "env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "cli", "load", "run", "SchedulingBasic/5Nodes_20Pods",
            "--local", "--no-fsync", "--rate=100", f"--generate-on={AGENT} --name=well",
            f"--generate-on={sys.executable} {tmp_path / 'agent.py'}",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert (
        "error: lost: the agent has ended with the exit code 9\nthe machine has no memory left" in done.stderr
    )
