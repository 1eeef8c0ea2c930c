"""`vaina load import`: an exported cluster becomes a workload. The work is done in `bench.load.imported`."""

from pathlib import Path
from typing import BinaryIO

import click

from bench.load.exported import MAX_BYTES, ImportFailed, read_all
from bench.load.imported import Replay, compute_import
from bench.load.imported_files import files, words
from cli import flags
from cli.commands.load_target import write_files
from cli.failures import Failure

_MIB = 2**20


def _read(names: tuple[str, ...], max_bytes: int, stdin: BinaryIO) -> list[tuple[str, bytes]]:
    """Return the files' content, together no more than so many bytes: their sizes are asked first."""
    if names.count("-") > 1:
        raise Failure("standard input (-) can be read once")
    try:
        left = max_bytes - sum(Path(name).stat().st_size for name in names if name != "-")
        found = []
        for name in names if left >= 0 else ():
            content = stdin.read(left + 1) if name == "-" else Path(name).read_bytes()
            left -= len(content) if name == "-" else 0
            found.append((name, content))
    except OSError as error:
        raise Failure(f"cannot read {error.filename}: {error.strerror}") from error
    if left < 0:
        raise Failure(f"{', '.join(names)}: more than {max_bytes // _MIB:,} MiB (--max-size)")
    return found


@click.command("import")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.option("-o", "--output", "folder", default="imported", show_default=True, help="The folder to write.")
@click.option(
    "--replay",
    type=click.Choice(["pending", "all"]),
    default="pending",
    show_default=True,
    help="Measure the Pods that are pending, or schedule all of them anew, the oldest first.",
)
@flags.flag("--scrub", "Replace names, namespaces, labels' values and images; what matched still matches.")
@flags.number(
    "--speed",
    (1e-3, 1e9),
    1.0,
    "How many times faster than in the cluster Pods arrive in arrivals.txt (load run --trace).",
)
@flags.number(
    "--max-size max_mib",
    (1, 16_384),
    MAX_BYTES // _MIB,
    "MiB of all files together; memory is needed several times as much.",
)
@click.pass_context
def import_command(
    context: click.Context,
    names: tuple[str, ...],
    folder: str,
    replay: Replay,
    *,
    scrub: bool,
    speed: float,
    max_mib: int,
) -> None:
    """Make a workload of a cluster, as kubectl shows it (- for standard input).

    \b
      kubectl get nodes,pods,ns,pdb,pvc,pv,sc,rs,sts,pc,csinodes -A -o json > export.json
      vaina load import export.json -o mine --scrub
      vaina load run -f mine/workload.yaml Imported/Pending --local
    Only what a scheduler looks at is kept: no environment, commands or annotations.
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    shell = flags.shell_of(context)
    read = _read(names, max_mib * _MIB, shell.stdin)
    try:
        found = compute_import(read_all(read), replay=replay, scrub=scrub)
    except ImportFailed as error:
        raise Failure(str(error)) from error
    write_files((str(Path(folder) / name), content) for name, content in files(found, replay, speed).items())
    shell.out("\n".join(words(found, folder, replay, speed)) + "\n")
