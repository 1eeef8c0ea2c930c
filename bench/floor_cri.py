"""The floor of a Pod's start and end over CRI: the same calls of the runtime, made directly.

As `bench/floor.py`, which says what it reads and answers.

Runs inside a node with containerd, with nothing of vaina but the stubs that are generated from CRI's own
protocol.
"""

import json
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri import cri_service_pb2_grpc

SOCKET = "unix:/run/containerd/containerd.sock"
IMAGE = "docker.io/library/busybox:latest"
#: ends at once when it is asked to
SCRIPT = ["sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait"]
AT_ONCE = 100
_NAMESPACES = cri.NamespaceOption(network=cri.POD, pid=cri.CONTAINER, ipc=cri.POD)


def start(client: Any, parent: str) -> tuple[float, tuple[str, str]]:
    """Make a sandbox and start one container in it; return the seconds and the ids."""
    name = uuid.uuid4().hex
    sandbox = cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name=name, uid=name, namespace="floor"),
        hostname="floor",
        log_directory=f"/tmp/floor/{name}",
        dns_config=cri.DNSConfig(options=["ndots:1"]),
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent=parent,
            security_context=cri.LinuxSandboxSecurityContext(
                namespace_options=_NAMESPACES,
                seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
            ),
        ),
    )
    container = cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name="main"),
        image=cri.ImageSpec(image=IMAGE),
        command=SCRIPT,
        log_path="main.log",
        linux=cri.LinuxContainerConfig(
            security_context=cri.LinuxContainerSecurityContext(
                namespace_options=_NAMESPACES,
                seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
            )
        ),
    )
    begun = time.monotonic()
    pod = client.RunPodSandbox(cri.RunPodSandboxRequest(config=sandbox)).pod_sandbox_id
    made = client.CreateContainer(
        cri.CreateContainerRequest(pod_sandbox_id=pod, config=container, sandbox_config=sandbox)
    ).container_id
    client.StartContainer(cri.StartContainerRequest(container_id=made))
    return time.monotonic() - begun, (made, pod)


def end(client: Any, ids: tuple[str, str]) -> float:
    """Stop and remove a pair; return the seconds."""
    begun = time.monotonic()
    container, sandbox = ids
    client.StopContainer(cri.StopContainerRequest(container_id=container, timeout=1))
    client.RemoveContainer(cri.RemoveContainerRequest(container_id=container))
    client.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox))
    client.RemovePodSandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox))
    return time.monotonic() - begun


def kill(client: Any, container: str) -> float:
    """Kill a container and return when it ended."""
    client.StopContainer(cri.StopContainerRequest(container_id=container, timeout=0))
    answer = client.ContainerStatus(cri.ContainerStatusRequest(container_id=container))
    return float(answer.status.finished_at) / 1e9


def main() -> None:
    """Answer lines until there are none."""
    parent = sys.argv[1] if len(sys.argv) > 1 else ""
    pool = ThreadPoolExecutor(AT_ONCE)
    client = cri_service_pb2_grpc.RuntimeServiceStub(grpc.insecure_channel(SOCKET))
    for line in sys.stdin:
        verb, _, argument = line.strip().partition(" ")
        answer: Any
        if verb == "pods":
            made = list(pool.map(lambda _: start(client, parent), range(int(argument))))
            ended = list(pool.map(lambda one: end(client, one[1]), made))
            answer = {"start": [seconds for seconds, _ in made], "end": ended}
        elif verb == "kill":
            answer = kill(client, argument)
        else:
            break
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
