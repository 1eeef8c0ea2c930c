"""What bash, zsh and fish say when Tab is pressed, and what they want to hear.

Their code is click's (`vaina completion SHELL` writes it): it calls the command with variables, and reads lines.
"""

import shlex
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cli.completion.grammar import cache_file, load
from cli.completion.names import Server, ServerNames
from cli.completion.offers import Line, Offer, Offers, read_line
from cli.completion.servers import GrpcServer, RestServer, Time
from cli.surroundings import COMPLETION_VARIABLE, DEFAULT_SERVER, certificate_folder

#: seconds that the server has by default: with the 0.05 that go before, people do not notice them
PATIENCE = 0.15
SHELLS = ("bash", "zsh", "fish")


def answer(environment: Mapping[str, str], now: Callable[[], float]) -> str:
    """Return what the shell reads; empty: nothing fits, or it is no question. `now`: monotonic seconds."""
    shell = environment[COMPLETION_VARIABLE].removesuffix("_complete")
    if shell not in SHELLS:
        return ""
    before, typed = asked(environment, shell)
    grammar = load(cache_file(environment))
    line = read_line(grammar, before)
    time = Time(_seconds(environment.get("VAINA_COMPLETION_SECONDS", "")) or PATIENCE, now)
    names = ServerNames(grammar["kinds"], cache(lambda: _server(grammar["kinds"], line, environment, time)))
    return written(Offers(grammar, names.of_kind, names.of_containers).offer(line, typed), shell)


def _server(kinds: Mapping[str, Any], line: Line, environment: Mapping[str, str], time: Time) -> Server:
    """Return the server that the line's command would ask. Raises OSError: nothing says which one that is."""
    if line.kubeconfig:
        return RestServer(kinds, line.kubeconfig, line.context, time=time)
    return GrpcServer(
        kinds, line.server or environment.get("VAINA_SERVER") or DEFAULT_SERVER, certificate_folder(environment),
        namespace=environment.get("VAINA_NAMESPACE") or "default", time=time,
    )  # fmt: skip


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def asked(environment: Mapping[str, str], shell: str) -> tuple[list[str], str]:
    """Return the words before the one that is typed, without the command's own name, and that one."""
    words = split(environment.get("COMP_WORDS", ""))
    if shell == "fish":
        typed = (split(environment.get("COMP_CWORD", "")) or [""])[0]
        before = words[1:]
        return (before[:-1] if typed and before and before[-1] == typed else before), typed
    place = int(environment.get("COMP_CWORD") or 0)
    return words[1:place], words[place] if place < len(words) else ""


def split(text: str) -> list[str]:
    """Split a line as a shell does; what is still open in it counts as it is so far."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[str] = []
    try:
        found.extend(lexer)
    except ValueError:
        found.append(lexer.token)
    return found


def written(offer: Offer, shell: str) -> str:
    """Write an offer as click's code for the shell reads it."""
    lines: list[str] = []
    for word in offer.words:
        told = " ".join(offer.helps.get(word, "").split())
        if shell == "bash":
            lines.append(f"{offer.kind},{word}")
        elif shell == "fish":
            lines.append(f"{offer.kind},{word}\t{told}" if told else f"{offer.kind},{word}")
        else:
            lines += [offer.kind, word.replace(":", r"\:") if told else word, told or "_"]
    return "".join(f"{line}\n" for line in lines)
