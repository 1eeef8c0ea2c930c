"""What the scheduler says of Pods that no node takes, and what `vaina why` makes of it."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import scheduler.plugins
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import narrowed
from scheduler.framework.status import NO_NODES, fit_message
from scheduler.volumes import matching
from tests.unit.scheduler.objects import pod_class
from tests.unit.vaina.why.pods import NO_NODE, NOW, pod_of, refused
from vaina.testing.builders import make_pod
from vaina.why.diagnose import diagnose
from vaina.why.evidence import Evidence


def _reasons() -> Iterator[str]:
    """Give each reason that a plugin has: those of its filter, and the sentences that its module spells."""
    asked = pod_class(make_pod(requests={"cpu": "1"}))
    for plugin in default_profile().filters:
        yield from plugin.reasons(asked)
    modules = [info.name for info in pkgutil.iter_modules(scheduler.plugins.__path__)]
    # What preemption says comes behind the reasons.
    modules.remove("default_preemption")
    for module in (matching, *(importlib.import_module(f"scheduler.plugins.{name}") for name in modules)):
        for name, words in vars(module).items():
            if name.isupper() and isinstance(words, str) and " " in words:
                yield words
    yield narrowed(["NodeAffinity"])


@pytest.mark.parametrize("reason", sorted({*_reasons()}))
def test_why_has_words_for_every_reason(reason: str) -> None:
    # Names of volumes are quoted where they are put in.
    said = reason.replace("persistentvolume {}", 'persistentvolume "{}"').format("x", "x")
    message = fit_message(3, {}, pre_filter=said)
    [finding] = diagnose(Evidence("web", "default", NOW, pod_of(refused(message), NO_NODE))).findings
    assert finding.what.startswith("No node takes it: ")


def test_a_cluster_without_nodes_is_told_as_such() -> None:
    pod = pod_of(refused(NO_NODES), NO_NODE)
    [finding] = diagnose(Evidence("web", "default", NOW, pod)).findings
    assert finding.what == "No node takes it: the cluster has no nodes"
