"""Whose processes a container sees, in CRI's words."""

import pytest

from kubelet.runtime.cri import convert, cri_pb2
from kubelet.runtime.records import ContainerConfig, SandboxConfig, Uid


@pytest.mark.parametrize(
    ("target", "shared", "want"),
    [
        ("", False, (cri_pb2.CONTAINER, "")),
        ("", True, (cri_pb2.POD, "")),
        ("app-0", False, (cri_pb2.TARGET, "app-0")),
        ("app-0", True, (cri_pb2.TARGET, "app-0")),
    ],
)
def test_process_namespaces(target: str, shared: bool, want: tuple[int, str]) -> None:
    config = ContainerConfig("shell", 0, "sha256:1", "busybox:1", target_container_id=target)
    sandbox = SandboxConfig("a", "b", Uid("c"), 0, "a", share_process_namespace=shared)
    options = convert.container_message(config, sandbox).linux.security_context.namespace_options
    assert (options.pid, options.target_id) == want
