"""The page of a real control plane in a real browser (tests/support/shown_page.py, browser.py)."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.etcd import find_etcd
from tests.support.browser import CHROMIUM, DRIVER, Tab, browser
from tests.support.identities import ADMIN
from tests.support.secured import Plane
from tests.support.shown_page import DASHBOARD, Shown
from vaina.client.clientset import Clientset

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the page on one worker: a control plane is started once."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("page"))


def refusals(plane: Plane) -> list[str]:
    """Return what the page was refused for want of a right."""
    events = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
    return [
        event["responseStatus"]["message"]
        for event in events
        if event["user"]["username"] == DASHBOARD.name and event.get("responseStatus", {}).get("code") == 403
    ]


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    if find_etcd() is None or CHROMIUM is None or DRIVER is None:
        pytest.skip("no etcd or no chromium: run `make test-component`, which fetches them")
    plane = Plane(tmp_path_factory.mktemp("plane"))
    try:
        plane.start()
        yield Shown(plane)
        # Its role has all that its views ask for.
        assert refusals(plane) == []
    finally:
        plane.close()


@pytest.fixture
async def admin(shown: Shown) -> AsyncIterator[Clientset]:
    async with shown.plane.client(ADMIN) as client:
        yield client


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    """A browser that has been nowhere. What it complains of in the end fails the test."""
    async with browser(tmp_path) as made:
        yield made
        # Beside a page that is plain text it asks for an icon, sooner or later.
        assert [one for one in await made.complaints() if "/favicon.ico" not in one] == []
