"""The refusals of the registry, in Kubernetes' words (apimachinery `api/errors`). Pure."""

from typing import Any

from vaina.errors import AlreadyExists, BadRequest, Conflict, FieldError, Forbidden, Invalid, NotFound
from vaina.kinds import Kind
from vaina.quoting import go_quote

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class NoHostAssigned(BadRequest):
    """The Pod has no node yet (kubernetes `pkg/registry/core/pod/strategy.go`)."""


def no_host_assigned(name: str) -> NoHostAssigned:
    """Return that refusal for a Pod's name."""
    return NoHostAssigned(f"pod {name} does not have a host assigned")


def not_found(kind: Kind[Any], name: str) -> NotFound:
    """There is no such object: `pods "x" not found`."""
    return NotFound(
        f"{kind.resource} {go_quote(name)} not found", group=kind.group, kind=kind.plural, name=name
    )


def no_name(name: str) -> BadRequest:
    """No object can have this name (apiserver `registry/generic/registry/store.go`, NamespaceKeyFunc)."""
    if not name:
        return BadRequest("Name parameter required.")
    if name in (".", ".."):
        why = f"may not be '{name}'"
    else:
        why = f"may not contain '{'/' if '/' in name else '%'}'"
    return BadRequest(f"Name parameter invalid: {go_quote(name)}: {why}")


def already_exists(kind: Kind[Any], name: str, *, ending: bool = False) -> AlreadyExists:
    """The name is taken, perhaps by an object that is still ending."""
    words = f"{kind.resource} {go_quote(name)} already exists"
    if ending:
        words = f"object is being deleted: {words}"
    return AlreadyExists(words, group=kind.group, kind=kind.plural, name=name)


def no_unique_name(kind: Kind[Any], name: str) -> AlreadyExists:
    """Every generated name was taken: with another try the client gets other names."""
    return AlreadyExists(
        f"{kind.resource} {go_quote(name)} already exists, "
        "the server was not able to generate a unique name for the object",
        group=kind.group, kind=kind.plural, name=name, retry_seconds=1,
    )  # fmt: skip


def conflict(kind: Kind[Any], name: str, why: str = MODIFIED, *, subresource: str = "") -> Conflict:
    """What the caller knew of the object is no longer so."""
    plural = f"{kind.plural}/{subresource}" if subresource else kind.plural
    resource = f"{plural}.{kind.group}" if kind.group else plural
    return Conflict(
        f"Operation cannot be fulfilled on {resource} {go_quote(name)}: {why}",
        group=kind.group, kind=plural, name=name,
    )  # fmt: skip


def wrong_uid(kind: Kind[Any], name: str, wanted: str, found: str, *, subresource: str = "") -> Conflict:
    """The name belongs to another object now."""
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    return conflict(kind, name, why, subresource=subresource)


def precondition(kind: Kind[Any], name: str, why: str) -> Conflict:
    """A deletion was meant for another object; its kind is named (apiserver `registry/rest/delete.go`)."""
    full = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return Conflict(
        f"Operation cannot be fulfilled on {full} {go_quote(name)}: {why}",
        group=kind.group, kind=kind.kind, name=name,
    )  # fmt: skip


def forbidden(kind: Kind[Any], name: str, why: str, causes: tuple[FieldError, ...] = ()) -> Forbidden:
    """The state of things does not allow it."""
    subject = f"{kind.resource} {go_quote(name)}" if name else kind.resource
    return Forbidden(
        f"{subject} is forbidden: {why}", group=kind.group, kind=kind.plural, name=name, causes=causes
    )


def invalid(kind: Kind[Any], name: str, errors: list[FieldError]) -> Invalid:
    """The object breaks rules."""
    return Invalid.of(kind.kind, name, errors, group=kind.group)
