"""What the machine says of itself, and what files take of its disks. Shell: blocking."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubelet.machine.capacity import Resources
from kubelet.runtime.records import DnsConfig
from vaina.version import architecture

DEFAULT_PODS = 110
_CAP_SYS_RESOURCE = 24


@dataclass(frozen=True, slots=True)
class Machine:
    """What goes into a Node's nodeInfo, and what there is."""

    machine_id: str
    system_uuid: str
    boot_id: str
    kernel_version: str
    os_image: str
    architecture: str
    resources: Resources


def read_machine(root: Path) -> Machine:
    """Return what this machine is; `root` is the directory whose file system Pods' files are on."""
    names = os.uname()
    machine_id = _line("/etc/machine-id")
    return Machine(
        machine_id=machine_id,
        system_uuid=_line("/sys/class/dmi/id/product_uuid") or machine_id,
        boot_id=_line("/proc/sys/kernel/random/boot_id"),
        kernel_version=names.release,
        os_image=_os_image(),
        architecture=architecture(names.machine),
        resources=Resources(
            cpu_millis=(os.cpu_count() or 1) * 1000,
            memory_bytes=_memory_bytes(),
            pods=DEFAULT_PODS,
            ephemeral_storage_bytes=_storage_bytes(root),
        ),
    )


def _line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "Linux"


def _memory_bytes() -> int:
    for line in _line("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def _storage_bytes(root: Path) -> int:
    while not root.exists():
        root = root.parent
    return shutil.disk_usage(root).total


def node_dns() -> DnsConfig:
    """Return the node's DNS as its Pods can use it: not the servers on the node's loopback."""
    nameservers: list[str] = []
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in _line("/etc/resolv.conf").splitlines():
        word, *rest = line.split() or [""]
        if word == "nameserver" and rest and not rest[0].startswith("127."):
            nameservers.append(rest[0])
        elif word == "search":
            searches = tuple(rest)
        elif word == "options":
            options = tuple(rest)
    return DnsConfig(tuple(nameservers), searches, options)


def least_oom_score_adj() -> int:
    """Return the least oom_score_adj that a container may have here; below one's own takes CAP_SYS_RESOURCE."""
    for line in _line("/proc/self/status").splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) & (1 << _CAP_SYS_RESOURCE):
            return -1000
    own = _line("/proc/self/oom_score_adj")
    return int(own) if own else 0


#: of st_blocks (POSIX leaves it open; Linux has 512)
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class FilesystemUse:
    """A file system, in bytes and inodes."""

    capacity: int
    available: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class TreeUse:
    """What a tree of files takes."""

    bytes: int = 0
    inodes: int = 0


def filesystem_use(path: str | Path) -> FilesystemUse:
    """Return the state of the file system that a path is on. Raises OSError."""
    found = os.statvfs(path)
    return FilesystemUse(
        found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_files, found.f_favail
    )


def tree_use(root: str | Path) -> TreeUse:
    """Return what is allocated below a path: hard links once, no other file systems, no file that vanishes."""
    seen: set[tuple[int, int]] = set()
    total = inodes = 0
    try:
        top = os.lstat(root)
    except OSError:
        return TreeUse()
    for found in _walk(str(root), top):
        if found.st_nlink > 1 and not _is_directory(found):
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
        total += found.st_blocks * _BLOCK
        inodes += 1
    return TreeUse(total, inodes)


def _is_directory(found: os.stat_result) -> bool:
    return (found.st_mode & 0o170000) == 0o040000


def _walk(root: str, top: os.stat_result) -> Iterator[os.stat_result]:
    yield top
    pending = [root] if _is_directory(top) else []
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if found.st_dev != top.st_dev:
                        continue
                    yield found
                    if _is_directory(found):
                        pending.append(entry.path)
        except OSError:
            continue
