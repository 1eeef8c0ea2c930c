"""What compose hands to services they read, and what documents tell people to set reaches somebody."""

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml

from apiserver.config import ApiserverConfig
from controller.config import ControllerConfig
from dashboard.config import DashboardConfig
from kubelet.config import KubeletConfig
from scheduler.config import SchedulerConfig
from vaina.config import PREFIX

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = ("docker-compose.yml", "docker-compose.self-hosted.yml")
#: by the module that a container runs
CONFIGS: dict[str, type[msgspec.Struct]] = {
    "apiserver": ApiserverConfig, "controller": ControllerConfig, "dashboard": DashboardConfig,
    "scheduler": SchedulerConfig, "kubelet": KubeletConfig,
}  # fmt: skip
NAME = re.compile(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b")
#: how a person sets a variable for a cluster: in front of what brings it up
BRINGS_UP = re.compile(r"((?:[A-Z_]+=\S+ )+)(?:make up|docker compose up|deploy/compose\.sh up)")
#: the file that every service may read
FILE = f"{PREFIX}CONFIG"


def settings(config: type[msgspec.Struct]) -> set[str]:
    """Name the variables that a service reads (vaina/config.py)."""
    return {PREFIX + field.name.upper() for field in msgspec.structs.fields(config)} | {FILE}


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.splitlines()]


def read_by_scripts() -> set[str]:
    """Name what the shell scripts of deploy/ and its images read."""
    scripts = "\n".join(path.read_text() for path in tracked("deploy/*.sh", "deploy/**/*.sh"))
    return set(re.findall(rf"\$\{{?({PREFIX}[A-Z0-9_]+)", scripts))


def handed_on() -> set[str]:
    """Name what compose takes from the environment of who brings a cluster up."""
    return {
        name
        for file in COMPOSE
        for name in re.findall(rf"\$\{{({PREFIX}[A-Z0-9_]+)", (ROOT / file).read_text())
    }


def handed() -> list[tuple[str, str, set[str]]]:
    """Return each container that runs a service: its name, the service, the variables that it is given."""
    found: list[tuple[str, str, set[str]]] = []
    for file in COMPOSE:
        for name, parts in yaml.safe_load((ROOT / file).read_text())["services"].items():
            node = parts["image"].startswith("vaina-node:")
            module = "kubelet" if node else parts.get("command", ["", "", ""])[-1]
            if module in CONFIGS:
                found.append((f"{file} {name}", module, {*parts["environment"]}))
    for path in tracked("deploy/manifests/*.yaml"):
        pod = yaml.safe_load(path.read_text())
        found += [
            (path.name, container["command"][-1], {entry["name"] for entry in container["env"]})
            for container in pod["spec"].get("containers", ())
            if container.get("command", [""])[-1] in CONFIGS
        ]
    return found


def test_all_services_are_among_those_that_are_given_something() -> None:
    assert {module for _, module, _ in handed()} == {*CONFIGS}


@pytest.mark.parametrize(("where", "module", "given"), handed())
def test_what_a_service_is_given_it_reads(where: str, module: str, given: set[str]) -> None:
    known = settings(CONFIGS[module]) | (read_by_scripts() if module == "kubelet" else set())
    assert {name for name in given if name.startswith(PREFIX)} - known == set(), where


def test_what_documents_set_for_a_cluster_reaches_it() -> None:
    known = handed_on() | read_by_scripts()
    unknown = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in tracked("*.md")
        for words in BRINGS_UP.findall(path.read_text())
        for name in NAME.findall(words)
        if name not in known
    }
    assert unknown == set()


def test_what_documents_name_somebody_reads() -> None:
    read = (
        {name for config in CONFIGS.values() for name in settings(config)} | handed_on() | read_by_scripts()
    )
    # The command's, and those of the tests and tools: by their names.
    code = "\n".join(path.read_text() for path in tracked("*.py", "*.sh", "Makefile"))
    read |= set(re.findall(rf"\b{PREFIX}[A-Z0-9_]+", code))
    named = {(path, name) for path in tracked("*.md") for name in NAME.findall(path.read_text())}
    assert {f"{path.relative_to(ROOT)}: {name}" for path, name in named if name not in read} == set()
