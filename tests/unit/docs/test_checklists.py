"""docs/checklists: what is named is there, and each plugin, controller, runtime and RPC was made by its list."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from apiserver.services.descriptors import service_descriptor
from apiserver.services.metrics import RequestMetrics
from controller.build import build as build_controllers
from controller.config import ControllerConfig
from scheduler.explain.lacks import Describer
from scheduler.framework.binding_points import Handle
from scheduler.framework.events import ClusterEvent
from scheduler.framework.registry import IN_TREE, Factory, default_profile, points_of
from tests.support.apiserver import make_apiserver
from vaina.controller import Controller
from vaina.errors import BadRequest
from vaina.kinds import KINDS, Kind
from vaina.serving.handlers import MethodKind, RequestContext
from vaina.testing.clock import FakeClock

ROOT = Path(__file__).parents[3]
LISTS = sorted((ROOT / "docs" / "checklists").glob("*.md"))
#: where a path in a list may begin
BASES = (ROOT, ROOT / "docs", ROOT / "tests" / "conformance", ROOT / "protos" / "vaina" / "api")
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*)`")


@pytest.mark.parametrize("page", LISTS, ids=lambda page: page.stem)
def test_every_path_of_a_list_is_there(page: Path) -> None:
    named = [path for path in _PATH.findall(page.read_text()) if "<" not in path]
    missing = [
        path
        for path in named
        if not any((base / path).exists() for base in BASES) and not list(ROOT.glob(f"*/*/{path}"))
    ]
    assert named
    assert missing == []


def words(*folders: str) -> str:
    return "\n".join(path.read_text() for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))


@pytest.mark.parametrize("factory", IN_TREE, ids=lambda factory: factory.name)
def test_a_plugin_has_points_and_a_test_that_names_it(factory: Factory) -> None:
    plugin = factory.build(None, Handle())
    assert points_of(plugin)
    assert type(plugin).__name__ in words("tests/unit/scheduler") + words("scheduler/bind")


@pytest.mark.parametrize("plugin", default_profile().filters, ids=lambda plugin: plugin.name)
def test_a_filter_says_after_which_events_it_may_change_its_mind(plugin: object) -> None:
    hints = plugin.hints  # type: ignore[attr-defined]  # every filter has them
    assert set(hints) < set(ClusterEvent)


@pytest.mark.parametrize("plugin", default_profile().filters, ids=lambda plugin: plugin.name)
def test_a_filter_tells_explain_what_is_in_the_way(plugin: object) -> None:
    assert isinstance(plugin.describer, Describer)  # type: ignore[attr-defined]  # the list asks for it


def controllers() -> list[Controller]:
    made = build_controllers(make_apiserver().client, FakeClock(), ControllerConfig())
    return [*made.controllers]


@pytest.mark.parametrize("controller", controllers(), ids=lambda controller: controller.name)
def test_a_controller_follows_something_and_has_tests(controller: Controller) -> None:
    assert controller.informers
    folder, named = type(controller).__module__.rpartition(".")[0], type(controller).__name__
    tests = words(
        "tests/unit/controller", "tests/property", "tests/simulation", "tests/cluster", "tests/component"
    )
    assert f"from {folder}" in tests or named in tests


def runtimes() -> list[str]:
    return sorted(path.parent.name for path in (ROOT / "kubelet" / "runtime").glob("*/runtime.py"))


@pytest.mark.parametrize("name", runtimes())
def test_a_runtime_is_made_in_one_place_and_passes_the_one_suite(name: str) -> None:
    module = f"kubelet.runtime.{name}.runtime"
    made = (ROOT / "kubelet" / "runtimes.py").read_text()
    specs = [*(ROOT / "tests").glob("c*/*runtime_spec.py"), *(ROOT / "tests" / "conformance").glob("*.py")]
    suites = [text for text in (path.read_text() for path in specs) if "(RuntimeSpec" in text]
    assert module in made
    assert any(module in text for text in suites)


async def test_bytes_that_are_no_message_are_refused_by_every_method() -> None:
    handlers = make_apiserver().app.handlers
    answered = []
    for path, method in handlers.items():
        if method.kind is not MethodKind.UNARY:
            continue
        try:
            await method.fn(b"\xff\xff", RequestContext())
        except BadRequest:
            continue
        answered.append(path)
    assert answered == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
async def test_every_method_of_a_kind_is_served_and_measured(kind: Kind[Any]) -> None:
    handlers, registry = make_apiserver().app.handlers, CollectorRegistry()
    measured = RequestMetrics(registry, FakeClock()).wrap(handlers)
    verbs = set()
    for method in service_descriptor(kind.service).methods:
        path = kind.method(method.name)
        if measured[path].kind is MethodKind.UNARY:
            with pytest.raises(BadRequest):
                await measured[path].fn(b"\xff\xff", RequestContext())
    for metric in registry.collect():
        verbs |= {sample.labels["verb"] for sample in metric.samples if "verb" in sample.labels}
    assert verbs <= {"GET", "LIST", "WATCH", "POST", "PUT", "PATCH", "DELETE", "DELETECOLLECTION", "CONNECT"}
