"""A real apiserver for tests: `python -m apiserver` on free loopback ports, over a real etcd."""

import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from grpc_health.v1 import health_pb2

from bench.etcd import free_port
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError

ROOT = Path(__file__).resolve().parents[2]
#: a start takes about a second on an idle core
_START_SECONDS = 100.0


class ApiserverProcess:
    """One process. It can be killed and started again on the same ports."""

    def __init__(self, etcd: str | Sequence[str], *arguments: str) -> None:
        """Prepare it; `start` starts it.

        Args:
            etcd: host:port, or those of each member of a cluster; empty: objects are kept in memory.
            *arguments: further flags: "--compaction-seconds=1".
        """
        self.port, self.metrics_port = free_port(), free_port()
        self._etcd = etcd if isinstance(etcd, str) else ",".join(etcd)
        self._arguments = arguments
        self._log = tempfile.NamedTemporaryFile(prefix="vaina-apiserver-", suffix=".log", delete=False)  # noqa: SIM115
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def memory(self) -> int:
        """MiB that the process has resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024

    @property
    def target(self) -> str:
        """host:port of gRPC."""
        return f"127.0.0.1:{self.port}"

    def client(self, warnings: list[str] | None = None) -> Clientset:
        """Return a client over gRPC; whoever asks closes its transport."""
        warnings = warnings if warnings is not None else []
        return Clientset(GrpcTransport(self.target, on_warning=warnings.append))

    def spawn(self) -> None:
        """Start the process and do not wait."""
        arguments = [
            f"--listen={self.target}",
            f"--metrics-listen=127.0.0.1:{self.metrics_port}",
            f"--etcd-endpoints={self._etcd}" if self._etcd else "--storage=memory",
            *self._arguments,
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "apiserver", *arguments], cwd=ROOT, stdout=self._log, stderr=self._log
        )

    async def start(self) -> None:
        """Start the process and wait until its health says SERVING."""
        self.spawn()
        await self.wait_healthy()

    async def wait_healthy(self) -> None:
        """Return when health says SERVING."""
        clock, transport = SystemClock(), GrpcTransport(self.target)
        end = clock.monotonic() + _START_SECONDS
        try:
            while not await is_serving(transport):
                assert self._process is not None
                assert self._process.poll() is None, self.log()
                assert clock.monotonic() < end, self.log()
                await clock.sleep(0.05)
        finally:
            await transport.close()

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def interrupt(self) -> None:
        """Begin to end it gracefully; `wait_ended` returns when it has."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait_ended(self) -> int:
        """Return its exit code once it has ended."""
        assert self._process is not None
        return self._process.wait(timeout=60)

    def terminate(self) -> int:
        """End it gracefully; return its exit code."""
        self.interrupt()
        return self.wait_ended()

    def close(self) -> None:
        """End it, whatever its state, and remove its log."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()
        Path(self._log.name).unlink()

    def metrics(self) -> str:
        """Return the page of its metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=60) as answer:
            return str(answer.read().decode())

    def log(self, characters: int = 4000) -> str:
        """Return the end of what it logged; 0: all of it."""
        return Path(self._log.name).read_text()[-characters:]


async def is_serving(transport: GrpcTransport) -> bool:
    """Say whether health answers SERVING."""
    try:
        answer = await transport.unary("/grpc.health.v1.Health/Check", b"", timeout=2)
    except ApiError:
        return False
    status = health_pb2.HealthCheckResponse.FromString(answer).status
    return bool(status == health_pb2.HealthCheckResponse.SERVING)
