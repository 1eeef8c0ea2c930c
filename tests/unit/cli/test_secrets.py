"""`vaina secrets rewrite`: every Secret is written once, though others write too."""

from typing import Any

from tests.support.command import CommandLine
from vaina.api.core.v1 import config_pb2
from vaina.client.clientset import Clientset


def make_secret(name: str, namespace: str = "default") -> config_pb2.Secret:
    made = config_pb2.Secret(type="Opaque", data={"a": b"b"})
    made.metadata.name, made.metadata.namespace = name, namespace
    return made


def test_all_secrets_of_all_namespaces_are_written_and_what_is_right_stays() -> None:
    vaina = CommandLine()
    versions: dict[str, str] = {}

    async def make(clients: Clientset) -> Any:
        for index in range(250):
            made = await clients.secrets.create(
                make_secret(f"s-{index}", "default" if index % 2 else "kube-system")
            )
            versions[made.metadata.name] = made.metadata.resource_version

    vaina.do(make)
    told = vaina.run("secrets", "rewrite")
    assert (told.code, told.out) == (0, "0 secrets rewritten, 250 stored with the first key already\n")

    async def found(clients: Clientset) -> Any:
        return {
            item.metadata.name: item.metadata.resource_version
            for item in (await clients.secrets.list()).items
        }

    assert vaina.do(found) == versions


def test_no_secrets_are_no_error() -> None:
    told = CommandLine().run("secrets", "rewrite")
    assert (told.code, told.out) == (0, "0 secrets rewritten, 0 stored with the first key already\n")
