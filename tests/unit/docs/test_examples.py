"""Every manifest of examples/ says what to look at, and is read, completed and found in order."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.app import VERBS
from tests.support.command import CommandLine
from tests.support.manifests import EXAMPLES
from vaina.api.core.v1 import pod_pb2
from vaina.objects.manifest import decode_documents
from vaina.objects.selectors import LabelSelector, from_labels, from_message

FILES = sorted(EXAMPLES.glob("*.yaml"))
_COMMAND = re.compile(r"vaina ([a-z-]+)")


def test_there_are_enough() -> None:
    assert len(FILES) >= 25


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_first_line_says_what_to_look_at(file: Path) -> None:
    first = file.read_text().splitlines()[0]
    assert first.startswith("# ")
    verbs = _COMMAND.findall(first)
    assert verbs, "the first line names no command"
    assert set(verbs) <= set(VERBS)


def _templates(obj: Any) -> Iterator[Mapping[str, str]]:
    """Give the labels of the Pods that an object is or makes."""
    spec = getattr(obj, "spec", None)
    if isinstance(obj, pod_pb2.Pod):
        yield obj.metadata.labels
    elif hasattr(spec, "job_template"):
        yield spec.job_template.spec.template.metadata.labels
    elif hasattr(spec, "template"):
        yield spec.template.metadata.labels


def _selector(obj: Any) -> LabelSelector | None:
    found = getattr(getattr(obj, "spec", None), "selector", None)
    if not found or obj.DESCRIPTOR.name == "PersistentVolumeClaim":
        return None
    if not hasattr(found, "match_labels"):
        return from_labels(found)
    # A Job's is made by the apiserver, of its uid.
    return from_message(found) if found.ByteSize() else None


def test_no_example_selects_pods_of_another() -> None:
    """Whoever applies all of them has Deployments that adopt nothing, and budgets that count their own."""
    objects = [(file, item.message) for file in FILES for item in decode_documents(file.read_text())]
    selectors = [(file, found) for file, obj in objects if (found := _selector(obj)) is not None]
    assert selectors
    for file, selector in selectors:
        others = {
            other.name for other, obj in objects for labels in _templates(obj) if selector.matches(labels)
        }
        assert others <= {file.name}, f"{selector} of {file.name}"


@pytest.mark.requirement("B16")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_is_read_completed_and_in_order(file: Path) -> None:
    vaina = CommandLine()
    found = decode_documents(file.read_text())
    assert found
    result = vaina.run("apply", "-f", str(file))
    assert (result.code, result.err.replace("\n", "")) == (0, "") or "has no controller" in result.err
    assert result.out.count(" created\n") == len(found)
    again = vaina.run("apply", "-f", str(file))
    assert again.out.count(" unchanged\n") == len(found), again.out + again.err
