"""What a report says of the machine and of the code that was measured. Reads files and asks git and etcd."""

import os
import platform
import subprocess
from pathlib import Path

from bench.etcd import ROOT, find_etcd
from bench.load.report import Machine


def machine(*, with_etcd: bool) -> Machine:
    """Return what this machine is.

    Args:
        with_etcd: whether the etcd that is installed here is the one that is used.
    """
    return Machine(
        cpu=_cpu(), cores=len(os.sched_getaffinity(0)), kernel=platform.release(), python=platform.python_version(),
        compiler=platform.python_compiler(), etcd=_etcd() if with_etcd else "", load_before=os.getloadavg(),
    )  # fmt: skip


def commit() -> str:
    """Return the commit of this checkout, with + where something was changed since; "" where it is none."""
    head = _answer("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    changed = _answer("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no")
    return head + ("+" if head and changed else "")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _etcd() -> str:
    binary = find_etcd()
    words = _answer(binary, "--version").split() if binary else []
    return words[2] if len(words) > 2 else ""


def _answer(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
