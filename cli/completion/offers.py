"""PURE: which words fit at a place of a command line."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: (kind's plural, namespace or none for the user's own) -> names of its objects
Names = Callable[[str, str], Sequence[str]]
#: (Pod, namespace or none) -> names of its containers
Containers = Callable[[str, str], Sequence[str]]

POD, NODE, FILE, TARGETS, KIND = "pods", "nodes", "file", "targets", "kind"
#: command -> what its words are, the last one for all that follow; what is not here has words of its own
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("get", "describe", "delete", "label", "annotate", "edit", "patch", "scale", "autoscale", "wait", "tree",
         "rollout history", "rollout pause", "rollout restart", "rollout resume", "rollout status", "rollout undo",
         "set env", "set image", "set resources"), (TARGETS,)
    ),
    **dict.fromkeys(("why", "trace", "exec", "attach", "debug", "scheduler decisions"), (POD, "")),
    "explain": (POD, ""),
    "logs": (POD, "container", ""),
    "port-forward": (POD, ""),
    **dict.fromkeys(("cordon", "uncordon", "drain"), (NODE,)),
    "taint": ("nodes-word", NODE),
    **dict.fromkeys(("top pod", "top pods", "top po"), (POD, "")),
    **dict.fromkeys(("top node", "top nodes", "top no"), (NODE, "")),
    **dict.fromkeys(("certificate approve", "certificate deny"), ("certificatesigningrequests",)),
    "create token": ("serviceaccounts", ""),
    "cp": ("file-or-pod", "file-or-pod", ""),
    "auth can-i": ("verb", KIND, ""),
    **dict.fromkeys(("completion", "learn"), ("choices", "")),
    "load import": (FILE,),
    "load compare": (FILE,),
    **dict.fromkeys(("certs make", "certs renew", "certs show", "certs deny"), ("dir", "")),
}  # fmt: skip
#: flag -> what its value is
VALUES: Final[Mapping[str, str]] = {
    "-n": "namespaces", "--namespace": "namespaces", "-c": "container", "--container": "container",
    "--target": "container", "-f": FILE, "--filename": FILE, "--kubeconfig": FILE, "--from-file": FILE,
    "--serviceaccount": "serviceaccounts", "--to-node": NODE,
}  # fmt: skip
#: short flag -> its long one, of those that say where objects are
_LONG: Final = {"-n": "--namespace", "-s": "--server"}
#: names that mean themselves in every shell; those of roles, Events and others may be any text but a path
_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*")
_VERBS: Final = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True, slots=True)
class Offer:
    """Words that fit; `kind` is file or dir where the shell knows them better."""

    words: tuple[str, ...] = ()
    kind: str = "plain"
    #: word -> what it means
    helps: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Line:
    """What stands before the word that is typed."""

    command: str
    positions: tuple[str, ...]
    namespace: str
    #: values of flags that name the server; empty: none does
    server: str
    kubeconfig: str
    context: str
    #: the flag whose value is typed; empty: none
    flag: str
    #: after -- there are no flags, and the words are a container's
    ended: bool


def read_line(grammar: Mapping[str, Any], words: Sequence[str]) -> Line:
    """Read the words before the one that is typed."""
    commands = grammar["commands"]
    command, flag = "", ""
    positions: list[str] = []
    given: dict[str, str] = {}

    def seen(*, ended: bool) -> Line:
        place = {
            name: given.get(f"--{name}", "") for name in ("namespace", "server", "kubeconfig", "context")
        }
        return Line(command, tuple(positions), flag=flag, ended=ended, **place)

    for word in words:
        if word == "--" and not flag:
            return seen(ended=True)
        value = ""
        if flag:
            name, value, flag = flag, word, ""
        elif word.startswith("-") and len(word) > 1:
            name, equals, value = word.partition("=")
            if not equals and commands[command]["options"].get(name, {}).get("takes"):
                flag = name
        elif word in commands[command]["below"] and not positions:
            command, name = f"{command} {word}".strip(), ""
        else:
            positions.append(word)
            name = ""
        given[_LONG.get(name, name)] = value
    return seen(ended=False)


class Offers:
    """Says what fits, with what the server says of names. Pure but for the two calls it was given."""

    def __init__(self, grammar: Mapping[str, Any], names: Names, containers: Containers) -> None:
        self._grammar, self._names, self._containers = grammar, names, containers

    def offer(self, line: Line, typed: str) -> Offer:
        """Return what fits the word that is typed."""
        if line.ended:
            return Offer()
        command = self._grammar["commands"][line.command]
        if line.flag:
            return self._value(line, line.flag, typed)
        if typed.startswith("-"):
            name, equals, begun = typed.partition("=")
            if equals:
                found = self._value(line, name, begun)
                return Offer(tuple(f"{name}={word}" for word in found.words), found.kind)
            helps = {name: option["help"] for name, option in command["options"].items()}
            return _fitting(helps, typed, helps)
        if command["below"]:
            # Behind a word that is no command nothing is known to fit.
            return Offer() if line.positions else _fitting(command["below"], typed, command["below"])
        places = WORDS.get(line.command, ("",))
        return self._place(line, places[min(len(line.positions), len(places) - 1)], typed)

    def _value(self, line: Line, flag: str, typed: str) -> Offer:
        option = self._grammar["commands"][line.command]["options"].get(flag, {})
        if choices := option.get("choices"):
            return _fitting(choices, typed)
        return self._place(line, VALUES.get(flag, ""), typed)

    def _place(self, line: Line, place: str, typed: str) -> Offer:
        match place:
            case "":
                return Offer()
            case "file" | "dir":
                return Offer((typed,), place)
            case "file-or-pod":
                pods = () if "/" in typed else [f"{name}:" for name in self._objects(POD, line)]
                found = _fitting(pods, typed)
                return found if found.words else Offer((typed,), FILE)
            case "targets":
                return self._target(line, typed)
            case "kind":
                return self._kinds(typed)
            case "verb":
                return _fitting(_VERBS, typed)
            case "nodes-word":
                return _fitting(("nodes",), typed)
            case "choices":
                return _fitting(self._grammar["commands"][line.command]["choices"], typed)
            case "container":
                pods = [word.rpartition("/")[2] for word in line.positions]
                return _fitting(self._containers(pods[0], line.namespace) if pods else (), typed)
            case _:
                return self._named(line, place, typed)

    def _named(self, line: Line, plural: str, typed: str) -> Offer:
        kind, slash, _ = typed.partition("/")
        if slash:
            return self._pair(line, kind, typed)
        return _fitting(self._objects(plural, line), typed)

    def _objects(self, plural: str, line: Line) -> list[str]:
        """Return names of a kind's objects, but for what would be more than a word where it is inserted.

        bash takes what it is offered as it is: a role could be called `$(reboot)`, or `--all`.
        """
        return [name for name in self._names(plural, line.namespace) if _PLAIN.fullmatch(name)]

    def _pair(self, line: Line, kind: str, typed: str) -> Offer:
        plural = self._grammar["names"].get(kind.lower())
        return _fitting([f"{kind}/{name}" for name in self._objects(plural, line)] if plural else (), typed)

    def _target(self, line: Line, typed: str) -> Offer:
        kind, slash, _ = typed.partition("/")
        if slash:
            return self._pair(line, kind, typed)
        if not line.positions:
            return self._kinds(typed)
        plural = self._grammar["names"].get(line.positions[0].lower())
        return _fitting(self._objects(plural, line), typed) if plural else Offer()

    def _kinds(self, typed: str) -> Offer:
        """Offer plural names; a shorter or another name that is typed so far is a kind as well."""
        found = _fitting(self._grammar["kinds"], typed)
        return found if found.words else _fitting(self._grammar["names"], typed)


def _fitting(words: Any, typed: str, helps: Mapping[str, str] | None = None) -> Offer:
    return Offer(tuple(sorted(word for word in words if word.startswith(typed))), helps=helps or {})
