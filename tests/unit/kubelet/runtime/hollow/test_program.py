"""What hollow containers do, and how long stages of a hollow node take."""

import pytest

from kubelet.runtime.hollow.program import FOREVER, Delay, Program, parse_stages, read_program


@pytest.mark.parametrize(
    ("argv", "want"),
    [
        ([], Program()),
        (["nginx"], Program()),
        (["true"], Program(runs_seconds=0)),
        (["false"], Program(runs_seconds=0, exit_code=1)),
        (["sleep", "5"], Program(runs_seconds=5)),
        (["sleep", "infinity"], Program()),
        (["echo", "a", "b"], Program(writes=((0.0, b"a b\n"),), runs_seconds=0)),
        (["cat"], Program(copies_input=True)),
        (["nosuchcommand"], Program(missing=True)),
        (["sh", "-c", "exit 3"], Program(runs_seconds=0, exit_code=3)),
        (
            ["sh", "-c", "echo a; sleep 2; echo b && false"],
            Program(writes=((0.0, b"a\n"), (2.0, b"b\n")), runs_seconds=2, exit_code=1),
        ),
        (["sh", "-c", "trap '' TERM; sleep 9"], Program(runs_seconds=9, ignores_term=True)),
    ],
)
def test_read_program(argv: list[str], want: Program) -> None:
    assert read_program(argv) == want


def test_what_is_not_known_runs_for_ever() -> None:
    assert read_program(["sh", "-c", "echo a; serve"]).runs_seconds == FOREVER


def test_stages_that_are_named_take_time() -> None:
    stages = parse_stages(["run_sandbox=0.1-0.5", "start_container=2"])
    assert (stages.run_sandbox, stages.start_container, stages.create_container) == (
        Delay(0.1, 0.5),
        Delay(2, 2),
        Delay(),
    )
    assert stages.images == ("*",)


def test_images_that_take_time_are_not_there_from_the_beginning() -> None:
    assert parse_stages(["pull_image=1-3"]).images == ()


@pytest.mark.parametrize(
    ("item", "error"),
    [
        ("sleep=1", '"sleep" is no stage \\(there are run_sandbox'),
        ("run_sandbox", "a delay is 0.5 or 0.1-0.5"),
        ("run_sandbox=", "a delay is 0.5 or 0.1-0.5"),
        ("run_sandbox=a", "a delay is 0.5 or 0.1-0.5"),
        ("run_sandbox=2-1", "a delay is 0.5 or 0.1-0.5"),
        ("run_sandbox=1-inf", "a delay is 0.5 or 0.1-0.5"),
    ],
)
def test_tables_that_cannot_be_read(item: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_stages([item])
