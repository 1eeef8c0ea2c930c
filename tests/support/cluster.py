"""A whole cluster of Docker-in-Docker nodes for tests, beside any cluster that the user runs.

The compose project has a name and ports of its own. Everything here blocks: async tests call it by
`asyncio.to_thread`. Processes are killed by their id inside the container, never by `docker kill`: that would
switch the restart policy off.
"""

import base64
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from bench.etcd import free_port
from vaina.pki.folder import Folder

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
#: the variable of docker-compose.yml that publishes each port of a service
PORTS = {
    "VAINA_PORT": 6443,
    "VAINA_REST_PORT": 6445,
    "VAINA_METRICS_PORT": 8080,
    "VAINA_SCHEDULER_PORT": 10259,
    "VAINA_SCHEDULER_METRICS_PORT": 10251,
    "VAINA_CONTROLLER_PORT": 10257,
    "VAINA_CONTROLLER_METRICS_PORT": 10252,
    "VAINA_PAGE_PORT": 8090,
}
#: how much longer everything may take: on an emulated processor (tools/vm_test.sh)
SLOWER = float(os.environ.get("VAINA_TEST_SLOWER", "1"))  # noqa: TID251 (where tests begin)
#: characters of a log line that are kept at either end: a crash says who at the beginning and why at the end
LOG_LINE = 600


class CommandError(Exception):
    """A command ended with another exit code than 0; the message holds what it said."""


