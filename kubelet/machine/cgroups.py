"""The kernel's control groups, version 1 and 2: makes and limits those of Pods, reads what they use. Shell.

Only the hierarchies in which something is limited are touched; the runtime makes its containers' in all of
them. Paths are the same in every hierarchy. The files are small, so there are no threads.
"""

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from kubelet.containers.cgroups import ROOT, CgroupLimits, cgroups_of

log = structlog.stdlib.get_logger(__name__)

SYSTEM = Path("/sys/fs/cgroup")
_CONTROLLERS = ("cpu", "memory", "pids")
_UNLIMITED = -1
#: the kernel's own bounds
_MOST_SHARES, _MOST_WEIGHT = 262_144, 10_000


@dataclass(frozen=True, slots=True)
class CgroupUse:
    """What the processes of a cgroup, and of those below it, use. None: not known."""

    #: cumulative
    cpu_nanos: int | None = None
    #: without inactive file pages, as cAdvisor counts
    working_set_bytes: int | None = None
    processes: int | None = None


def weight_of(shares: int) -> int:
    """Return version 2's cpu.weight (1 to 10000) for version 1's shares (2 to 262144).

    As getCPUWeight in `pkg/kubelet/cm/cgroup_manager_linux.go`; runtimes convert those of containers.
    """
    return min(1 + (shares - 2) * 9999 // 262142, _MOST_WEIGHT)


class Cgroups:
    """The machine's cgroups. Owned by the kubelet's build."""

    def __init__(self, system: Path = SYSTEM) -> None:
        self._system = system
        self.unified = (system / "cgroup.controllers").exists()

    def _folder(self, controller: str, path: str) -> Path:
        base = self._system if self.unified else self._system / controller
        return base / path.lstrip("/")

    def _folders(self, path: str) -> Iterable[Path]:
        return [self._folder(name, path) for name in (("",) if self.unified else _CONTROLLERS)]

    # Making

    def apply(self, path: str, limits: CgroupLimits) -> None:
        """Make a cgroup what it should be. Idempotent. Raises OSError."""
        for folder in self._folders(path):
            folder.mkdir(parents=True, exist_ok=True)
        if self.unified:
            self._delegate(path)
        # Below what is used, version 1's kernel refuses a limit, and version 2's kills for it.
        used = self.used_above(path, limits.memory_bytes) if self.unified else 0
        _write_all(
            (self._folder(controller, path) / name, text)
            for controller, name, text in self._settings(limits)
            if name != "memory.max" or not used
        )
        if used:
            raise OSError(
                errno.EBUSY, f"memory limit {limits.memory_bytes} is below current usage {used}", path
            )

    def used_above(self, path: str, limit: int) -> int:
        """Return the bytes of memory used where a new limit (0: none) would lower it to that or less; else 0."""
        used, limited = (
            ("memory.current", "memory.max")
            if self.unified
            else ("memory.usage_in_bytes", "memory.limit_in_bytes")
        )
        folder = self._folder("memory", path)
        now = _number(folder / limited)
        lowered = limit and (now is None or limit < now)
        found = (_number(folder / used) or 0) if lowered else 0
        return found if found >= limit else 0

    def contain(self, path: str, *, kill_together: bool) -> None:
        """Set how the containers of a Pod's cgroup meet a lack of memory. Not in version 1. Raises OSError.

        All processes of a container are killed together (calculateLinuxResources in `pkg/kubelet/kuberuntime/
        kuberuntime_container_linux.go`), and none swaps (configureContainerSwapResources: NoSwap).
        """
        if not self.unified:
            return
        wanted = {"memory.oom.group": str(int(kill_together)), "memory.swap.max": "0"}
        _write_all(
            (folder / name, text)
            for folder in [item for item in self._folder("", path).iterdir() if item.is_dir()]
            for name, text in wanted.items()
            # Kernels without swap have no such file.
            if (folder / name).exists() and _lines(folder / name) != [text]
        )

    def _delegate(self, path: str) -> None:
        """Enable the controllers in every cgroup of the path (version 2 hands them down one by one)."""
        folder = self._system
        there = _words(folder / "cgroup.controllers")
        for part in ("", *path.strip("/").split("/")[:-1]):
            folder = folder / part
            handed = folder / "cgroup.subtree_control"
            have = _words(handed)
            # One that the machine lacks would have the kernel refuse the others too.
            if wanted := [name for name in _CONTROLLERS if name in there and name not in have]:
                handed.write_text(" ".join(f"+{name}" for name in wanted))

    def _settings(self, limits: CgroupLimits) -> Iterable[tuple[str, str, str]]:
        quota, period = limits.cpu_quota_micros, limits.cpu_period_micros
        pids = str(limits.pids) if limits.pids > 0 else "max"
        if self.unified:
            return (
                ("", "cpu.weight", str(weight_of(limits.cpu_shares))),
                ("", "cpu.max", f"{quota or 'max'} {period}"),
                ("", "memory.max", str(limits.memory_bytes or "max")),
                ("", "pids.max", pids),
            )
        return (
            ("cpu", "cpu.shares", str(limits.cpu_shares)),
            ("cpu", "cpu.cfs_period_us", str(period)),
            ("cpu", "cpu.cfs_quota_us", str(quota or _UNLIMITED)),
            ("memory", "memory.limit_in_bytes", str(limits.memory_bytes or _UNLIMITED)),
            ("pids", "pids.max", pids),
        )

    def share_up(self, path: str) -> None:
        """Give a cgroup, and each one above it, the CPU shares of those below it together. Raises OSError.

        Otherwise all Pods of a node would share what one container of the machine has. Others may write at the
        same time, so this is done again and again.
        """
        name, most = ("cpu.weight", _MOST_WEIGHT) if self.unified else ("cpu.shares", _MOST_SHARES)
        folder = self._folder("cpu", path)
        top = self._system if self.unified else self._system / "cpu"
        while folder != top:
            below = [_number(item / name) for item in folder.iterdir() if item.is_dir()]
            wanted = min(sum(found or 0 for found in below), most)
            if wanted and wanted != _number(folder / name):
                (folder / name).write_text(str(wanted))
            folder = folder.parent

    def remove(self, path: str) -> None:
        """Remove a cgroup with those below it, in every hierarchy. One in which something still runs stays."""
        roots = [self._system] if self.unified else [item for item in self._system.iterdir() if item.is_dir()]
        for root in roots:
            for folder, _, _ in os.walk(root / path.lstrip("/"), topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()

    def pods(self, parent: str) -> frozenset[str]:
        found: set[str] = set()
        for base in self._folders(f"{parent}/{ROOT}"):
            for folder in (base, base / "burstable", base / "besteffort"):
                with suppress(OSError):
                    found |= {item.name[3:] for item in folder.iterdir() if item.name.startswith("pod")}
        return frozenset(found)

    # Reading

    def use(self, path: str) -> CgroupUse:
        """Return what is used in a cgroup; what cannot be read is None."""
        if self.unified:
            folder = self._folder("", path)
            micros = _stat(folder / "cpu.stat").get("usage_usec")
            cpu = micros * 1000 if micros is not None else None
            stat, used = _stat(folder / "memory.stat"), _number(folder / "memory.current")
            if used is None and "anon" in stat:
                # The machine's own has no such file: as libcontainer counts there (`cgroups/fs2/memory.go`).
                used = stat["anon"] + stat.get("file", 0)
            memory = _working_set(used, stat, "inactive_file")
            return CgroupUse(cpu, memory, _number(folder / "pids.current"))
        folder = self._folder("memory", path)
        memory = _working_set(
            _number(folder / "memory.usage_in_bytes"), _stat(folder / "memory.stat"), "total_inactive_file"
        )
        return CgroupUse(
            _number(self._folder("cpuacct", path) / "cpuacct.usage"), memory,
            _number(self._folder("pids", path) / "pids.current"),
        )  # fmt: skip

    def own(self) -> str:
        """Return this process's cgroup (on a node in a container, all but the Pods); "": it is not known."""
        for line in _lines(Path("/proc/self/cgroup")):
            _, controllers, path = line.split(":", 2)
            if (not controllers if self.unified else "memory" in controllers.split(",")) and path != "/":
                return path
        return ""


@contextmanager
def _logged(path: str) -> Iterator[None]:
    """Log what the kernel refuses: containers have limits of their own."""
    try:
        yield
    except OSError as error:
        log.warning("cgroup not set", cgroup=path, error=str(error))


class PodCgroups:
    """The cgroups of one node's Pods, for workers and the node's care; the kernel's refusals are logged."""

    def __init__(
        self,
        cgroups: Cgroups,
        parent: str,
        *,
        kill_together: bool = True,
        timed: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._cgroups, self._parent, self._timed = cgroups, parent, timed
        self._kill_together = kill_together
        self._applied: dict[str, CgroupLimits] = {}

    def apply(self, path: str, limits: CgroupLimits) -> None:
        if self._parent and self._applied.get(path) != limits:
            with _logged(path):
                with self._timed("update"):
                    self._cgroups.apply(path, limits)
                self._applied[path] = limits

    def used_above(self, path: str, limit: int) -> int:
        return self._cgroups.used_above(path, limit) if self._parent else 0

    def contain(self, path: str) -> None:
        # Not found: the last of the containers has just ended.
        if self._parent:
            with _logged(path), suppress(FileNotFoundError):
                self._cgroups.contain(path, kill_together=self._kill_together)

    def share_up(self) -> None:
        if self._parent:
            with _logged(self._parent):
                self._cgroups.share_up(self._parent)

    def remove(self, uid: str) -> None:
        for path in cgroups_of(self._parent, uid) if self._parent else ():
            self._applied.pop(path, None)
            with self._timed("destroy"):
                self._cgroups.remove(path)

    def present(self) -> frozenset[str]:
        """Return the uids of the Pods that have a cgroup, those of an earlier kubelet included."""
        return self._cgroups.pods(self._parent) if self._parent else frozenset()


def _write_all(files: Iterable[tuple[Path, str]]) -> None:
    """Write each file, whatever becomes of the others. Raises OSError: what the kernel refused first."""
    refused: OSError | None = None
    for path, text in files:
        try:
            path.write_text(text)
        except OSError as error:
            refused = refused or error
    if refused is not None:
        raise refused


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _words(path: Path) -> frozenset[str]:
    return frozenset(word for line in _lines(path) for word in line.split())


def _number(path: Path) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _stat(path: Path) -> Mapping[str, int]:
    pairs = [line.split() for line in _lines(path)]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _working_set(usage: int | None, stat: Mapping[str, int], inactive: str) -> int | None:
    return max(usage - stat.get(inactive, 0), 0) if usage is not None else None
