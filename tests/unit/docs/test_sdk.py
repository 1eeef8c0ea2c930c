"""The code of docs/sdk.md, taken from the page.

The controller runs over the real apiserver in process, the examples over the fake.
"""

import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.apiserver import Harness, make_apiserver
from tests.support.tasks import running
from vaina.api.core.v1 import config_pb2
from vaina.cache.informer import InformerFactory, MutationDetector
from vaina.controller import Tools, run_controllers
from vaina.errors import NotFound
from vaina.testing.apiserver import FakeApiserver
from vaina.testing.builders import make_config_map, make_namespace
from vaina.testing.clock import FakeClock, settle

PAGE = Path(__file__).parents[3] / "docs" / "sdk.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
EXAMPLES = re.findall(r"^async def (example_\w+)", "\n".join(BLOCKS), re.MULTILINE)


@pytest.fixture(scope="module")
def page() -> Any:
    module = ModuleType("sdk_page")
    for block in BLOCKS:
        exec(compile(block, str(PAGE), "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example(page: Any, name: str) -> None:
    await getattr(page, name)(FakeApiserver(FakeClock()))


def test_the_controller_has_fifty_lines_of_its_own() -> None:
    lines = [line for line in BLOCKS[0].splitlines() if line.strip()]
    assert len(lines) <= 50


def test_every_block_of_the_page_is_the_controller_the_imports_or_an_example() -> None:
    assert len(BLOCKS) == 2 + len(EXAMPLES)


def controller(page: Any, server: Harness) -> Coroutine[Any, Any, None]:
    factory = InformerFactory(server.client, server.clock, detector=MutationDetector())
    return run_controllers(factory, [page.TeamController(Tools(server.clock), factory)])


@asynccontextmanager
async def world(page: Any) -> AsyncIterator[Harness]:
    server = make_apiserver()
    await server.app.bootstrap()
    async with running(controller(page, server)):
        await settle(200)
        yield server


async def labelled(server: Harness, name: str, team: str) -> None:
    namespace = make_namespace(name)
    namespace.metadata.labels["team"] = team
    await server.client.namespaces.create(namespace)
    await after(server)


async def after(server: Harness) -> None:
    """Let the controller do what it will, back-off included."""
    await settle(200)
    await server.clock.advance(5)


async def found(server: Harness, namespace: str) -> config_pb2.ConfigMap:
    return await server.client.config_maps.get("team", namespace)


async def test_a_labelled_namespace_gets_its_config_map_and_no_other_does(page: Any) -> None:
    async with world(page) as server:
        await labelled(server, "shop", "blue")
        assert dict((await found(server, "shop")).data) == {"name": "blue"}
        with pytest.raises(NotFound):
            await found(server, "default")


async def test_what_others_change_or_delete_is_put_right_and_what_they_add_stays(page: Any) -> None:
    async with world(page) as server:
        await labelled(server, "shop", "blue")
        changed = await found(server, "shop")
        changed.data["name"], changed.data["note"] = "red", "theirs"
        await server.client.config_maps.update(changed)
        await after(server)
        assert dict((await found(server, "shop")).data) == {"name": "blue", "note": "theirs"}
        await server.client.config_maps.delete("team", "shop")
        await after(server)
        assert dict((await found(server, "shop")).data) == {"name": "blue"}


async def test_a_second_pass_over_an_unchanged_world_writes_nothing(page: Any) -> None:
    async with world(page) as server:
        await labelled(server, "shop", "blue")
        before = await server.storage.current_version()
        await server.client.config_maps.create(make_config_map("other", "shop"))
        await after(server)
        version = await server.storage.current_version()
        async with running(controller(page, server)):
            await after(server)
        assert before < version == await server.storage.current_version()


def test_nothing_is_wanted_of_a_namespace_that_is_going(page: Any) -> None:
    namespace = make_namespace("shop", deleted=5.0)
    namespace.metadata.labels["team"] = "blue"
    assert page.wanted(namespace, None) is None
