"""`vaina apply`, `create -f`, `replace` and `diff` (`kubectl/pkg/cmd/diff`): manifests, and what they change."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from google.protobuf.message import Message

from cli import flags
from cli.app import cli
from cli.commands.apply_server_side import ServerSide, apply_one
from cli.failures import Exit, Failure, explain_error
from cli.files import Source, checked_text, each_object, into_namespace, read_sources
from cli.following import Wanted, follow
from cli.printers.objects import as_values, dry_run_suffix, object_name, print_names, print_objects
from cli.printers.rollout import PROGRESS
from cli.shell import Shell
from vaina.api.core.v1 import manifest_service_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound, from_status
from vaina.kinds import KINDS_BY_GVK, SECRET, Kind
from vaina.objects.managed_fields.manager import KUBECTL
from vaina.objects.manifest import Decoded, decode_json, read_documents
from vaina.objects.rollouts import LAST_APPLIED
from vaina.objects.yaml_text import write_yaml

FIELD_MANAGER: Final = "vaina"
#: what the apiserver says of a text without objects; other files may have some
NOTHING: Final = "no objects passed to apply"
_VALIDATIONS: Final = {
    "strict": "Strict", "warn": "Warn", "ignore": "Ignore", "true": "Strict", "false": "Ignore",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What apply, create and replace have in common."""

    files: Sequence[str]
    recursive: bool = False
    #: none, client or server
    dry_run: str = "none"
    #: empty, name, json or yaml
    output: str = ""
    #: strict, warn, ignore, true or false
    validate: str = "strict"
    #: until what was applied is ready
    wait: bool = False
    #: seconds; 0 waits without end
    timeout: float = 0.0
    server_side: bool = False
    force_conflicts: bool = False
    #: empty: kubectl on the server's side, vaina on the client's
    field_manager: str = ""


class _Written:
    """Tells of objects as they are written: at once as lines, or all together at the end."""

    def __init__(self, shell: Shell, options: WriteOptions) -> None:
        self._shell, self._options = shell, options
        self._items: list[tuple[Kind[Any], Message]] = []
        #: what can be waited for
        self.wanted: list[Wanted] = []

    def add(self, kind: Kind[Any], message: Any, action: str) -> None:
        meta, options = message.metadata, self._options
        if kind.kind in PROGRESS:
            self.wanted.append(Wanted(kind, meta.namespace, meta.name, PROGRESS[kind.kind]))
        if options.output in ("json", "yaml"):
            self._items.append((kind, message))
        elif options.output == "name":
            self._shell.out(print_names([(kind, message)]))
        else:
            self._shell.out(f"{object_name(kind, meta.name)} {action}{dry_run_suffix(options.dry_run)}\n")

    def finish(self) -> None:
        if self._items:
            self._shell.out_data(print_objects(self._items, self._options.output))


@flags.verb(cli, "apply", WriteOptions)
@flags.files
@flags.writing
@flags.namespace
@click.option(
    "--validate",
    type=click.Choice([*_VALIDATIONS]),
    default="strict",
    is_flag=False,
    flag_value="strict",
    help="Unknown and duplicate fields; true is strict, false is ignore.",
)
@flags.flag(
    "--server-side", "Let the server merge, and keep who owns which fields (docs/server-side-apply.md)."
)
@flags.flag("--force-conflicts", "With --server-side: take fields from the managers that have them.")
@flags.text("--field-manager", "Whose the fields are that are set.", "NAME")
@flags.flag("--wait", "Until Deployments, ReplicaSets and Pods are ready; tell why they are not.")
@flags.duration("--timeout", "0s", "How long to wait: 30s; 0 waits without end.")
async def apply(shell: Shell, clients: Clientset, options: WriteOptions) -> None:
    """Bring objects to what manifests say: create them, or change what is different."""
    _check(options)
    written = _Written(shell, options)
    count = 0
    sources = read_sources(shell, options.files, recursive=options.recursive)
    if options.server_side:
        count = await _apply_on_server(shell, clients, sources, options, written)
    else:
        for source in sources:
            if options.dry_run == "client":
                count += _show_only(shell, source, written)
            else:
                count += await _apply_source(shell, clients, source, options, written)
    written.finish()
    if not count and not shell.failures:
        raise Failure(NOTHING)
    if not options.wait or options.dry_run != "none":
        return
    # One object after the other; the time is for all of them.
    end = shell.clock.monotonic() + options.timeout
    for item in written.wanted:
        left = max(end - shell.clock.monotonic(), 0.001) if options.timeout else 0.0
        await follow(shell, clients, item, seconds=left)


