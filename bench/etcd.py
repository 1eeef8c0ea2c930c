"""An etcd process on free loopback ports with its data in a temporary folder: for benchmarks and for tests.

The binary is etcd 3.5.16 out of `.tools/bin` (deploy/trixie.sh etcd), else the one on PATH.
"""

import fcntl
import itertools
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 20
_FIRST_PORT, _PORTS, _BLOCK = 20_000, 10_000, 100
#: blocks of ports that are this process' own as long as it lives: the open files whose locks say so
_blocks: list[int] = []


def find_etcd() -> str | None:
    """Return the path of the etcd binary; None when there is none."""
    own = ROOT / ".tools" / "bin" / "etcd"
    return str(own) if own.exists() else shutil.which("etcd")


def _own_ports() -> Iterator[int]:
    """Give ports that no other process of ours is given while this one lives; each once, then all again.

    Two processes that looked for what is free at the same moment would find the same port: many tests run
    side by side.
    """
    folder = Path(tempfile.gettempdir()) / f"vaina-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    numbers, given = [*range(_PORTS // _BLOCK)], list[int]()
    secrets.SystemRandom().shuffle(numbers)
    for number in numbers:
        block = os.open(folder / str(number), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(block, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(block)
            continue
        _blocks.append(block)
        mine = range(_FIRST_PORT + number * _BLOCK, _FIRST_PORT + (number + 1) * _BLOCK)
        given.extend(mine)
        yield from mine
    while given:
        yield from given


_ports = _own_ports()


def free_port() -> int:
    """Return a port of the loopback that nobody has just now, and that no other process of ours will be given.

    Below those that the kernel gives to outgoing connections (32768 and up, ip_local_port_range): a test that
    opens thousands of them would take the port before its process has come to listen on it.

    Raises:
        OSError: none is free.
    """
    for port in itertools.islice(_ports, _PORTS):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS - 1} is free")


class EtcdProcess:
    """One etcd process. It can be killed, stopped (SIGSTOP), continued and started again over the same data
    and ports.
    """

    def __init__(
        self,
        *arguments: str,
        name: str = "test",
        peers: Mapping[str, str] | None = None,
        cert_dir: Path | None = None,
    ) -> None:
        """Start it and wait until it is healthy.

        A member of a cluster is not waited for, it needs the others first.

        Args:
            *arguments: further flags: "--quota-backend-bytes=16777216".
            name: of the member.
            peers: of a cluster: name -> peer URL of each member, as the others reach it.
            cert_dir: its certificate; clients and members have to show one of the same authority.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="vaina-etcd-")
        self.name = name
        self.port, self.peer_port = free_port(), free_port()
        self._arguments, self._peers, self._cert_dir = arguments, peers, cert_dir
        self._process: subprocess.Popen[bytes] | None = None
        if peers is None:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    @property
    def target(self) -> str:
        """The gRPC target of its client port."""
        return f"127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Where its files are."""
        return Path(self._folder.name) / "data"

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Return the CPU time that the process has used."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def start(self) -> None:
        """Start the process and wait until it is healthy."""
        self.spawn()
        self.wait_healthy()

    def spawn(self) -> None:
        """Start the process and do not wait."""
        binary = find_etcd()
        assert binary is not None
        client, peer = (
            f"{self._scheme}://127.0.0.1:{self.port}",
            f"{self._scheme}://127.0.0.1:{self.peer_port}",
        )
        peers = self._peers or {self.name: peer}
        members = ",".join(f"{name}={url}" for name, url in peers.items())
        with (Path(self._folder.name) / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    binary, f"--name={self.name}", f"--data-dir={self.data}",
                    f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
                    f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peers[self.name]}",
                    f"--initial-cluster={members}", "--log-level=warn", "--max-txn-ops=1024", *self._tls(),
                    *self._arguments,
                ],
                stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def _scheme(self) -> str:
        return "http" if self._cert_dir is None else "https"

    def _tls(self) -> list[str]:
        if self._cert_dir is None:
            return []
        folder = self._cert_dir
        revoked = folder / "denied.crl"
        return [
            *([f"--client-crl-file={revoked}", f"--peer-crl-file={revoked}"] if revoked.exists() else []),
            "--client-cert-auth", f"--trusted-ca-file={folder}/ca.crt",
            f"--cert-file={folder}/tls.crt", f"--key-file={folder}/tls.key",
            "--peer-client-cert-auth", f"--peer-trusted-ca-file={folder}/ca.crt",
            f"--peer-cert-file={folder}/tls.crt", f"--peer-key-file={folder}/tls.key",
        ]  # fmt: skip

    def wait_healthy(self) -> None:
        """Return when it says that it is healthy."""
        pause = threading.Event()
        for _ in range(_START_SECONDS * 50):
            if self._is_healthy():
                return
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            pause.wait(0.02)
        raise TimeoutError(self.log())

    def log(self) -> str:
        """Return the end of what it logged."""
        return (Path(self._folder.name) / "log").read_text()[-2000:]

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """Stop it: connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `stop`."""
        self._signal(signal.SIGCONT)

    def lose_data(self) -> None:
        """Remove the data of a process that was killed; started again, it is empty."""
        shutil.rmtree(self.data)

    def restore(self, snapshot: Path, *, bump: int) -> None:
        """Put a snapshot in the place of the data of a process that was killed.

        Revisions go on `bump` above it.
        """
        self.lose_data()
        subprocess.run(
            [
                ROOT / ".tools" / "bin" / "etcdctl", "snapshot", "restore", snapshot, f"--data-dir={self.data}",
                f"--name={self.name}", f"--initial-cluster={self.name}=http://127.0.0.1:{self.peer_port}",
                f"--initial-advertise-peer-urls=http://127.0.0.1:{self.peer_port}",
                f"--bump-revision={bump}", "--mark-compacted",
            ],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip

    def close(self) -> None:
        """End the process and remove its data."""
        self.kill()
        self._folder.cleanup()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _is_healthy(self) -> bool:
        context = None
        if self._cert_dir is not None:
            context = ssl.create_default_context(cafile=self._cert_dir / "ca.crt")
            context.load_cert_chain(self._cert_dir / "tls.crt", self._cert_dir / "tls.key")
        url = f"{self._scheme}://127.0.0.1:{self.port}/health"
        try:
            with urllib.request.urlopen(url, timeout=1, context=context) as answer:
                return b'"true"' in answer.read()
        except OSError:
            return False
