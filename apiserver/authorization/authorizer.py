"""Who decides: the Protocol of authorizers, and those that need no state.

The order is upstream's (`pkg/kubeapiserver/authorizer`, apiserver `pkg/server/config.go`): `system:masters`
first, then the modes as configured; the first that has an opinion decides, and without any the answer is no.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from apiserver.authorization.attributes import Attributes

MASTERS: Final = "system:masters"


class Decision(StrEnum):
    """What an authorizer says."""

    ALLOW = "allow"
    DENY = "forbid"
    #: another authorizer may allow it
    NO_OPINION = ""


class Verdict(NamedTuple):
    """A decision with its reason, which the audit log has; a refusal ends with it."""

    decision: Decision
    reason: str = ""
    #: whether every name in the same namespace would be allowed: a batch then asks once
    any_name: bool = False

    @property
    def is_allowed(self) -> bool:
        return self.decision is Decision.ALLOW


ALLOWED: Final = Verdict(Decision.ALLOW, any_name=True)
NO_OPINION: Final = Verdict(Decision.NO_OPINION)


class Authorizer(Protocol):
    """Decides at once, from what it has in memory."""

    def authorize(self, attributes: Attributes) -> Verdict:
        """Answer a question. Raises Unavailable while it cannot know."""
        ...


class AlwaysAllow:
    """Allows everything: authorization is off."""

    def authorize(self, attributes: Attributes) -> Verdict:
        return ALLOWED


class Union:
    """Asks `system:masters`' rule, then authorizers in their order; the first that has an opinion decides."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def authorize(self, attributes: Attributes) -> Verdict:
        """Answer a question. Raises Unavailable."""
        if MASTERS in attributes.user.groups:
            return ALLOWED
        reasons: list[str] = []
        for authorizer in self._authorizers:
            verdict = authorizer.authorize(attributes)
            if verdict.decision is not Decision.NO_OPINION:
                return verdict
            if verdict.reason:
                reasons.append(verdict.reason)
        return Verdict(Decision.NO_OPINION, "\n".join(reasons)) if reasons else NO_OPINION
