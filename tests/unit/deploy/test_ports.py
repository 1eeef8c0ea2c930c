"""A port that somebody else has is told before anything is started, with the way to choose another."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from bench.etcd import free_port

ROOT = Path(__file__).resolve().parents[3]
FILES = ("docker-compose.yml", "docker-compose.self-hosted.yml")
VARIABLE = re.compile(r"127\.0\.0\.1:\$\{(\w+):-\d+\}:\d+")


def variables(file: str) -> dict[str, str]:
    """Return the variables of the ports that a cluster of this file publishes, with their services."""
    services = yaml.safe_load((ROOT / file).read_text())["services"]
    return {
        match[1]: name
        for name, service in services.items()
        if "profiles" not in service
        for match in map(VARIABLE.fullmatch, service.get("ports", []))
        if match
    }


def check(file: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    settings = [f"{name}={value}" for name, value in environ.items()]
    return subprocess.run(
        ["env", "COMPOSE_PROJECT_NAME=no-such-project", *settings, sys.executable,
         ROOT / "tools" / "check_ports.py", ROOT / file, "make up"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def ports() -> Iterator[list[socket.socket]]:
    """Hold twenty ports of loopback, of which each listens."""
    with ExitStack() as held:
        yield [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(20)]


@pytest.mark.parametrize("file", FILES)
def test_each_port_that_is_taken_has_its_line_with_its_variable(
    file: str, ports: list[socket.socket]
) -> None:
    wanted = variables(file)
    taken = {name: one.getsockname()[1] for name, one in zip(wanted, ports, strict=False)}
    done = check(file, {name: str(port) for name, port in taken.items()})

    *lines, last = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, len(wanted))
    proposed = []
    for line, (name, port) in zip(lines, taken.items(), strict=True):
        expected = rf"error: port {port} \({wanted[name]}\) is taken; choose another: ({name}=\d+)"
        match = re.fullmatch(expected, line)
        assert match, line
        proposed.append(match[1])
    assert last == f"again: {' '.join(proposed)} make up"
    assert len({one.partition("=")[2] for one in proposed}) == len(proposed)


def test_somebody_who_listens_on_all_addresses_has_that_of_loopback_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as held:
        done = check("docker-compose.yml", {"VAINA_PORT": str(held.getsockname()[1])})
    assert "(apiserver) is taken; choose another: VAINA_PORT=" in done.stderr


def free_ports() -> dict[str, str]:
    """Return ports that nobody has, nor is given."""
    return {name: str(free_port()) for name in variables("docker-compose.yml")}


def test_ports_that_nobody_has_are_passed_in_silence() -> None:
    free = free_ports()
    done = check("docker-compose.yml", free)
    assert (done.returncode, done.stderr) == (0, "")


def test_two_variables_with_one_port_are_told() -> None:
    free = free_ports()
    free["VAINA_METRICS_PORT"] = free["VAINA_PORT"]
    done = check("docker-compose.yml", free)
    assert done.returncode == 1
    assert "is asked for by VAINA_PORT as well; choose another: VAINA_METRICS_PORT=" in done.stderr


@pytest.mark.parametrize("file", FILES)
def test_every_published_port_of_a_service_is_on_loopback_and_has_a_variable_or_any_number(file: str) -> None:
    for service in yaml.safe_load((ROOT / file).read_text())["services"].values():
        for port in service.get("ports", []):
            # Nodes are many: the engine chooses their ports.
            assert VARIABLE.fullmatch(port) or port.startswith("127.0.0.1::")


def test_the_readme_has_the_variable_of_every_port() -> None:
    text = (ROOT / "README.md").read_text()
    assert [name for name in variables("docker-compose.yml") if name not in text] == []


@pytest.mark.parametrize("port", ["65536", "99999", "9" * 5000, "x"])
def test_what_is_no_port_is_left_for_compose_to_tell(port: str) -> None:
    done = check("docker-compose.yml", {"VAINA_PORT": port})
    assert "Traceback" not in done.stderr
    assert "VAINA_PORT" not in done.stderr
