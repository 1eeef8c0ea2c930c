"""Who may call the services of a component: `system:masters`, and whom the apiserver allows.

Follows upstream's kube-scheduler and kube-controller-manager (apiserver `pkg/server/options/authorization.go`,
DelegatingAuthorizationOptions): the apiserver is asked about everybody else, and its answers are kept for ten
seconds. A method is a path that is no resource, called with the verb `post`.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from vaina.clock import Clock
from vaina.errors import ApiError, Forbidden, Unavailable
from vaina.quoting import go_quote
from vaina.serving.handlers import UNARY, Handlers, Method, RequestContext, User

MASTERS: Final = "system:masters"
VERB: Final = "post"
#: an answer of the apiserver holds so long
KEPT_SECONDS: Final = 10.0
#: answers that are kept; when there are more, all are asked for anew
MAX_KEPT: Final = 1000

#: says whether a user may call a path. Raises ApiError: the apiserver cannot be asked
Ask = Callable[[User, str], Awaitable[bool]]


class Delegated:
    """Checks the callers of one process. Owned by its event loop."""

    def __init__(self, clock: Clock, ask: Ask) -> None:
        self._clock, self._ask = clock, ask
        self._kept: dict[tuple[User, str], tuple[bool, float]] = {}

    def wrap(self, handlers: Handlers) -> Handlers:
        """Return unary methods that refuse whoever may not call them."""
        return {path: self._checked(path, method) for path, method in handlers.items()}

    def _checked(self, path: str, method: Method) -> Method:
        async def unary(data: bytes, rpc: RequestContext) -> bytes:
            await self.check(rpc.user, path)
            answer: bytes = await method.fn(data, rpc)
            return answer

        assert method.kind is UNARY
        return Method(UNARY, unary)

    async def check(self, user: User, path: str) -> None:
        """Raise Forbidden when a user may not call a path; Unavailable when the apiserver cannot be asked."""
        if MASTERS in user.groups:
            return
        if not await self._is_allowed(user, path):
            raise Forbidden(f"forbidden: User {go_quote(user.name)} cannot {VERB} path {go_quote(path)}")

    async def _is_allowed(self, user: User, path: str) -> bool:
        known, until = self._kept.get((user, path), (False, 0.0))
        if self._clock.monotonic() < until:
            return known
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        try:
            known = await self._ask(user, path)
        except ApiError as error:
            # Whoever called would take the apiserver's words for ours.
            raise Unavailable(
                f"the apiserver does not say whether the caller may: {error.message}"
            ) from error
        self._kept[user, path] = known, self._clock.monotonic() + KEPT_SECONDS
        return known
