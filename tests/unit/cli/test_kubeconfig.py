"""`vaina --kubeconfig`: which apiserver the command speaks to is never a guess."""

from pathlib import Path

import pytest

from tests.support.command import CommandLine
from vaina.pki.kubeconfig import with_files


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    path = tmp_path / "kubeconfig"
    path.write_text(with_files("there", "http://127.0.0.1:1", "", "", ""))
    return str(path)


def test_the_apiserver_of_a_kubeconfig_is_asked(kubeconfig: str) -> None:
    result = CommandLine().run("--kubeconfig", kubeconfig, "get", "pods")
    assert result.code == 1
    assert "Cannot connect to host 127.0.0.1:1" in result.err


def test_a_context_without_a_kubeconfig_is_refused() -> None:
    result = CommandLine().run("--context", "elsewhere", "get", "pods")
    assert (result.code, result.err) == (1, "error: --context names a context of the file of --kubeconfig\n")


@pytest.mark.parametrize("before", [True, False], ids=["before-the-verb", "after-the-verb"])
def test_a_server_beside_a_kubeconfig_is_refused(kubeconfig: str, before: bool) -> None:
    flags = ["--kubeconfig", kubeconfig]
    words = [*flags, "-s", "other:1", "get", "pods"] if before else [*flags, "get", "pods", "-s", "other:1"]
    result = CommandLine().run(*words)
    assert (result.code, result.err) == (
        1,
        "error: --kubeconfig names the apiserver: leave out --server\n",
    )


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(with_files("there", "https://127.0.0.1:1", "ca.crt", "tls.crt", "tls.key"))
    result = CommandLine().run("--kubeconfig", str(path), "get", "pods")
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert "No such file or directory" in result.err


def test_a_kubeconfig_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = CommandLine().run("--kubeconfig", str(tmp_path / "none"), "get", "pods")
    assert result.code == 1
    assert "No such file or directory" in result.err
