"""`create job`, `create cronjob`, and how Jobs are shown."""

from collections.abc import Iterator

import pytest

from tests.support.command import CommandLine


@pytest.fixture
def vaina() -> Iterator[CommandLine]:
    return CommandLine()


def test_create_job_makes_one_that_runs_a_command_once(vaina: CommandLine) -> None:
    made = vaina.run("create", "job", "hello", "--image", "busybox", "--", "echo", "hi")
    assert (made.code, made.out) == (0, "job.batch/hello created\n")
    job = vaina.do(lambda clients: clients.jobs.get("hello", "default"))
    [container] = job.spec.template.spec.containers
    assert (container.name, container.image, list(container.command)) == ("hello", "busybox", ["echo", "hi"])
    assert job.spec.template.spec.restart_policy == "Never"
    line = vaina.run("get", "jobs").out.splitlines()[1].split()
    assert line[:3] == ["hello", "Running", "0/1"]
    assert "Completions:      1\n" in vaina.run("describe", "job", "hello").out


def test_create_cronjob_and_a_job_from_it(vaina: CommandLine) -> None:
    arguments = ("create", "cronjob", "tick", "--image", "busybox", "--schedule", "*/5 * * * *", "--", "date")
    assert vaina.run(*arguments).out == "cronjob.batch/tick created\n"
    assert (
        vaina.run("get", "cj")
        .out.splitlines()[1]
        .startswith("tick   */5 * * * *   <none>     False     0        <none>")
    )
    assert vaina.run("create", "job", "now", "--from=cronjob/tick").out == "job.batch/now created\n"
    job = vaina.do(lambda clients: clients.jobs.get("now", "default"))
    assert job.metadata.annotations["cronjob.kubernetes.io/instantiate"] == "manual"
    [owner] = job.metadata.owner_references
    assert (owner.kind, owner.name, owner.controller) == ("CronJob", "tick", True)
    assert job.spec.template.spec.restart_policy == "OnFailure"
    assert list(job.spec.template.spec.containers[0].command) == ["date"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "either --image or --from must be specified"),
        (("--image", "a", "--from", "cronjob/b"), "either --image or --from must be specified"),
        (("--from", "cronjob/b", "--", "date"), "cannot specify --from and command"),
        (("--from", "pod/b"), "from must be an existing cronjob"),
        (("--from", "all"), "from must be an existing cronjob"),
    ],
)
def test_what_create_job_cannot_make(vaina: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    answer = vaina.run("create", "job", "x", *arguments)
    assert (answer.code, answer.err) == (1, f"error: {words}\n")


def test_what_is_only_tried_is_shown(vaina: CommandLine) -> None:
    shown = vaina.run("create", "job", "x", "--image", "a", "--dry-run=client", "-o", "yaml").out
    assert "kind: Job\n" in shown
    assert "restartPolicy: Never\n" in shown
    assert vaina.run("get", "jobs").err == "No resources found in default namespace.\n"
