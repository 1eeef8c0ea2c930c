"""Services of ours as processes on the loopback, and what they cost: for benchmarks."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from bench.etcd import ROOT, free_port

#: a start takes a second or two of processor: half a minute where thirty others want it
_START_SECONDS = 60
#: for all that are ended together to end in good order
END_SECONDS = 15.0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_memory_bytes(pid: int) -> int:
    """Return the most resident memory that a process had since its start, or `reset_peak_memory`."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


def reset_peak_memory(pid: int) -> None:
    """Let the peak begin anew, at what the process has now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


class ServiceProcess:
    """`python -m MODULE` on free ports."""

    def __init__(self, module: str, *arguments: str, profile: Path | None = None) -> None:
        """Start it; `wait_healthy` waits for it.

        Args:
            module: apiserver, scheduler, ...
            *arguments: further flags.
            profile: where cProfile writes what it saw at the end; None runs without it.
        """
        self.port, self.metrics_port = free_port(), free_port()
        with tempfile.NamedTemporaryFile(prefix=f"vaina-{module}-", suffix=".log", delete=False) as log:
            self._log = Path(log.name)
            wrapper: Sequence[str] = ("-m", module)
            if profile is not None:
                wrapper = ("-m", "cProfile", "-o", str(profile), "-m", module)
            self._process = subprocess.Popen(
                [
                    sys.executable, *wrapper, f"--listen=127.0.0.1:{self.port}",
                    f"--metrics-listen=127.0.0.1:{self.metrics_port}", *arguments,
                ],
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def target(self) -> str:
        """host:port of gRPC."""
        return f"127.0.0.1:{self.port}"

    @property
    def page(self) -> str:
        """URL of the metrics port, without a path."""
        return f"http://127.0.0.1:{self.metrics_port}"

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """With what it has ended, None while it goes on; a signal is its number, negative."""
        return self._process.poll()

    def wait_healthy(self) -> None:
        """Return when /healthz says ok."""
        pause = threading.Event()
        for _ in range(_START_SECONDS * 50):
            if self._process.poll() is not None:
                break
            try:
                self.get("/healthz")
            except OSError:
                pause.wait(0.02)
            else:
                return
        raise TimeoutError(self.log())

    def get(self, path: str) -> str:
        """Return a page of the metrics port."""
        with urllib.request.urlopen(f"{self.page}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
        return text

    def metric(self, name: str, *labels: str) -> float:
        """Return the sum of a metric's samples that have all these labels (`result="scheduled"`)."""
        return sum(
            float(line.rpartition(" ")[2])
            for line in self.get("/metrics").splitlines()
            if line.partition("{")[0].partition(" ")[0] == name and all(label in line for label in labels)
        )

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used."""
        return cpu_seconds(self._process.pid)

    def memory_bytes(self) -> int:
        """Return the resident memory of the process."""
        return memory_bytes(self._process.pid)

    def peak_memory_bytes(self) -> int:
        """Return the most resident memory that the process had since its start, or `reset_peak_memory`."""
        return peak_memory_bytes(self._process.pid)

    def reset_peak_memory(self) -> None:
        """Let the peak begin anew, at what the process has now."""
        reset_peak_memory(self._process.pid)

    def log(self) -> str:
        """Return the end of what it logged."""
        return self._log.read_text()[-3000:]

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Pause it with SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `stop`."""
        self._process.send_signal(signal.SIGCONT)

    def wait(self, seconds: float) -> int:
        """Return the code with which it ends. Raises TimeoutExpired."""
        return self._process.wait(seconds)

    def close(self) -> None:
        """End it in good order, or otherwise."""
        close_all([self])

    def terminate(self) -> None:
        """Ask it to end in good order; `end` waits."""
        self._process.terminate()

    def end(self, seconds: float) -> None:
        """Return when it has ended, after so many seconds by SIGKILL. What it logged is gone."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        self._log.unlink(missing_ok=True)


def close_all(processes: Sequence[ServiceProcess]) -> None:
    """End processes in good order, or otherwise.

    All are asked before any is waited for, so that many need no longer than one.
    """
    until = time.monotonic() + END_SECONDS
    for process in processes:
        process.terminate()
    for process in processes:
        process.end(max(0.0, until - time.monotonic()))
