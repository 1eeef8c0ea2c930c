"""`vaina rollout` of StatefulSets and DaemonSets: status, history, undo, restart, in kubectl's words."""

import pytest

from cli.failures import Failure
from cli.printers.rollout import daemon_set_progress, stateful_set_progress
from tests.support.command import CommandLine
from vaina.api.apps.v1 import controller_revision_pb2, daemon_set_pb2, stateful_set_pb2
from vaina.client.clientset import Clientset
from vaina.objects.meta import new_controller_ref
from vaina.objects.rollouts import template_data


def stateful_set(replicas: int = 3, *, partition: int = 0, **status: object) -> stateful_set_pb2.StatefulSet:
    made = stateful_set_pb2.StatefulSet()
    made.metadata.name, made.metadata.generation = "db", 2
    made.spec.replicas, made.spec.update_strategy.type = replicas, "RollingUpdate"
    made.spec.update_strategy.rolling_update.partition = partition
    made.status.observed_generation, made.status.update_revision, made.status.current_revision = (
        2,
        "db-2",
        "db-2",
    )
    for name, value in status.items():
        setattr(made.status, name, value)
    return made


@pytest.mark.parametrize(
    ("found", "text", "done"),
    [
        (stateful_set(observed_generation=1), "Waiting for statefulset spec update to be observed...", False),
        (stateful_set(ready_replicas=1), "Waiting for 2 pods to be ready...", False),
        (
            stateful_set(ready_replicas=3, updated_replicas=1, current_revision="db-1"),
            "waiting for statefulset rolling update to complete 1 pods at revision db-2...", False,
        ),
        (
            stateful_set(ready_replicas=3, current_replicas=3),
            "statefulset rolling update complete 3 pods at revision db-2...", True,
        ),
        (
            stateful_set(partition=1, ready_replicas=3, updated_replicas=1),
            "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...", False,
        ),
        (
            stateful_set(partition=1, ready_replicas=3, updated_replicas=2),
            "partitioned roll out complete: 2 new pods have been updated...", True,
        ),
    ],
)  # fmt: skip
def test_how_far_a_stateful_set_is(found: stateful_set_pb2.StatefulSet, text: str, done: bool) -> None:
    progress = stateful_set_progress(found)
    assert (progress.text, progress.done) == (text, done)


def daemon_set(**status: int) -> daemon_set_pb2.DaemonSet:
    made = daemon_set_pb2.DaemonSet()
    made.metadata.name, made.metadata.generation = "log", 2
    made.spec.update_strategy.type = "RollingUpdate"
    made.status.observed_generation, made.status.desired_number_scheduled = 2, 3
    for name, value in status.items():
        setattr(made.status, name, value)
    return made


@pytest.mark.parametrize(
    ("found", "text", "done"),
    [
        (daemon_set(observed_generation=1), "Waiting for daemon set spec update to be observed...", False),
        (
            daemon_set(updated_number_scheduled=1),
            'Waiting for daemon set "log" rollout to finish: 1 out of 3 new pods have been updated...', False,
        ),
        (
            daemon_set(updated_number_scheduled=3, number_available=2),
            'Waiting for daemon set "log" rollout to finish: 2 of 3 updated pods are available...', False,
        ),
        (
            daemon_set(updated_number_scheduled=3, number_available=3),
            'daemon set "log" successfully rolled out', True,
        ),
    ],
)  # fmt: skip
def test_how_far_a_daemon_set_is(found: daemon_set_pb2.DaemonSet, text: str, done: bool) -> None:
    progress = daemon_set_progress(found)
    assert (progress.text, progress.done) == (text, done)


def test_what_waits_for_somebody_has_no_progress() -> None:
    waiting = daemon_set()
    waiting.spec.update_strategy.type = "OnDelete"
    with pytest.raises(Failure, match="only available for RollingUpdate strategy type"):
        daemon_set_progress(waiting)


@pytest.fixture
def command() -> CommandLine:
    """A DaemonSet that has had two templates."""
    made = CommandLine()

    async def fill(clients: Clientset) -> None:
        wanted = daemon_set_pb2.DaemonSet()
        wanted.metadata.name, wanted.metadata.namespace = "log", "default"
        wanted.spec.selector.match_labels["app"] = "log"
        wanted.spec.template.metadata.labels["app"] = "log"
        wanted.spec.template.spec.containers.add(name="app", image="busybox:1")
        found = await clients.daemon_sets.create(wanted)
        reference = new_controller_ref(found, "apps/v1", "DaemonSet")
        for number in (1, 2):
            found.spec.template.spec.containers[0].image = f"busybox:{number}"
            revision = controller_revision_pb2.ControllerRevision(revision=number)
            revision.metadata.name, revision.metadata.namespace = f"log-{number}", "default"
            revision.metadata.owner_references.append(reference)
            revision.data.raw = template_data(found.spec.template)
            await clients.controller_revisions.create(revision)
        await clients.daemon_sets.update(found)

    made.do(fill)
    return made


def image(command: CommandLine) -> str:
    async def read(clients: Clientset) -> str:
        return (await clients.daemon_sets.get("log", "default")).spec.template.spec.containers[0].image

    return command.do(read)


def test_history_tells_the_revisions_and_their_templates(command: CommandLine) -> None:
    said = command.run("rollout", "history", "ds/log").out
    assert [line.split() for line in said.splitlines() if line[:1].isdigit()] == [
        ["1", "<none>"],
        ["2", "<none>"],
    ]
    assert "busybox:1" in command.run("rollout", "history", "ds/log", "--revision", "1").out


def test_undo_goes_back_one_revision(command: CommandLine) -> None:
    assert command.run("rollout", "undo", "ds/log").out == "daemonset.apps/log rolled back\n"
    assert image(command) == "busybox:1"
    said = command.run("rollout", "undo", "daemonset/log", "--to-revision", "1").out
    assert "skipped rollback (current template already matches revision 1)" in said


def test_restart_changes_the_template_alone(command: CommandLine) -> None:
    assert command.run("rollout", "restart", "ds", "log").out == "daemonset.apps/log restarted\n"

    async def annotations(clients: Clientset) -> dict[str, str]:
        return dict((await clients.daemon_sets.get("log", "default")).spec.template.metadata.annotations)

    assert "kubectl.kubernetes.io/restartedAt" in command.do(annotations)


def test_only_deployments_can_be_paused(command: CommandLine) -> None:
    assert "no rollouts of daemonsets.apps" in command.run("rollout", "pause", "ds/log").err
