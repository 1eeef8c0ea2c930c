"""The Pods of the manifests in a folder of the node. Shell; `static_files` decides.

The folder is listed every second instead of waiting for inotify: a list of names and times costs some 50 µs,
works on every file system, and two looks that agree tell a whole file from one that is being written.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from kubelet.metrics import KubeletMetrics
from kubelet.runtime.records import Uid
from kubelet.sources import static_files
from kubelet.sources.static_files import Entry, ManifestError, Stamp
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)


class FileSource:
    """Tells the kubelet of the node's static Pods."""

    def __init__(
        self,
        path: str,
        clock: Clock,
        *,
        node_name: str,
        check_seconds: float,
        on_change: Callable[[Mapping[Uid, pod_pb2.Pod]], None],
        metrics: KubeletMetrics,
    ) -> None:
        """Make it. The folder need not be there; "": there are no static Pods.

        `on_change` gets all static Pods after the first look and whenever they have changed.
        """
        self._path, self._clock, self._node_name = path, clock, node_name
        self._check_seconds, self._on_change, self._metrics = check_seconds, on_change, metrics
        self._entries: dict[str, Entry] = {}
        self._pods: frozenset[Uid] | None = None
        self._looked = asyncio.Event()
        self._problems: Mapping[str, str] = {}

    @property
    def synced(self) -> bool:
        """Whether the folder was looked at; before that, it is not known what is not in it."""
        return self._pods is not None

    async def wait_synced(self) -> None:
        await self._looked.wait()

    async def run(self) -> None:
        while True:
            await self.look()
            if not self._path:
                return
            await self._clock.sleep(self._check_seconds)

    async def look(self) -> None:
        """Look once. A folder that cannot be listed leaves everything as it was."""
        listing: Mapping[str, Stamp] = {}
        lost: Mapping[str, str] = {}
        if self._path:
            try:
                listing, lost = await asyncio.to_thread(_list, Path(self._path))
            except OSError as error:
                self._tell({".": f"Unable to read manifest path: {error}"})
                return
        entries, due = static_files.looked(self._entries, listing, first=not self.synced)
        for name in due:
            outcome = await asyncio.to_thread(self._read, name, entries[name].stamp)
            if outcome is not None:
                entries[name] = static_files.was_read(entries[name], outcome)
        self._entries = entries
        chosen = static_files.choose(entries)
        self._tell({**chosen.problems, **lost})
        uids = frozenset(chosen.pods)
        if uids != self._pods:
            self._pods = uids
            self._metrics.desired_pods.labels("true").set(len(uids))
            self._on_change(chosen.pods)
            self._looked.set()

    def _read(self, name: str, expected: Stamp) -> pod_pb2.Pod | ManifestError | None:
        """Return the Pod of a file, or what is wrong with it; None: the file has changed since it was listed."""
        path = os.path.join(self._path, name)
        try:
            # Without waiting: the file may have become a pipe.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                data = file.read(static_files.MAX_BYTES + 1)
                if _stamp(os.fstat(file.fileno())) != expected:
                    return None
            return static_files.decode(data, path=path, node_name=self._node_name, now=self._clock.now())
        except FileNotFoundError:
            return None
        except OSError as error:
            return ManifestError(f"cannot be read: {error.strerror}")
        except ManifestError as error:
            return error

    def _tell(self, problems: Mapping[str, str]) -> None:
        for name, words in problems.items():
            if self._problems.get(name) != words:
                log.error("Can't process manifest file", file=_shown(name), path=self._path, error=words)
        for name in self._problems.keys() - problems.keys():
            log.info("manifest file is in order, or gone", file=_shown(name), path=self._path)
        self._problems = dict(problems)
        self._metrics.manifest_problems.set(len(problems))


def _list(folder: Path) -> tuple[dict[str, Stamp], dict[str, str]]:
    """Return the files of a folder, and what is wrong with those that cannot be looked at. Raises OSError.

    A link that leads nowhere is reported and is no file (extractFromDir in `pkg/kubelet/config/file.go`).
    """
    try:
        names = static_files.considered(os.listdir(folder))
    except FileNotFoundError:
        return {}, {}
    found, lost, places = dict[str, Stamp](), dict[str, str](), 0
    for number, name in enumerate(names):
        # One more is looked at, so that a file beyond the limit is reported.
        if places > static_files.MAX_FILES:
            break
        if number >= static_files.MAX_NAMES:
            lost[name] = f"is beyond the {static_files.MAX_NAMES} names that are looked at"
            break
        path = folder / name
        try:
            found[name] = _stamp(path.stat())
        except OSError as error:
            # A file that is gone meanwhile is no mistake.
            if os.path.lexists(path):
                lost[name] = f"Can't get metadata: {error.strerror}"
            continue
        places += found[name].regular
    return found, lost


def _shown(name: str) -> str:
    """Return a file's name as a log takes it: it need not be UTF-8."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_mtime_ns, status.st_size, status.st_ino, stat.S_ISREG(status.st_mode))
