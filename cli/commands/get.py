"""`vaina get`: objects as tables, YAML, JSON, names or a template; once, or as they change."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import click
from google.protobuf.message import Message

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.flags import Selection, check_place, find
from cli.printers import objects
from cli.printers.jsonpath import JsonPathError, render
from cli.printers.objects import Item
from cli.printers.table import Table, column_widths, render_table
from cli.shell import Shell
from cli.targets import Target, parse_targets
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, Unavailable
from vaina.kinds import Kind
from vaina.objects.manifest import to_dict, write_json
from vaina.objects.watch import ADDED, BOOKMARK
from vaina.objects.yaml_text import write_yaml

_JSONPATH = "jsonpath="


@dataclass(frozen=True, slots=True)
class GetOptions(Selection):
    """What `get` was asked for."""

    output: str = ""
    watch: bool = False
    watch_only: bool = False
    output_watch_events: bool = False
    headers: bool = True
    show_labels: bool = False
    label_columns: Sequence[str] = ()
    sort_by: str = ""
    ignore_not_found: bool = False
    show_managed_fields: bool = False
    #: objects that one answer of the server has
    chunk_size: int = 500

    def table(
        self, kind: Kind[Message], items: Sequence[Message], now: float, *, is_list: bool, with_kind: bool = False
    ) -> Table:  # fmt: skip
        """Return the table of objects of one kind; now in seconds since the epoch."""
        shown = objects.Shown(
            wide=self.output == "wide",
            with_namespace=self.all_namespaces and kind.namespaced,
            with_kind=with_kind,
            label_columns=[key for given in self.label_columns for key in given.split(",") if key],
            with_labels=self.show_labels,
            is_list=is_list,
        )
        return objects.make_table(kind, items, now, shown)


def _check(options: GetOptions, targets: Sequence[Target]) -> None:
    plain = options.output in ("", "wide", "name", "json", "yaml")
    if not plain and not options.output.startswith((_JSONPATH, objects.CUSTOM_COLUMNS)):
        raise Failure(
            f'unable to match a printer suitable for the output format "{options.output}", allowed formats are: '
            "custom-columns=...,json,jsonpath=...,name,wide,yaml"
        )
    if any(target.name for target in targets):
        for target in targets:
            check_place(target, options)
        if options.label_selector:
            raise Failure("selectors and the name of a resource cannot be used together")
    if options.output_watch_events and not (options.watch or options.watch_only):
        raise Failure("--output-watch-events option can only be used with --watch or --watch-only")
    if options.watch and len(targets) > 1:
        raise Failure("you may only specify a single resource type or name with --watch")


@flags.verb(cli, "get", GetOptions)
@click.argument("words", nargs=-1, metavar="TYPE [NAME]...")
@flags.selecting
@flags.namespace
@flags.text(
    "-o --output", "wide, name, json, yaml, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,....", "FORMAT"
)
@flags.flag("-w --watch", "Then show changes as they happen.")
@flags.flag("--watch-only", "Show changes only.")
@flags.flag("--output-watch-events", "With -w: what happened to each object, ADDED, MODIFIED or DELETED.")
@flags.no_headers
@flags.flag("--show-labels", "Show labels as the last column.")
@flags.several("-L --label-columns", "Labels that have a column each; may be given again.", "KEY,...")
@flags.text("--sort-by", "Sort by a field: .metadata.creationTimestamp.", "JSONPATH")
@flags.flag("--show-managed-fields", "Show who owns which fields, in JSON and YAML.")
@flags.flag("--ignore-not-found", "An object that is not there is no error.")
@click.option(
    "--chunk-size", type=click.IntRange(0), default=500, show_default=True,
    help="Objects that one answer has; 0 asks for all at once.",
)  # fmt: skip
async def get(shell: Shell, clients: Clientset, options: GetOptions) -> None:
    """Show objects: pods, pod NAME, pods,rs, all, pod/a rs/b."""
    targets = parse_targets(options.words, "get")
    _check(options, targets)
    if options.watch or options.watch_only:
        await _watch(shell, clients, targets[0], options)
        return
    groups: list[tuple[Kind[Message], list[Message]]] = []
    errors: list[ApiError] = []
    for target in targets:
        await _collect(shell, clients, target, options, groups, errors)
    items: list[Item] = [(kind, item) for kind, found in groups for item in found]
    if not options.output or options.output == "wide":
        _print_tables(shell, groups, targets, options, silent=bool(errors))
    elif items or not errors:
        single = len(targets) == 1 and bool(targets[0].name)
        write = _writer(shell, options.output)
        write(_format(items, options, single=single))
    for error in errors:
        shell.report(error)


async def _collect(
    shell: Shell,
    clients: Clientset,
    target: Target,
    options: GetOptions,
    groups: list[tuple[Kind[Message], list[Message]]],
    errors: list[ApiError],
) -> None:
    """Fetch what a target names; what is not there is told in the end, after what is."""
    try:
        found = await find(shell, clients, target, options, page=options.chunk_size)
    except ApiError as error:
        if not (options.ignore_not_found and error.reason == "NotFound"):
            errors.append(error)
        return
    if not target.name:
        found = _sorted(target.kind, found, options)
    if groups and groups[-1][0] is target.kind:
        groups[-1][1].extend(found)
    else:
        groups.append((target.kind, found))


def _sorted(kind: Kind[Message], items: Sequence[Message], options: GetOptions) -> list[Message]:
    if not options.sort_by:
        return objects.sort_items(kind, items)
    try:
        return sorted(items, key=lambda item: _sort_key(render(options.sort_by, to_dict(kind, item))))
    except JsonPathError as error:
        raise Failure(f"error parsing --sort-by: {error}") from error


def _sort_key(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.lstrip("-").isdigit() else (1, 0, text)


def _writer(shell: Shell, output: str) -> Callable[[str], None]:
    """Return what writes a format: columns are for people, the others for programs."""
    return shell.out if output.startswith(objects.CUSTOM_COLUMNS) else shell.out_data


def _format(items: Sequence[Item], options: GetOptions, *, single: bool, headers: bool | None = None) -> str:
    output = options.output
    match output:
        case "json" | "yaml":
            return objects.print_objects(
                items, output, single=single, managed_fields=options.show_managed_fields
            )
        case "name":
            return objects.print_names(items)
        case _ if output.startswith(objects.CUSTOM_COLUMNS):
            found = [objects.as_values([item], single=True, managed_fields=True) for item in items]
            try:
                return render_table(
                    objects.make_custom_table(output.removeprefix(objects.CUSTOM_COLUMNS), found),
                    show_headers=options.headers if headers is None else headers,
                )
            except objects.ColumnsError as error:
                raise Failure(str(error)) from error
        case _:
            try:
                return render(
                    output.removeprefix(_JSONPATH),
                    objects.as_values(items, single=single, managed_fields=True),
                )
            except JsonPathError as error:
                raise Failure(f"error parsing jsonpath: {error}") from error


def _print_tables(
    shell: Shell,
    groups: Sequence[tuple[Kind[Message], list[Message]]],
    targets: Sequence[Target],
    options: GetOptions,
    *,
    silent: bool,
) -> None:
    shown = [(kind, found) for kind, found in groups if found]
    several = len({target.kind.kind for target in targets}) > 1
    is_list = not any(target.name for target in targets)
    for index, (kind, found) in enumerate(shown):
        table = options.table(kind, found, shell.clock.now(), is_list=is_list, with_kind=several)
        blank = "\n" if index else ""
        shell.out(blank + render_table(table, paint=shell.paint, show_headers=options.headers))
    if not shown and not silent and not options.ignore_not_found:
        everywhere = options.all_namespaces or not any(target.kind.namespaced for target in targets)
        place = "" if everywhere else f" in {shell.namespace} namespace."
        shell.err(f"No resources found{place}")


class _WatchPrinter:
    """Prints objects as they come; rows stay in line with the header. Owned by one `get -w`."""

    def __init__(self, shell: Shell, kind: Kind[Message], options: GetOptions) -> None:
        self._shell, self._kind, self._options = shell, kind, options
        self._headers = options.headers
        self._widths: list[int] | None = None

    def show(self, changes: Sequence[tuple[str, Message]], *, is_list: bool = False) -> None:
        if not changes:
            return
        options, items = self._options, [item for _, item in changes]
        if options.output and options.output != "wide":
            for change in changes:
                _writer(self._shell, options.output)(self._text(*change))
                self._headers = False
            return
        table = options.table(self._kind, items, self._shell.clock.now(), is_list=is_list)
        if options.output_watch_events:
            rows = [(event, *row) for (event, _), row in zip(changes, table.rows, strict=True)]
            table = Table(("EVENT", *table.headers), rows, table.stylers)
        found = column_widths([table.headers, *table.rows])
        self._widths = [max(pair) for pair in zip(found, self._widths or found, strict=True)]
        self._shell.out(
            render_table(table, paint=self._shell.paint, show_headers=self._headers, widths=self._widths)
        )
        self._headers = False

    def _text(self, event: str, item: Message) -> str:
        """Return an object in the format that was asked for: with its event in it, or before it."""
        output = self._options.output
        if not self._options.output_watch_events:
            return _format([(self._kind, item)], self._options, single=True, headers=self._headers)
        values = {"type": event, "object": to_dict(self._kind, item)}
        match output:
            case "json":
                return f"{write_json(values, indent=4)}\n"
            case "yaml":
                return f"---\n{write_yaml(values)}"
            case _:
                text = _format([(self._kind, item)], self._options, single=True, headers=False)
                return f"{event:<10} {text}"


async def _watch(shell: Shell, clients: Clientset, target: Target, options: GetOptions) -> None:
    """Show the objects, then each change, until interrupted; a broken watch goes on where it was."""
    client = clients.kind(target.kind)
    place = shell.place(target.kind, everywhere=options.all_namespaces)
    fields = f"metadata.name={target.name}" if target.name else options.field_selector
    if target.name:
        await client.get(target.name, place)
    listed = await client.list(
        place, label_selector=options.label_selector, field_selector=fields, page=options.chunk_size
    )
    printer = _WatchPrinter(shell, target.kind, options)
    if not options.watch_only:
        found = _sorted(target.kind, listed.items, options)
        printer.show([(ADDED, item) for item in found], is_list=not target.name)
    version = listed.resource_version
    while True:
        stream = client.watch(
            place, label_selector=options.label_selector, field_selector=fields, resource_version=version
        )
        try:
            async with aclosing(stream) as batches:
                async for batch in batches:
                    printer.show(
                        [(event.type, event.object) for event in batch.events if event.type != BOOKMARK]
                    )
                    version = batch.resource_version or version
        except Unavailable:
            # The server is away or restarts: nothing is lost, the version says where to go on.
            await shell.clock.sleep(1.0)
