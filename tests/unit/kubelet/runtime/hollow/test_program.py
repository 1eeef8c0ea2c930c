"""Commands of hollow containers."""

import pytest

from kubelet.runtime.hollow.program import FOREVER, Program, read_program


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
