"""Processes that are found again by a variable of their environment, which what they start inherits."""

from contextlib import suppress
from pathlib import Path


def marked(mark: str) -> list[int]:
    """Return the processes that have this in their environment: `NAME=value`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # One that has just ended, or is somebody else's, is none of ours.
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
