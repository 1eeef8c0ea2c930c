"""`vaina auth`: what one may do, and as whom one is known, as `kubectl/pkg/cmd/auth`."""

from dataclasses import dataclass
from typing import Any, Final

import click

from cli import flags
from cli.app import cli
from cli.failures import Exit, Failure
from cli.printers.rbac import bare, cells_of, readable
from cli.printers.table import Table, render_table
from cli.shell import Shell
from cli.targets import kind_named
from vaina.api.authorization.v1 import authorization_pb2
from vaina.client.clientset import Clientset
from vaina.errors import Forbidden
from vaina.objects.encode import message_to_dict
from vaina.objects.manifest import write_json
from vaina.objects.rules import Rule
from vaina.objects.yaml_text import write_yaml

_VERBS: Final = frozenset((
    "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "use", "bind", "impersonate", "*",
    "approve", "sign", "escalate", "attest",
))  # fmt: skip
_URL_VERBS: Final = frozenset(("get", "put", "post", "head", "options", "delete", "patch", "*"))
#: resources of which the server has no objects
_OTHERS: Final = ("users", "groups")
_USAGE: Final = (
    "you must specify two arguments: verb resource or verb resource/resourceName.\n"
    "See 'vaina auth can-i -h' for help and examples."
)


@cli.group("auth")
@flags.server
def auth_command() -> None:
    """Ask what you may do, and as whom you are known."""


@dataclass(frozen=True, slots=True)
class CanI:
    """The words and flags of `can-i`."""

    words: tuple[str, ...]
    listed: bool
    all_namespaces: bool
    quiet: bool
    subresource: str
    headers: bool


@flags.verb(auth_command, "can-i", CanI)
@click.argument("words", nargs=-1, metavar="VERB [TYPE | TYPE/NAME | NONRESOURCEURL]")
@flags.flag("--list listed", "Show all allowed actions.")
@flags.flag("-A --all-namespaces", "Check the action in all namespaces.")
@flags.flag("-q --quiet", "Say it by the exit code alone.")
@flags.text("--subresource", "A sub-resource, such as log or scale.")
@flags.no_headers
@flags.namespace
async def can_i(shell: Shell, clients: Clientset, options: CanI) -> None:
    """Check whether an action is allowed: the exit code is 1 when it is not.

    \b
      vaina auth can-i create pods --all-namespaces
      vaina auth can-i get pods --subresource=log
      vaina auth can-i list jobs.batch/bar -n foo
      vaina auth can-i get /version
      vaina auth can-i --list -n foo
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    if options.listed:
        await _list(shell, clients, options)
        return
    if len(options.words) != 2:
        raise Failure(_USAGE)
    asked = _question(shell, options)
    if not options.headers:
        raise Failure("--no-headers cannot be set without --list specified")
    status = await clients.reviews.may_i(asked)
    if not options.quiet:
        reasons = [text for text in (status.reason, status.evaluation_error) if text]
        shell.out("yes\n" if status.allowed else f"{' - '.join(['no', *reasons])}\n")
    if not status.allowed:
        raise Exit(1)


def _question(
    shell: Shell, options: CanI
) -> authorization_pb2.ResourceAttributes | authorization_pb2.NonResourceAttributes:
    """Return what is asked, and warn of words that nobody knows. Raises Failure."""
    verb, what = options.words
    if what.startswith("/"):
        if options.subresource:
            raise Failure("--subresource can not be used with NonResourceURL")
        if verb not in _URL_VERBS:
            _warn(shell, f"verb '{verb}' is not a known verb")
        return authorization_pb2.NonResourceAttributes(verb=verb, path=what)
    resource, _, name = what.partition("/")
    kind = kind_named(resource)
    short, _, group = resource.lower().partition(".")
    if kind is None and resource != "*" and resource.lower() not in _OTHERS:
        place = f" in group '{group}'" if group else ""
        _warn(shell, f"the server doesn't have a resource type '{short}'{place}")
    if not options.all_namespaces:
        if kind is not None and not kind.namespaced:
            place = f" in group '{kind.group}'" if kind.group else ""
            _warn(shell, f"resource '{kind.plural}' is not namespace scoped{place}")
        if verb not in _VERBS:
            _warn(shell, f"verb '{verb}' is not a known verb")
    return authorization_pb2.ResourceAttributes(
        namespace="" if options.all_namespaces else shell.namespace, verb=verb, name=name,
        group="" if kind is None else kind.group, resource=resource if kind is None else kind.plural,
        subresource=options.subresource,
    )  # fmt: skip


def _warn(shell: Shell, text: str) -> None:
    # kubectl's words end with a line of their own.
    shell.err(f"Warning: {text}\n")


async def _list(shell: Shell, clients: Clientset, options: CanI) -> None:
    """Show what is allowed in the namespace. Raises Failure, ApiError."""
    if options.words:
        raise Failure("list option must be specified with no arguments")
    if options.quiet or options.all_namespaces or options.subresource:
        raise Failure(
            "list option can't be specified with neither quiet, all-namespaces nor subresource options"
        )
    status = await clients.reviews.my_rules(shell.namespace)
    if status.incomplete:
        shell.err(f"Warning: the list may be incomplete: {status.evaluation_error}")
    rules = [
        Rule(tuple(one.verbs), tuple(one.api_groups), tuple(one.resources), tuple(one.resource_names))
        for one in status.resource_rules
    ]
    rules += [Rule(tuple(one.verbs), urls=tuple(one.non_resource_urls)) for one in status.non_resource_rules]
    headers = ("Resources", "Non-Resource URLs", "Resource Names", "Verbs")
    table = Table(headers, [cells_of(rule) for rule in readable(rules)])
    shell.out(render_table(table, paint=shell.paint, show_headers=options.headers))


@flags.verb(auth_command, "whoami")
@flags.answer_output
@flags.server
async def whoami(shell: Shell, clients: Clientset, *, output: str) -> None:
    """Show as whom you are known: your name and your groups."""
    try:
        review = await clients.reviews.who_am_i()
    except Forbidden:
        raise Failure(
            "the selfsubjectreviews API is not enabled in the cluster or you do not have permission to call it"
        ) from None
    if output:
        head = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        tree: dict[str, Any] = {**head, **message_to_dict(review)}
        shell.out_data(write_yaml(tree) if output == "yaml" else f"{write_json(tree, indent=4)}\n")
        return
    user = review.status.user_info
    rows = [
        ("Username", user.username),
        ("UID", user.uid),
        ("Groups", bare(user.groups) if user.groups else ""),
    ]
    rows += [(f"Extra: {key}", bare(user.extra[key].items)) for key in sorted(user.extra)]
    shell.out(render_table(Table(("ATTRIBUTE", "VALUE"), [row for row in rows if row[1]]), paint=shell.paint))
