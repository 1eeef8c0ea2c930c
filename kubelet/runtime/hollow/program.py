"""What a hollow container would do: a few commands of a shell, read as a program with a known end. PURE.

`sleep 5`, `echo a`, `exit 3`, `true`, `false`, `cat`, `trap … TERM`, alone or after `sh -c`, joined by `;` or
`&&`. Anything else, and no command at all, runs for ever.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

FOREVER = float("inf")
TERM_EXIT_CODE = 143
KILL_EXIT_CODE = 137


@dataclass(frozen=True, slots=True)
class Program:
    """A process and its end."""

    #: (seconds after the start, what is written)
    writes: tuple[tuple[float, bytes], ...] = ()
    runs_seconds: float = FOREVER
    exit_code: int = 0
    ignores_term: bool = False
    #: copies its standard input to its output, until that ends
    copies_input: bool = False
    #: there is no such command
    missing: bool = False


def read_program(argv: Sequence[str]) -> Program:
    """Return what the command does."""
    words = [*argv]
    if len(words) == 3 and words[0] in {"sh", "/bin/sh"} and words[1] == "-c":
        script = words[2].replace("&&", ";")
        commands = [shlex.split(part) for part in script.split(";") if part.strip()]
    else:
        commands = [words] if words else []
    return _run(commands)


def _run(commands: Sequence[Sequence[str]]) -> Program:  # noqa: C901, PLR0912 - one command a case
    at, code, ignores = 0.0, 0, False
    writes: list[tuple[float, bytes]] = []
    if not commands:
        return Program()
    for command in commands:
        match [*command]:
            case ["true" | ":"]:
                code = 0
            case ["false"]:
                code = 1
            case ["echo", *words]:
                writes.append((at, (" ".join(words) + "\n").encode()))
                code = 0
            case ["sleep", "infinity" | "inf"]:
                return Program(tuple(writes), FOREVER, ignores_term=ignores)
            case ["sleep", seconds]:
                at += float(seconds)
                code = 0
            case ["exit", number]:
                return Program(tuple(writes), at, int(number), ignores)
            case ["exit"]:
                return Program(tuple(writes), at, code, ignores)
            case ["trap", "", "TERM"]:
                ignores = True
            case ["trap", _, "TERM"]:
                # Whatever it would do then: it ends by the signal.
                code = 0
            case ["cat"]:
                return Program(tuple(writes), FOREVER, 0, ignores, copies_input=True)
            case ["nosuchcommand", *_]:
                return Program(missing=True)
            case _:
                return Program(tuple(writes), FOREVER, ignores_term=ignores)
    return Program(tuple(writes), at, code, ignores)
