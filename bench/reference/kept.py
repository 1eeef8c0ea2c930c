"""The raw data that come with the project: where the reference's figures in tables are from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.reference.raw import Entry, RawError, decode, rate

_FOLDER = Path(__file__).parent / "data"


def kept_files() -> list[Path]:
    """Return them, in the order of their names, which begin with a date."""
    return sorted(_FOLDER.glob("*.json"))


def read_entries(files: Sequence[Path]) -> list[Entry]:
    """Return what files of raw data hold.

    Raises:
        RawError: one is none, or cannot be read.
    """
    found: list[Entry] = []
    for file in files:
        try:
            found += decode(file.read_bytes()).entries
        except OSError as error:
            raise RawError(f"{file}: {error.strerror}") from error
        except RawError as error:
            raise RawError(f"{file}: {error}") from error
    return found


def reference_rates() -> Mapping[str, str]:
    """Return the reference's Pods a second by workload, as tables show them.

    The newest where there are several.
    """
    return {one.workload: rate(one.reference) for one in read_entries(kept_files()) if one.reference.figures}
