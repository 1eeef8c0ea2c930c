"""Tokens of ServiceAccounts for tests: keys of their own, and tokens that say what a test wants."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from apiserver.config import ApiserverConfig
from apiserver.registry.world import SelectingStorage
from apiserver.tokens.keys import Keys, keys_of
from apiserver.tokens.opening import Tokens, make_tokens
from tests.support.apiserver import Harness
from vaina.api.authentication.v1 import authentication_pb2 as pb
from vaina.api.core.v1 import service_account_pb2
from vaina.clock import Clock
from vaina.pki.authority import make_key
from vaina.testing.builders import make_pod

ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
USER: Final = "system:serviceaccount:default:builder"


async def _nothing() -> None:
    """There are no files to follow."""


@dataclass(slots=True)
class Signer:
    """The keys of a cluster; they may be changed."""

    keys: Keys = field(default_factory=lambda: keys_of(make_key()))
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __call__(self, storage: SelectingStorage, clock: Clock) -> Tokens:
        config = ApiserverConfig(**{"service_account_issuer": (ISSUER,), **self.more})
        return make_tokens(lambda: self.keys, config, storage, clock, _nothing)


def account(name: str = "builder", **fields: Any) -> service_account_pb2.ServiceAccount:
    made = service_account_pb2.ServiceAccount(**fields)
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


def bound(kind: str, name: str, uid: str = "", version: str = "v1") -> pb.BoundObjectReference:
    return pb.BoundObjectReference(kind=kind, api_version=version, name=name, uid=uid)


async def token_of(
    api: Harness, name: str = "builder", *, to: pb.BoundObjectReference | None = None, **spec: Any
) -> str:
    """Return a token of an account, as the apiserver makes it."""
    asked = pb.TokenRequestSpec(bound_object_ref=to, **spec)
    made = await api.client.service_accounts.create_token(name, "default", asked)
    return made.status.token


async def bound_pod(api: Harness, name: str = "web", node: str = "node-1") -> Any:
    """Make a Pod of the account, on a node; a volume of it has a token for `vault`."""
    pod = make_pod(name)
    pod.spec.service_account_name = "builder"
    source = pod.spec.volumes.add(name="vault").volume_source.projected.sources.add().service_account_token
    source.audience, source.path = "vault", "token"
    made = await api.client.pods.create(pod)
    if node not in {item.metadata.name for item in (await api.client.nodes.list()).items}:
        await api.node(node)
    await api.client.pods.bind(name, namespace="default", uid=made.metadata.uid, node=node)
    return await api.client.pods.get(name, "default")


def parts(token: str) -> list[dict[str, Any]]:
    """Return header and payload of a token, whose signature is not looked at."""
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def encoded(*values: Mapping[str, Any] | bytes) -> str:
    """Return parts of a token."""
    texts = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    return ".".join(base64.urlsafe_b64encode(text).rstrip(b"=").decode() for text in texts)
