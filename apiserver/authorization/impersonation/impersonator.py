"""Who may be whom: tries the modes, the one first by which the same sender was allowed the last time.

Of upstream's caches this is the one that one sees: a refusal tells of the mode that was tried first. Verdicts
are not kept for ten seconds as there: authorization is asked in memory, and a right that was taken away is gone.
"""

from collections import OrderedDict
from typing import Final

from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Authorizer, Verdict
from apiserver.authorization.impersonation.metrics import ImpersonationMetrics
from apiserver.authorization.impersonation.modes import MODES, Impersonated, Mode, impersonate
from vaina.clock import Clock
from vaina.errors import Forbidden
from vaina.serving.handlers import User

#: senders whose last mode is remembered
_MOST: Final = 10_000


class Impersonator:
    """Owned by one event loop."""

    def __init__(self, authorizer: Authorizer, metrics: ImpersonationMetrics, clock: Clock) -> None:
        self._authorizer, self._metrics, self._clock = authorizer, metrics, clock
        #: name of a sender -> the mode by which it was allowed
        self._last: OrderedDict[str, Mode] = OrderedDict()

    def impersonated(self, wanted: User, asked: Attributes) -> Impersonated:
        """Return the user in whose name a request is served.

        Args:
            wanted: whom it names (`headers.wanted_user`).
            asked: what it asks for, of its sender.

        Raises:
            Forbidden: the sender may not; it tells of the mode that was tried first.
            Unavailable: nobody can know yet.
        """
        start = self._clock.monotonic()
        try:
            found = self._try(wanted, asked)
        except Forbidden:
            self._metrics.attempted("", allowed=False, seconds=self._clock.monotonic() - start)
            raise
        seconds = self._clock.monotonic() - start
        self._metrics.attempted(found.constraint or MODES[-1].verb, allowed=True, seconds=seconds)
        return found

    def authorize(self, attributes: Attributes) -> Verdict:
        """Ask, and count it."""
        start = self._clock.monotonic()
        verdict = self._authorizer.authorize(attributes)
        seconds = self._clock.monotonic() - start
        self._metrics.asked(attributes.verb, allowed=verdict.is_allowed, seconds=seconds)
        return verdict

    def _try(self, wanted: User, asked: Attributes) -> Impersonated:
        sender = asked.user.name
        first: Forbidden | None = None
        last = self._last.get(sender)
        for mode in sorted(MODES, key=lambda one: one is not last):
            try:
                found = impersonate(mode, wanted, asked, self)
            except Forbidden as error:
                first = first or error
                continue
            if found is not None:
                self._remember(sender, mode)
                return found
        # The last mode is meant for everybody.
        assert first is not None
        raise first

    def _remember(self, sender: str, mode: Mode) -> None:
        self._last[sender] = mode
        self._last.move_to_end(sender)
        if len(self._last) > _MOST:
            self._last.popitem(last=False)
