"""The version that clients read is Kubernetes', with ours behind it."""

import platform
import re
import tomllib
from pathlib import Path

from tests.support.apiserver import make_apiserver
from vaina.metrics import new_registry
from vaina.version import GIT_VERSION, KUBERNETES_VERSION, VERSION, architecture

ROOT = Path(__file__).parents[3]


async def test_a_client_that_compares_versions_reads_the_one_that_is_followed() -> None:
    info = await make_apiserver().client.version()
    assert (info.major, info.minor) == ("1", "37")
    assert info.git_version == f"v1.37.2+vaina.{VERSION}"
    assert info.platform == f"linux/{architecture(platform.machine())}"


def test_machines_are_called_as_by_go() -> None:
    machines = ("x86_64", "aarch64", "armv7l", "ppc64le", "s390x")
    assert [architecture(one) for one in machines] == ["amd64", "arm64", "arm", "ppc64le", "s390x"]


def test_the_metric_of_a_component_has_the_same_version() -> None:
    labels = {
        "component": "apiserver",
        "git_version": GIT_VERSION,
        "python_version": platform.python_version(),
    }
    assert new_registry("apiserver").get_sample_value("kubernetes_build_info", labels) == 1


def test_the_followed_version_is_the_one_that_interop_pins() -> None:
    major, rest = KUBERNETES_VERSION.split(".", 1)
    pinned = (ROOT / "tests/interop/go.mod").read_text()
    assert major == "1"
    assert re.findall(r"k8s\.io/\S+ v(\S+)", pinned).count(f"0.{rest}") >= 2


def test_our_own_version_is_that_of_the_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
