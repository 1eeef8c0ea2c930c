"""What is special about CertificateSigningRequests.

Follows `pkg/registry/certificates/certificates/strategy.go`. What is asked for never changes. A decision comes
by the sub-resource `approval`, a certificate or a failure by the status. Who asks is written down by admission,
which knows the caller (`apiserver.admission.certificates`).
"""

from collections.abc import Mapping
from functools import partial
from typing import Final

from apiserver.registry import metadata
from apiserver.registry.strategy import Strategy, Subresource, copy_field
from apiserver.validation import certificates
from apiserver.validation.certificates import APPROVED, DENIED
from apiserver.validation.place import find_violations
from vaina.api.certificates.v1 import certificate_signing_request_pb2
from vaina.clock import timestamp

Request = certificate_signing_request_pb2.CertificateSigningRequest

APPROVAL: Final = "approval"


def decided(sent: Request, old: Request, now: float) -> Request:
    """Return the stored object with the conditions, and the metadata, that were sent."""
    new = Request()
    new.CopyFrom(sent)
    metadata.prepare_for_update(new.metadata, old.metadata)
    new.metadata.resource_version = old.metadata.resource_version
    _set_times(new, old, now)
    copy_field(new, old, "spec")
    new.status.certificate = old.status.certificate
    return new


def _set_times(new: Request, old: Request, now: float) -> None:
    """Set the times that conditions say none for; a status that stays keeps the time of its transition."""
    since = {
        (condition.type, condition.status): condition.last_transition_time
        for condition in reversed(old.status.conditions)
        if condition.HasField("last_transition_time")
    }
    for condition in new.status.conditions:
        if not condition.HasField("last_update_time"):
            condition.last_update_time.CopyFrom(timestamp(int(now)))
        if not condition.HasField("last_transition_time"):
            kept = since.get((condition.type, condition.status))
            condition.last_transition_time.CopyFrom(kept or timestamp(int(now)))


class CertificateRequestStrategy(Strategy[Request]):
    """The hooks."""

    reset_fields: tuple[str, ...] = ("spec", "status")
    #: ApprovalREST has a Get
    subresources: Mapping[str, Subresource[Request]] = {
        APPROVAL: Subresource(decided, partial(find_violations, certificates.check_approval))
    }

    def prepare_for_update(self, new: Request, old: Request, now: float) -> None:
        """An update changes metadata alone."""
        copy_field(new, old, "spec")
        copy_field(new, old, "status")

    def prepare_for_status_update(self, new: Request, old: Request, now: float) -> None:
        """Keep a decision as it was written; adding or removing one is refused by validation."""
        for kind in (APPROVED, DENIED):
            before = [one for one in old.status.conditions if one.type == kind]
            after = [one for one in new.status.conditions if one.type == kind]
            if len(before) == len(after):
                for one, other in zip(after, before, strict=True):
                    one.CopyFrom(other)
        _set_times(new, old, now)
