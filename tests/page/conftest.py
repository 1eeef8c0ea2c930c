"""The page of a real control plane in a real browser (tests/support/shown_page.py, browser.py)."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling

from bench.etcd import find_etcd
from tests.support.browser import CHROMIUM, DRIVER, Tab, browser
from tests.support.identities import ADMIN
from tests.support.secured import Plane, audited
from tests.support.shown_page import DASHBOARD, Shown
from vaina.client.clientset import Clientset


class PageTogether(LoadGroupScheduling):
    """Keeps the tests of the page on one worker: a control plane is started once.

    By their names, because xdist 3.8 tells a worker's groups by an attribute that pytest 9.2 does not have.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "page" if nodeid.startswith("tests/page/") else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> PageTogether | None:
    """Give `--dist loadgroup` its scheduler."""
    return PageTogether(config, log) if config.getvalue("dist") == "loadgroup" else None


def refusals(plane: Plane) -> list[str]:
    """Return what the page was refused for want of a right."""
    return [
        event["responseStatus"]["message"]
        for event in audited(plane.audit_log)
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
