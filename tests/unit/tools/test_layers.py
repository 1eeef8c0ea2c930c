"""The import contracts are alive: planted violations, one a family of contracts, are each found."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("vaina", "apiserver", "scheduler", "kubelet", "controller", "cli", "dashboard", "bench")
#: the family, the module an import is planted in, the module it imports
PLANTED = {
    "a service imports another": ("kubelet.admit", "scheduler.queue"),
    "the library imports upwards": ("vaina.kinds", "vaina.client"),
    "storage imports the registry": ("apiserver.storage.keys", "apiserver.registry.store"),
    "admission imports the registry": ("apiserver.admission.chain", "apiserver.registry.store"),
    "a decision of the scheduler imports the binder": ("scheduler.decide.cycle", "scheduler.bind.binding"),
    "a controller imports another": ("controller.job.reconcile", "controller.cronjob.reconcile"),
    "a printer imports a command": ("cli.printers.table", "cli.commands.get"),
    "a part of the kubelet names a runtime": ("kubelet.pod.tools", "kubelet.runtime.docker.engine"),
    "a decision of the kubelet imports who carries it out": ("kubelet.decide.compute", "kubelet.pod.execute"),
    "what volumes stand on imports a kind": ("kubelet.volumes.payload", "kubelet.volumes.plugins.table"),
    "a decision does I/O": ("controller.job.reconcile", "socket"),
    "the plain path imports an accelerator": (
        "apiserver.registry.create.pipeline",
        "apiserver.registry.create.templates",
    ),
    "another module calls the etcd client": ("apiserver.registry.store", "aetcd"),
    "the judge imports the judged": ("bench.judge", "scheduler.cache.cache"),
}
UNNAMED = ("controller.unnamed", "kubelet.unnamed")


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what the import linter says of a copy of the packages with all of PLANTED in it."""
    copy = tmp_path_factory.mktemp("planted")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=lambda folder, names: [
            name for name in names if not name.endswith(".py") and not (Path(folder) / name).is_dir()
        ])  # fmt: skip
    shutil.copy(ROOT / ".importlinter", copy)
    for source, target in PLANTED.values():
        path = copy / source.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        path.write_text(f"{path.read_text()}\nimport {target}\n")
    for package in UNNAMED:
        (copy / package.replace(".", "/")).mkdir()
        (copy / package.replace(".", "/") / "__init__.py").touch()
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("family", PLANTED)
def test_a_planted_import_is_found(verdict: str, family: str):
    source, target = PLANTED[family]
    assert f"{source} -> {target} (l." in verdict


@pytest.mark.parametrize("package", UNNAMED)
def test_a_package_without_a_layer_is_found(verdict: str, package: str):
    assert package in verdict


def expressions() -> list[str]:
    """Return the modules of our packages that contracts name with a wildcard.

    One that matches nothing is no error to the linter.
    """
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    named = [
        line.strip()
        for section in contracts.sections()
        for key in ("source_modules", "forbidden_modules", "modules", "containers")
        for line in contracts[section].get(key, "").splitlines()
    ]
    return sorted({name for name in named if "*" in name})


@pytest.mark.parametrize("expression", expressions())
def test_a_wildcard_of_a_contract_matches_something(expression: str):
    path = expression.replace(".", "/").replace("**", "**/*")
    assert [*ROOT.glob(f"{path}.py"), *ROOT.glob(f"{path}/__init__.py")]