def run(
    *command: str | Path,
    env: dict[str, str] | None = None,
    timeout: float = 120,
    stdin: str = "",
    errors: bool = False,
) -> str:
    """Run a command and return its standard output; with `errors` also what it said on standard error, after it.

    Raises:
        CommandError: The exit code was not 0.
    """
    settings = [f"{name}={value}" for name, value in (env or {}).items()]
    done = subprocess.run(
        ["env", *settings, *(str(part) for part in command)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout * SLOWER,
        check=False,
    )
    if done.returncode:
        words = " ".join(str(part) for part in command)
        raise CommandError(
            f"`{words}` ended with {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done.stdout + (done.stderr if errors else "")


def engine_answers() -> bool:
    """Say whether a Docker engine can be used."""
    try:
        run("docker", "version", timeout=60)
    except (CommandError, OSError, subprocess.TimeoutExpired):
        return False
    return True


def published_ports(project: str) -> dict[str, str]:
    """Find where a project that runs already has its services; empty when it does not run, or not all of it."""
    label = f"label=com.docker.compose.project={project}"
    listing = run("docker", "ps", "--filter", label, "--format", "{{.Ports}}")
    found = {inside: outside for outside, inside in re.findall(r"127\.0\.0\.1:(\d+)->(\d+)/tcp", listing)}
    ports = {name: found.get(str(port), "") for name, port in PORTS.items()}
    return ports if all(ports.values()) else {}


def wait_until(look: Callable[[], T], timeout: float, what: str, every: float = 0.2) -> T:
    """Look until the answer is truthy and return it; `AssertionError` naming `what` after `timeout` seconds."""
    clock = time.monotonic  # noqa: TID251 (real containers have no clock of ours)
    timeout *= SLOWER
    deadline = clock() + timeout
    while not (seen := look()):
        assert clock() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(every)  # noqa: TID251 (the one place that looks again and again: they do not tell)
    return seen


def becomes(look: Callable[[], object], timeout: float) -> bool:
    """Look each second until the answer is truthy; False when it is not within `timeout` seconds."""
    try:
        wait_until(look, timeout, "", every=1.0)
    except AssertionError:
        return False
    return True


def hold(seconds: float) -> None:
    """Let a fault last; nothing is waited for."""
    time.sleep(seconds)  # noqa: TID251 (a fault's length is no state that could be watched)


def shortened(line: str) -> str:
    """Cut the middle out of a long line."""
    return line if len(line) <= 2 * LOG_LINE else f"{line[:LOG_LINE]} [...] {line[-LOG_LINE:]}"


def _paused(container: str) -> bool:
    """Pause a container; False when the kernel could not freeze it this time.

    The freezer of cgroup v1 gives up on a container in which a process is just being made: a health check, say.
    """
    try:
        run("docker", "pause", container)
    except CommandError as error:
        if "unable to freeze" not in str(error):
            raise
        return False
    return True


class Cluster:
    """One compose project; `with Cluster() as cluster` brings it up and removes every trace of it."""

    def __init__(
        self,
        project: str = "vaina-test",
        nodes: int = 3,
        settings: Mapping[str, str] | None = None,
        containerd_nodes: int = 0,
        apiserver: str = "",
    ) -> None:
        """Name a cluster; nothing is started yet.

        Args:
            project: the compose project, unlike any other on this machine.
            nodes: how many, with Docker.
            settings: variables that docker-compose.yml passes on to the services.
            containerd_nodes: how many more, with containerd.
            apiserver: that runs already, with these nodes on the engine that DOCKER_HOST names: neither
            started nor removed here.
        """
        self.runs_already = bool(apiserver)
        self.project = project
        self.node_count = nodes
        self.containerd_count = containerd_nodes
        ports = published_ports(project) or {name: str(free_port()) for name in PORTS}
        self.env = {
            **ports,
            # Of a service that is started by name only.
            "VAINA_PUSH_PORT": str(free_port()),
            **(settings or {}),
            "COMPOSE_PROJECT_NAME": project,
            "VAINA_TAG": project,
            "VAINA_NODES": str(nodes),
            "VAINA_CONTAINERD_NODES": str(containerd_nodes),
        }
        self.apiserver = apiserver or f"127.0.0.1:{ports['VAINA_PORT']}"
        self.scheduler = f"127.0.0.1:{ports['VAINA_SCHEDULER_PORT']}"
        self.controller = f"127.0.0.1:{ports['VAINA_CONTROLLER_PORT']}"

    @property
    def cert_dir(self) -> Path:
        """Where the cluster leaves its administrator's certificate."""
        given = os.environ.get("VAINA_CERT_DIR") if self.runs_already else None  # noqa: TID251
        return Path(given) if given else DEPLOY / "admin" / self.project

    @property
    def credentials(self) -> Folder:
        """The administrator's certificate."""
        return Folder(self.cert_dir)

    @property
    def command_env(self) -> dict[str, str]:
        """What the command `vaina` needs to talk to this cluster."""
        return {
            "VAINA_SERVER": self.apiserver, "VAINA_CERT_DIR": str(self.cert_dir), "PYTHONPATH": str(ROOT),
        }  # fmt: skip

    def __enter__(self) -> "Cluster":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        """Build what has changed, start everything and wait until all of it is healthy.

        Raises:
            CommandError: It did not come up; the message ends with the services' last lines.
        """
        run(DEPLOY / "build.sh", env=self.env, timeout=900)
        try:
            self.compose("up", "-d", "--no-build", "--wait", timeout=300)
        except CommandError as error:
            logs = self.logs(lines=10)
            self.down()
            raise CommandError(f"{error}\n{logs}") from None

    def down(self) -> None:
        """Remove containers, networks, volumes and cgroups of this project."""
        run(DEPLOY / "down.sh", env=self.env)

    def leftovers(self) -> list[str]:
        """Name what is left of the project on this machine: containers, networks, volumes, cgroups, mounts."""
        label = f"label=com.docker.compose.project={self.project}"
        left = [
            *run("docker", "ps", "-a", "--filter", label, "--format", "container {{.Names}}").splitlines(),
            *run("docker", "network", "ls", "--filter", label, "--format", "network {{.Name}}").splitlines(),
            *run("docker", "volume", "ls", "--filter", label, "--format", "volume {{.Name}}").splitlines(),
        ]
        for folder in ("vaina", "*/vaina"):
            left += [
                f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob(f"{folder}/{self.project}-node-*")
            ]
        # A mount of a Pod's volume that leaked out of a node has the node's name nowhere, but the kubelet's
        # folder.
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        left += [f"key {path}" for path in (DEPLOY / "admin").glob(f"{self.project}/*")]
        return left + [f"mount {line}" for line in mounts if "/var/lib/vaina/" in line]

    def cli(self, *arguments: str, stdin: str = "", timeout: float = 60, errors: bool = False) -> str:
        """Run the command `vaina` against this cluster, as a user does.

        Return what it printed, with `errors` its warnings too.
        """
        env = {**self.command_env, "NO_COLOR": "1"}
        return run(
            sys.executable, "-m", "cli", *arguments, env=env, stdin=stdin, timeout=timeout, errors=errors
        )

    def page(self, address: str, path: str = "/metrics") -> str:
        """Return what a service serves at host:port over https, with the administrator's certificate."""
        context = ssl.create_default_context(cafile=self.cert_dir / "ca.crt")
        context.load_cert_chain(self.cert_dir / "tls.crt", self.cert_dir / "tls.key")
        # A kubelet's certificate is for its name and address in the nodes' network.
        context.check_hostname = False
        with urllib.request.urlopen(f"https://{address}{path}", timeout=60, context=context) as answer:
            text: str = answer.read().decode()
        return text

    def etcd_get(self, key: str) -> bytes | None:
        """Read a key of etcd past the apiserver; None when it is not there."""
        answer = json.loads(self.execute(self.container("etcd"), "etcdctl", "get", key, "-w", "json"))
        found = answer.get("kvs", [])
        return base64.b64decode(found[0]["value"]) if found else None

    def compose(self, *arguments: str, timeout: float = 120) -> str:
        """Run one compose command on this project; return its output."""
        return run(DEPLOY / "compose.sh", "--progress", "quiet", *arguments, env=self.env, timeout=timeout)

    def logs(self, *services: str, lines: int | str = "all", since: datetime | None = None) -> str:
        """Return what the services said, newest last; all services when none is named.

        Long lines lose their middle.
        """
        time = ("--since", since.isoformat()) if since else ()
        text = self.compose("logs", "--no-color", "--tail", str(lines), *time, *services)
        return "\n".join(shortened(line.removeprefix("\x1b[2K")) for line in text.splitlines())

    def container(self, service: str) -> str:
        """Name the container of a service that has one."""
        return f"{self.project}-{service}-1"

    @property
    def nodes(self) -> tuple[str, ...]:
        """The containers of the nodes with Docker, which are also the names of the Node objects."""
        return tuple(f"{self.project}-node-{number}" for number in range(1, self.node_count + 1))

    @property
    def containerd_nodes(self) -> tuple[str, ...]:
        """As above, of those with containerd."""
        return tuple(
            f"{self.project}-node-containerd-{number}" for number in range(1, self.containerd_count + 1)
        )

    @property
    def all_nodes(self) -> tuple[str, ...]:
        """All of them."""
        return self.nodes + self.containerd_nodes

    def node_port(self, node: str, port: int = 10250) -> str:
        """Return host:port at which a node's port is published now; it changes when the container restarts."""
        return run("docker", "port", node, f"{port}/tcp").splitlines()[0]

    def execute(self, container: str, *command: str, timeout: float = 60) -> str:
        """Run a command in a container, a node's included; return its output."""
        return run("docker", "exec", container, *command, timeout=timeout)

    def address(self, container: str) -> str:
        """Return the address of a container in the nodes' network, "" while it has none."""
        return self.addresses(container).get("default", "")

    def addresses(self, container: str) -> dict[str, str]:
        """Return its addresses in all networks of the project, by their names in the compose file."""
        template = "{{range $name, $at := .NetworkSettings.Networks}}{{$name}} {{$at.IPAddress}}\n{{end}}"
        lines = run("docker", "inspect", "-f", template, container).splitlines()
        words = [line.split() for line in lines if len(line.split()) == 2]
        return {name.removeprefix(f"{self.project}_"): address for name, address in words}

    # Faults.

    def process(self, container: str, module: str) -> int:
        """Return the id, inside the container, of its `python -m MODULE`; 0 while there is none."""
        # Commands may have line ends in them, as those of health checks have.
        script = 'for p in /proc/[0-9]*; do echo "${p#/proc/} $(tr "\\0\\r\\n" "   " <$p/cmdline)"; done 2>/dev/null'
        try:
            listing = self.execute(container, "sh", "-c", script)
        except CommandError:
            return 0  # the container itself is ending or starting
        for line in listing.splitlines():
            number, *words = line.split() or [""]
            if words[1:3] == ["-m", module] and "python" in words[0]:
                return int(number)
        return 0

    def kill(self, container: str, module: str, signum: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to `python -m MODULE` in a container; return the id that the process had."""
        pid = wait_until(lambda: self.process(container, module), 30, f"{module} runs in {container}")
        self.execute(container, "sh", "-c", f"kill -{signum.value} {pid}")
        return pid

    def kill_service(self, service: str) -> None:
        """SIGKILL the program of apiserver, scheduler or controller; its container starts it again."""
        self.kill(self.container(service), service)

    def kill_kubelet(self, node: str) -> int:
        """SIGKILL a node's kubelet; the node's supervisor starts it again. Returns its old process id."""
        return self.kill(node, "kubelet")

    def wait_healthy(self, *names: str, timeout: float = 90) -> None:
        """Wait until containers of the project (all when none is named) run and their health checks are
        content.
        """

        def healthy() -> bool:
            unhealthy = set(self.unhealthy())
            return not (unhealthy & set(names) if names else unhealthy)

        what = ", ".join(names) or "all containers of the cluster"
        wait_until(healthy, timeout, f"{what} are healthy", every=0.5)

    def unhealthy(self) -> list[str]:
        """Name the containers that do not run or are not healthy."""
        listing = self.compose("ps", "-a", "--format", "json")
        rows = [json.loads(line) for line in listing.splitlines() if line.strip()]
        # What makes certificates has ended, or waits for the next to be due: it serves nobody.
        rows = [row for row in rows if row["Service"] not in ("certs", "certs-renewal")]
        return [row["Name"] for row in rows if row["State"] != "running" or row["Health"] != "healthy"]

    @contextmanager
    def stopped(self, service: str) -> Iterator[None]:
        """Keep one service (or one node's container) stopped for the length of a `with` block."""
        name = service if service in self.all_nodes else self.container(service)
        run("docker", "stop", "--time", "10", name)
        try:
            yield
        finally:
            run("docker", "start", name)

    @contextmanager
    def frozen(self, service: str) -> Iterator[None]:
        """Keep one service (or one node's container) from running, sockets open, for the length of a `with`
        block.
        """
        name = service if service in self.all_nodes else self.container(service)
        wait_until(lambda: _paused(name), 30, f"{name} is paused")
        try:
            yield
        finally:
            run("docker", "unpause", name)

    # What a node's own engine has.

    def engine_containers(self, node: str) -> list[dict[str, Any]]:
        """Inspect every container of a node's engine, also those that have ended.

        Of one in containerd Id and labels are told.
        """
        # One that goes between the two commands is an error of the second, which shows the others all the same.
        script = "ids=$(docker ps -aq --no-trunc); docker inspect $ids 2>/dev/null || true"
        if node in self.containerd_nodes:
            script = (
                "ctr='ctr -n k8s.io containers'; printf '['; "
                "for id in $($ctr ls -q); do $ctr info $id 2>/dev/null && printf ','; done; printf 'null]'"
            )
            listed = json.loads(self.execute(node, "sh", "-c", script))
            return [{"Id": one["ID"], "Config": {"Labels": one["Labels"]}} for one in listed if one]
        found: list[dict[str, Any]] = json.loads(self.execute(node, "sh", "-c", script) or "[]")
        return found

    def kill_containers(self, node: str, *ids: str) -> None:
        """SIGKILL the first processes of containers, past the kubelet."""
        if node in self.nodes:
            self.execute(node, "docker", "kill", "--signal", "KILL", *ids)
        for one in ids if node in self.containerd_nodes else ():
            self.execute(node, "ctr", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", one)

    @contextmanager
    def recorded_events(
        self, *, since: float | None = None, nodes: Sequence[str] = ()
    ) -> Iterator[dict[str, list[dict[str, Any]]]]:
        """Record the events of nodes' engines during a `with` block, of all nodes when none is named.

        Yields a dict that is filled when the block ends: node name to events, oldest first. Recorded as they
        come, because an engine remembers its last 256 only; of those before the block it repeats what came
        after `since` (seconds since the epoch). Of a node whose power goes the recording ends there.
        """
        events: dict[str, list[dict[str, Any]]] = {}
        # Other tests may record at the same time.
        pid_file = f"/run/vaina/events-{uuid.uuid4()}.pid"
        # From now, not from when the recorders get to run: the engine repeats what it remembers since.
        begin = time.time() if since is None else since  # noqa: TID251 (the engines' clock is this machine's)
        script = f"echo $$ >{pid_file}; exec docker events --since {begin:.6f} --format '{{{{json .}}}}'"
        with ExitStack() as stack:
            recorders = {}
            for node in nodes or self.nodes:
                file = stack.enter_context(tempfile.TemporaryFile("w+"))
                recorders[node] = (
                    file,
                    subprocess.Popen(["docker", "exec", node, "sh", "-c", script], stdout=file),
                )
            try:
                yield events
            finally:
                for node, (file, recorder) in recorders.items():
                    self.execute(node, "sh", "-c", f"kill $(cat {pid_file}) || true; rm -f {pid_file}")
                    recorder.wait(timeout=60)
                    file.seek(0)
                    events[node] = [json.loads(line) for line in file if line.endswith("\n")]
