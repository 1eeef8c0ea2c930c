"""Views of stored kinds: what stands where in the other form."""

import json
from typing import Any

import pytest

from tests.support.golden import DATA, needs_data
from tests.unit.apiserver.validation.cases import read, read_default
from vaina.errors import BadRequest
from vaina.kinds import EVENT, HORIZONTAL_POD_AUTOSCALER
from vaina.objects.encode import message_to_dict
from vaina.objects.manifest import decode_dict, to_dict
from vaina.objects.normalise import normalise
from vaina.objects.views import VIEWS, View, autoscalers, events, view_of

META = "metadata: {name: a, namespace: b}"
PREFIX = "autoscaling.alpha.kubernetes.io/"


def autoscaler(spec: str, status: str = "") -> Any:
    text = f"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n{META}\nspec: {spec}"
    return read_default(HORIZONTAL_POD_AUTOSCALER, f"{text}\nstatus: {status}" if status else text)


def test_an_event_is_told_in_other_words() -> None:
    event = read(
        f"apiVersion: v1\nkind: Event\n{META}\ninvolvedObject: {{kind: Pod, name: web}}\nmessage: seen\ncount: 3\n"
        "source: {component: kubelet, host: n1}\nfirstTimestamp: '2026-01-01T00:00:00Z'\nreportingComponent: a\n"
        "series: {count: 2, lastObservedTime: '2026-01-01T00:00:00.000000Z'}\nreason: Seen\ntype: Normal\n"
    )
    assert message_to_dict(events.read(event)) == {
        "metadata": {"name": "a", "namespace": "b"},
        "regarding": {"kind": "Pod", "name": "web"}, "note": "seen", "deprecatedCount": 3, "reason": "Seen",
        "deprecatedSource": {"component": "kubelet", "host": "n1"}, "reportingController": "a", "type": "Normal",
        "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z", "deprecatedLastTimestamp": None, "eventTime": None,
        "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"},
    }  # fmt: skip


SPEC = "scaleTargetRef: {kind: Deployment, name: web, apiVersion: apps/v1}, maxReplicas: 3"


def test_the_use_of_cpu_has_a_field_and_other_metrics_an_annotation() -> None:
    stored = autoscaler(
        f"{{{SPEC}, metrics: ["
        "{type: Pods, pods: {metric: {name: rps}, target: {type: AverageValue, averageValue: '100'}}}, "
        "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}"
    )
    shown = autoscalers.read(stored)
    assert shown.spec.target_cpu_utilization_percentage == 70
    assert json.loads(shown.metadata.annotations[f"{PREFIX}metrics"]) == [
        {"type": "Pods", "pods": {"metricName": "rps", "targetAverageValue": "100"}}
    ]
    assert autoscalers.write(shown) == stored


def test_behavior_is_written_as_upstreams_internal_type_is() -> None:
    stored = autoscaler(f"{{{SPEC}, behavior: {{scaleDown: {{tolerance: 50m}}}}}}")
    found = json.loads(autoscalers.read(stored).metadata.annotations[f"{PREFIX}behavior"])
    assert found["ScaleDown"] == {
        "StabilizationWindowSeconds": None, "SelectPolicy": "Max", "Tolerance": "50m",
        "Policies": [{"Type": "Percent", "Value": 100, "PeriodSeconds": 15}],
    }  # fmt: skip
    assert autoscalers.write(autoscalers.read(stored)) == stored


def test_without_metrics_the_older_form_aims_at_eighty_percent_of_cpu() -> None:
    shown: Any = decode_dict(
        {"metadata": {"name": "a"}, "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "A", "name": "b"}}},
        kind=VIEWS[1].shape,
    ).message
    [metric] = autoscalers.write(shown).spec.metrics
    assert (metric.resource.name, metric.resource.target.average_utilization) == ("cpu", 80)


@pytest.mark.parametrize(
    "text",
    ["", "x", "{}", '[{"type": 1}]', "[1]", "[" * 10000, "null"],
    ids=lambda text: text[:12] or "empty",
)
@pytest.mark.parametrize("name", ["metrics", "current-metrics", "conditions", "behavior"])
def test_an_annotation_that_cannot_be_read_counts_for_nothing(name: str, text: str) -> None:
    shown = autoscalers.read(autoscaler(f"{{{SPEC}}}"))
    plain = autoscalers.write(shown)
    shown.metadata.annotations[PREFIX + name] = text
    assert autoscalers.write(shown) == plain


@needs_data
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.shape.api_version)
def test_upstreams_golden_object_is_the_same_after_both_ways(view: View) -> None:
    name = f"{view.shape.group}.{view.shape.version}.{view.shape.kind}.json"
    text = json.loads((DATA / "golden" / name).read_text())
    again = view.read(view.write(decode_dict(text, kind=view.shape).message))
    normalise(again)
    # The percentage that the status shows is kept among the metrics, which the annotation has whole.
    again.metadata.annotations.pop(f"{PREFIX}current-metrics", None)
    assert to_dict(view.shape, again) == text


def test_forms_are_found_by_their_version() -> None:
    assert view_of(EVENT, "") is view_of(EVENT, "v1") is None
    assert view_of(EVENT, "events.k8s.io/v1") is VIEWS[0]
    with pytest.raises(BadRequest, match=r"Event has no form in version events\.k8s\.io/v2"):
        view_of(EVENT, "events.k8s.io/v2")
