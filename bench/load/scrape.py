"""What processes tell of themselves.

Pages in Prometheus' text format, and /proc where they run on this machine.
"""

import os
import re
import ssl
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from vaina.pki.folder import AUTHORITIES, CERTIFICATE, KEY, Folder

_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
_TYPE = "# TYPE "
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_TIMEOUT_SECONDS = 5.0
#: of a page: more is no metrics page of ours
_MAX_BYTES = 8 * 1024 * 1024


class Page:
    """One page of metrics, read."""

    def __init__(self, text: str = "") -> None:
        self._samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        self._declared: set[str] = set()
        for line in text.splitlines():
            if line.startswith(_TYPE):
                self._declared.add(line[len(_TYPE) :].split(" ")[0])
            found = _LINE.match(line)
            if found:
                labels = dict(_LABEL.findall(found[2] or ""))
                try:
                    value = float(found[3])
                except ValueError:
                    continue  # no page of metrics, or cut off
                self._samples.setdefault(found[1], []).append((labels, value))

    def declares(self, name: str) -> bool:
        """Say whether the page has a metric of which there may be no sample yet."""
        return name in self._declared

    def has(self, name: str) -> bool:
        """Say whether the page has a metric."""
        return name in self._samples

    @property
    def is_empty(self) -> bool:
        """Whether nothing was read."""
        return not self._samples

    def samples(self, name: str) -> Sequence[tuple[Mapping[str, str], float]]:
        """Return a metric's samples, each with its labels."""
        return self._samples.get(name, ())

    def total(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        return sum(value for _, value in self._samples.get(name, ()))

    def by(self, name: str, label: str) -> dict[str, float]:
        """Return the sums by the value of a label."""
        sums: dict[str, float] = {}
        for labels, value in self._samples.get(name, ()):
            key = labels.get(label, "")
            sums[key] = sums.get(key, 0.0) + value
        return sums


def fetch(url: str, shown: Folder | None = None) -> Page:
    """Read a page of metrics, over https with a certificate.

    Raises OSError: nobody answers, or not with a page, or the URL is none.
    """
    context = None
    if shown is not None and url.startswith("https:"):
        context = ssl.create_default_context(cafile=shown.path / AUTHORITIES)
        context.load_cert_chain(shown.path / CERTIFICATE, shown.path / KEY)
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS, context=context) as answer:
            data: bytes = answer.read(_MAX_BYTES)
    except (ValueError, HTTPException) as error:
        raise OSError(str(error)) from error
    return Page(data.decode(errors="replace"))


def only(url: str, *names: str) -> str:
    """Return where some metrics of a page are.

    To make a whole one takes a process tens of milliseconds of what is measured.
    """
    return f"{url}?{urlencode([('name[]', name) for name in names])}" if url else ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since it began."""

    cpu_seconds: float
    #: resident now, and the most of it since it began; None: it does not tell
    memory_bytes: int
    peak_bytes: int | None = None


class Meter(Protocol):
    """Where the usage of one process is read."""

    def read(self) -> Usage:
        """Return it. Blocks. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class ProcMeter:
    """A process of this machine."""

    pid: int

    def read(self) -> Usage:
        folder = Path(f"/proc/{self.pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        status = (folder / "status").read_text()
        return Usage(cpu, kilobytes(status, "VmRSS:"), kilobytes(status, "VmHWM:"))


def kilobytes(status: str, name: str) -> int:
    """Read a line of /proc/PID/status; one that has just ended has none."""
    words = status.partition(name)[2].split()
    return int(words[0]) * 1024 if words else 0


@dataclass(frozen=True, slots=True)
class PageMeter:
    """A process somewhere, by its page of metrics."""

    url: str
    #: shown over https
    shown: Folder | None = None

    def read(self) -> Usage:
        page = fetch(only(self.url, "process_cpu_seconds_total", "process_resident_memory_bytes"), self.shown)
        return Usage(
            page.total("process_cpu_seconds_total"), int(page.total("process_resident_memory_bytes"))
        )
