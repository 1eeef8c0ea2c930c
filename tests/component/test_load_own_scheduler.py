"""`vaina load run --scheduler-command`.

A scheduler of somebody else's is started, waited for, measured, judged and ended.
"""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from bench.etcd import free_port
from bench.load.report import Report, decode
from tests.support.apiserver_process import ROOT
from tests.support.marks import marked

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

OWN = f"{sys.executable} -m examples.scheduler.any_node {{apiserver}}"
#: more Pods than nodes, and no two may be on one
TOO_CLOSE = """
- name: TooClose
  defaultPodTemplatePath: pod.yaml
  workloadTemplate:
  - {opcode: createNodes, count: 2}
  - {opcode: createPods, count: 6, collectMetrics: true}
  workloads: [{name: 2Nodes}]
"""
APART = """
apiVersion: v1
kind: Pod
metadata: {generateName: apart-, labels: {app: apart}}
spec:
  affinity:
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
      - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: apart}}}
  containers: [{name: pause, image: pause}]
"""
#: binds the Pod that is there to see whether it does, and gives up at the next one
FAINT = """
import os, sys, asyncio
from examples.scheduler.any_node import AnyNode, main

async def sync(self, key, inner=AnyNode.sync):
    if not key.endswith("load-probe"):
        print("out of ideas about", key.partition("/")[2], flush=True)
        os._exit(7)
    return await inner(self, key)

AnyNode.sync = sync
asyncio.run(main(os.environ["VAINA_APISERVER"], ""))
"""


def run(tmp_path: Path, command: str, *options: str, mark: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            "env", f"LOAD_TEST_MARK={mark}", f"PYTHONPATH={ROOT}", sys.executable, "-m", "cli", "load", "run",
            "--local", "--no-fsync", f"--scheduler-command={command}",
            f"--output={tmp_path / 'r.json'}", *options,
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip


def report(tmp_path: Path) -> Report:
    return decode((tmp_path / "r.json").read_bytes())


def test_a_scheduler_that_knows_no_rules_is_measured_with_its_children_and_judged(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(TOO_CLOSE)
    (tmp_path / "pod.yaml").write_text(APART)
    mark = uuid.uuid4().hex
    # The program is a child of the command.
    command = f'sh -c "{OWN}; true"'
    done = run(tmp_path, command, "TooClose/2Nodes", f"--filename={tmp_path / 'w.yaml'}", mark=mark)
    assert done.returncode == 1, done.stderr
    found = report(tmp_path)
    [one] = found.measurements
    assert (one.pods, one.bound, one.attempts, one.queue) == (6, 6, {}, [])
    # A shell alone has one or two.
    assert one.processes["scheduler"].peak_memory_bytes > 20 * 2**20
    assert "attempts            not known" in done.stdout
    told = [line for line in done.stderr.splitlines() if line.startswith("violation:")]
    assert len(told) >= 4, told
    assert all("anti-affinity" in line for line in told), told
    assert found.how["scheduler"].startswith("sh -c ")
    assert marked(f"LOAD_TEST_MARK={mark}") == []


def test_a_scheduler_with_pages_says_itself_that_it_is_ready_and_what_it_tried(tmp_path: Path) -> None:
    listen, page = (f"127.0.0.1:{free_port()}" for _ in range(2))
    done = run(
        tmp_path,
        f"{sys.executable} -m scheduler --apiserver={{apiserver}} --listen={listen} --metrics-listen={page}",
        "SchedulingBasic/5Nodes_20Pods", f"--scheduler-health=http://{page}/healthz",
        f"--scheduler-metrics=http://{page}/metrics",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [one] = report(tmp_path).measurements
    assert (one.bound, one.attempts["scheduled"]) == (20, 20)


@pytest.mark.parametrize("tls", [(), ("--tls",)], ids=["clear", "tls"])
def test_a_scheduler_that_speaks_rest_is_given_a_kubeconfig(tmp_path: Path, tls: tuple[str, ...]) -> None:
    listen, page = (f"127.0.0.1:{free_port()}" for _ in range(2))
    done = run(
        tmp_path,
        f"{sys.executable} -m scheduler --kubeconfig={{kubeconfig}} --listen={listen} --metrics-listen={page}",
        "SchedulingBasic/5Nodes_20Pods", *tls,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert report(tmp_path).measurements[0].bound == 20


def test_a_scheduler_that_dies_ends_the_run_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "faint.py").write_text(FAINT)
    done = run(tmp_path, f"{sys.executable} {tmp_path / 'faint.py'}", "SchedulingBasic/5Nodes_20Pods")
    assert done.returncode == 1
    assert "error: the scheduler has ended with the exit code 7; its last words:\n" in done.stderr
    assert "out of ideas about pod-1-00000" in done.stderr


def test_a_scheduler_that_ends_at_once_is_told_before_anything_is_made(tmp_path: Path) -> None:
    done = run(tmp_path, "sh -c 'echo where is {apiserver}\\?; exit 3'", "SchedulingBasic/5Nodes_20Pods")
    assert done.returncode == 1
    assert (
        "error: the scheduler is not ready: it has ended with the exit code 3\nwhere is 127.0.0.1:"
        in done.stderr
    )
    assert "createNodes" not in done.stderr
