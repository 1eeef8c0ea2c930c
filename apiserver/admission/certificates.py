"""Admission of CertificateSigningRequests: who asked, and who may approve and sign for which signer.

Follows `plugin/pkg/admission/certificates/approval`, `signing` and `subjectrestriction`, and
`pkg/certauthorization`. Upstream's strategy sets the requester (PrepareForCreate); here it knows no caller.
"""

from collections.abc import Sequence
from typing import Any, Final

from apiserver import refusals
from apiserver.admission.chain import Attributes, Operation
from apiserver.authorization.attributes import Attributes as Question
from apiserver.authorization.authorizer import MASTERS, Authorizer
from apiserver.context import Context
from vaina.errors import ApiError, Forbidden
from vaina.kinds import CERTIFICATE_SIGNING_REQUEST as CSR
from vaina.kinds import Kind
from vaina.quoting import go_quote
from vaina.serving.handlers import User, address_of

_CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client"
_APPROVAL: Final = "approval"
#: in spec.extra: where the request came from, which the approver compares with the addresses that are asked for
SOURCE: Final = "vaina.dev/source-address"


class CertificateRequests:
    """The plugin."""

    ignores_names = True

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def admit(self, attributes: Attributes) -> None:
        """Write down who asks for a new certificate; add the check of a decision."""
        if attributes.kind is not CSR:
            return
        context = attributes.context
        if attributes.operation is Operation.CREATE:
            spec: Any = attributes.object.spec  # type: ignore[union-attr]  # a create has an object
            for field in ("username", "uid", "groups", "extra"):
                spec.ClearField(field)
            spec.username, spec.uid = context.user, context.uid
            spec.groups.extend(context.groups)
            for name, values in context.extra:
                spec.extra[name].items.extend(values)
            if address := address_of(context.peer):
                spec.extra[SOURCE].items.append(address)
        elif attributes.operation is Operation.UPDATE and attributes.subresource == _APPROVAL:

            def check(_new: Any, old: Any) -> None:
                if not self._may(context, "approve", old.spec.signer_name):
                    signer = go_quote(old.spec.signer_name)
                    raise attributes.forbidden(
                        f"user not permitted to approve requests with signerName {signer}"
                    )

            attributes.checks.append(check)

    async def validate(self, batch: Sequence[Attributes]) -> Sequence[ApiError | None]:
        """Refuse clients' certificates of `system:masters`, whose holders may do everything for ever."""
        return [self._refusal(attributes) for attributes in batch]

    def _refusal(self, attributes: Attributes) -> Forbidden | None:
        if attributes.kind is not CSR:
            return None
        spec: Any = attributes.object.spec  # type: ignore[union-attr]  # a create has an object
        if spec.signer_name != _CLIENT_SIGNER:
            return None
        # Here alone: an apiserver without certificates does without the library.
        from vaina.pki.requests import parse_request

        if MASTERS not in parse_request(spec.request).groups:
            return None
        return attributes.forbidden(f"use of {_CLIENT_SIGNER} signer with {MASTERS} group is not allowed")

    def check_status(self, context: Context, kind: Kind[Any], new: Any, old: Any) -> None:
        """Refuse a certificate, or a failure, by a user who may not sign for the signer."""
        if kind is not CSR or new.status == old.status:
            return
        if not self._may(context, "sign", old.spec.signer_name):
            signer = go_quote(old.spec.signer_name)
            why = f"user not permitted to sign requests with signerName {signer}"
            raise refusals.forbidden(CSR, old.metadata.name, why)

    def _may(self, context: Context, verb: str, signer: str) -> bool:
        """Say whether a user may do something for a signer, or for all signers of its domain."""
        user = User(context.user, context.groups, context.uid, context.extra)
        names = (signer, f"{signer.partition('/')[0]}/*")
        questions = [Question(user, verb, CSR.group, "signers", name=name) for name in names]
        return any(self._authorizer.authorize(question).is_allowed for question in questions)
