"""`vaina taint`: words in, taints of nodes out; errors in kubectl's words."""

from collections.abc import Iterator

import pytest

from tests.support.command import CommandLine

NODE = "{{apiVersion: v1, kind: Node, metadata: {{name: {0}, labels: {{rack: {1}}}}}}}"


@pytest.fixture
def vaina() -> Iterator[CommandLine]:
    command = CommandLine()
    for name, rack in (("a", "left"), ("b", "right")):
        assert command.run("create", "-f", "-", stdin=NODE.format(name, rack)).code == 0
    return command


def taints(vaina: CommandLine, node: str = "a") -> list[str]:
    found = vaina.do(lambda clients: clients.nodes.get(node)).spec.taints
    return [f"{taint.key}={taint.value}:{taint.effect}" for taint in found]


def test_taints_come_change_and_go(vaina: CommandLine) -> None:
    assert vaina.run("taint", "nodes", "a", "x=1:NoSchedule", "y:NoExecute").out == "node/a tainted\n"
    assert taints(vaina) == ["x=1:NoSchedule", "y=:NoExecute"]
    refused = vaina.run("taint", "node", "a", "x=2:NoSchedule")
    assert (refused.code, refused.err) == (
        1, "error: node a already has x taint(s) with same effect(s) and --overwrite is false\n",
    )  # fmt: skip
    assert vaina.run("taint", "no", "a", "x=2:NoSchedule", "--overwrite").out == "node/a modified\n"
    assert taints(vaina) == ["x=2:NoSchedule", "y=:NoExecute"]
    assert vaina.run("taint", "nodes", "a", "x=3:PreferNoSchedule").out == "node/a tainted\n"
    assert vaina.run("taint", "nodes", "a", "x:NoSchedule-").out == "node/a untainted\n"
    assert taints(vaina) == ["x=3:PreferNoSchedule", "y=:NoExecute"]
    assert vaina.run("taint", "nodes", "a", "x-", "y-").out == "node/a untainted\n"
    assert taints(vaina) == []


def test_nodes_are_named_selected_or_all(vaina: CommandLine) -> None:
    assert vaina.run("taint", "nodes", "-l", "rack=right", "x:NoSchedule").out == "node/b tainted\n"
    assert (taints(vaina, "a"), taints(vaina, "b")) == ([], ["x=:NoSchedule"])
    told = vaina.run("taint", "nodes", "--all", "x:NoSchedule")
    assert (told.code, told.out) == (1, "node/a tainted\n")
    assert told.err == "error: node b already has x taint(s) with same effect(s) and --overwrite is false\n"
    assert vaina.run("taint", "nodes", "a", "none", "b", "x-").out == "node/a untainted\nnode/b untainted\n"


@pytest.mark.parametrize(("how", "suffix"), [("client", "dry run"), ("server", "server dry run")])
def test_what_is_only_tried_changes_nothing(vaina: CommandLine, how: str, suffix: str) -> None:
    made = vaina.run("taint", "nodes", "a", "x:NoSchedule", f"--dry-run={how}")
    assert made.out == f"node/a tainted ({suffix})\n"
    assert taints(vaina) == []


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nodes", "a"], "at least one taint update is required"),
        (["x:NoSchedule"], "one or more resources must be specified as <resource> <name>"),
        (["nodes", "x:NoSchedule"], "at least one resource name must be specified since 'all' parameter is not set"),
        (["nodes", "x:NoSchedule", "a"], "all resources must be specified before taint changes: a"),
        (["pods", "a", "x:NoSchedule"], "invalid resource type pods, only node types are supported"),
        (["nodes", "a", "x=1"], "invalid taint spec: x=1"),
        (["nodes", "a", "x=1=2:NoSchedule"], "invalid taint spec: x=1=2:NoSchedule"),
        (["nodes", "a", "x:Never"], "invalid taint effect: Never, unsupported taint effect"),
        (["nodes", "a", "x:NoSchedule:NoExecute"], "invalid taint effect: NoSchedule:NoExecute, unsupported taint effect"),
        (["nodes", "a", "x=1:NoSchedule", "x=2:NoSchedule"], "duplicated taints with the same key and effect: x=2:NoSchedule"),
        (["nodes", "a", "x=1:NoSchedule", "x-"], 'can not both modify and remove the following taint(s) in the same command: {"x":""}'),
        (["nodes", "a", "x-"], 'taint "x" not found'),
        (["nodes", "a", "x:NoExecute-", "y-"], '[taint "x:NoExecute" not found, taint "y" not found]'),
        (["nodes", "--all", "-l", "a=b", "x-"], "setting 'all' parameter with a non empty selector is prohibited"),
    ],
)  # fmt: skip
def test_what_makes_no_sense(vaina: CommandLine, words: list[str], error: str) -> None:
    answer = vaina.run("taint", *words)
    assert (answer.code, answer.err) == (1, f"error: {error}\n")


@pytest.mark.parametrize("word", ["_x:NoSchedule", "x=a b:NoSchedule"])
def test_a_key_and_a_value_are_checked(vaina: CommandLine, word: str) -> None:
    answer = vaina.run("taint", "nodes", "a", word)
    assert answer.code == 1
    assert answer.err.startswith(f"error: invalid taint spec: {word}, ")
