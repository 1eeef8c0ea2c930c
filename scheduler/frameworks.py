"""The profiles of one process, each at work: a Pod belongs to the one that its spec.schedulerName names.

With a single profile nothing is looked up twice: hints are that profile's own.
"""

from collections.abc import Iterator, Sequence

from scheduler.columns.pod_info import PodClass
from scheduler.framework.events import Changed, ClusterEvent, Hint
from scheduler.framework.runtime import Framework


class Frameworks:
    """Frameworks by scheduler name. Owned by the scheduling task."""

    def __init__(self, frameworks: Sequence[Framework]) -> None:
        assert frameworks
        self._by_name = {framework.profile.name: framework for framework in frameworks}
        #: the first profile: what is asked about no Pod in particular is asked of it
        self.first = frameworks[0]
        self._hints = frameworks[0].hints if len(frameworks) == 1 else self._merge(frameworks)

    def __iter__(self) -> Iterator[Framework]:
        return iter(self._by_name.values())

    @property
    def names(self) -> frozenset[str]:
        """The scheduler names that are ours."""
        return frozenset(self._by_name)

    @property
    def hints(self) -> dict[ClusterEvent, dict[str, Hint]]:
        """Event -> plugin -> hint; a Pod is asked about by its own profile."""
        return self._hints

    def of(self, pod: PodClass) -> Framework:
        """Return the framework that decides for a Pod.

        One of another scheduler, that somebody asks about, is our first's.
        """
        return self._by_name.get(pod.scheduler_name, self.first)

    def that_say(self, attribute: str) -> frozenset[str]:
        """Return the names of the filters that say something of themselves in each profile that has them."""
        return frozenset(
            name
            for framework in self
            for name in framework.that_say(attribute)
            if all(
                name in other.that_say(attribute)
                for other in self
                if any(plugin.name == name for plugin in other.profile.filters)
            )
        )

    def gate(self, pod: PodClass) -> str:
        """Return the name of the plugin that keeps the Pod out of the queue, or an empty text."""
        return self.of(pod).gate(pod)

    def flush(self) -> None:
        """Some decisions have been made: let what was measured be read."""
        for framework in self._by_name.values():
            framework.observer.flush()

    def _merge(self, frameworks: Sequence[Framework]) -> dict[ClusterEvent, dict[str, Hint]]:
        found: dict[ClusterEvent, dict[str, Hint]] = {}
        for framework in frameworks:
            for event, hints in framework.hints.items():
                for plugin in hints:
                    found.setdefault(event, {})[plugin] = self._dispatch(event, plugin)
        return found

    def _dispatch(self, event: ClusterEvent, plugin: str) -> Hint:
        def hint(pod: PodClass, before: Changed, after: Changed) -> bool:
            own = self.of(pod).hints.get(event, {}).get(plugin)
            return own is not None and own(pod, before, after)

        return hint
