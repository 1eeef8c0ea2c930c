"""Each namespace has the authority of the apiserver, as it is now."""

from pathlib import Path

import pytest

from controller.base import Tools
from controller.root_ca import DESCRIPTION, DESCRIPTION_ANNOTATION, LOOK_SECONDS, RootCaPublisher, published
from tests.support.apiserver import cached_apiserver
from tests.support.tasks import running
from vaina.api.core.v1 import config_pb2
from vaina.cache.informer import InformerFactory
from vaina.clock import SystemClock
from vaina.config import ConfigError
from vaina.controller import run_controllers
from vaina.errors import NotFound
from vaina.testing.builders import make_namespace
from vaina.testing.clock import FakeClock, settle


def test_what_is_right_is_left_alone_and_what_is_not_is_made_so() -> None:
    made = published("PEM", None)
    assert made is not None
    assert (made.metadata.name, dict(made.data)) == ("kube-root-ca.crt", {"ca.crt": "PEM"})
    assert made.metadata.annotations[DESCRIPTION_ANNOTATION] == DESCRIPTION
    assert published("PEM", made) is None
    made.metadata.annotations[DESCRIPTION_ANNOTATION] = "mine"
    assert published("PEM", made) is None
    made.data["more"] = "x"
    made.metadata.labels["kept"] = "yes"
    again = published("NEW", made)
    assert again is not None
    assert (dict(again.data), dict(again.metadata.labels)) == ({"ca.crt": "NEW"}, {"kept": "yes"})
    assert dict(made.data) == {"ca.crt": "PEM", "more": "x"}


async def test_each_namespace_gets_it_and_a_new_one_when_the_file_changes(tmp_path: Path) -> None:
    file, clock = tmp_path / "ca.crt", FakeClock()
    file.write_text("one")
    async with cached_apiserver() as api:
        factory = InformerFactory(api.client, SystemClock())
        controller = RootCaPublisher(Tools(clock), factory, str(file))
        maps = api.client.config_maps

        async def data(namespace: str) -> str:
            try:
                return (await maps.get("kube-root-ca.crt", namespace)).data.get("ca.crt", "")
            except NotFound:
                return ""

        async def until(namespace: str, want: str) -> None:
            while await data(namespace) != want:
                await SystemClock().sleep(0.01)
                await settle()

        async with running(run_controllers(factory, [controller])):
            await api.client.namespaces.create(make_namespace("team"))
            await until("team", "one")
            changed = config_pb2.ConfigMap()
            changed.CopyFrom(await maps.get("kube-root-ca.crt", "team"))
            changed.data["ca.crt"] = "forged"
            await maps.update(changed)
            await until("team", "one")
            await maps.delete("kube-root-ca.crt", "team")
            await until("team", "one")
            file.write_text("two")
            await clock.advance(LOOK_SECONDS)
            await until("team", "two")
            file.unlink()
            await clock.advance(LOOK_SECONDS)
            await api.client.namespaces.create(make_namespace("later"))
            await until("later", "two")


async def test_a_file_that_is_not_there_is_an_error_at_the_start(tmp_path: Path) -> None:
    async with cached_apiserver() as api:
        factory = InformerFactory(api.client, SystemClock())
        with pytest.raises(ConfigError, match="root_ca_file"):
            RootCaPublisher(Tools(FakeClock()), factory, str(tmp_path / "none"))