def _check(options: WriteOptions) -> None:
    """Refuse flags that do not go together, as kubectl's apply does (ApplyOptions.Validate). Raises Failure."""
    if options.force_conflicts and not options.server_side:
        raise Failure("--force-conflicts only works with --server-side")
    if options.server_side and options.dry_run == "client":
        raise Failure(
            "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"
        )


async def _apply_on_server(
    shell: Shell, clients: Clientset, sources: Sequence[Source], options: WriteOptions, written: _Written
) -> int:
    """Apply each object by itself; return how many there are."""
    how = ServerSide(
        manager=options.field_manager or KUBECTL,
        force=options.force_conflicts,
        dry_run=options.dry_run == "server",
        validation=_VALIDATIONS[options.validate],
    )

    async def one(found: Decoded) -> None:
        try:
            made = await apply_one(shell, clients, found, how)
        except Failure as error:
            shell.complain(str(error))
        else:
            written.add(found.kind, made, "serverside-applied")

    return await each_object(shell, sources, one, strict=how.validation == "Strict")


async def _apply_source(
    shell: Shell, clients: Clientset, source: Source, options: WriteOptions, written: _Written
) -> int:
    """Apply a file in one request, and tell each object's outcome; return how many there are."""
    doing, validation = f'applying "{source.name}"', _VALIDATIONS[options.validate]
    text = checked_text(shell, source, strict=validation == "Strict")
    request = manifest_service_pb2.ApplyRequest(
        manifest=text, namespace=shell.namespace, field_manager=options.field_manager or FIELD_MANAGER,
        dry_run=["All"] if options.dry_run == "server" else [], field_validation=validation,
    )  # fmt: skip
    try:
        answer = await clients.manifests.apply(request)
    except ApiError as error:
        if error.message != NOTHING:
            shell.report(error, doing)
        return 0
    for result in answer.results:
        for warning in result.warnings:
            shell.warn(warning)
        kind = KINDS_BY_GVK.get((result.api_version, result.kind))
        if result.HasField("error"):
            shell.report(from_status(result.error), doing)
        elif kind is not None:
            written.add(kind, decode_json(result.manifest, kind=kind, strict=False).message, result.action)
    return len(answer.results)


def _show_only(shell: Shell, source: Source, written: _Written) -> int:
    """Tell what of a file would be applied, without asking the server; return how many objects there are."""
    results = read_documents(source.text)
    for result in results:
        if isinstance(result, ApiError):
            shell.report(result, f'applying "{source.name}"')
            continue
        try:
            into_namespace(shell, result)
        except Failure as error:
            shell.complain(str(error))
        else:
            written.add(result.kind, result.message, "created")
    return len(results)


async def create(shell: Shell, clients: Clientset, options: WriteOptions) -> None:
    """Create objects from manifests; each must be new."""
    written = _Written(shell, options)

    async def one(found: Decoded) -> None:
        message = found.message
        if options.dry_run != "client":
            message = await clients.kind(found.kind).create(
                message, dry_run=options.dry_run == "server", field_manager=FIELD_MANAGER
            )
        written.add(found.kind, message, "created")

    sources = read_sources(shell, options.files, recursive=options.recursive)
    count = await each_object(shell, sources, one, "creating")
    written.finish()
    if not count:
        raise Failure("no objects passed to create")


@flags.verb(cli, "replace", WriteOptions)
@flags.files
@flags.namespace
@flags.server_dry_run
async def replace(shell: Shell, clients: Clientset, options: WriteOptions) -> None:
    """Replace objects by what manifests say."""

    async def one(found: Decoded) -> None:
        message: Any = found.message
        await clients.kind(found.kind).update(
            message, dry_run=options.dry_run == "server", field_manager=FIELD_MANAGER
        )
        name = object_name(found.kind, message.metadata.name)
        shell.out(f"{name} replaced{dry_run_suffix(options.dry_run)}\n")

    sources = read_sources(shell, options.files, recursive=options.recursive)
    if not await each_object(shell, sources, one, "replacing"):
        raise Failure("no objects passed to replace")


