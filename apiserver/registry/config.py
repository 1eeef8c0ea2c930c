"""What is special about Secrets: stringData is written and never read. Follows `pkg/registry/core/secret`."""

from apiserver.registry.strategy import Strategy
from vaina.api.core.v1 import config_pb2


class SecretStrategy(Strategy[config_pb2.Secret]):
    """The hooks."""

    def prepare_for_create(self, obj: config_pb2.Secret, now: float) -> None:
        """Move stringData into data."""
        _fold(obj)

    def prepare_for_update(self, new: config_pb2.Secret, old: config_pb2.Secret) -> None:
        """Move stringData into data."""
        _fold(new)


def _fold(secret: config_pb2.Secret) -> None:
    for key, text in secret.string_data.items():
        secret.data[key] = text.encode()
    secret.ClearField("string_data")
