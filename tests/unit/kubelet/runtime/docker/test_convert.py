"""Records as bodies of Engine API calls, and back."""

from dataclasses import replace
from typing import Any

import pytest

from kubelet.network.plan import HostPort
from kubelet.runtime.docker import convert
from kubelet.runtime.docker.convert import container_body, sandbox_body
from kubelet.runtime.records import (
    ContainerConfig,
    ContainerPhase,
    LinuxResources,
    LogLimits,
    Mount,
    PortMapping,
    SandboxConfig,
    SecurityConfig,
    Uid,
)

SANDBOX = SandboxConfig(
    name="web", namespace="shop", uid=Uid("u-1"), attempt=2, hostname="web", labels={"tier": "x"}
)
APP = ContainerConfig(name="app", attempt=1, image_id="sha256:1", image="busybox:1")


def container(config: ContainerConfig, sandbox: SandboxConfig = SANDBOX) -> dict[str, Any]:
    return convert.container_body("box", sandbox, config, least_oom_score_adj=0)


def test_names_are_one_for_each_attempt_so_that_creating_twice_is_creating_once() -> None:
    assert convert.sandbox_name(SANDBOX) == "k8s_POD_web_shop_u-1_2"
    assert convert.container_name(SANDBOX, APP) == "k8s_app_web_shop_u-1_1"


def test_a_sandbox_has_a_network_namespace_of_its_own_and_the_pods_name() -> None:
    body = convert.sandbox_body(SANDBOX, "10.244.1.7")
    assert body["HostConfig"]["NetworkMode"] == "none"
    assert body["Hostname"] == "web"
    assert body["HostConfig"]["ExtraHosts"] == ["web:10.244.1.7"]
    assert body["Labels"]["vaina.dev/pod-ip"] == "10.244.1.7"


def test_containers_join_the_sandboxs_namespaces() -> None:
    host = container(APP)["HostConfig"]
    assert (host["NetworkMode"], host["IpcMode"], host.get("PidMode")) == (
        "container:box",
        "container:box",
        None,
    )


@pytest.mark.parametrize(
    ("sandbox", "want"),
    [
        pytest.param(SandboxConfig("a", "b", Uid("c"), 0, "a", share_process_namespace=True), "container:box", id="a shared process namespace is the sandbox's"),
        pytest.param(SandboxConfig("a", "b", Uid("c"), 0, "a", host_pid=True), "host", id="hostPID is the node's"),
    ],
)  # fmt: skip
def test_process_namespaces(sandbox: SandboxConfig, want: str) -> None:
    assert container(APP, sandbox)["HostConfig"]["PidMode"] == want


@pytest.mark.parametrize("shared", [False, True])
def test_a_debug_container_joins_its_targets_processes_whatever_the_pod_shares(shared: bool) -> None:
    config = ContainerConfig("shell", 0, "sha256:1", "busybox:1", target_container_id="app-0")
    sandbox = SandboxConfig("a", "b", Uid("c"), 0, "a", share_process_namespace=shared)
    assert container(config, sandbox)["HostConfig"]["PidMode"] == "container:app-0"


def test_what_the_pod_does_not_say_is_left_to_the_image() -> None:
    body = container(APP)
    assert not {"Entrypoint", "Cmd", "WorkingDir", "StopSignal"} & set(body)
    assert body["User"] == ""


