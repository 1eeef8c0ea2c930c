"""Rights, ports and logs as the engine is asked for them."""

from typing import Any

import pytest

from kubelet.network.plan import HostPort
from kubelet.runtime.docker import convert
from kubelet.runtime.records import (
    ContainerConfig,
    LogLimits,
    PortMapping,
    SandboxConfig,
    SecurityConfig,
    Uid,
)

SANDBOX = SandboxConfig(name="web", namespace="shop", uid=Uid("u-1"), attempt=0, hostname="web")


def body(security: SecurityConfig, **more: Any) -> dict[str, Any]:
    config = ContainerConfig(name="app", attempt=0, image_id="sha256:1", image="busybox:1", security=security)
    return convert.container_body("box", SANDBOX, config, least_oom_score_adj=0, **more)


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
    plain = convert.sandbox_body(SANDBOX, "10.244.1.8")["Labels"]

    assert convert.host_ports([
        {"State": "running", "Labels": labels}, {"State": "exited", "Labels": labels},
        {"State": "running", "Labels": plain},
    ]) == (
        HostPort(PortMapping(80, 8080), "10.244.1.7"),
        HostPort(PortMapping(53, 5353, "UDP", "127.0.0.1"), "10.244.1.7"),
    )  # fmt: skip
