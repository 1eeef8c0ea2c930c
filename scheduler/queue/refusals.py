"""What one plugin refused, and which questions about it need not be asked: the answers are the same without.

Most questions come again, because Pods of one class come and go. Where the hints of a plugin look at nothing but
the class of such a Pod, what was denied to all its groups is not asked again until it has a new group. And a
plugin may have a screen, which tells by one look that none of its groups is helped.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Protocol

from scheduler.columns.pod_info import PodClass, PodInfo, Shape
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.queue.queued_pod import QueuedPod

#: an event, and what it happened to before and after
Happened = tuple[ClusterEvent, Changed, Changed]
#: what the Pods of a group have in common: class or shape, and the plugins that refused them
GroupKey = tuple[PodClass | Shape, frozenset[str]]
#: questions that are remembered of a plugin; beyond that all are forgotten
MAX_DENIED: Final = 256


class Screen(Protocol):
    """Knows of all the groups of a plugin at once what its hints would say of each."""

    def join(self, pod: PodClass) -> None:
        """There is another group."""
        ...

    def clear(self) -> None:
        """There is no group any more; those that are left join again."""
        ...

    def nobody(self, happened: Happened) -> bool:
        """Say whether the plugin's hint is sure to say no of every group that has joined, gone or not."""
        ...


@dataclass(slots=True, eq=False)
class Group:
    """Alike Pods, by uid; the class of one of them, which is asked about for all; and who refused them."""

    first: PodClass
    rejected_by: frozenset[str]
    pods: dict[str, QueuedPod] = field(default_factory=dict)


class Refusals:
    """The groups that one plugin refused. Owned by `UnschedulablePods`."""

    __slots__ = ("_by_class", "_denied", "_screen", "_stale", "groups")

    def __init__(self, screen: Screen | None, *, by_class: bool) -> None:
        self._screen, self._by_class = screen, by_class
        self.groups: dict[GroupKey, Group] = {}
        self._denied: set[Hashable] = set()
        #: the screen knows groups that have gone
        self._stale = False

    def add(self, key: GroupKey, group: Group) -> None:
        self.groups[key] = group
        self._denied.clear()
        if self._screen is not None:
            self._screen.join(group.first)

    def remove(self, key: GroupKey) -> None:
        del self.groups[key]
        self._stale = True
        if self._screen is not None and not self.groups:
            self._screen.clear()

    def may_help(self, happened: Happened) -> bool:
        """Say whether the plugin's hint must be asked."""
        if self._screen is not None:
            if self._screen.nobody(happened):
                return False
            if self._stale:
                self._stale = False
                self._screen.clear()
                for group in self.groups.values():
                    self._screen.join(group.first)
            return True
        return not self._by_class or _by_classes(happened) not in self._denied

    def deny(self, happened: Happened) -> None:
        """The hint was asked for each group, and said no of all."""
        about = _by_classes(happened) if self._by_class else None
        if about is not None:
            if len(self._denied) >= MAX_DENIED:
                self._denied.clear()
            self._denied.add(about)


def _by_classes(happened: Happened) -> Hashable | None:
    """Return what happened to a Pod as far as classes go; None: it happened to something else."""
    event, before, after = happened
    if before is None and isinstance(after, PodInfo):
        return (event, None, after.pod_class)
    if isinstance(before, PodInfo) and (after is None or isinstance(after, PodInfo)):
        return (event, before.pod_class, None if after is None else after.pod_class)
    return None