def test_limits_mounts_and_rights_reach_the_engine() -> None:
    config = ContainerConfig(
        name="app", attempt=0, image_id="i", image="i", command=("sh",), args=("-c", "true"), env=(("A", "1"), ("B", "")),
        mounts=(Mount("/var/x", "/x", readonly=True, propagation="HostToContainer"),),
        resources=LinuxResources(cpu_shares=102, cpu_quota_micros=50_000, cpu_period_micros=100_000, memory_limit_bytes=64 << 20, oom_score_adj=900),
        security=SecurityConfig(run_as_user=1000, run_as_group=2000, supplemental_groups=(7,), add_capabilities=("NET_ADMIN",),
                                readonly_rootfs=True, no_new_privs=True, seccomp_profile="Unconfined"),
    )  # fmt: skip
    body = container(config)
    host = body["HostConfig"]
    assert (body["Entrypoint"], body["Cmd"], body["Env"], body["User"]) == (
        ["sh"],
        ["-c", "true"],
        ["A=1", "B="],
        "1000:2000",
    )
    assert (host["CpuShares"], host["CpuQuota"], host["CpuPeriod"]) == (102, 50_000, 100_000)
    assert host["Memory"] == host["MemorySwap"] == 64 << 20
    assert host["OomScoreAdj"] == 900
    assert host["Mounts"] == [
        {
            "Type": "bind",
            "Source": "/var/x",
            "Target": "/x",
            "ReadOnly": True,
            "BindOptions": {"Propagation": "rslave", "ReadOnlyNonRecursive": True},
        }
    ]
    assert host["SecurityOpt"] == ["no-new-privileges", "seccomp=unconfined"]
    assert (host["CapAdd"], host["GroupAdd"], host["ReadonlyRootfs"]) == (["NET_ADMIN"], ["7"], True)


@pytest.mark.parametrize(
    ("propagation", "options"),
    [
        ("None", {}),
        ("HostToContainer", {"Propagation": "rslave"}),
        ("Bidirectional", {"Propagation": "rshared"}),
    ],
)
def test_how_mounts_spread_is_left_to_the_engine_where_the_pod_does_not_say(
    propagation: str, options: dict[str, str]
) -> None:
    config = ContainerConfig("a", 0, "i", "i", mounts=(Mount("/", "/host", propagation=propagation),))
    [mount] = container(config)["HostConfig"]["Mounts"]
    assert mount["BindOptions"] == options


def test_a_machine_that_may_not_lower_the_oom_score_is_not_asked_to() -> None:
    guaranteed = ContainerConfig("a", 0, "i", "i", resources=LinuxResources(oom_score_adj=-997))
    assert container(guaranteed)["HostConfig"]["OomScoreAdj"] == 0


def inspected(**state: Any) -> dict[str, Any]:
    labels = convert.container_body("box", SANDBOX, APP, least_oom_score_adj=0)["Labels"]
    return {
        "Id": "c1", "Created": "2026-11-21T06:00:01.5Z", "Image": "sha256:1", "Config": {"Labels": labels},
        "State": {"Error": "", "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z", **state},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "want"),
    [
        pytest.param({"Status": "created"}, (ContainerPhase.CREATED, "", 0), id="made and never started"),
        pytest.param({"Status": "running"}, (ContainerPhase.RUNNING, "", 0), id="running"),
        pytest.param({"Status": "exited"}, (ContainerPhase.EXITED, "Completed", 0), id="ended well"),
        pytest.param({"Status": "exited", "ExitCode": 3}, (ContainerPhase.EXITED, "Error", 3), id="ended with a code"),
        pytest.param({"Status": "exited", "ExitCode": 137, "OOMKilled": True}, (ContainerPhase.EXITED, "OOMKilled", 137), id="killed for its memory"),
        pytest.param({"Status": "created", "ExitCode": 127, "Error": "no such file"}, (ContainerPhase.EXITED, "StartError", 128), id="a failed start stays created in the engine"),
        pytest.param({"Status": "created", "ExitCode": 128, "Error": "context canceled"}, (ContainerPhase.CREATED, "", 0), id="a start that was cut off has not been"),
        pytest.param({"Status": "exited", "ExitCode": 0, "Error": "context canceled"}, (ContainerPhase.EXITED, "Completed", 0), id="what has run has run, whatever became of its caller"),
        pytest.param({"Status": "dead", "ExitCode": 255}, (ContainerPhase.EXITED, "Error", 255), id="dead"),
    ],
)  # fmt: skip
def test_phases(state: dict[str, Any], want: tuple[ContainerPhase, str, int]) -> None:
    found = convert.container_state(inspected(**state))
    assert (found.phase, found.reason, found.exit_code) == want


