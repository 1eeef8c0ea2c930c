"""How long a Tab takes, from the shell's call of the command to its end, beside kubectl's where there is one.

    python -m bench.tabs [--times 20] [--pods 300] [--kubectl PATH]

An apiserver with TLS on the loopback, etcd without fsync. Each Tab is a process, as a shell starts it; they are
asked in turns, so that what disturbs the machine disturbs all of them. The first round is not counted: it makes
the file with the command's words.

Targets are printed with whether they are met.
"""

import argparse
import asyncio
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import report
from bench.etcd import ROOT
from bench.rest_api import Ours
from cli.surroundings import COMPLETION_VARIABLE
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.pki.folder import Folder
from vaina.pki.kubeconfig import KUBECONFIG, with_files

_TARGET_MS: Final = 200.0


@dataclass(frozen=True, slots=True)
class Tab:
    """One question, and a word that its answer must have."""

    name: str
    line: str
    answer: str

    def command(self, kubectl: str) -> list[str]:
        """Return the command that asks it."""
        if kubectl:
            return [kubectl, "__complete", *shlex.split(self.line)[1:], ""]
        return [sys.executable, "-m", "cli"]

    def environment(self, base: Mapping[str, str], kubectl: str) -> dict[str, str]:
        """Return its variables."""
        if kubectl:
            return dict(base)
        asked = {COMPLETION_VARIABLE: "bash_complete", "COMP_WORDS": f"{self.line} "}
        return {**base, **asked, "COMP_CWORD": str(len(shlex.split(self.line)))}


def tabs(kubeconfig: str) -> Sequence[Tab]:
    """Return the Tabs that are measured."""
    return (
        Tab("words", "vaina rollout", "history"),
        Tab("kinds", "vaina get", "pods"),
        Tab("names", "vaina get pods", "web-00000"),
        Tab("namespaces", "vaina get pods -n", "kube-system"),
        Tab("nodes", "vaina drain", "node-0"),
        Tab("containers", "vaina logs web-00000 -c", "app"),
        Tab("names, --kubeconfig", f"vaina --kubeconfig {kubeconfig} get pods", "web-00000"),
        Tab("containers, --kubeconfig", f"vaina --kubeconfig {kubeconfig} logs web-00000 -c", "app"),
    )


class Asked:
    """One Tab, asked again and again, by one command."""

    def __init__(self, tab: Tab, environment: Mapping[str, str], kubectl: str = "") -> None:
        self.name = f"{'kubectl' if kubectl else 'vaina'}: {tab.name}"
        self._answer, self._command = tab.answer, tab.command(kubectl)
        self._environment = tab.environment(environment, kubectl)
        self.seconds: list[float] = []
        self.cpu: list[float] = []

    def ask(self, *, counts: bool) -> None:
        """Ask once. Raises RuntimeError: the answer is not the one that there is."""
        before, begun = _children_cpu(), time.perf_counter()
        done = subprocess.run(
            self._command, env=self._environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        took = time.perf_counter() - begun
        words = {line.rpartition(",")[2].partition("\t")[0] for line in done.stdout.splitlines()}
        if counts:
            if self._answer not in words:
                raise RuntimeError(f"{self.name}: {done.stdout[:500]}{done.stderr[:500]}")
            self.seconds.append(took)
            self.cpu.append(_children_cpu() - before)

    def row(self) -> report.Row:
        """Return what was measured."""
        return report.row(
            self.name, len(self.seconds), sum(self.seconds), self.seconds, {"the command": sum(self.cpu)}
        )


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def fill(server: Ours, pods: int) -> None:
    """Create Nodes and Pods."""
    async with Clientset(GrpcTransport(server.target, Folder(server.admin))) as client:
        for number in range(5):
            node = node_pb2.Node()
            node.metadata.name = f"node-{number}"
            await client.nodes.create(node)
        for number in range(pods):
            pod = pod_pb2.Pod()
            pod.metadata.name, pod.metadata.namespace = f"web-{number:05}", "default"
            for name in ("app", "beside"):
                pod.spec.containers.add(name=name, image="app")
            await client.pods.create(pod)


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--pods", type=int, default=300)
    parser.add_argument("--kubectl", default=shutil.which("kubectl") or "", help="a kubectl to ask as well")
    options = parser.parse_args()
    server = Ours()
    with tempfile.TemporaryDirectory(prefix="vaina-home-") as home:
        try:
            server.wait()
            asyncio.run(fill(server, options.pods))
            kubeconfig = Path(home) / KUBECONFIG
            files = [str(server.admin / name) for name in ("ca.crt", "tls.crt", "tls.key")]
            kubeconfig.write_text(with_files("bench", server.url, *files))
            environment = {
                "PATH": os.environ["PATH"], "HOME": home, "VAINA_SERVER": server.target,
                "VAINA_CERT_DIR": str(server.admin), "KUBECONFIG": str(kubeconfig),
            }  # fmt: skip
            questions = tabs(str(kubeconfig))
            asked = [Asked(tab, environment) for tab in questions]
            if options.kubectl:
                asked += [Asked(tab, environment, options.kubectl) for tab in questions[:5]]
            for turn in range(options.times + 1):
                for one in asked:
                    one.ask(counts=turn > 0)
        finally:
            server.close()
    rows = [one.row() for one in asked]
    ours = [row for row in rows if row.case.startswith("vaina")]
    report.show(
        rows, [report.Target(f"{row.case}, p99 ms", row.p99_ms, _TARGET_MS, at_most=True) for row in ours]
    )


if __name__ == "__main__":
    main()
