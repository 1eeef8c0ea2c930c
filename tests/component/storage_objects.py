"""Small objects for the component tests of storage."""

from apiserver.storage.interface import Key
from vaina.api.core.v1 import config_pb2

META = ("v1", "ConfigMap")
PREFIX = Key("/registry/configmaps/")


def key(name: str) -> Key:
    return Key(f"{PREFIX}default/{name}")


def config(name: str, **data: str) -> bytes:
    message = config_pb2.ConfigMap(data=data)
    message.metadata.name = name
    message.metadata.uid = f"uid-of-{name}"
    return message.SerializeToString(deterministic=True)
