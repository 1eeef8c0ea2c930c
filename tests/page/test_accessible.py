"""What a screen reader and a keyboard would miss on the page, as axe-core sees it (deploy/axe.sh): nothing.

Every view in light and dark, as wide as a desk and as narrow as a phone. What a machine cannot see of it stands
in docs/checklists/new-view.md.
"""

from itertools import pairwise
from typing import Final

import pytest

from tests.support.axe import AXE, missed
from tests.support.browser import Tab
from tests.support.secured import apply
from tests.support.shown_page import Shown
from vaina.client.clientset import Clientset

pytestmark = [pytest.mark.component, pytest.mark.timeout(240)]

_POD = """
apiVersion: v1
kind: Pod
metadata: {name: seen, namespace: default}
spec:
  containers: [{name: app, image: "app:1", readinessProbe: {exec: {command: ["true"]}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Pod
metadata: {name: too-large, namespace: default}
spec: {containers: [{name: app, image: "app:1", resources: {requests: {cpu: "1000"}}}]}
"""
#: what is said by a view once it is there; in Spanish, whose words are longer
VIEWS: Final = {
    "/": "Qué mirar",
    "/pod/default/seen": "Started container app",
    "/pod/default/too-large": "Qué mirar a continuación",
    "/pod/default/nobody-there": "No existe tal Pod",
    "/scheduler?pod=default/too-large": "nodos lo admitirían ahora",
    "/machinery": "streams abiertos en este apiserver",
    "/loads": "Abrir informes",
    "/lessons": "A1 ·",
    "/lessons/A1": "Qué dice el documento",
    "/nowhere": "Ninguna vista tiene esta dirección",
}
_HEADINGS = (
    "return [...document.querySelectorAll('main :is(h1,h2,h3,h4)')].map((one) => Number(one.tagName[1]))"
)
_TABLES = """
return [...document.querySelectorAll('main table')].filter((one) => !one.caption?.textContent
  || !one.querySelector('th[scope]') || [...one.querySelectorAll('th')].some((it) => !it.scope)).map((one) => one.outerHTML.slice(0, 300));
"""


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core: `make test-component` fetches it")
async def test_every_view_can_be_read_without_seeing_it(tab: Tab, shown: Shown, admin: Clientset) -> None:
    await apply(admin, _POD)
    await tab.open(shown.link("/?lang=es"))
    found: list[str] = []
    for path, words in VIEWS.items():
        await tab.open(f"{shown.url}{path}")
        await tab.until_text(words)
        found += [f"{path} {one}" for one in await missed(tab)]
        assert await tab.run("return document.documentElement.scrollWidth") <= 360, path
        found += [f"{path} {one}" for one in await tab.run(_TABLES)]
        levels = await tab.run(_HEADINGS)
        assert levels.count(1) == 1, path
        assert all(after - before <= 1 for before, after in pairwise([0, *levels])), (path, levels)
    assert found == []
    for name in ("seen", "too-large"):
        await admin.pods.delete(name, "default", grace_period_seconds=0)


async def test_the_links_at_the_top_say_where_one_is(tab: Tab, shown: Shown) -> None:
    places = {
        "/lessons/A1": "/lessons",
        "/loads": "/scheduler",
        "/pod/default/x": "/",
        "/machinery": "/machinery",
    }
    for path, under in places.items():
        await tab.open(shown.link(path))
        marked = await tab.until(
            "return document.querySelector('#nav a[aria-current]')?.getAttribute('href')"
        )
        assert marked == under
