"""The machinery in a browser: drawn from what is open."""

import pytest

from tests.support.browser import Tab
from tests.support.shown_page import Shown

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

_USERS = "return [...document.querySelectorAll('#machinery-streams tbody th')].map((one) => one.innerText)"
USERS = {
    "system:kube-scheduler", "system:kube-controller-manager", "system:node:node-1", "system:node:node-2",
}  # fmt: skip


async def test_who_watches_what_is_drawn_from_what_is_open(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link("/machinery"))
    await tab.until_text("streams are open at this apiserver")
    await tab.until_text("Of 2 nodes 2 are ready.")
    await tab.run("document.querySelector('#machinery-streams details').open = true")
    assert {*await tab.run(_USERS)} >= USERS
    assert "spec.nodeName=node-1" in await tab.text("#machinery-streams")
    assert "system:kube-scheduler" in await tab.run("return document.querySelector('.drawing').textContent")
    assert "kube-scheduler" in await tab.text("#machinery-leaders")
    assert "replicaset" in await tab.text("#machinery-queues")
    assert await tab.run("return document.querySelector('#machinery-components .bad')") is None
    # etcd's own version, and a revision that grows: the Leases are renewed all the while.
    assert "3." in await tab.text("#machinery-etcd")
    revision = await tab.text("#etcd-revision")
    await tab.until(f"return document.getElementById('etcd-revision').innerText !== {revision!r}")
