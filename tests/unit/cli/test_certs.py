"""`vaina certs`, and where the command finds its own certificate."""

from base64 import b64decode
from pathlib import Path

import pytest
import yaml

from cli.failures import explain_error
from cli.surroundings import certificate_folder
from tests.support.command import CommandLine
from vaina.errors import Unavailable
from vaina.pki.folder import Folder


@pytest.fixture
def line() -> CommandLine:
    return CommandLine()


def test_certificates_are_made_once_shown_and_renewed(line: CommandLine, tmp_path: Path) -> None:
    root = str(tmp_path / "pki")
    missing = line.run("certs", "show", root)
    assert (missing.code, missing.err) == (
        1, f"error: there are no certificates in {root}; make them with: vaina certs make {root}\n",
    )  # fmt: skip
    assert line.run("certs", "make", root, "--host", "10.0.0.7").out.splitlines()[0] == f"{root}/ca: made"
    assert line.run("certs", "make", root, "--host", "10.0.0.7").out == ""
    shown = line.run("certs", "show", root).out.splitlines()
    admin = next(row for row in shown if row.startswith("admin")).split()
    assert (admin[1], admin[2], admin[3], admin[-1]) == ("kubernetes-admin", "system:masters", "<none>", "90")
    assert "10.0.0.7" in next(row for row in shown if row.startswith("apiserver "))
    renewed = line.run("certs", "renew", root, "--host", "10.0.0.7", "--duration", "24h")
    assert f"{root}/admin: made" in renewed.out.splitlines()
    assert f"{root}/ca: made" not in renewed.out.splitlines()
    again = line.run("certs", "show", root).out.splitlines()
    assert next(row for row in again if row.startswith("admin")).split()[-1] == "1"


def test_a_stolen_certificate_is_denied_to_all_who_would_see_it(line: CommandLine, tmp_path: Path) -> None:
    line.run("certs", "make", str(tmp_path))
    assert line.run("certs", "deny", str(tmp_path), "0a:bc").out == (
        "denied; told: apiserver, scheduler, controller, dashboard, node, etcd\n"
    )
    assert Folder(tmp_path / "apiserver").current().denied == {0xABC}
    assert line.run("certs", "deny", str(tmp_path), "xyz").err == (
        'error: "xyz" is no serial number; they are written in hex\n'
    )


def test_a_node_is_a_name_and_an_address(line: CommandLine, tmp_path: Path) -> None:
    assert line.run("certs", "make", str(tmp_path), "--node", "n1=10.0.0.7").code == 0
    assert (tmp_path / "nodes" / "n1" / "client" / "tls.crt").exists()
    wrong = line.run("certs", "make", str(tmp_path), "--node", "n1")
    assert (wrong.code, '"n1" is not NAME=ADDRESS' in wrong.err) == (1, True)


@pytest.mark.parametrize(
    ("environment", "want"),
    [
        ({}, "vaina"),
        ({"COMPOSE_PROJECT_NAME": "other"}, ""),
        ({"COMPOSE_PROJECT_NAME": ""}, "vaina"),
        ({"VAINA_CERT_DIR": ""}, ""),
        ({"VAINA_CERT_DIR": "/somewhere"}, "/somewhere"),
    ],
)
def test_the_command_finds_the_certificate_of_the_cluster_of_its_checkout(
    environment: dict[str, str], want: str, tmp_path: Path
) -> None:
    (tmp_path / "vaina").mkdir()
    (tmp_path / "vaina" / "tls.crt").write_text("there")
    found = certificate_folder(environment, tmp_path)
    assert found.removeprefix(f"{tmp_path}/") == want


def test_a_refused_certificate_is_told_as_such() -> None:
    error = Unavailable("failed to connect to all addresses; Socket closed: certificate refused?")
    assert explain_error(error, server="127.0.0.1:6443") == (
        "Unable to connect to the server: 127.0.0.1:6443 ended the handshake: certificate refused? "
        "VAINA_CERT_DIR names the folder of yours (docs/security.md)"
    )


def test_the_administrators_kubeconfig_names_the_files_beside_it(line: CommandLine, tmp_path: Path) -> None:
    made = line.run(
        "certs", "make", str(tmp_path), "--admin", "admins/home", "--kubeconfig-server", "https://127.0.0.1:1"
    )
    assert made.code == 0
    config = yaml.safe_load((tmp_path / "admins" / "home" / "kubeconfig").read_text())
    assert config["current-context"] == "kubernetes-admin@home"
    [cluster], [user] = config["clusters"], config["users"]
    assert cluster["cluster"] == {"server": "https://127.0.0.1:1", "certificate-authority": "ca.crt"}
    assert user["user"] == {"client-certificate": "tls.crt", "client-key": "tls.key"}


def test_a_kubeconfig_to_be_taken_elsewhere_holds_everything(tmp_path: Path) -> None:
    CommandLine().run("certs", "make", str(tmp_path))
    folder = Folder(tmp_path / "admin")
    line = CommandLine(credentials=folder)
    config = yaml.safe_load(line.run("kubeconfig", "--server", "cluster.example:6443").out)
    [cluster], [user] = config["clusters"], config["users"]
    assert cluster["cluster"]["server"] == "https://cluster.example:6445"
    assert b64decode(user["user"]["client-key-data"]) == folder.current().key
    other = yaml.safe_load(line.run("kubeconfig", "--address", "https://10.0.0.7:443").out)
    assert other["clusters"][0]["cluster"]["server"] == "https://10.0.0.7:443"


def test_without_a_certificate_there_is_no_kubeconfig(line: CommandLine) -> None:
    assert line.run("kubeconfig").err == (
        "error: there is no certificate to put into it; VAINA_CERT_DIR names the folder of yours\n"
    )


def test_the_link_of_the_page_is_printed_from_beside_the_certificate(
    line: CommandLine, tmp_path: Path
) -> None:
    line.run("certs", "make", str(tmp_path), "--page-server", "http://127.0.0.1:8090")
    secret = (tmp_path / "dashboard" / "login-token").read_text()
    mine = CommandLine(credentials=Folder(tmp_path / "admin"))
    assert mine.run("dashboard").out == f"http://127.0.0.1:8090/login?token={secret}\n"


def test_without_a_link_it_is_said_what_makes_one(line: CommandLine, tmp_path: Path) -> None:
    assert "there is no cluster of `make up` here" in line.run("dashboard").err
    line.run("certs", "make", str(tmp_path))
    said = CommandLine(credentials=Folder(tmp_path / "admin")).run("dashboard")
    assert said.code != 0
    assert "vaina certs make --page-server URL" in said.err
