"""`vaina diff`: what applying manifests would change, as kubectl shows it (`kubectl/pkg/cmd/diff/diff.go`)."""

import difflib
from dataclasses import dataclass
from typing import Any, Final

from cli import flags
from cli.app import cli
from cli.commands.apply import FIELD_MANAGER, NOTHING
from cli.failures import Exit, Failure, explain_error
from cli.files import checked_text, read_sources
from cli.printers.objects import as_values
from cli.shell import Shell
from vaina.api.core.v1 import manifest_service_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound, from_status
from vaina.kinds import KINDS_BY_GVK, SECRET
from vaina.objects.manifest import decode_json
from vaina.objects.rollouts import LAST_APPLIED
from vaina.objects.yaml_text import write_yaml

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
