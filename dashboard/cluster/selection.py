"""PURE: which Pods a reader asked for, by namespace, labels and owner, as a topic's name says it.

    cluster?namespace=shop&selector=app%3Dweb&owner=Deployment%2Fweb

The selector is Kubernetes' (`vaina.objects.selectors`). An owner is KIND/NAME, or a name alone; Pods of a
Deployment or a CronJob are found by the names that these give what stands between (upstream
`pkg/controller/deployment/sync.go`, getNewReplicaSet; `pkg/controller/cronjob/cronjob_controllerv2.go`,
getJobName).
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from dashboard.cluster.rows import PodRow
from vaina.errors import BadRequest
from vaina.objects.selectors import EVERYTHING, LabelSelector, SelectorError, parse_label_selector

_TEMPLATE_HASH: Final = "pod-template-hash"
_KNOWN: Final = frozenset(("namespace", "selector", "owner"))


@dataclass(frozen=True, slots=True)
class Selection:
    """What a reader asked for; empty texts ask for everything."""

    namespace: str = ""
    selector: LabelSelector = EVERYTHING
    owner: str = ""

    def has(self, pod: PodRow) -> bool:
        """Say whether a Pod was asked for."""
        return (
            (not self.namespace or pod.namespace == self.namespace)
            and (self.selector.is_everything or self.selector.matches(pod.labels))
            and (not self.owner or self.owner in owners_of(pod))
        )


def parse_selection(topic: str) -> Selection:
    """Read a topic's name. Raises BadRequest."""
    try:
        asked = parse_qs(topic.partition("?")[2], strict_parsing=False, max_num_fields=8)
        if unknown := asked.keys() - _KNOWN:
            raise BadRequest(f"Pods are not selected by {min(unknown)[:64]!r}")
        namespace, selector, owner = (asked.get(key, [""])[-1] for key in ("namespace", "selector", "owner"))
        return Selection(namespace, parse_label_selector(selector), owner)
    except (SelectorError, ValueError) as error:
        raise BadRequest(str(error)) from error


def owners_of(pod: PodRow) -> list[str]:
    """Return what a Pod's owners are called: KIND/NAME and NAME of its controller, and of what owns that."""
    kind, _, name = pod.owner.partition("/")
    if not name:
        return []
    found = [pod.owner, name]
    above = ""
    if kind == "ReplicaSet" and (template := pod.labels.get(_TEMPLATE_HASH)):
        above = f"Deployment/{name.removesuffix(f'-{template}')}"
    elif kind == "Job" and (match := re.fullmatch(r"(.+)-\d+", name)):
        above = f"CronJob/{match[1]}"
    if above:
        found += [above, above.partition("/")[2]]
    return found
