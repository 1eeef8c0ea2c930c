"""`vaina certs`: the authorities and certificates of a cluster (docs/security.md)."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from cryptography.x509.oid import NameOID

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.table import Table, render_table
from cli.shell import Shell
from vaina.clock import rfc3339
from vaina.pki import cluster

#: how often `--watch` looks, at least: the clock of a machine that slept has gone on without it
_WATCH_SECONDS: Final = 3600.0
_DAY: Final = 86_400.0

F = TypeVar("F", bound=Callable[..., None])

_folder = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))


def _wanted(command: F) -> F:
    """Add the flags that say which certificates are wanted."""
    command = click.option(
        "--admin", default=cluster.ADMIN, envvar="VAINA_CERTS_ADMIN", metavar="NAME",
        help="Name of the administrator's folder (VAINA_CERTS_ADMIN, admin).",
    )(command)  # fmt: skip
    command = flags.duration(
        "--duration seconds", "2160h", "How long new certificates hold; they are due at two thirds of it."
    )(command)
    command = flags.several(
        "--host hosts", "A further name or address of the control plane's servers; may be repeated.", "HOST"
    )(command)
    command = click.option(
        "--node", "nodes", multiple=True, metavar="NAME=ADDRESS", callback=_read_nodes,
        help="A node that gets its certificates here, instead of asking the apiserver; may be repeated.",
    )(command)  # fmt: skip
    command = click.option(
        "--kubeconfig-server", default="", envvar="VAINA_CERTS_KUBECONFIG_SERVER", metavar="URL",
        help="Write a kubeconfig for this URL of the REST port into the administrator's folder (VAINA_CERTS_KUBECONFIG_SERVER).",
    )(command)  # fmt: skip
    command = click.option(
        "--page-server", default="", envvar="VAINA_CERTS_PAGE_SERVER", metavar="URL",
        help="Write the login link of the page at this URL into the administrator's folder (VAINA_CERTS_PAGE_SERVER).",
    )(command)  # fmt: skip
    return _folder(command)


def _read_nodes(_: click.Context, __: click.Parameter, given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple(text.partition("=") for text in given)
    if wrong := [name for name, _, address in pairs if not name or not address]:
        raise click.BadParameter(f'"{wrong[0]}" is not NAME=ADDRESS')
    return tuple((name, address) for name, _, address in pairs)


@cli.group("certs")
def certs() -> None:
    """Make, renew and show the certificates of a cluster, in a folder of folders."""


@certs.command("make")
@_wanted
@flags.flag("--watch", "Go on, and renew each certificate when it is due.")
@click.pass_context
def make(context: click.Context, /, *, watch: bool, **wanted: Any) -> None:
    """Make what is missing or due: the authorities, and a folder for each component."""
    shell, folders = flags.shell_of(context), _folders(**wanted)
    _make(shell, folders)
    if watch:
        asyncio.run(_watch(shell, folders))


@certs.command("renew")
@_wanted
@click.pass_context
def renew(context: click.Context, /, **wanted: Any) -> None:
    """Renew all certificates now. Authorities stay; components take the new files up by themselves."""
    _make(flags.shell_of(context), _folders(**wanted), renew=True)


@certs.command("show")
@_folder
@click.pass_context
def show(context: click.Context, *, directory: Path) -> None:
    """Show whom the certificates name, where they hold, and for how long."""
    shell = flags.shell_of(context)
    with _told(directory):
        rows = [_row(one, shell.clock.now()) for one in cluster.show_all(directory)]
    if not rows:
        raise Failure(
            f"there are no certificates in {directory}; make them with: vaina certs make {directory}"
        )
    table = Table(("FOLDER", "USER", "GROUPS", "HOSTS", "SERIAL", "EXPIRES", "DAYS"), rows)
    shell.out(render_table(table, paint=shell.paint))


@certs.command("deny")
@_folder
@click.argument("serial")
@click.pass_context
def deny(context: click.Context, *, directory: Path, serial: str) -> None:
    """Let the certificate with this serial number (`vaina certs show`) count no more."""
    try:
        number = int(serial.replace(":", ""), 16)
    except ValueError as error:
        raise Failure(f'"{serial}" is no serial number; they are written in hex') from error
    with _told(directory):
        told = cluster.Folders(directory).deny(number, flags.shell_of(context).clock.now())
    flags.shell_of(context).out(f"denied; told: {', '.join(told)}\n")


def _folders(directory: Path, **wanted: Any) -> cluster.Folders:
    return cluster.Folders(directory, **wanted)


def _make(shell: Shell, folders: cluster.Folders, *, renew: bool = False) -> None:
    with _told(folders.root):
        written = folders.make(shell.clock.now(), renew=renew)
    for name in written:
        shell.out(f"{folders.root / name}: made\n")


async def _watch(shell: Shell, folders: cluster.Folders) -> None:
    while True:
        wait = folders.next_renewal() - shell.clock.now()
        await shell.clock.sleep(min(max(wait, 1.0), _WATCH_SECONDS))
        _make(shell, folders)


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise Failure(f"{directory}: {error}") from error


def _row(one: cluster.Shown, now: float) -> tuple[str, ...]:
    certificate = one.certificate
    names = {
        oid: ",".join(str(part.value) for part in certificate.subject.get_attributes_for_oid(oid)) or "<none>"
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    }
    end = certificate.not_valid_after_utc.timestamp()
    return (
        one.folder,
        names[NameOID.COMMON_NAME],
        names[NameOID.ORGANIZATION_NAME],
        ",".join(sorted(cluster.hosts_of(certificate))) or "<none>",
        f"{certificate.serial_number:x}",
        rfc3339(end),
        str(int((end - now) // _DAY)),
    )
