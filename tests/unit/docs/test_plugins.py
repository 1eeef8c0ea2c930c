"""The code and the files of docs/plugins.md, taken from the page.

A profile is made of the plugin, and Pods are scheduled with it.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.configuration.load import read_configuration
from scheduler.configuration.profiles import make_profiles
from scheduler.decide.cycle import Cycles, schedule_pod
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled, Unschedulable
from tests.unit.scheduler.objects import node, pod, pod_class, table

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def installed() -> Iterator[dict[str, EntryPoint]]:
    """The plugin of the page, as if its package were installed."""
    module = ModuleType("my_package")
    sys.modules["my_package"] = module
    [code] = blocks("python")
    exec(compile(code, "docs/plugins.md", "exec"), module.__dict__)
    [name, value] = re.findall(r'^(\w+) = "(.*)"', blocks("toml")[0], re.MULTILINE)[0]
    yield {name: EntryPoint(name, value, "vaina.scheduler.plugins")}
    del sys.modules["my_package"]


def profile(installed: dict[str, EntryPoint]) -> Profile:
    [made] = make_profiles(read_configuration(HEAD + blocks("yaml")[1]).profiles, third_party=installed)
    return made


def test_the_plugin_of_the_page_has_some_twenty_lines() -> None:
    [code] = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 22


def test_the_plugin_of_the_page_schedules(installed: dict[str, EntryPoint]) -> None:
    label = "example.com/energy"
    on = table(
        node("diesel", labels={label: "diesel"}), node("none"), node("sun", labels={label: "sun"}),
        node("other", labels={"energy": "sun"}),
    )  # fmt: skip
    framework = Framework(profile(installed))
    asked = pod_class(pod(requests={"cpu": "1"}))
    decision = schedule_pod(asked, on, framework, tie_break=lambda _: 0)
    assert isinstance(decision, Scheduled)
    assert (decision.node_name, decision.feasible) == ("sun", 3)
    # One after the other the columns are brought up to date: the same as from scratch.
    cycles = Cycles(on, framework)
    for _ in range(3):
        again = cycles.decide(asked, lambda _: 0)
        assert again == schedule_pod(asked, on, framework, tie_break=lambda _: 0)
        assert isinstance(again, Scheduled)
        on.add_pod(again.row, asked)


def test_the_plugin_of_the_page_says_why_in_its_own_words(installed: dict[str, EntryPoint]) -> None:
    on = table(node("a", labels={"example.com/energy": "diesel"}))
    decision = schedule_pod(pod_class(pod()), on, Framework(profile(installed)), tie_break=lambda _: 0)
    assert isinstance(decision, Unschedulable)
    assert decision.message.startswith("0/1 nodes are available: 1 node(s) ran on diesel.")
    assert decision.rejected_by == {"Green"}


def test_a_plugin_that_says_nothing_of_itself_hears_of_everything(installed: dict[str, EntryPoint]) -> None:
    made = Framework(profile(installed))
    assert all("Green" in hints for hints in made.hints.values())


def test_the_first_file_of_the_page_and_the_example_can_be_used() -> None:
    files = [blocks("yaml")[0], (ROOT / "deploy" / "scheduler.yaml").read_text(encoding="utf-8")]
    for text in files:
        default, packer = make_profiles(read_configuration(text).profiles)
        assert (default.name, packer.name) == ("default-scheduler", "packer")
        assert len(default.scores) == len(default_profile().scores)
        assert len(packer.scores) < len(default.scores)


def test_the_fields_of_the_page_are_there() -> None:
    asked, nodes = pod_class(pod()), table(node("a")).snapshot()
    for head, thing in (("| `nodes` (`Snapshot`", nodes), ("| `pod` (`PodClass`", asked)):
        rows = PAGE.split(head)[1].split("\n\n")[0].splitlines()[2:]
        named = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])]
        assert len(named) > 10
        assert [name for name in named if not hasattr(thing, name)] == []


def test_the_page_lists_all_that_a_plugin_may_read() -> None:
    table = PAGE[PAGE.index("| `nodes` (`Snapshot`, by row)") :]
    listed = set(re.findall(r"`(\w+)`", table))
    assert {field.name for field in fields(Snapshot)} <= listed
    # Identities, which say nothing of a Pod.
    assert {*PodClass.__slots__} - {"__weakref__", "kind", "node_shape", "shape", "signature"} <= listed