#: exit code when there are differences, and when something went wrong
DIFFERENT: Final = 1
FAILED: Final = 2
#: what stands for a Secret's values: where both have the same, or one has none; and where they differ
_MASK: Final = "***"
_BEFORE: Final = "*** (before)"
_AFTER: Final = "*** (after)"


@dataclass(frozen=True, slots=True)
class DiffOptions:
    """What `diff` was asked for."""

    files: tuple[str, ...]
    recursive: bool = False
    show_secrets: bool = False


@flags.verb(cli, "diff", DiffOptions)
@flags.files
@flags.namespace
@flags.flag("--show-secrets", "Show the values of Secrets.")
async def diff(shell: Shell, clients: Clientset, options: DiffOptions) -> None:
    """Show what applying manifests would change.

    Ends with 1 when that is something, with 2 when it cannot be told.
    """
    # As `diff -u -N` shows two folders: in the order of names.
    try:
        found = await _compare(shell, clients, options)
    except ApiError as error:
        raise Exit(FAILED, explain_error(error, server=shell.server)) from error
    except Failure as error:
        raise Exit(FAILED, f"error: {error}") from error
    if shell.failures:
        raise Exit(FAILED)
    shell.out("".join(found[name] for name in sorted(found)))
    if any(found.values()):
        raise Exit(DIFFERENT)


async def _compare(shell: Shell, clients: Clientset, options: DiffOptions) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in read_sources(shell, options.files, recursive=options.recursive):
        request = manifest_service_pb2.ApplyRequest(
            manifest=checked_text(shell, source), namespace=shell.namespace, field_manager=FIELD_MANAGER, dry_run=["All"],
            field_validation="Strict",
        )  # fmt: skip
        try:
            answer = await clients.manifests.apply(request)
        except ApiError as error:
            if error.message != NOTHING:
                raise
            continue
        for result in answer.results:
            if result.HasField("error"):
                shell.report(from_status(result.error), f'applying "{source.name}"')
                continue
            name, text = await _difference(clients, result, options)
            found[name] = text
    return found


async def _difference(
    clients: Clientset, result: manifest_service_pb2.ApplyResult, options: DiffOptions
) -> tuple[str, str]:
    kind = KINDS_BY_GVK[result.api_version, result.kind]
    merged: Any = decode_json(result.manifest, kind=kind, strict=False).message
    live: Any = None
    try:
        live = await clients.kind(kind).get(result.name, result.namespace)
    except NotFound:
        pass
    else:
        # What a dry run cannot know.
        merged.metadata.resource_version = live.metadata.resource_version
    # Which manifest it was is not shown: kubectl compares without the annotation that keeps it.
    annotations = merged.metadata.annotations
    annotations.pop(LAST_APPLIED, None)
    if live is not None and LAST_APPLIED in live.metadata.annotations:
        annotations[LAST_APPLIED] = live.metadata.annotations[LAST_APPLIED]
    before = {} if live is None else as_values([(kind, live)], single=True)
    after = as_values([(kind, merged)], single=True)
    if kind is SECRET and not options.show_secrets:
        _mask(before.get("data") or {}, after.get("data") or {})
    group = f"{kind.group}." if kind.group else ""
    name = f"{group}{kind.version}.{kind.kind}.{result.namespace}.{result.name}"
    return name, _unified(name, _lines(before), _lines(after))


def _mask(before: dict[str, str], after: dict[str, str]) -> None:
    """Put the same in place of all values of two Secrets, but say which are different."""
    for key in before.keys() | after.keys():
        differs = key in before and key in after and before[key] != after[key]
        if key in before:
            before[key] = _BEFORE if differs else _MASK
        if key in after:
            after[key] = _AFTER if differs else _MASK


def _lines(values: dict[str, Any]) -> list[str]:
    return write_yaml(values).splitlines(keepends=True) if values else []


def _unified(name: str, before: list[str], after: list[str]) -> str:
    lines = list(difflib.unified_diff(before, after, f"LIVE/{name}", f"MERGED/{name}"))
    return "".join([f"diff -u -N LIVE/{name} MERGED/{name}\n", *lines]) if lines else ""
