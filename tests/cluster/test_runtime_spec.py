"""The runtimes over Docker and over CRI keep the same spec as the hollow one
(tests/conformance/runtime_spec.py), on a node's own engine.
"""

import io
import signal
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution

import pytest

from tests.support.cluster import ROOT, Cluster

#: what pytest is made of: pure Python all of it, so a node's Python runs the checkout's
PACKAGES = ("iniconfig", "packaging", "pluggy", "pygments", "pytest", "pytest-asyncio")
SPEC = ("tests/conformance/runtime_spec.py", "tests/conformance/runtime_process_spec.py")


def archive(*files: str) -> bytes:
    """Return pytest and files of the checkout as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in PACKAGES:
            for file in distribution(name).files or ():
                if ".." not in file.parts and file.suffix != ".pyc":
                    tar.add(str(file.locate()), str(file))
        for name in files:
            tar.add(ROOT / name, name)
    return buffer.getvalue()


def spec_on(cluster: Cluster, node: str, runtime: str) -> "subprocess.CompletedProcess[str]":
    """Run the spec of one runtime on a node."""
    spec = f"tests/cluster/{runtime}_runtime_spec.py"
    cidr = cluster.execute(node, "sh", "-c", "ip -4 -brief address show cni0 | awk '{print $3}'").strip()
    network = cidr.rsplit(".", 1)[0] + ".0/" + cidr.rpartition("/")[2]
    cluster.execute(node, "mkdir", "-p", "/tmp/spec")
    subprocess.run(
        ["docker", "exec", "-i", node, "tar", "-x", "-C", "/tmp/spec"], input=archive(*SPEC, spec), check=True
    )
    cluster.kill(node, "kubelet", signal.SIGSTOP)
    try:
        return subprocess.run(
            ["docker", "exec", "-e", "PYTHONPATH=/opt/vaina:/tmp/spec", "-e", f"SPEC_POD_CIDR={network}", "-w", "/tmp/spec", node,
             "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "--import-mode=importlib",
             spec],
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
    finally:
        cluster.kill(node, "kubelet", signal.SIGCONT)


@pytest.mark.own_node
@pytest.mark.other_side
@pytest.mark.requirement("C1", "C3")
def test_the_runtimes_keep_the_spec(cluster: Cluster) -> None:
    """Both at once, each on a node of its own: most of it is waiting.

    A node's kubelet holds still meanwhile: it would clear away sandboxes of Pods that it does not know.
    """
    nodes = {"docker": cluster.nodes[-1], "cri": cluster.containerd_nodes[-1]}
    try:
        with ThreadPoolExecutor(len(nodes)) as pool:
            done = list(pool.map(lambda runtime: spec_on(cluster, nodes[runtime], runtime), nodes))
    finally:
        cluster.wait_healthy(*nodes.values())
    for one in done:
        assert one.returncode == 0, one.stdout[-6000:] + one.stderr[-2000:]
        assert " passed" in one.stdout
