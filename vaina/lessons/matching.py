"""Whether a command's output is as its lesson says.

Patterns are lines. `...` alone on a line stands for any lines, or none; within a line for anything. A word in
angle brackets (`<uid>`) stands for one word, and for the same one wherever it is repeated in the block. Runs of
spaces count as one, because columns are as wide as their content. What Kubernetes itself prints in angle
brackets (`<none>`) stands for itself.
"""

import re
from collections.abc import Sequence

#: printed as they stand
_LITERAL = frozenset({"none", "unknown", "nil", "unset"})
_TOKEN = re.compile(r"\.\.\.|<([a-z][a-z0-9-]*)>")
#: characters of an output that are looked at
LONGEST = 256 * 1024


def matches(output: str, patterns: Sequence[str]) -> bool:
    """Say whether an output is as its patterns say."""
    lines = [squeeze(line) for line in output[:LONGEST].splitlines()]
    return (
        re.fullmatch(_compiled([squeeze(line) for line in patterns]), "".join(f"{line}\n" for line in lines))
        is not None
    )


def squeeze(line: str) -> str:
    """Make each run of spaces one, and none at the ends."""
    return " ".join(line.split())


def _compiled(patterns: Sequence[str]) -> str:
    names: dict[str, str] = {}
    return "".join(r"(?:[^\n]*\n)*?" if line == "..." else f"{_of_line(line, names)}\\n" for line in patterns)


def _of_line(line: str, names: dict[str, str]) -> str:
    """Write the regular expression of one line; `names` are the placeholders met so far, with their groups."""
    parts, place = [], 0
    for token in _TOKEN.finditer(line):
        parts.append(re.escape(line[place : token.start()]))
        name = token[1]
        if name is None:
            parts.append(r"[^\n]*?")
        elif name in _LITERAL:
            parts.append(re.escape(token[0]))
        elif name in names:
            parts.append(f"(?P={names[name]})")
        else:
            names[name] = f"p{len(names)}"
            parts.append(rf"(?P<{names[name]}>[^\s]+?)")
        place = token.end()
    parts.append(re.escape(line[place:]))
    return "".join(parts)
