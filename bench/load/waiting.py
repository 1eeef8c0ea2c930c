"""The wait for a step's Pods to be where they should be, which ends with an error when nothing happens any
more.
"""

import asyncio
from collections.abc import Sequence

from bench.load.context import Context, RunError
from bench.load.podset import PodSet
from bench.load.progress import SHOW_SECONDS
from bench.load.replay import Settling

#: a scheduler that has just been started lists tens of thousands of objects before it binds
_START_PATIENCE = 3


class Waiting:
    """Waits as long as the run's patience lasts. Owned by the run."""

    def __init__(self, context: Context) -> None:
        self._client, self._target, self._settings = context.client, context.target, context.settings
        self._progress, self._now = context.progress, context.observer.now
        self._settling = Settling(
            context.client, context.settings.selector, self._now, context.settings.patience_seconds
        )

    @property
    def notes(self) -> Sequence[str]:
        """Why some of the Pods that may stay without a node have none, as of the last wait for such."""
        return self._settling.notes

    async def until_begun(self, pods: PodSet) -> None:
        """Wait until a scheduler that was just started has bound the first Pod.

        Raises:
            RunError: it has not within three times the patience, and some Pod should have a node.
        """
        patience = _START_PATIENCE * self._settings.patience_seconds
        if pods.may_stay:
            await self._target.wait_scheduler()
            await self._settling.wait(pods, self._progress.show, until=pods.begun)
            return
        try:
            async with asyncio.timeout(patience):
                await pods.begun.wait()
        except TimeoutError:
            await self._target.wait_scheduler()  # says why, where it did not start
            raise RunError(f"{pods.name}: no Pod has a node after {patience:.0f} s") from None

    async def until_settled(self, pods: PodSet) -> None:
        """Wait until a step's Pods are where they should be; give up when nothing has happened for too long.

        Raises:
            RunError: nothing has; it says what the scheduler says of a Pod that waits.
        """
        if pods.may_stay:
            await self._settling.wait(pods, self._progress.show)
            return
        seen, since = pods.progress, self._now()
        while not pods.settled.is_set():
            try:
                async with asyncio.timeout(SHOW_SECONDS):
                    await pods.settled.wait()
            except TimeoutError:
                self._progress.show(pods)
            if pods.progress != seen or pods.is_idle:
                seen, since = pods.progress, self._now()
            elif self._now() - since > self._settings.patience_seconds:
                await self._target.wait_scheduler()  # says why, where it has ended
                raise RunError(await self._stuck(pods))

    async def _stuck(self, pods: PodSet) -> str:
        waiting = pods.unbound()
        text = (
            f"{pods.name}: nothing has happened for {self._settings.patience_seconds:.0f} s; {pods.bound_count:,} of "
            f"{len(pods):,} Pods have a node, {pods.running_count:,} run"
        )
        if not waiting:
            return text
        pod = await self._client.pods.get(waiting[0], pods.namespace)
        reasons = [one.message for one in pod.status.conditions if one.type == "PodScheduled" and one.message]
        return f"{text}; {waiting[0]}: {reasons[0] if reasons else 'not tried yet'}"
