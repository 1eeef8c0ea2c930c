"""Who asks, and how: what travels with a request through admission and registry.

Made by the services (later by the REST API too) of what they know of a call; nothing below them knows by which
of them a request came.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vaina.errors import Invalid
from vaina.objects import field_path

#: values of fieldValidation
STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"
#: bytes of a field manager's name
MAX_FIELD_MANAGER = 128


def nobody_listens(_text: str) -> None:
    """Drop a warning: the caller is a component of the apiserver itself."""


def nobody_audits(_key: str, _value: str) -> None:
    """Drop an annotation of the audit log: the caller is a component of the apiserver itself."""


def no_agent() -> str:
    """Return no user agent: the caller is a component of the apiserver itself."""
    return ""


def nobody_waits() -> None:
    """Do nothing when an object was made."""


def once(collected: list[str]) -> Callable[[str], None]:
    """Return a `warn` that collects each text once: a change may be computed several times, on conflict."""
    known = set(collected)

    def warn(text: str) -> None:
        if text not in known:
            known.add(text)
            collected.append(text)

    return warn


@dataclass(slots=True)
class Context:
    """One request. Never changed; not frozen, which is five times as dear to make."""

    verb: str = ""
    user: str = "system:anonymous"
    groups: tuple[str, ...] = ("system:unauthenticated",)
    #: what else is known of the user (`vaina.serving.handlers.User`)
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: the API group under which the object comes, where it is not that of the stored kind (a view)
    group: str | None = None
    #: where the request came from, as gRPC has it
    peer: str = ""
    field_manager: str = ""
    #: check everything, store nothing
    dry_run: bool = False
    #: monotonic seconds; None: no deadline
    deadline: float | None = None
    trace_id: str = ""
    #: what unknown fields of a patch get: an error (Strict), a warning (Warn, and when empty, as
    #: upstream's default is), nothing (Ignore)
    field_validation: str = ""
    #: tells the caller something that is no error
    warn: Callable[[str], None] = nobody_listens
    #: says something of the request in the audit log: (key, value); the first value of a key stays
    annotate: Callable[[str, str], None] = nobody_audits
    #: returns the caller's user agent
    agent: Callable[[], str] = no_agent
    #: is called when an update or a patch makes the object
    on_created: Callable[[], None] = nobody_waits

    @property
    def manager(self) -> str:
        """Whose fields a write sets: the field manager, or the user agent up to its first slash.

        Characters that cannot be printed are left out, as apiserver `endpoints/handlers/create.go` does
        (managerOrUserAgent); so is what gRPC adds to a client's own name.
        """
        if self.field_manager:
            return self.field_manager
        name = self.agent().partition(" grpc-")[0].partition("/")[0]
        printable = "".join(filter(str.isprintable, name)).encode()
        return printable[:MAX_FIELD_MANAGER].decode(errors="ignore")


#: requests of the apiserver itself
INTERNAL = Context(user="system:apiserver", groups=("system:masters",))


def is_dry_run(values: Sequence[str], options: str = "Options") -> bool:
    """Read the dryRun option of a request, whose kind is `options`. Raises Invalid for anything but "All"."""
    wrong = [
        field_path.not_supported(field_path.Path("dryRun"), value, ("All",))
        for value in values
        if value != "All"
    ]
    if wrong:
        raise Invalid.of(options, "", wrong, group="meta.k8s.io")
    return bool(values)


def check_field_validation(value: str, options: str) -> str:
    """Return the fieldValidation of a request. Raises Invalid for unknown words."""
    if value not in ("", IGNORE, STRICT, WARN):
        wrong = field_path.not_supported(
            field_path.Path("fieldValidation"), value, ("", IGNORE, STRICT, WARN)
        )
        raise Invalid.of(options, "", [wrong], group="meta.k8s.io")
    return value


def check_field_manager(manager: str, options: str) -> None:
    """Check the fieldManager of a request. Raises Invalid: it is too long, or has what cannot be printed."""
    if len(manager) <= MAX_FIELD_MANAGER and manager.isascii() and manager.isprintable():
        return
    path, wrong = field_path.Path("fieldManager"), []
    if len(manager.encode()) > MAX_FIELD_MANAGER:
        wrong.append(field_path.too_long(path, MAX_FIELD_MANAGER))
    position = 0
    for char in manager:
        if not char.isprintable():
            detail = f"invalid character U+{ord(char):04X} (at position {position})"
            wrong.append(field_path.invalid(path, manager, detail))
        position += len(char.encode())
    if wrong:
        raise Invalid.of(options, "", wrong, group="meta.k8s.io")
