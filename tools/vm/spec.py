"""Run the spec of one runtime on a node of the engine that DOCKER_HOST names, a line a test.

`python -m tools.vm.spec cri NODE 10.244.9.0/24`.

As `tests/cluster/test_runtime_spec.py` does, where both are one test.
"""

import subprocess
import sys

from tests.cluster.test_runtime_spec import SPEC, archive

# Its kubelet holds still meanwhile: it would clear away sandboxes of Pods that it does not know.
HOLD = "kill -STOP $(cat /run/vaina/kubelet.pid); mkdir -p /tmp/spec && tar -x -C /tmp/spec"


def main(runtime: str, node: str, network: str) -> int:
    """Return pytest's exit code."""
    spec = f"tests/cluster/{runtime}_runtime_spec.py"
    packed = archive(*SPEC, spec)
    subprocess.run(["docker", "exec", "-i", node, "sh", "-c", HOLD], input=packed, check=True)
    words = [
        "docker",
        "exec",
        "-e",
        "PYTHONPATH=/opt/vaina:/tmp/spec",
        "-e",
        f"SPEC_POD_CIDR={network}",
        "-w",
        "/tmp/spec",
        node,
    ]
    pytest = [
        "python",
        "-m",
        "pytest",
        "-v",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_mode=auto",
        "--import-mode=importlib",
    ]
    return subprocess.run([*words, *pytest, spec], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
