"""`vaina learn`: what is shown of a lesson, and what is done of it."""

import io
import os
import sys
from pathlib import Path

import pytest

from cli.app import invoke
from cli.failures import Exit
from cli.learning.tutor import Tutor
from cli.shell import Shell
from cli.surroundings import INTERRUPTED
from tests.support.cluster import ROOT
from tests.support.command import CommandLine, text_of
from vaina.clock import SystemClock
from vaina.lessons.parse import parse
from vaina.texts import language_of

LESSON = parse(
    """---
row: A1
documents: 002
runs: quick
needs: kubectl checkout
---
# A title

## What the document says
A **Pod** is a `thing`.

## Try it
```sh
NAME=ada
```
```sh
echo hello $NAME; echo $NAME >>seen; cat seen
```
```output
hello ada
...
```

## What you see
```sh fails
ls /nowhere
```

## Why it is so
Because.

## What to break next
- This.

## Tidy up
```sh
rm seen
```
""",
    "en",
)


class Typing(io.BytesIO):
    """What a learner types; a line `^C` is the keys Ctrl and C."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line == b"^C\n":
            raise KeyboardInterrupt
        return line


@pytest.fixture(autouse=True)
def _where(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def shell(typed: str) -> Shell:
    made = CommandLine(clock=SystemClock()).shell()
    made.stdin = Typing(typed.encode())
    made.environment = {"PATH": os.defpath}
    return made


def taught(typed: str, *, ask: bool = True) -> tuple[int, str]:
    """Do the lesson with what a learner types; return the exit code and what was shown."""
    made = shell(typed)
    code = Tutor(made, LESSON, made.environment, ask=ask).run()
    return code, text_of(made.stdout)


def test_enter_does_each_step(tmp_path) -> None:
    code, said = taught("\n\n\n\n")

    assert code == 0
    assert said.startswith("A1  A title\nIt needs kubectl too.\nType what follows in the project's folder.\n")
    assert "\n  echo hello $NAME; echo $NAME >>seen; cat seen\n" in said
    assert "hello ada\nada\nas expected\n" in said
    assert "(This is refused.)" in said
    assert "ls: " in said
    assert said.endswith("\nThat was A1.\n")
    assert not (tmp_path / "seen").exists()


def test_a_learner_may_type_something_else_and_leave_steps_out() -> None:
    _, said = taught("NAME=eva\ns\n\ns\ns\n")
    assert "hello eva\n" in said
    assert "That is not what was expected:\n" in said


def test_whoever_ends_early_is_told_how_to_tidy_up(tmp_path) -> None:
    code, said = taught("\n\nq\n")
    assert code == 0
    assert said.endswith("\nStill there. To tidy up:\n  rm seen\n")
    assert (tmp_path / "seen").exists()


@pytest.mark.parametrize("typed", ["q\n", ""])
def test_who_has_done_nothing_has_nothing_to_tidy_up(typed: str) -> None:
    _, said = taught(typed)
    assert "tidy" not in said


def test_ctrl_c_ends_it_in_order() -> None:
    made = shell("\n\n^C\n")
    with pytest.raises(KeyboardInterrupt):
        Tutor(made, LESSON, made.environment).run()
    assert text_of(made.stdout).endswith("\n\nStill there. To tidy up:\n  rm seen\n")


def test_without_asking_all_is_done_and_what_differs_ends_it(tmp_path) -> None:
    assert taught("", ask=False)[0] == 0
    (tmp_path / "seen").mkdir()
    code, said = taught("", ask=False)
    assert code == 1
    assert "That was" not in said


def test_a_step_that_ends_the_shell_is_told() -> None:
    made = shell("exit 3\n")
    with pytest.raises(Exit) as ended:
        Tutor(made, LESSON, made.environment).run()
    assert ended.value.words.startswith("The lesson's shell has ended")


def run(*arguments: str, locale: str = "en") -> tuple[int, str, str]:
    made = shell("")
    made.language = language_of(locale)
    code = invoke(made, ["learn", *arguments])
    return code, text_of(made.stdout), text_of(made.stderr)


def test_without_a_row_the_lessons_are_listed_in_the_language_of_the_locale() -> None:
    code, said, _ = run()
    assert code == 0
    assert "\n  A1  A manifest is checked and stored\n" in said
    assert said.index("  B2  ") < said.index("  B10 ")
    assert "A1  Un manifiesto se comprueba y se guarda" in run(locale="es")[1]
    assert "A1  A manifest is checked" in run("--lang", "en", locale="es")[1]


def test_in_a_pipe_a_lesson_is_written_out_and_nothing_is_asked() -> None:
    code, said, err = run("a1")
    assert (code, err) == (0, "")
    assert (
        "\n  vaina create namespace lesson-a1\n  It shows something like:\n    namespace/lesson-a1 created\n"
        in said
    )
    assert "[Enter" not in said
    spanish = run("A1", "--lang", "es")[1]
    assert "Qué dice el documento" in spanish
    assert "\n  Muestra algo así:\n" in spanish


def test_a_lesson_that_there_is_not() -> None:
    code, _, err = run("Z9")
    assert code == 1
    assert err.startswith('error: there is no lesson "Z9": A1, A2, ')
    assert run("--run")[0] == 1


def test_the_exit_code_after_ctrl_c(monkeypatch) -> None:
    made = shell("^C\n")
    made.interactive = True
    monkeypatch.setattr(type(made.terminal), "is_terminal", True)
    assert invoke(made, ["learn", "A1"]) == INTERRUPTED


def test_lessons_find_the_command_that_teaches_them(monkeypatch) -> None:
    made = shell("command -v vaina; pwd\nq\n")
    made.interactive = True
    monkeypatch.setattr(type(made.terminal), "is_terminal", True)
    assert invoke(made, ["learn", "A1"]) == 0
    assert f"\n{Path(sys.executable).parent}/vaina\n{ROOT}\n" in text_of(made.stdout).replace(
        "[Enter, command, s, q] ", "\n"
    )


@pytest.mark.parametrize(
    ("language", "locale", "title"),
    [
        ("es", {"LANG": "en_US.UTF-8"}, "Un manifiesto se comprueba y se guarda"),
        ("es", {"LC_ALL": "C.UTF-8", "LC_MESSAGES": "en"}, "Un manifiesto se comprueba y se guarda"),
        ("en", {"LC_ALL": "es_ES.UTF-8"}, "A manifest is checked and stored"),
    ],
)
def test_commands_of_a_lesson_speak_its_language(
    monkeypatch, language: str, locale: dict[str, str], title: str
) -> None:
    made = shell(f"{sys.executable} -m cli learn; echo $LANG\nq\n")
    made.environment = {**made.environment, **locale}
    made.interactive = True
    monkeypatch.setattr(type(made.terminal), "is_terminal", True)
    assert invoke(made, ["learn", "A1", "--lang", language]) == 0
    said = text_of(made.stdout)
    # The heading, and the list that the command in the lesson has printed.
    assert said.count(f"A1  {title}\n") == 2
    assert next(iter(locale.values())) in said.splitlines()
