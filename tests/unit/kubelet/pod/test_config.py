"""What the runtime is told about sandboxes and containers."""

import pytest

from kubelet.containers.env import ConfigProblem
from kubelet.decide.actions import ContainerKind, StartContainer
from kubelet.pod.config import (
    NodeSettings,
    container_config,
    sandbox_config,
    security_config,
)
from kubelet.runtime.records import PortMapping, SecurityConfig
from vaina.testing.builders import make_pod

START = StartContainer("app", ContainerKind.MAIN, 2, "sha256:x", 3)
SETTINGS = NodeSettings(memory_capacity_bytes=1024**3)


def test_a_container_carries_what_a_restarted_kubelet_needs() -> None:
    made = container_config(
        make_pod(), make_pod().spec.containers[0], START, env=(), mounts=(), settings=SETTINGS
    )

    assert made.labels == {
        "io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.uid": "uid-default-web", "io.kubernetes.container.name": "app",
        "vaina.dev/container-kind": "main",
    }  # fmt: skip
    assert made.annotations["vaina.dev/backoff-step"] == "3"
    assert made.annotations["io.kubernetes.pod.terminationGracePeriod"] == "30"
    assert made.attempt == 2


def test_command_and_arguments_see_the_environment() -> None:
    pod = make_pod()
    container = pod.spec.containers[0]
    container.command.extend(["run", "$(NAME)"])
    container.args.append("$$(NAME)")

    made = container_config(pod, container, START, env=(("NAME", "me"),), mounts=(), settings=SETTINGS)

    assert (made.command, made.args) == (("run", "me"), ("$(NAME)",))


def test_host_ports_belong_to_the_sandbox_unless_it_has_the_hosts_network() -> None:
    pod = make_pod()
    pod.spec.containers[0].ports.add(container_port=80, host_port=8080)
    pod.spec.containers[0].ports.add(container_port=81)
    assert sandbox_config(pod, 0, SETTINGS).port_mappings == (PortMapping(80, 8080, "TCP", ""),)

    pod.spec.host_network = True

    made = sandbox_config(pod, 0, SETTINGS)
    assert (made.port_mappings, made.host_network, made.hostname) == ((), True, "")


def test_a_containers_own_rights_go_before_the_pods() -> None:
    pod = make_pod()
    whole, own = pod.spec.security_context, pod.spec.containers[0].security_context
    whole.run_as_user, whole.run_as_group, whole.fs_group = 1000, 1000, 2000
    whole.supplemental_groups.append(3000)
    own.run_as_user = 0
    own.privileged = True
    own.capabilities.add.append("NET_ADMIN")
    own.allow_privilege_escalation = False
    own.seccomp_profile.type = "Localhost"
    own.seccomp_profile.localhost_profile = "a.json"

    assert security_config(pod, pod.spec.containers[0], NodeSettings(), "") == SecurityConfig(
        privileged=True, add_capabilities=("NET_ADMIN",), run_as_user=0, run_as_group=1000,
        supplemental_groups=(3000, 2000), no_new_privs=True, seccomp_profile="Localhost/a.json",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("user", "image_user", "words"),
    [
        (0, "", "container's runAsUser breaks non-root policy"),
        (None, "", "container has runAsNonRoot and image will run as root"),
        (None, "0:0", "container has runAsNonRoot and image will run as root"),
        (None, "www", "image has non-numeric user (www), cannot verify user is non-root"),
        (1000, "", None),
        (None, "1000", None),
    ],
)
def test_what_must_not_be_root(user: int | None, image_user: str, words: str | None) -> None:
    pod = make_pod()
    pod.spec.security_context.run_as_non_root = True
    if user is not None:
        pod.spec.containers[0].security_context.run_as_user = user
    if words is None:
        security_config(pod, pod.spec.containers[0], NodeSettings(), image_user)
        return

    with pytest.raises(ConfigProblem) as refused:
        security_config(pod, pod.spec.containers[0], NodeSettings(), image_user)

    assert words in str(refused.value)


def test_a_group_stands_beside_the_images_user_where_no_other_is_named() -> None:
    pod = make_pod()
    pod.spec.security_context.run_as_group = 3000

    def rights(image_user: str) -> SecurityConfig:
        return security_config(pod, pod.spec.containers[0], NodeSettings(), image_user)

    assert (rights("").run_as_user, rights("").run_as_group) == (0, 3000)
    assert rights("1000:1000").run_as_user == 1000
    assert (rights("nobody").run_as_user, rights("nobody").run_as_username) == (None, "nobody")


@pytest.mark.parametrize(("default", "profile"), [(False, "Unconfined"), (True, "RuntimeDefault")])
def test_no_seccomp_profile_is_none_unless_the_node_has_a_default(default: bool, profile: str) -> None:
    pod = make_pod()
    made = security_config(pod, pod.spec.containers[0], NodeSettings(seccomp_default=default), "")
    assert made.seccomp_profile == profile


def test_proc_may_be_shown_whole() -> None:
    pod = make_pod()
    pod.spec.containers[0].security_context.proc_mount = "Unmasked"
    assert security_config(pod, pod.spec.containers[0], NodeSettings(), "").unmasked_proc
