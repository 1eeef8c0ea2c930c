"""ResourceQuotas: what a new object takes, or a grown one more, is charged before it is stored, by
compare-and-swap on the quota's status.

So it is exact with any number of apiservers. Demands of one namespace that come while a charge is under way
go together in the next one: a batch of a thousand Pods costs two writes. What is charged and then not stored
is given back here where that is certain, and found by the quota controller where it is not. Follows apiserver
`admission/plugin/resourcequota`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from apiserver import refusals
from apiserver.admission import quota_check
from apiserver.admission.chain import Attributes, Operation, Owed, Refund
from apiserver.admission.followed import Followed
from apiserver.admission.quota_check import Demand, Outcome, Verdict
from apiserver.storage import keys
from apiserver.storage.interface import Change, Key, KeyConflict, KeyMissing, Storage, Stored
from vaina.api.core.v1 import resource_quota_pb2
from vaina.clock import Clock
from vaina.errors import ApiError, TooManyRequests
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, POD, RESOURCE_QUOTA, Kind
from vaina.objects import amounts
from vaina.objects.amounts import Amounts
from vaina.objects.quota import UNCOUNTED, is_counted, usage_of

log = structlog.stdlib.get_logger(__name__)

Quota = resource_quota_pb2.ResourceQuota

#: how often storage, which itself tries some thirty times, is asked to write what other apiservers were
#: quicker to change
_ROUNDS = 8


@dataclass(slots=True, eq=False)
class _Claim:
    """A demand on its way, and what became of it."""

    demand: Demand
    settled: bool = False
    #: nobody waits for it any more
    abandoned: bool = False
    refusal: str = ""
    error: ApiError | None = None
    #: key of a quota -> what it gave
    given: dict[Key, Amounts] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Till:
    """Where the claims of a namespace are settled, some at a time. Owned by one event loop."""

    waiting: list[_Claim] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ResourceQuotas:
    """The plugin."""

    ignores_names = True

    def __init__(self, quotas: Followed[Quota], storage: Storage, clock: Clock) -> None:
        self._quotas, self._storage, self._clock = quotas, storage, clock
        #: of namespaces in which somebody waits
        self._tills: dict[str, _Till] = {}

    async def admit(self, attributes: Attributes) -> None:
        """Have an update charged that may take more than before: a resize of a Pod, any change of a claim.

        Other updates of Pods change nothing that a quota counts, or only less (`Handles` of
        `pkg/quota/v1/evaluator/core`).
        """
        kind, subresource = attributes.kind, attributes.subresource
        grows = (kind is POD and subresource == "resize") or (
            kind is PERSISTENT_VOLUME_CLAIM and not subresource
        )
        if not grows or attributes.operation is not Operation.UPDATE:
            return
        quotas = await self._quotas.list(attributes.namespace)
        if quotas:
            attributes.checks.append(_Growth(self, attributes, quotas).check)

    def usage(self, kind: Kind[Any], obj: Any) -> Amounts:
        return usage_of(kind, obj, self._clock.now())

    async def counts(self, attributes: Attributes) -> bool:
        """Say whether a new object counts for any quota."""
        kind, namespace = attributes.kind, attributes.namespace
        if attributes.operation is not Operation.CREATE or not kind.namespaced or kind.kind in UNCOUNTED:
            return False
        quotas = await self._quotas.list(namespace)
        return any(is_counted(quota, kind, attributes.object, quota.status.hard) for quota in quotas)

    async def charge(self, attributes: Attributes) -> Refund | None:
        """Charge a new object to every quota that it counts for.

        Raises Forbidden when one has not enough left, or wants more to be said; TooManyRequests when other
        apiservers were quicker every time.
        """
        kind, namespace = attributes.kind, attributes.namespace
        if not await self.counts(attributes):
            return None
        usage = self.usage(kind, attributes.object)
        demand = Demand(kind, attributes.object, usage, attributes.context.dry_run)
        return await self.take(namespace, attributes.name, demand)

    async def take(self, namespace: str, name: str, demand: Demand) -> Refund | None:
        """Charge a demand. Raises as `charge` does."""
        claim = _Claim(demand)
        await self._settle(namespace, claim)
        if claim.error is not None:
            raise claim.error
        if claim.refusal:
            raise refusals.forbidden(demand.kind, name, claim.refusal)
        given = claim.given
        return (lambda: self._refund(given)) if given else None

    async def _settle(self, namespace: str, claim: _Claim) -> None:
        """Return when the claim is settled: by whoever holds the lock, for all who wait."""
        till = self._tills.setdefault(namespace, _Till())
        till.waiting.append(claim)
        try:
            async with till.lock:
                if not claim.settled:
                    await _to_the_end(self._settle_all(namespace, till), claim)
        except asyncio.CancelledError:
            claim.abandoned = True
            raise
        finally:
            if claim in till.waiting:
                till.waiting.remove(claim)
            if not till.waiting and not till.lock.locked():
                self._tills.pop(namespace, None)

    async def _settle_all(self, namespace: str, till: _Till) -> None:
        claims, till.waiting = till.waiting, []
        try:
            await self._charge_all(await self._quotas.list(namespace), claims)
        except ApiError as error:
            # Unknown how much was charged: the controller will see.
            for claim in claims:
                claim.error = error
        except BaseException:
            # The server goes, or it is a bug of ours; the others ask again.
            till.waiting = claims + till.waiting
            raise
        for claim in claims:
            claim.settled = True

    async def _charge_all(self, quotas: Sequence[Quota], claims: Sequence[_Claim]) -> None:
        demands = [claim.demand for claim in claims]
        # The one that will refuse most goes first: less is to be given back.
        likely = {id(quota): _refused(quota_check.evaluate(quota, demands)) for quota in quotas}
        for quota in sorted(quotas, key=lambda quota: -likely[id(quota)]):
            live = [claim for claim in claims if not claim.refusal and not claim.abandoned]
            if live:
                await self._charge_one(_key(quota), live)
        returned: dict[Key, Amounts] = {}
        for claim in claims:
            if claim.refusal or claim.abandoned:
                for key, given in claim.given.items():
                    returned[key] = amounts.plus(returned.get(key, {}), given)
        await self._refund(returned)

    async def _charge_one(self, key: Key, claims: Sequence[_Claim]) -> None:
        demands = [claim.demand for claim in claims]
        outcome = Outcome((), None)

        def change(quota: Quota) -> Amounts | None:
            nonlocal outcome
            outcome = quota_check.evaluate(quota, demands)
            return outcome.used

        if not await self._write(key, change):
            return
        for claim, verdict in zip(claims, outcome.verdicts, strict=True):
            _take(claim, key, verdict)

    async def _refund(self, given: Mapping[Key, Amounts]) -> None:
        for key, back in given.items():
            try:
                await self._write(key, lambda quota, back=back: quota_check.give_back(quota, back))  # type: ignore[misc]  # bound now
            except ApiError as error:
                log.warning(
                    "charge not given back, the quota controller will find it", key=key, error=error.message
                )

    async def _write(self, key: Key, used: Callable[[Quota], Amounts | None]) -> bool:
        """Set status.used to what a pure function makes of the quota (None: as it is); False: it is gone."""

        def change(current: Stored) -> Change:
            quota = Quota.FromString(current.data)
            wanted = used(quota)
            if wanted is None:
                return Change(current.data, current.ttl_seconds)
            amounts.write(wanted, quota.status.used)
            return Change(quota.SerializeToString(deterministic=True), current.ttl_seconds)

        for _ in range(_ROUNDS):
            with contextlib.suppress(KeyConflict):
                try:
                    await self._storage.guaranteed_update(key, change)
                except KeyMissing:
                    return False
                return True
        raise TooManyRequests(
            "the quota is written by too many at once, please try again later", retry_seconds=1
        )


class _Growth:
    """What one update takes more than what is stored: owed until it was charged.

    A decrease is never owed (CheckRequest: nothing below 0).
    """

    def __init__(self, quotas: "ResourceQuotas", attributes: Attributes, counting: Sequence[Quota]) -> None:
        self._quotas, self._attributes, self._counting = quotas, attributes, counting
        self._paid: Amounts | None = None

    def check(self, new: Any, old: Any) -> None:
        """Raise Owed when the change was not charged, or another amount."""
        attributes = self._attributes
        kind = attributes.kind
        if not any(is_counted(quota, kind, new, quota.status.hard) for quota in self._counting):
            return
        more = amounts.minus(self._quotas.usage(kind, new), self._quotas.usage(kind, old))
        more = {resource: amount for resource, amount in more.items() if amount.nanos}
        if self._paid is not None and amounts.equal(more, self._paid):
            return
        demand = Demand(kind, new, more, attributes.context.dry_run)

        async def pay() -> Refund | None:
            self._paid = None
            taken = await self._quotas.take(attributes.namespace, attributes.name, demand)
            self._paid = more
            return taken

        raise Owed(pay)


async def _to_the_end(work: Coroutine[Any, Any, None], claim: _Claim) -> None:
    """Settle for all who wait: a caller that is cancelled meanwhile ends when that is done.

    Begun again, it would charge the others twice.

    Storage bounds how long it takes. A second cancellation, as at the end of the process, ends it.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        claim.abandoned = True
        if not task.done():
            await asyncio.wait((task,))
        raise
    finally:
        task.cancel()


def _key(quota: Quota) -> Key:
    return keys.object_key(RESOURCE_QUOTA, quota.metadata.namespace, quota.metadata.name)  # type: ignore[arg-type]  # a Kind[ResourceQuota] is a Kind


def _refused(outcome: Outcome) -> int:
    return sum(1 for verdict in outcome.verdicts if verdict.refusal)


def _take(claim: _Claim, key: Key, verdict: Verdict) -> None:
    claim.refusal = verdict.refusal
    if verdict.given:
        claim.given[key] = verdict.given