def test_labels_and_annotations_come_back_exactly_as_they_were_given() -> None:
    sandbox = SandboxConfig(
        "a", "b", Uid("c"), 3, "a", labels={"vaina.dev/type": "mine"}, annotations={"x": ""}
    )
    body = convert.sandbox_body(sandbox, "10.0.0.2")
    listed = {"Id": "s", "State": "running", "Created": 7, "Labels": body["Labels"]}
    state = convert.sandbox_state(listed, networked=True)
    assert (state.labels, state.annotations) == ({"vaina.dev/type": "mine"}, {"x": ""})
    assert (state.uid, state.attempt, state.ip, state.ready) == ("c", 3, "10.0.0.2", True)


def test_a_sandbox_without_its_network_is_not_ready() -> None:
    body = convert.sandbox_body(SANDBOX, "10.0.0.2")
    listed = {"Id": "s", "State": "running", "Created": 7, "Labels": body["Labels"]}
    assert not convert.sandbox_state(listed, networked=False).ready


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0001-01-01T00:00:00Z", 0.0),
        ("", 0.0),
        ("1970-01-01T00:00:10.25Z", 10.25),
        ("1970-01-01T00:00:10Z", 10.0),
        # Go leaves out zeros at the end: any number of digits may come.
        ("1970-01-01T00:00:10.25000001Z", 10.25),
        ("1970-01-01T00:00:10.250000001Z", 10.25),
    ],
)
def test_times(text: str, want: float) -> None:
    assert convert.seconds_of(text) == want


def test_a_container_that_ends_at_once_never_ends_before_it_started() -> None:
    state = inspected(
        Status="exited", StartedAt="2026-11-21T06:00:02.5Z", FinishedAt="2026-11-21T06:00:02.4Z"
    )
    found = convert.container_state(state)
    assert found.finished_at == found.started_at > 0


def test_an_ended_sandbox_gives_its_address_back_unless_somebody_in_it_still_runs() -> None:
    def listed(number: int, state: str) -> dict[str, Any]:
        labels = convert.sandbox_body(SANDBOX, f"10.244.1.{number}")["Labels"]
        return {"Id": f"s{number}", "State": state, "Created": 7, "Labels": labels}

    sandboxes = [listed(2, "running"), listed(3, "exited"), listed(4, "exited"), listed(5, "created")]
    survivor = {"Id": "c", "State": "running", "Labels": {convert.SANDBOX_ID: "s4"}}
    assert convert.addresses_held(sandboxes, [survivor]) == ["10.244.1.2", "10.244.1.4", "10.244.1.5"]
    assert convert.sandbox_state(sandboxes[1], networked=True).ip == ""


@pytest.mark.parametrize(
    ("api", "kernel", "can"),
    [
        ("1.45", "6.18.44-fc", True),
        ("1.44", "5.12", True),
        ("1.43", "6.1.0", False),
        ("1.45", "5.11.9", False),
        ("2.0", "10.1", True),
        ("", "6.1", False),
        ("1.45", "odd", False),
    ],
)
def test_an_engine_says_whether_it_mounts_read_only_with_all_below(api: str, kernel: str, can: bool) -> None:
    assert convert.can_mount_recursively({"ApiVersion": api, "KernelVersion": kernel}) is can


@pytest.mark.parametrize("deep", [False, True])
def test_what_is_mounted_below_is_read_only_where_that_is_asked_for(deep: bool) -> None:
    mount = Mount("/var/x", "/x", readonly=True, recursive_readonly=deep)
    body = container(ContainerConfig("a", 0, "i", "i", mounts=(mount,)))
    [made] = body["HostConfig"]["Mounts"]
    # Said either way: what an engine takes for granted has changed with API 1.44.
    assert made["BindOptions"].get("ReadOnlyForceRecursive", False) is deep
    assert made["BindOptions"].get("ReadOnlyNonRecursive", False) is not deep
    assert convert.is_recursive(body) is deep


PLAIN_SANDBOX = SandboxConfig(name="web", namespace="shop", uid=Uid("u-1"), attempt=0, hostname="web")


def body(security: SecurityConfig, **more: Any) -> dict[str, Any]:
    config = ContainerConfig(name="app", attempt=0, image_id="sha256:1", image="busybox:1", security=security)
    return convert.container_body("box", PLAIN_SANDBOX, config, least_oom_score_adj=0, **more)


