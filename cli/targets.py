"""What the words of a command line mean: kinds, names, both. Pure; as kubectl reads them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from google.protobuf.message import Message

from cli.failures import Failure
from vaina import durations
from vaina.kinds import KINDS, KINDS_BY_NAME, Kind
from vaina.quoting import go_quote

#: characters of a duration: beyond them it is no time that anybody waits
_MAX_DURATION = 64
#: what is said where a kind is named and no object of it
NO_NAME = "resource(s) were provided, but no name was specified"
#: how much of a kind's name has to be typed right for it to be meant, from 0 to 1
_NEAR = 0.7
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """Objects that a command is about: one by name, or all of a kind."""

    kind: Kind[Message]
    name: str = ""


def kind_named(word: str) -> Kind[Message] | None:
    """Return the kind that a word names: pods, pod, po, Pod, replicasets.apps, rs.apps; None: there is none."""
    lower = word.lower()
    found = KINDS_BY_NAME.get(lower)
    if found is None and "." in lower:
        short, _, group = lower.partition(".")
        candidate = KINDS_BY_NAME.get(short)
        names = (candidate.group, f"{candidate.version}.{candidate.group}".rstrip(".")) if candidate else ()
        found = candidate if group in names else None
    return found


def find_kind(word: str) -> Kind[Message]:
    """Return the kind that a word names (`kind_named`). Raises Failure: there is none."""
    found = kind_named(word)
    if found is None:
        near = get_close_matches(word.lower(), KINDS_BY_NAME, n=1, cutoff=_NEAR)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise Failure(f'the server doesn\'t have a resource type "{word}"{hint}')
    return found


def parse_kinds(word: str) -> list[Kind[Message]]:
    """Return the kinds of a comma list; `all` stands for the kinds of that category. Raises Failure."""
    kinds: list[Kind[Message]] = []
    for part in word.split(","):
        found = [kind for kind in KINDS if "all" in kind.categories] if part == "all" else [find_kind(part)]
        kinds.extend(kind for kind in found if kind not in kinds)
    return kinds


def parse_targets(words: Sequence[str], verb: str) -> list[Target]:
    """Read `pods`, `pod a b`, `pods,rs`, `all`, `pod/a rs/b`. Raises Failure in kubectl's words."""
    if not words:
        raise Failure(
            f'You must specify the type of resource to {verb}. Use "vaina api-resources" for a complete list of supported resources.'
        )
    if any("/" in word for word in words):
        return [_parse_pair(word) for word in words]
    kinds, names = parse_kinds(words[0]), words[1:]
    if not names:
        return [Target(kind) for kind in kinds]
    return [Target(kind, name) for kind in kinds for name in names]


def parse_named(words: Sequence[str], verb: str) -> list[Target]:
    """Read words that name objects, as `parse_targets` does. Raises Failure: they name a kind alone."""
    targets = parse_targets(words, verb)
    if not all(target.name for target in targets):
        raise Failure(NO_NAME)
    return targets


def _parse_pair(word: str) -> Target:
    kind, slash, name = word.partition("/")
    if not slash:
        raise Failure(
            "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form "
            "(e.g. 'vaina get resource/<resource_name>' instead of 'vaina get resource resource/<resource_name>'"
        )
    if not kind or not name or "/" in name:
        raise Failure("arguments in resource/name form must have a single resource and name")
    return Target(find_kind(kind), name)


def parse_pod(word: str) -> str:
    """Read the name of a Pod, with or without `pod/` before it. Raises Failure: it names something else."""
    if "/" not in word:
        return word
    target = _parse_pair(word)
    if target.kind.kind != "Pod":
        raise Failure(f"{word} is not a pod")
    return target.name


def parse_duration(text: str) -> float:
    """Read a duration like 5s, 2m, 1h30m, 300ms, or a bare number of seconds. Raises Failure: it is none."""
    if len(text) > _MAX_DURATION:
        raise Failure(f"a duration may not have more than {_MAX_DURATION} characters")
    if not text or _SECONDS.fullmatch(text):
        return float(text or 0)
    try:
        nanos = durations.parse_duration(text)
    except durations.DurationError as error:
        raise Failure(str(error)) from error
    if nanos < 0:
        raise Failure(f"time: invalid duration {go_quote(text)}: it is negative")
    return nanos / 1e9
