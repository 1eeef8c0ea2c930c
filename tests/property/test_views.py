"""Views: what is read in another form and written back is what was stored."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.messages import QUANTITIES, STRINGS, messages
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.kinds import EVENT, HORIZONTAL_POD_AUTOSCALER
from vaina.objects.normalise import normalise
from vaina.objects.views import VIEWS, View, autoscalers, events

each_view = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.shape.api_version)


@given(event=messages(EVENT))
def test_an_event_is_the_same_after_both_ways(event: Any) -> None:
    assert events.write(events.read(event)) == event


@each_view
@given(data=st.data())
def test_whatever_is_written_in_a_form_is_read_as_it_was_written(view: View, data: st.DataObject) -> None:
    # What the older form cannot say is gone after the first way; nothing is lost after that.
    once = view.write(view.read(data.draw(messages(view.row))))
    assert view.write(view.read(once)) == once
    shown = view.read(once)
    assert view.read(view.write(shown)) == shown


def _amount(draw: st.DrawFn, target: Any, name: str) -> None:
    getattr(target, name).string = draw(QUANTITIES)


def _identify(draw: st.DrawFn, metric: Any) -> None:
    metric.name = draw(STRINGS)
    if draw(st.booleans()):
        metric.selector.match_labels["a"] = draw(STRINGS)


@st.composite
def specs(draw: st.DrawFn) -> v2.MetricSpec:
    """Draw a metric as validation lets it through: one target, of the type that is named."""
    metric = v2.MetricSpec()
    which = draw(st.sampled_from(["Resource", "ContainerResource", "Pods", "Object", "External"]))
    metric.type = which
    if which in ("Resource", "ContainerResource"):
        source: Any = metric.resource if which == "Resource" else metric.container_resource
        source.name = draw(st.sampled_from(["cpu", "memory", ""]))
        if which == "ContainerResource":
            source.container = draw(STRINGS)
        if draw(st.booleans()):
            source.target.type, source.target.average_utilization = "Utilization", draw(st.integers(0, 200))
        else:
            source.target.type = "AverageValue"
            _amount(draw, source.target, "average_value")
        return metric
    source = {"Pods": metric.pods, "Object": metric.object, "External": metric.external}[which]
    _identify(draw, source.metric)
    if which == "Object":
        source.described_object.kind = draw(STRINGS)
        source.described_object.name = draw(STRINGS)
    if which == "Pods" or draw(st.booleans()):
        source.target.type = "AverageValue"
        _amount(draw, source.target, "average_value")
    else:
        source.target.type = "Value"
        _amount(draw, source.target, "value")
    return metric


@st.composite
def autoscalers_(draw: st.DrawFn) -> v2.HorizontalPodAutoscaler:
    """Draw an autoscaler as it is stored: with a metric at least; use of CPU comes last, and once."""
    made: Any = draw(messages(HORIZONTAL_POD_AUTOSCALER))
    for name in [name for name in made.metadata.annotations if name.startswith("autoscaling.")]:
        del made.metadata.annotations[name]
    if not made.HasField("spec"):
        made.spec.SetInParent()
    if not made.spec.behavior.ByteSize():
        made.spec.ClearField("behavior")
    del made.spec.metrics[:]
    metrics = draw(st.lists(specs(), min_size=1, max_size=4))
    of_cpu = [
        one
        for one in metrics
        if one.resource.name == "cpu" and one.resource.target.HasField("average_utilization")
    ]
    made.spec.metrics.extend([one for one in metrics if one not in of_cpu] + of_cpu[:1])
    for each in made.status.current_metrics:
        for name in ("object", "external"):
            if each.HasField(name) and not getattr(each, name).current.HasField("value"):
                getattr(each, name).current.value.string = "0"
        for name in ("pods", "resource", "container_resource"):
            if each.HasField(name) and not getattr(each, name).current.HasField("average_value"):
                getattr(each, name).current.average_value.string = "0"
        for name in ("pods", "object", "external"):
            if each.HasField(name):
                getattr(each, name).current.ClearField("average_utilization")
        for name in ("pods", "resource", "container_resource"):
            if each.HasField(name):
                getattr(each, name).current.ClearField("value")
    normalise(made)
    return made


@given(stored=autoscalers_())
def test_an_autoscaler_that_can_be_stored_is_the_same_after_both_ways(stored: Any) -> None:
    again = autoscalers.write(autoscalers.read(stored))
    normalise(again)
    assert again == stored
