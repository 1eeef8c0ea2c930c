"""What `list` makes of pages: all of them as of one version, or an error; never a part."""

from collections.abc import Callable

import pytest

from vaina.api.core.v1 import config_pb2
from vaina.api.meta.v1 import request_pb2
from vaina.client.clientset import Clientset
from vaina.client.resource import LIST_TRIES
from vaina.client.transport import InProcessTransport
from vaina.errors import Expired
from vaina.kinds import CONFIG_MAP
from vaina.serving.handlers import RequestContext, typed
from vaina.testing.builders import make_config_map

PAGES = {"": ("a", "one"), "one": ("b", "two"), "two": ("c", "")}


class Pages:
    """Gives three pages, each list at a version of its own, and says of some calls that they come too late."""

    def __init__(self, is_late: Callable[[int, str], bool]) -> None:
        self._is_late, self.lists = is_late, 0

    async def list(self, request: request_pb2.ListRequest, ctx: RequestContext) -> config_pb2.ConfigMapList:
        token = request.continue_token
        self.lists += not token
        if self._is_late(self.lists, token):
            raise Expired("The provided continue parameter is too old")
        name, following = PAGES[token]
        answer = config_pb2.ConfigMapList(items=[make_config_map(name)])
        answer.metadata.resource_version = str(self.lists)
        answer.metadata.continue_token = following
        return answer

    def client(self) -> Clientset:
        handlers = {CONFIG_MAP.method("List"): typed(self.list, request_pb2.ListRequest)}
        return Clientset(InProcessTransport(handlers))


async def test_a_list_has_all_pages_and_the_version_of_the_first() -> None:
    listed = await Pages(lambda number, token: False).client().config_maps.list()
    assert [item.metadata.name for item in listed.items] == ["a", "b", "c"]
    assert (listed.resource_version, listed.continue_token) == ("1", "")


async def test_a_list_that_is_overtaken_begins_again() -> None:
    pages = Pages(lambda number, token: number == 1 and token == "two")
    listed = await pages.client().config_maps.list()
    assert [item.metadata.name for item in listed.items] == ["a", "b", "c"]
    assert (listed.resource_version, pages.lists) == ("2", 2)


@pytest.mark.parametrize(("late", "lists"), [("two", LIST_TRIES), ("", 1)])
async def test_a_list_that_is_always_overtaken_or_not_kept_at_all_is_told_so(late: str, lists: int) -> None:
    pages = Pages(lambda number, token: token == late)
    with pytest.raises(Expired):
        await pages.client().config_maps.list()
    assert pages.lists == lists
