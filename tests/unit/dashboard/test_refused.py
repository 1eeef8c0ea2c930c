"""What the apiserver does not show to the page's user: who looks is told so, and sees it once it is shown."""

from typing import Any

import pytest

from tests.support.apiserver import Harness, cached_apiserver
from tests.support.page import page
from tests.support.rbac import make_binding, make_role, rule
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING
from vaina.testing.builders import make_pod

READER = "reader-of-a-test"


async def let_read(api: Harness) -> None:
    everything = [rule("*", "*"), rule("*", "*", "trace.vaina.dev"), rule("*", "*", "*")]
    await api.client.kind(CLUSTER_ROLE).create(make_role(READER, *everything))
    await api.client.kind(CLUSTER_ROLE_BINDING).create(make_binding(READER, READER))


@pytest.mark.parametrize("topic", ["cluster", "pod/default/web"])
async def test_what_may_not_be_read_is_told_and_shown_once_it_may(topic: str) -> None:
    async with cached_apiserver(roles=True) as api, page(api.client_of(READER)) as browser:
        await api.app.bootstrap()
        await browser.login()
        async with browser.live(topic) as socket:
            error: Any = await socket.until(topic, "error")
            assert (error["code"], "is forbidden" in error["message"]) == (403, True)
            await let_read(api)
            await api.client.pods.create(make_pod("web"))
            # A browser asks again by itself.
            await socket.socket.send_json({"subscribe": topic})
            while "snapshot" not in (frame := await socket.frame()):
                assert frame["error"]["code"] == 403
                await socket.socket.send_json({"subscribe": topic})
            assert frame["topic"] == topic
