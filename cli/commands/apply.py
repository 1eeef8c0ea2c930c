"""`vaina apply` and `vaina create -f`: manifests into the cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from google.protobuf.message import Message

from cli import flags
from cli.failures import Failure
from cli.files import Source, checked_text, into_namespace, read_objects, read_sources
from cli.following import Wanted, follow
from cli.printers.objects import object_name, print_json, print_names, print_yaml
from cli.printers.rollout import PROGRESS
from cli.shell import Shell
from cli.targets import parse_duration
from vaina.api.core.v1 import manifest_service_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, from_status
from vaina.kinds import KINDS_BY_GVK, Kind
from vaina.objects.manifest import Decoded, decode_json, read_documents

FIELD_MANAGER = "vaina"
#: what the apiserver says of a text without objects; other files may have some
NOTHING = "no objects passed to apply"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What apply and create have in common."""

    files: Sequence[str]
    namespace: str = ""
    recursive: bool = False
    #: none, client or server
    dry_run: str = "none"
    #: empty, name, json or yaml
    output: str = ""
    validate: str = "Strict"
    #: until what was applied is ready
    wait: bool = False
    #: seconds; 0 waits without end
    timeout: float = 0.0


def _suffix(dry_run: str) -> str:
    return "" if dry_run == "none" else f" ({'server ' if dry_run == 'server' else ''}dry run)"


class _Written:
    """Tells of objects as they are written: at once as lines, or all together at the end."""

    def __init__(self, shell: Shell, options: WriteOptions) -> None:
        self._shell, self._options = shell, options
        self._items: list[tuple[Kind[Any], Message]] = []
        #: what can be waited for
        self.wanted: list[Wanted] = []

    def add(self, kind: Kind[Any], message: Message, action: str) -> None:
        fields: Any = message
        if kind.kind in PROGRESS:
            meta = fields.metadata
            self.wanted.append(Wanted(kind, meta.namespace, meta.name, PROGRESS[kind.kind]))
        if self._options.output in ("json", "yaml"):
            self._items.append((kind, message))
        elif self._options.output == "name":
            self._shell.out(print_names([(kind, message)]))
        else:
            name = object_name(kind, fields.metadata.name)
            self._shell.out(f"{name} {action}{_suffix(self._options.dry_run)}\n")

    def finish(self) -> None:
        if self._items:
            write = print_json if self._options.output == "json" else print_yaml
            self._shell.out_data(write(self._items, single=True))


async def apply(shell: Shell, clients: Clientset, options: WriteOptions) -> None:
    """Apply manifests: a request a file, each object's outcome as it comes."""
    sources = read_sources(shell, options.files, recursive=options.recursive)
    written = _Written(shell, options)
    count = 0
    for source in sources:
        count += await _apply_source(shell, clients, source, options, written)
    written.finish()
    if not count and not shell.failures:
        raise Failure(NOTHING)
    if options.wait and options.dry_run == "none":
        await _wait(shell, clients, written.wanted, options.timeout)


async def _wait(shell: Shell, clients: Clientset, wanted: Sequence[Wanted], seconds: float) -> None:
    """Tell how far each object is, one after the other; the time is for all of them."""
    end = shell.clock.monotonic() + seconds
    for item in wanted:
        left = max(end - shell.clock.monotonic(), 0.001) if seconds else 0.0
        await follow(shell, clients, item, seconds=left)


async def _apply_source(
    shell: Shell, clients: Clientset, source: Source, options: WriteOptions, written: _Written
) -> int:
    doing = f'applying "{source.name}"'
    if options.dry_run == "client":
        return _show_only(shell, source, options, written)
    text = checked_text(shell, source, options.namespace, strict=options.validate == "Strict")
    request = manifest_service_pb2.ApplyRequest(
        manifest=text, namespace=options.namespace or shell.namespace, field_manager=FIELD_MANAGER,
        dry_run=["All"] if options.dry_run == "server" else [], field_validation=options.validate,
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


def _show_only(shell: Shell, source: Source, options: WriteOptions, written: _Written) -> int:
    """Read the manifests and tell what would be applied; the server is not asked."""
    results = read_documents(source.text)
    for result in results:
        if isinstance(result, ApiError):
            shell.report(result, f'applying "{source.name}"')
            continue
        try:
            into_namespace(shell, result, options.namespace)
        except Failure as error:
            shell.complain(str(error))
        else:
            written.add(result.kind, result.message, "created")
    return len(results)


async def create(shell: Shell, clients: Clientset, options: WriteOptions) -> None:
    """Create objects from manifests; each must be new."""
    objects = read_objects(read_sources(shell, options.files, recursive=options.recursive))
    written = _Written(shell, options)
    for source, found in objects:
        doing = f'creating "{source.name}"'
        if isinstance(found, ApiError):
            shell.report(found, doing)
            continue
        try:
            await create_one(shell, clients, found, options, written)
        except ApiError as error:
            shell.report(error, doing)
        except Failure as error:
            shell.complain(str(error))
    written.finish()
    if not objects:
        raise Failure("no objects passed to create")


async def create_one(
    shell: Shell, clients: Clientset, found: Decoded, options: WriteOptions, written: _Written
) -> None:
    """Create one object, in the namespace that it or the command line names."""
    into_namespace(shell, found, options.namespace)
    message = found.message
    if options.dry_run != "client":
        client = clients.kind(found.kind)
        message = await client.create(
            message, dry_run=options.dry_run == "server", field_manager=FIELD_MANAGER
        )
    written.add(found.kind, message, "created")


_VALIDATIONS: Final = {
    "strict": "Strict", "warn": "Warn", "ignore": "Ignore", "true": "Strict", "false": "Ignore",
}  # fmt: skip


@click.command("apply")
@flags.files
@flags.writing
@flags.namespace
@click.option(
    "--validate",
    type=click.Choice(["strict", "warn", "ignore", "true", "false"]),
    default="strict",
    is_flag=False,
    flag_value="strict",
    help="Unknown and duplicate fields; true is strict, false is ignore.",
)
@click.option(
    "--wait", is_flag=True, help="Until Deployments, ReplicaSets and Pods are ready; tell why they are not."
)
@click.option("--timeout", default="0s", help="How long to wait: 30s; 0 waits without end.")
def apply_command(**options: Any) -> None:
    """Bring objects to what manifests say: create them, or change what is different."""
    options["validate"] = _VALIDATIONS[options["validate"]]

    async def command(shell: Shell, clients: Clientset) -> None:
        options["timeout"] = parse_duration(options["timeout"])
        await apply(shell, clients, WriteOptions(**options))

    flags.start(command)
