"""The machinery in a browser: drawn from what is open."""

import pytest

from tests.support.browser import Tab
from tests.support.shown_page import Shown

pytestmark = [pytest.mark.component, pytest.mark.timeout(150)]

#: each of them watches something
_ALL_WATCH = """
const users = [...document.querySelectorAll('#machinery-streams tbody th')].map((one) => one.textContent);
return ['kube-scheduler', 'kube-controller-manager', 'node:node-1', 'node:node-2'].every((one) => users.includes(`system:${one}`));
"""
_SAYS = "return document.querySelector({place!r}).textContent.includes({words!r})"


async def test_who_watches_what_is_drawn_from_what_is_open(tab: Tab, shown: Shown) -> None:
    await tab.open(shown.link("/machinery"))
    await tab.until_text("streams are open at this apiserver")
    await tab.until_text("Of 2 nodes 2 are ready.")
    # Each look shows what is open at that moment: some may be about to come back.
    await tab.until(_ALL_WATCH)
    for place, words in (
        ("#machinery-streams", "spec.nodeName=node-1"),
        (".drawing", "system:kube-scheduler"),
        ("#machinery-leaders", "kube-scheduler"),
        ("#machinery-queues", "replicaset"),
        # etcd's own version.
        ("#machinery-etcd tbody", "3."),
    ):
        await tab.until(_SAYS.format(place=place, words=words))
    await tab.until("return !document.querySelector('#machinery-components .bad')")
    # A revision that grows: the Leases are renewed all the while.
    revision = await tab.text("#etcd-revision")
    await tab.until(f"return document.getElementById('etcd-revision').innerText !== {revision!r}")
