"""The port on which nodes get their first certificate: server TLS alone, and a bootstrap token with each call.

A caller may make a request for a kubelet's client certificate, and read the requests of its own token; nothing
else is served there (decision 252). `apiserver.tokens.bootstrap` knows the tokens.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import AlwaysAllow
from apiserver.authorization.checks import Checks, forbidden, selected_name
from apiserver.registry.store import Store
from apiserver.services.generic import kind_handlers
from apiserver.services.requests import object_of
from apiserver.services.version import version_handlers
from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST as CSR
from vaina.serving.handlers import STREAM, UNARY, Method, RequestContext, decode

Csr = certificate_signing_request_pb2.CertificateSigningRequest

_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"


def bootstrap_handlers(requests: Store[Csr]) -> dict[str, Method]:
    """Return the methods by full path."""
    # What a caller may is all that is here; no role adds to it.
    checks = Checks(AlwaysAllow())
    inner = {name: kind_handlers(requests, checks)[CSR.method(name)] for name in ("Create", "Get", "Watch")}

    async def create(data: bytes, rpc: RequestContext) -> bytes:
        made = object_of(CSR, decode(raw_pb2.RawCreateRequest, data).object)
        if made.spec.signer_name != _SIGNER:
            raise _refused(rpc, "create", "", f"a bootstrap token may only ask for certificates of {_SIGNER}")
        answer: bytes = await inner["Create"].fn(data, rpc)
        return answer

    async def get(data: bytes, rpc: RequestContext) -> bytes:
        await check_own(rpc, "get", decode(request_pb2.GetRequest, data).name)
        answer: bytes = await inner["Get"].fn(data, rpc)
        return answer

    async def watch(data: bytes, rpc: RequestContext) -> AsyncIterator[bytes]:
        await check_own(rpc, "watch", selected_name(decode(request_pb2.WatchRequest, data).field_selector))
        async with aclosing(inner["Watch"].fn(data, rpc)) as answers:
            async for answer in answers:
                yield answer

    async def check_own(rpc: RequestContext, verb: str, name: str) -> None:
        """Refuse requests of others, and such as are not there. Raises Forbidden."""
        found: Any = await requests.find("", name) if name else None
        if found is None or found.spec.username != rpc.user.name:
            raise _refused(rpc, verb, name, "a bootstrap token may only read its own requests")

    methods = {"Create": Method(UNARY, create), "Get": Method(UNARY, get), "Watch": Method(STREAM, watch)}
    return {CSR.method(name): method for name, method in methods.items()} | version_handlers(checks)


def _refused(rpc: RequestContext, verb: str, name: str, why: str) -> Exception:
    return forbidden(Attributes(rpc.user, verb, CSR.group, CSR.plural, name=name), why)
