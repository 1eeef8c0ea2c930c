"""Records as CRI messages, and back."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from kubelet.network.pod_network import conflist
from kubelet.runtime.cri import convert, cri_pb2
from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.records import (
    ContainerConfig,
    ContainerPhase,
    DnsConfig,
    LinuxResources,
    Mount,
    PortMapping,
    SandboxConfig,
    SecurityConfig,
    Uid,
)

SANDBOX = SandboxConfig("web", "default", Uid("u1"), 2, "web", labels={"app": "web"}, annotations={"a": "b"})
CONTAINER = ContainerConfig("main", 3, "sha256:1", "busybox", labels={"kind": "main"}, annotations={"s": "1"})
NANO = 1_000_000_000


def sandbox(config: SandboxConfig = SANDBOX, *, privileged: bool = False) -> cri.PodSandboxConfig:
    return convert.sandbox_message(config, node_dns=DnsConfig(), log_root="/logs", privileged=privileged)


def test_a_sandbox_is_named_by_its_pod_and_attempt() -> None:
    made = sandbox()
    meta = made.metadata
    assert (meta.name, meta.namespace, meta.uid, meta.attempt) == ("web", "default", "u1", 2)
    assert made.log_directory == "/logs/default_web_u1"
    assert (made.labels["app"], dict(made.annotations)) == ("web", {"a": "b"})


@pytest.mark.parametrize(
    ("changes", "network", "pid", "ipc"),
    [
        ({}, cri.POD, cri.CONTAINER, cri.POD),
        ({"host_network": True}, cri.NODE, cri.CONTAINER, cri.POD),
        ({"host_pid": True}, cri.POD, cri.NODE, cri.POD),
        ({"host_ipc": True}, cri.POD, cri.CONTAINER, cri.NODE),
        ({"share_process_namespace": True}, cri.POD, cri.POD, cri.POD),
    ],
)
def test_namespaces_are_the_pods_the_containers_or_the_nodes(
    changes: dict[str, bool], network: int, pid: int, ipc: int
) -> None:
    config = replace(SANDBOX, **changes)  # type: ignore[arg-type] - flags all of them
    options = sandbox(config).linux.security_context.namespace_options
    assert (options.network, options.pid, options.ipc) == (network, pid, ipc)
    made = convert.container_message(CONTAINER, config)
    assert made.linux.security_context.namespace_options == options


def test_a_pod_without_dns_gets_the_nodes_and_never_its_file() -> None:
    assert sandbox().dns_config.options == ["ndots:1"]
    node = DnsConfig(("192.0.2.1",), ("example.org",), ("edns0",))
    made = convert.sandbox_message(SANDBOX, node_dns=node, log_root="/logs")
    assert (made.dns_config.servers, made.dns_config.searches) == (["192.0.2.1"], ["example.org"])
    own = replace(SANDBOX, dns=DnsConfig(("10.96.0.10",)))
    assert convert.sandbox_message(own, node_dns=node, log_root="/logs").dns_config.servers == ["10.96.0.10"]


def test_ports_of_the_node_are_told() -> None:
    made = sandbox(replace(SANDBOX, port_mappings=(PortMapping(80, 8080, "UDP", "127.0.0.1"),)))
    [port] = made.port_mappings
    assert (port.protocol, port.container_port, port.host_port, port.host_ip) == (
        cri.UDP,
        80,
        8080,
        "127.0.0.1",
    )


def test_a_long_name_makes_a_directory_that_a_file_system_takes() -> None:
    long = replace(SANDBOX, name="n" * 253, namespace="s" * 63, uid=Uid("u" * 36))
    name = convert.log_directory("/logs", long).removeprefix("/logs/")
    assert len(name) == 255
    assert name.endswith("_" + "u" * 36)


def test_an_image_is_mounted_in_place_of_a_path_of_the_node() -> None:
    mounts = (Mount("", "/model", readonly=True, image="sha256:m", sub_path="weights"), Mount("/host", "/in"))
    image, path = convert.container_message(replace(CONTAINER, mounts=mounts), SANDBOX).mounts
    assert (image.host_path, image.container_path, image.readonly) == ("", "/model", True)
    assert (image.image.image, image.image_sub_path) == ("sha256:m", "weights")
    assert not path.HasField("image")


def test_a_container_is_told_whole() -> None:
    config = replace(
        CONTAINER, command=("a",), args=("b",), env=(("N", "v"),), working_dir="/w", stdin=True, tty=True,
        mounts=(Mount("/host", "/in", readonly=True, propagation="Bidirectional"),),
        resources=LinuxResources(102, 25_000, 100_000, 1024, -5), stop_signal="SIGUSR1",
    )  # fmt: skip
    made = convert.container_message(config, SANDBOX)
    assert (made.metadata.name, made.metadata.attempt, made.log_path) == ("main", 3, "main/3.log")
    assert (made.image.image, made.image.user_specified_image) == ("sha256:1", "busybox")
    assert (made.command, made.args, made.working_dir, made.stdin, made.tty) == (
        ["a"],
        ["b"],
        "/w",
        True,
        True,
    )
    assert [(env.key, env.value) for env in made.envs] == [("N", "v")]
    [mount] = made.mounts
    assert (mount.host_path, mount.container_path, mount.readonly) == ("/host", "/in", True)
    assert mount.propagation == cri.PROPAGATION_BIDIRECTIONAL
    limits = made.linux.resources
    assert (limits.cpu_shares, limits.cpu_quota, limits.cpu_period, limits.oom_score_adj) == (
        102,
        25_000,
        100_000,
        -5,
    )
    assert limits.memory_limit_in_bytes == limits.memory_swap_limit_in_bytes == 1024
    assert made.stop_signal == cri.SIGUSR1


@pytest.mark.parametrize(
    ("security", "image_user", "user", "name", "group"),
    [
        (SecurityConfig(), "", None, "", None),
        (SecurityConfig(run_as_user=0), "", 0, "", None),
        (SecurityConfig(run_as_user=7, run_as_group=8), "", 7, "", 8),
        # A group alone goes with the image's user: CRI refuses it without one.
        (SecurityConfig(run_as_group=8), "", 0, "", 8),
        (SecurityConfig(run_as_group=8), "1000:1000", 1000, "", 8),
        (SecurityConfig(run_as_group=8), "nobody", None, "nobody", 8),
    ],
)
def test_users_are_numbers_or_the_images(
    security: SecurityConfig, image_user: str, user: int | None, name: str, group: int | None
) -> None:
    made = convert.container_message(replace(CONTAINER, security=security), SANDBOX, image_user=image_user)
    context = made.linux.security_context
    assert (context.run_as_user.value if context.HasField("run_as_user") else None) == user
    assert (context.run_as_group.value if context.HasField("run_as_group") else None) == group
    assert context.run_as_username == name


@pytest.mark.parametrize(
    ("security", "kind", "reference"),
    [
        (SecurityConfig(), cri.SecurityProfile.RuntimeDefault, ""),
        (SecurityConfig(seccomp_profile="Unconfined"), cri.SecurityProfile.Unconfined, ""),
        (SecurityConfig(seccomp_profile="Localhost/a.json"), cri.SecurityProfile.Localhost, "a.json"),
        (SecurityConfig(privileged=True), cri.SecurityProfile.Unconfined, ""),
    ],
)
def test_profiles_are_told_and_only_the_privileged_see_all_of_proc(
    security: SecurityConfig, kind: int, reference: str
) -> None:
    context = convert.container_message(replace(CONTAINER, security=security), SANDBOX).linux.security_context
    assert (context.seccomp.profile_type, context.seccomp.localhost_ref) == (kind, reference)
    assert ("/proc/kcore" in context.masked_paths) is not security.privileged
    assert ("/proc/sys" in context.readonly_paths) is not security.privileged


def status(**changes: object) -> cri.ContainerStatus:
    """Return the status of a container as the runtime keeps what it was told."""
    told = convert.container_message(replace(CONTAINER, stop_signal="SIGUSR1"), SANDBOX)
    return cri.ContainerStatus(
        id="c1", metadata=told.metadata, created_at=NANO, labels=told.labels, annotations=told.annotations, **changes  # type: ignore[arg-type] - fields of the message
    )  # fmt: skip


LISTED = cri.Container(id="c1", pod_sandbox_id="s1", image_ref="sha256:1")


@pytest.mark.parametrize(
    ("changes", "phase", "code", "reason"),
    [
        ({"state": cri.CONTAINER_CREATED}, ContainerPhase.CREATED, 0, ""),
        ({"state": cri.CONTAINER_RUNNING, "started_at": 2 * NANO}, ContainerPhase.RUNNING, 0, ""),
        ({"state": cri.CONTAINER_EXITED, "reason": "OOMKilled", "exit_code": 137}, ContainerPhase.EXITED, 137, "OOMKilled"),
        ({"state": cri.CONTAINER_EXITED, "exit_code": 3}, ContainerPhase.EXITED, 3, "Error"),
        ({"state": cri.CONTAINER_EXITED}, ContainerPhase.EXITED, 0, "Completed"),
        ({"state": cri.CONTAINER_UNKNOWN}, ContainerPhase.EXITED, 255, "Error"),
    ],
)  # fmt: skip
def test_a_container_is_read_back_as_it_was_told(
    changes: dict[str, object], phase: ContainerPhase, code: int, reason: str
) -> None:
    state = convert.container_state(LISTED, status(**changes))
    assert (state.phase, state.exit_code, state.reason) == (phase, code, reason)
    assert (state.pod_uid, state.name, state.attempt, state.image) == ("u1", "main", 3, "busybox")
    assert (state.labels, state.annotations) == ({"kind": "main"}, {"s": "1"})
    assert (state.finished_at > 0) is (phase is ContainerPhase.EXITED)
    assert state.finished_at >= state.started_at or phase is not ContainerPhase.EXITED


def test_a_stop_signal_is_the_kubelets_business_only_where_the_runtime_does_not_know_it() -> None:
    assert convert.own_stop_signal(status()) == "SIGUSR1"
    assert convert.own_stop_signal(status(stop_signal=cri.SIGUSR1)) == ""
    assert convert.own_stop_signal(cri.ContainerStatus()) == ""


def test_an_image_has_its_user_by_number_or_name() -> None:
    assert convert.image_state(cri.Image(id="i", uid=cri.Int64Value(value=0))).user == "0"
    assert convert.image_state(cri.Image(id="i", username="nobody", pinned=True)) == replace(
        convert.image_state(cri.Image(id="i")), user="nobody", pinned=True
    )


def test_the_network_is_the_nodes_bridge_with_the_pod_cidr() -> None:
    told = conflist(IPv4Network("10.244.3.0/24"), pool="/pool")
    bridge, ports = told["plugins"]
    assert (bridge["type"], bridge["bridge"], bridge["isGateway"], bridge["mtu"]) == (
        "bridge",
        "cni0",
        True,
        1500,
    )
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.3.0/24"}]]
    assert (bridge["ipam"]["dataDir"], ports["type"]) == ("/pool", "portmap")
    # The kubelet masquerades what leaves the cluster, as on docker nodes: twice would be once too often.
    assert not bridge.get("ipMasq")


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
