"""`vaina top` over an apiserver in memory: nodes and Pods whose kubelets have nothing to say."""

import pytest

from tests.support.command import CommandLine
from vaina.testing.builders import make_node, make_pod


@pytest.fixture
def line() -> CommandLine:
    made = CommandLine()
    pod = make_pod("web")
    pod.metadata.uid = ""
    pod.status.Clear()
    made.do(lambda clients: clients.nodes.create(make_node("silent")))
    made.do(lambda clients: clients.pods.create(pod))
    return made


def test_a_node_that_was_not_measured_is_unknown(line: CommandLine) -> None:
    shown = line.run("top", "nodes")
    assert shown.code == 0
    assert [row.split() for row in shown.out.splitlines()] == [
        ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"],
        ["silent", *["<unknown>"] * 4],
    ]


def test_pods_that_were_not_measured_are_an_error_and_none_is_none(line: CommandLine) -> None:
    young = line.run("top", "pods")
    assert (young.code, young.err) == (1, "error: metrics not available yet\n")
    for arguments in (("top", "-n", "empty", "pods"), ("top", "pods", "-n", "empty")):
        none = line.run(*arguments)
        assert (none.code, none.err) == (0, "No resources found in empty namespace.\n")


def test_one_that_is_not_there_is_not_found(line: CommandLine) -> None:
    assert 'pods "none" not found' in line.run("top", "pods", "none").err
    assert 'podmetrics.metrics.k8s.io "default/web" not found' in line.run("top", "pod", "web").err
