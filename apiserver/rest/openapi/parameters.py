"""PURE: the parameters of requests, as OpenAPI tells of them. In the order of their names."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Parameter(NamedTuple):
    """One parameter of a request."""

    name: str
    place: str
    type: str
    description: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a document has it."""
        found: dict[str, Any] = {
            "name": self.name,
            "in": self.place,
            "description": self.description,
            "schema": {"type": self.type, "uniqueItems": True},
        }
        if self.place == "path":
            found["required"] = True
        return found


def in_query(name: str, description: str, kind: str = "string") -> Parameter:
    """Return a parameter of a query."""
    return Parameter(name, "query", kind, description)


def in_path(name: str, description: str) -> Parameter:
    """Return a part of a path."""
    return Parameter(name, "path", "string", description)


def _flag(name: str, description: str) -> Parameter:
    return in_query(name, description, "boolean")


def _number(name: str, description: str) -> Parameter:
    return in_query(name, description, "integer")


PRETTY: Final = in_query(
    "pretty", "Whether the answer is indented. People's clients get it so without asking."
)
_DRY_RUN: Final = in_query("dryRun", "All: everything is done but storing.")
_MANAGER: Final = in_query("fieldManager", "Who writes, for managedFields; at most 128 printable characters.")
_VALIDATION: Final = in_query(
    "fieldValidation",
    "What becomes of fields that are unknown or given twice. Ignore: they are left out. Warn, the default: they "
    "are left out with a warning. Strict: the request is refused.",
)
CREATE: Final = (_DRY_RUN, _MANAGER, _VALIDATION)
PATCH: Final = (
    *CREATE,
    _flag("force", "Whether an apply takes fields that others manage. Only for apply patches."),
)
DELETE: Final = (
    _DRY_RUN,
    _number("gracePeriodSeconds", "How long the object has to end; 0: it goes at once."),
    _flag(
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "Whether an object that cannot be read any more is removed without looking at it.",
    ),
    _flag("orphanDependents", "Deprecated: propagationPolicy says it."),
    in_query(
        "propagationPolicy",
        "What becomes of objects that the object owns: Orphan, Background or Foreground.",
    ),
)
LIST: Final = (
    _flag("allowWatchBookmarks", "Whether a watch may have events that tell a resource version alone."),
    in_query(
        "continue", "Where to go on: from the metadata of the last page. All else stays as it was asked."
    ),
    in_query("fieldSelector", "Which objects, by their fields."),
    in_query("labelSelector", "Which objects, by their labels."),
    _number("limit", "How many objects a page has at most."),
    in_query("resourceVersion", "How new what is answered has to be, or where a watch begins."),
    in_query("resourceVersionMatch", "Exact or NotOlderThan: what resourceVersion means for a list."),
    _flag(
        "sendInitialEvents",
        "Whether a watch begins with all objects that there are, and a bookmark behind them.",
    ),
    _number("timeoutSeconds", "How long a watch lasts at most."),
    _flag("watch", "Whether changes are told of, from resourceVersion on."),
)
_CONTAINER: Final = in_query("container", "Which container; it may be left out where there is one.")
_STREAMS: Final = (
    _CONTAINER,
    _flag("stderr", "Whether standard error is sent."),
    _flag("stdin", "Whether standard input is read."),
    _flag("stdout", "Whether standard output is sent."),
    _flag("tty", "Whether there is a terminal."),
)
#: of sub-resources that are streams
OPTIONS: Final[Mapping[str, tuple[Parameter, ...]]] = {
    "attach": _STREAMS,
    "exec": (in_query("command", "The command and its arguments, one a parameter."), *_STREAMS),
    "portforward": (_number("ports", "The ports, where the protocol does not tell them later."),),
    "proxy": (in_query("path", "The path of the request that is passed on."),),
    "log": (
        _CONTAINER,
        _flag("follow", "Whether lines are sent as they come."),
        _flag("insecureSkipTLSVerifyBackend", "Whether the node's certificate may be unknown."),
        _number("limitBytes", "How many bytes are sent at most."),
        _flag("previous", "Whether the container's last run is asked for."),
        _number("sinceSeconds", "How old the first line may be."),
        in_query("stream", "Stdout, Stderr or All."),
        _number("tailLines", "How many lines from the end."),
        _flag("timestamps", "Whether each line begins with its time."),
    ),
}