@pytest.mark.requirement("B4")
@pytest.mark.parametrize(
    ("security", "user"),
    [
        (SecurityConfig(), ""),
        (SecurityConfig(run_as_user=1000), "1000"),
        (SecurityConfig(run_as_user=0, run_as_group=3000), "0:3000"),
        (SecurityConfig(run_as_username="nobody", run_as_group=3000), "nobody:3000"),
        (SecurityConfig(run_as_group=3000), "0:3000"),
    ],
)
def test_who_a_container_runs_as(security: SecurityConfig, user: str) -> None:
    assert body(security)["User"] == user


@pytest.mark.requirement("B4")
@pytest.mark.parametrize(
    ("security", "options"),
    [
        (SecurityConfig(), []),
        (SecurityConfig(seccomp_profile="RuntimeDefault", apparmor_profile="RuntimeDefault"), []),
        (SecurityConfig(seccomp_profile="Unconfined"), ["seccomp=unconfined"]),
        (SecurityConfig(seccomp_profile="Localhost/a.json"), ['seccomp={"a": 1}']),
        (SecurityConfig(apparmor_profile="Unconfined"), ["apparmor=unconfined"]),
        (SecurityConfig(apparmor_profile="Localhost/mine"), ["apparmor=mine"]),
        (SecurityConfig(no_new_privs=True), ["no-new-privileges"]),
    ],
)
def test_profiles_are_given_as_the_engine_takes_them(security: SecurityConfig, options: list[str]) -> None:
    text = '{"a": 1}' if convert.localhost_profile(security) == "a.json" else ""
    assert body(security, seccomp=text)["HostConfig"]["SecurityOpt"] == options


def test_proc_is_whole_only_for_those_who_asked() -> None:
    shown = body(SecurityConfig(unmasked_proc=True))["HostConfig"]
    assert (shown["MaskedPaths"], shown["ReadonlyPaths"]) == ([], [])
    assert "MaskedPaths" not in body(SecurityConfig())["HostConfig"]


def test_a_log_is_kept_as_the_node_says() -> None:
    limits = LogLimits(max_bytes=1000, max_files=2)
    assert body(SecurityConfig(), logs=limits)["HostConfig"]["LogConfig"] == {
        "Type": "json-file", "Config": {"max-size": "1000", "max-file": "2"},
    }  # fmt: skip


def test_ports_of_the_node_are_remembered_with_the_sandbox_and_free_when_it_has_ended() -> None:
    config = SandboxConfig(
        name="web", namespace="shop", uid=Uid("u-1"), attempt=0, hostname="web",
        port_mappings=(PortMapping(80, 8080), PortMapping(53, 5353, "UDP", "127.0.0.1")),
    )  # fmt: skip
    labels = convert.sandbox_body(config, "10.244.1.7")["Labels"]
    plain = convert.sandbox_body(PLAIN_SANDBOX, "10.244.1.8")["Labels"]

    assert convert.host_ports([
        {"State": "running", "Labels": labels}, {"State": "exited", "Labels": labels},
        {"State": "running", "Labels": plain},
    ]) == (
        HostPort(PortMapping(80, 8080), "10.244.1.7"),
        HostPort(PortMapping(53, 5353, "UDP", "127.0.0.1"), "10.244.1.7"),
    )  # fmt: skip


def _runtimes(handler: str) -> list[object]:
    sandbox = replace(PLAIN_SANDBOX, runtime_handler=handler)
    container = container_body(
        "s-1",
        sandbox,
        ContainerConfig(name="app", attempt=0, image_id="sha256:1", image="i"),
        least_oom_score_adj=-1000,
    )
    return [body["HostConfig"].get("Runtime") for body in (sandbox_body(sandbox, ""), container)]


def test_the_handler_is_the_engines_runtime() -> None:
    assert _runtimes("runsc") == ["runsc", "runsc"]


def test_without_a_handler_the_engine_takes_its_default() -> None:
    assert _runtimes("") == [None, None]
