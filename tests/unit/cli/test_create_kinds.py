"""`vaina create KIND`: small objects without a manifest, as kubectl makes them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import CommandLine


@pytest.fixture
def vaina() -> Iterator[CommandLine]:
    return CommandLine()


def test_a_namespace(vaina: CommandLine) -> None:
    assert vaina.run("create", "ns", "team").out == "namespace/team created\n"
    assert vaina.run("create", "namespace", "team").err == (
        'Error from server (AlreadyExists): namespaces "team" already exists\n'
    )
    assert vaina.run("create", "ns", "other", "--dry-run=client", "-o", "name").out == "namespace/other\n"


def test_a_config_map_of_literals_files_and_folders(vaina: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a\nb\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    arguments = ("--from-literal=k=v=w", f"--from-file=named={tmp_path / 'text'}", f"--from-file={tmp_path}")
    assert vaina.run("create", "cm", "c", *arguments).out == "configmap/c created\n"
    made = vaina.do(lambda clients: clients.config_maps.get("c", "default"))
    assert dict(made.data) == {"k": "v=w", "named": "a\nb\n", "text": "a\nb\n"}
    assert dict(made.binary_data) == {"binary": b"\xff\x00"}


def test_a_config_map_of_an_environment_file(vaina: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# a comment\n\nA=1\n  B=x=y\n")
    assert vaina.run("create", "configmap", "c", f"--from-env-file={file}").code == 0
    assert dict(vaina.do(lambda clients: clients.config_maps.get("c", "default")).data) == {
        "A": "1",
        "B": "x=y",
    }


def test_a_secret(vaina: CommandLine) -> None:
    made = vaina.run("create", "secret", "generic", "s", "--from-literal=k=v", "--type=example.com/x")
    assert made.out == "secret/s created\n"
    secret = vaina.do(lambda clients: clients.secrets.get("s", "default"))
    assert (dict(secret.data), secret.type) == ({"k": b"v"}, "example.com/x")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--from-literal=k"], "invalid literal source k, expected key=value"),
        (["--from-literal=a=1", "--from-literal=a=2"],
         'cannot add key "a", another key by that name already exists in Data for ConfigMap "c"'),
        (["--from-file=/none/here"], "error reading /none/here: No such file or directory"),
        (["--from-file=k=/proc"], "cannot give a key name for a directory path"),
        (["--from-file==/proc/version"], "key name for file path /proc/version missing"),
        (["--from-literal=a=1", "--from-env-file=x"], "from-env-file cannot be combined with from-file or from-literal"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_read(vaina: CommandLine, arguments: list[str], error: str) -> None:
    answer = vaina.run("create", "configmap", "c", *arguments)
    assert (answer.code, answer.err) == (1, f"error: {error}\n")


def test_a_quota(vaina: CommandLine) -> None:
    made = vaina.run("create", "quota", "q", "--hard=pods=2,cpu=0.5", "--scopes=NotTerminating")
    assert made.out == "resourcequota/q created\n"
    quota = vaina.do(lambda clients: clients.resource_quotas.get("q", "default"))
    assert {key: amount.string for key, amount in quota.spec.hard.items()} == {"pods": "2", "cpu": "500m"}
    assert list(quota.spec.scopes) == ["NotTerminating"]
    wrong = vaina.run("create", "quota", "q", "--hard=pods")
    assert wrong.err == "error: invalid argument syntax pods, expected <resource>=<value>\n"


def test_a_priority_class(vaina: CommandLine) -> None:
    made = vaina.run("create", "pc", "high", "--value=1000", "--preemption-policy=Never", "--description=now")
    assert made.out == "priorityclass.scheduling.k8s.io/high created\n"
    found = vaina.do(lambda clients: clients.priority_classes.get("high"))
    assert (found.value, found.preemption_policy, found.description) == (1000, "Never", "now")


def test_a_budget(vaina: CommandLine) -> None:
    made = vaina.run("create", "pdb", "b", "--selector=app=web,tier in (x,a),!old", "--min-available=50%")
    assert made.out == "poddisruptionbudget.policy/b created\n"
    spec = vaina.do(lambda clients: clients.pod_disruption_budgets.get("b", "default")).spec
    assert (spec.min_available.str_val, dict(spec.selector.match_labels)) == ("50%", {"app": "web"})
    found = sorted((one.key, one.operator, list(one.values)) for one in spec.selector.match_expressions)
    assert found == [("old", "DoesNotExist", []), ("tier", "In", ["a", "x"])]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--min-available=1"], "a selector must be specified"),
        (["--selector=a=b"], "one of min-available or max-unavailable must be specified"),
        (["--selector=a=b", "--min-available=1", "--max-unavailable=1"],
         "min-available and max-unavailable cannot be both specified"),
        (["--selector=a=b", "--max-unavailable=1.5"], "invalid format specified for max-unavailable"),
    ],
)  # fmt: skip
def test_what_no_budget_can_be(vaina: CommandLine, arguments: list[str], error: str) -> None:
    answer = vaina.run("create", "pdb", "b", *arguments)
    assert (answer.code, answer.err) == (1, f"error: {error}\n")
