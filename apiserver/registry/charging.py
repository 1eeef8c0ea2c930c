"""Updates that cost something: charged before they are stored, given back when they certainly were not.

What an update costs is known when what is stored is: a check of admission says so by raising `Owed`, nothing
is written, the charge is taken, and the update is tried again. If somebody was quicker meanwhile and it costs
another amount now, what was taken is given back first.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from apiserver.admission.chain import Owed, Refund, nothing_to_refund
from apiserver.storage.interface import Stored
from vaina.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, TooLarge, TooManyRequests

#: how often others may change what an update costs
_ROUNDS: Final = 8
#: answers that say that nothing was stored; after any other the quota controller finds out
_NOT_STORED: Final = (BadRequest, Conflict, Forbidden, Invalid, NotFound, TooLarge, TooManyRequests)


async def charged(write: Callable[[], Awaitable[Stored]]) -> Stored:
    """Write, and charge if a check asks for it. Raises what the write raises, and why it is not charged."""
    refund: Refund = nothing_to_refund
    for _ in range(_ROUNDS):
        try:
            return await write()
        except Owed as owed:
            taken, refund = refund, nothing_to_refund
            await taken()
            refund = await owed.pay() or nothing_to_refund
        except _NOT_STORED:
            await refund()
            raise
    await refund()
    raise TooManyRequests(
        "the object is changed by too many at once, please try again later", retry_seconds=1
    )
