"""The fields of a container mean what they mean everywhere: images, command, environment, working directory."""

import pytest

from tests.support.manifests import config_map, container, pod, secret
from tests.support.workspace import Workspace, phase, status_of

pytestmark = [pytest.mark.both_runtimes, pytest.mark.beside_others]


@pytest.mark.requirement("B17")
def test_command_arguments_and_working_directory(space: Workspace) -> None:
    space.apply(
        pod(
            "spoken",
            {
                "name": "main",
                "image": "busybox",
                "command": ["sh", "-c", 'echo "$0 $1 $(pwd)"'],
                "args": ["one", "$(NAME) $$(NAME) $(NONE)"],
                "env": [{"name": "NAME", "value": "two"}],
                "workingDir": "/var/www",
            },
            restartPolicy="Never",
        )
    )
    ended = space.wait("spoken", phase("Succeeded", "Failed"), "has ended")
    assert (ended.status.phase, space.logs("spoken")) == ("Succeeded", "one two $(NAME) $(NONE) /var/www\n")
    assert ended.spec.containers[0].image_pull_policy == "Always"


@pytest.mark.requirement("B17")
def test_environment_comes_from_values_the_pod_config_maps_and_secrets(space: Workspace) -> None:
    space.apply(config_map("settings", COLOUR="green", SIZE="9"), secret("keys", TOKEN="s3cret"))

    def field(path: str) -> dict[str, object]:
        return {"valueFrom": {"fieldRef": {"fieldPath": path}}}

    env = [
        {"name": "PLAIN", "value": "yes"},
        {"name": "NESTED", "value": "$(PLAIN)!"},
        {"name": "POD", **field("metadata.name")},
        {"name": "ADDRESS", **field("status.podIP")},
        {"name": "NODE", **field("spec.nodeName")},
        {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOUR"}}},
        {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x", "optional": True}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "TOKEN"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
    ]
    described = container(
        env=env,
        envFrom=[{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}, "prefix": "K_"}],
        resources={"limits": {"cpu": "200m"}},
    )
    [one] = space.start(pod("told", described))
    seen = dict(line.split("=", 1) for line in space.shell("told", "env").splitlines() if "=" in line)
    wanted = {
        "PLAIN": "yes", "NESTED": "yes!", "POD": "told", "ADDRESS": one.status.pod_ip, "NODE": one.spec.node_name,
        "ONE": "green", "SECRET": "s3cret", "CPU": "200", "COLOUR": "green", "SIZE": "9", "K_TOKEN": "s3cret",
    }  # fmt: skip
    assert {name: seen.get(name) for name in wanted} == wanted
    assert "MAYBE" not in seen


@pytest.mark.requirement("B17")
def test_pull_policies_and_what_is_said_of_an_image_that_is_nowhere(space: Workspace) -> None:
    nowhere = "no-such-image-anywhere:never"
    space.apply(
        pod("pulled", {"name": "main", "image": "busybox", "command": ["sleep", "3600"]}),
        pod("missing", container(image=nowhere, imagePullPolicy="IfNotPresent")),
        pod("never", container(image=nowhere, imagePullPolicy="Never")),
    )
    failing = space.wait(
        "missing", lambda p: status_of(p).state.waiting.reason == "ImagePullBackOff", "backs off its pulls"
    )
    assert f'Back-off pulling image "{nowhere}"' in status_of(failing).state.waiting.message
    assert failing.status.phase == "Pending"
    said = space.event("missing", "Failed")
    assert said.message.startswith((f'Failed to pull image "{nowhere}"', "Error: ErrImagePull"))
    refused = space.wait(
        "never", lambda p: status_of(p).state.waiting.reason == "ErrImageNeverPull", "is not pulled"
    )
    assert "not present with pull policy of Never" in status_of(refused).state.waiting.message
    space.ready("pulled")
    assert space.event("pulled", "Pulled").message.startswith('Successfully pulled image "busybox"')
    assert [event.message for event in space.events("pulled", "Started")] == ["Started container main"]


@pytest.mark.requirement("B17")
def test_command_that_is_not_there_is_an_error_of_the_container(space: Workspace) -> None:
    space.apply(pod("absent", container(command=["/no/such/program"]), restartPolicy="Never"))
    failed = space.wait("absent", phase("Failed"), "has failed")
    end = status_of(failed).state.terminated
    assert (end.reason, end.exit_code) == ("StartError", 128)
    assert "/no/such/program" in end.message
