"""`vaina apply --server-side`, with kubectl's texts; and who owns which fields, as `get` shows it."""

import json
from collections.abc import Iterator

import pytest

from tests.support.command import CommandLine

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {x: "1", z: "1"}
"""
WITHOUT_Z = CONFIG.replace(', z: "1"', "")


@pytest.fixture
def vaina() -> Iterator[CommandLine]:
    return CommandLine()


def _apply(vaina: CommandLine, text: str, *flags: str) -> str:
    result = vaina.run("apply", "--server-side", "-f", "-", *flags, stdin=text)
    assert (result.code, result.err) == (0, "")
    return result.out


def _owners(vaina: CommandLine) -> dict[tuple[str, str], object]:
    shown = json.loads(vaina.run("get", "cm/a", "-o", "json", "--show-managed-fields").out)
    return {(e["manager"], e["operation"]): e["fieldsV1"] for e in shown["metadata"]["managedFields"]}


def test_the_server_merges_and_keeps_who_owns_what(vaina: CommandLine) -> None:
    assert _apply(vaina, CONFIG) == "configmap/a serverside-applied\n"
    assert _owners(vaina) == {("kubectl", "Apply"): {"f:data": {"f:x": {}, "f:z": {}}}}
    assert _apply(vaina, WITHOUT_Z) == "configmap/a serverside-applied\n"
    assert json.loads(vaina.run("get", "cm/a", "-o", "json").out)["data"] == {"x": "1"}


def test_owners_are_shown_to_who_asks_for_them(vaina: CommandLine) -> None:
    _apply(vaina, CONFIG)
    for output in ("json", "yaml"):
        assert "managedFields" not in vaina.run("get", "cm/a", "-o", output).out
        assert "managedFields" in vaina.run("get", "cm/a", "-o", output, "--show-managed-fields").out
    path = "jsonpath={.metadata.managedFields[0].manager}"
    assert vaina.run("get", "cm/a", "-o", path).out == "kubectl"


def test_conflicts_are_told_with_what_can_be_done(vaina: CommandLine) -> None:
    _apply(vaina, CONFIG, "--field-manager", "other")
    result = vaina.run("apply", "--server-side", "-f", "-", stdin=CONFIG.replace('x: "1"', 'x: "2"'))
    assert result.code == 1
    assert result.err.startswith(
        'error: Apply failed with 1 conflict: conflict with "other": .data.x\n'
        "Please review the fields above--they currently have other managers. Here\n"
    )
    assert result.err.endswith("server-side-apply/#conflicts\n")
    forced = _apply(vaina, CONFIG.replace('x: "1"', 'x: "2"'), "--force-conflicts")
    assert forced == "configmap/a serverside-applied\n"


def test_what_was_applied_on_the_clients_side_is_taken_over(vaina: CommandLine) -> None:
    assert vaina.run("apply", "-f", "-", stdin=CONFIG).out == "configmap/a created\n"
    assert _apply(vaina, WITHOUT_Z) == "configmap/a serverside-applied\n"
    shown = json.loads(vaina.run("get", "cm/a", "-o", "json").out)
    assert shown["data"] == {"x": "1"}
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    assert json.loads(shown["metadata"]["annotations"][annotation])["data"] == {"x": "1"}
    assert set(_owners(vaina)) == {("kubectl", "Apply"), ("kubectl-last-applied", "Apply")}
    # And back: client-side apply goes on from what was applied last.
    assert vaina.run("apply", "-f", "-", stdin=CONFIG).out == "configmap/a configured\n"


def test_a_dry_run_stores_nothing(vaina: CommandLine) -> None:
    assert _apply(vaina, CONFIG, "--dry-run=server") == "configmap/a serverside-applied (server dry run)\n"
    assert vaina.run("get", "cm/a").code == 1


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--force-conflicts"], "--force-conflicts only works with --server-side"),
        (["--server-side", "--dry-run=client"],
         "--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)"),
    ],
)  # fmt: skip
def test_flags_that_do_not_go_together_are_refused(vaina: CommandLine, flags: list[str], error: str) -> None:
    result = vaina.run("apply", "-f", "-", *flags, stdin=CONFIG)
    assert (result.code, result.err) == (1, f"error: {error}\n")


def test_an_object_without_a_name_is_refused(vaina: CommandLine) -> None:
    text = CONFIG.replace("name: a", "generateName: a-")
    result = vaina.run("apply", "--server-side", "-f", "-", stdin=text)
    assert (result.code, result.err) == (1, "error: from a-: cannot use generate name with apply\n")
