"""Kubeconfigs and what a Pod is given: where the apiserver is, and who calls it."""

from base64 import b64encode
from pathlib import Path

import pytest
import yaml

from vaina.client.rest.kubeconfig import Connection, in_cluster, read_kubeconfig
from vaina.client.rest.secrets import Secrets
from vaina.config import ConfigError
from vaina.pki import cluster
from vaina.pki.folder import Folder

PEM = b64encode(b"pem").decode()


def write(
    folder: Path, *, cluster: dict[str, object], user: dict[str, object], current: str = "here"
) -> Path:
    path = folder / "config"
    path.write_text(
        yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": current, "preferences": {},
            "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443/", **cluster}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [
                {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
                {"name": "there", "context": {"cluster": "c", "user": "nobody"}},
                {"name": "anonymous", "context": {"cluster": "c", "user": ""}},
            ],
        })
    )  # fmt: skip
    return path


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        cluster={"certificate-authority": "ca.crt"},
        user={"client-certificate": "/etc/tls.crt", "client-key": "tls.key"},
    )
    assert read_kubeconfig(path) == Connection(
        "https://10.0.0.1:6443",
        tmp_path / "ca.crt",
        Path("/etc/tls.crt"),
        tmp_path / "tls.key",
        namespace="team",
    )


def test_data_count_more_than_files(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        cluster={
            "certificate-authority": "ca.crt",
            "certificate-authority-data": PEM,
            "tls-server-name": "name",
        },
        user={"token": "secret"},
    )
    found = read_kubeconfig(path)
    assert (found.authority, found.token, found.server_name) == (b"pem", b"secret", "name")
    assert "secret" not in repr(found)


def test_another_context_may_be_asked_for(tmp_path: Path) -> None:
    found = read_kubeconfig(write(tmp_path, cluster={}, user={"token": "secret"}), "anonymous")
    assert (found.token, found.namespace) == (None, "default")


@pytest.mark.parametrize(
    ("cluster_", "user", "context", "words"),
    [
        ({}, {}, "nowhere", 'context "nowhere" does not exist'),
        ({}, {}, "there", 'user "nobody" does not exist'),
        ({"proxy-url": "http://proxy"}, {}, "", "proxy-url is not known here"),
        ({}, {"exec": {"command": "x"}}, "", "exec is not known here"),
        ({}, {"username": "me"}, "", "username is not known here"),
        ({"server": "10.0.0.1:6443"}, {}, "", "must be a URL"),
        ({"certificate-authority-data": "%"}, {}, "", "no base64"),
        ({"insecure-skip-tls-verify": True, "certificate-authority": "ca.crt"}, {}, "", "not allowed"),
        ({"insecure-skip-tls-verify": "maybe"}, {}, "", "Expected `bool`"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, cluster_: dict[str, object], user: dict[str, object], context: str, words: str
) -> None:
    path = write(tmp_path, cluster=cluster_, user=user)
    with pytest.raises(ConfigError, match=words) as caught:
        read_kubeconfig(path, context)
    assert str(path) in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_kubeconfig(tmp_path / "missing")
    with pytest.raises(ConfigError, match="current-context: Required value"):
        read_kubeconfig(write(tmp_path, cluster={}, user={}, current=""))


def test_a_pod_finds_its_apiserver_and_its_account(tmp_path: Path) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigError, match="there is no"):
        in_cluster(environment, tmp_path)
    (tmp_path / "token").write_text("secret")
    (tmp_path / "namespace").write_text("team")
    found = in_cluster(environment, tmp_path)
    assert (found.server, found.token, found.namespace) == (
        "https://[fd00::1]:443",
        tmp_path / "token",
        "team",
    )
    with pytest.raises(
        ConfigError, match="KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
    ):
        in_cluster({}, tmp_path)


async def test_a_token_is_not_sent_in_the_clear() -> None:
    shown = Secrets(Connection("http://127.0.0.1:1", token=b"secret")).current()
    assert (shown.token, shown.context) == ("", False)
    assert Secrets(Connection("https://127.0.0.1:1", token=b"secret\n")).current().token == "secret"


async def test_a_token_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="spaces"):
        Secrets(Connection("https://127.0.0.1:1", token=b"a b\r\nX-Other: 1"))


async def test_changed_files_are_taken_up(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    secrets = Secrets(Connection("https://127.0.0.1:1", token=token))
    token.write_text("second-one")
    assert secrets.current().token == "second-one"


async def test_the_kubeconfig_of_the_administrator_is_one(tmp_path: Path) -> None:
    cluster.Folders(tmp_path, kubeconfig_server="https://127.0.0.1:6445").make(1_700_000_000.0)
    found = read_kubeconfig(tmp_path / "admin" / "kubeconfig")
    assert found.certificate == tmp_path / "admin" / "tls.crt"
    assert Secrets(found).current().context is not False
    assert Folder(tmp_path / "admin").current().key == (tmp_path / "admin" / "tls.key").read_bytes()


def test_a_user_may_act_as_somebody_else(tmp_path: Path) -> None:
    user = {
        "token": "secret", "as": "jane", "as-uid": "u-1", "as-groups": ["dev", "ops"],
        "as-user-extra": {"acme.com/project": ["x"], "scopes": ["view", "edit"]},
    }  # fmt: skip
    assert read_kubeconfig(write(tmp_path, cluster={}, user=user)).acts_as == (
        ("Impersonate-User", "jane"), ("Impersonate-Uid", "u-1"), ("Impersonate-Group", "dev"), ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-acme.com%2Fproject", "x"), ("Impersonate-Extra-scopes", "view"),
        ("Impersonate-Extra-scopes", "edit"),
    )  # fmt: skip
    with pytest.raises(ConfigError, match="requesting uid, groups or user-extra for u without impersonating"):
        read_kubeconfig(write(tmp_path, cluster={}, user={"token": "secret", "as-groups": ["dev"]}))
