"""HorizontalPodAutoscalers: what is refused, in which words; and what is filled in."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import Case, case, each, read_default, violations
from vaina.errors import FieldError
from vaina.kinds import HORIZONTAL_POD_AUTOSCALER as KIND
from vaina.objects.manifest import to_dict

META = "{name: a, namespace: b}"
KEPT = "{name: a, namespace: b, resourceVersion: '1'}"
TARGET = "scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, maxReplicas: 3"


def make(rest: str, meta: str = META) -> Any:
    return read_default(
        KIND, f"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {meta}\n{rest}"
    )


def created(rest: str, meta: str = META) -> list[FieldError]:
    return validate_create(KIND, make(rest, meta))


SPECS = (
    case("the least that is needed", f"{{{TARGET}}}"),
    case("nothing at all", "{}",
         "spec.maxReplicas: Invalid value: 0: must be greater than 0",
         "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
         "spec.scaleTargetRef.kind: Required value",
         "spec.scaleTargetRef.name: Required value",
         'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group'),
    case("none at least", f"{{{TARGET}, minReplicas: 0}}",
         "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas"),
    case("none at least, by something outside", f"{{{TARGET}, minReplicas: 0, metrics: [{{type: External, external: {{metric: {{name: a}}, target: {{type: Value, value: '1'}}}}}}]}}"),
    case("fewer than none", f"{{{TARGET}, minReplicas: -1}}",
         "spec.minReplicas: Invalid value: -1: must be greater than or equal to 0"),
    case("more at least than at most", f"{{{TARGET}, minReplicas: 4}}",
         "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"),
    case("a target that is no name", "{scaleTargetRef: {apiVersion: apps/v1, kind: De/ployment, name: '..'}, maxReplicas: 3}",
         "spec.scaleTargetRef.kind: Invalid value: \"De/ployment\": may not contain '/'",
         "spec.scaleTargetRef.name: Invalid value: \"..\": may not be '..'"),
    case("a version that is none", "{scaleTargetRef: {apiVersion: a/b/c, kind: A, name: a}, maxReplicas: 3}",
         'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'),
    case("a ReplicationController is in no group", "{scaleTargetRef: {apiVersion: v1, kind: ReplicationController, name: a}, maxReplicas: 3}"),
)  # fmt: skip


@each(SPECS)
def test_specs(case: Case) -> None:
    assert created(f"spec: {case.given}") == violations(*case.want)


AT = "spec.metrics[0]"
METRICS = (
    case("a share of what is asked for", "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 1}}}"),
    case("an amount", "{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1Gi}}}"),
    case("no type", "{resource: {name: cpu, target: {type: Utilization, averageUtilization: 1}}}",
         f"{AT}.type: Required value: must specify a metric source type",
         f'{AT}.type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"'),
    case("a type without its source", "{type: Resource}",
         f"{AT}.resource: Required value: must populate information for the given metric source"),
    case("a source of another type", "{type: Pods, resource: {name: cpu, target: {type: Utilization, averageUtilization: 1}}}",
         f"{AT}.pods: Required value: must populate information for the given metric source"),
    case("two sources", "{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 1}}, pods: {}}",
         f"{AT}.pods.metric.name: Required value: must specify a metric name",
         f"{AT}.pods.target.type: Required value: must specify a metric target type",
         f'{AT}.pods.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
         f"{AT}.pods.target.averageValue: Required value: must specify a positive target averageValue",
         f"{AT}.pods: Forbidden: must populate the given metric source only"),
    case("a resource without anything", "{type: Resource, resource: {}}",
         f"{AT}.resource.name: Required value: must specify a resource name",
         f"{AT}.resource.target.type: Required value: must specify a metric target type",
         f'{AT}.resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
         f"{AT}.resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization"),
    case("both targets", "{type: Resource, resource: {name: cpu, target: {type: Value, averageUtilization: 0, averageValue: '-1'}}}",
         f'{AT}.resource.target.averageValue: Invalid value: "-1": must be positive',
         f"{AT}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
         f"{AT}.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization"),
    case("a container without a name", "{type: ContainerResource, containerResource: {name: cpu, target: {type: Utilization, averageUtilization: 1}}}",
         f"{AT}.containerResource.container: Required value: must specify a container"),
    case("a resource that containers have not",
         "{type: ContainerResource, containerResource: {name: pods, container: a, target: {type: Utilization, averageUtilization: 1}}}",
         f'{AT}.containerResource.name: Invalid value: "pods": must be a standard resource for containers'),
    case("an object that is none", "{type: Object, object: {metric: {name: a%b}, target: {type: Value}}}",
         f"{AT}.object.describedObject.kind: Required value",
         f"{AT}.object.describedObject.name: Required value",
         f"{AT}.object.metric.name: Invalid value: \"a%b\": may not contain '%'",
         f"{AT}.object.target.averageValue: Required value: must set either a target value or averageValue"),
    case("something outside without a target", "{type: External, external: {metric: {name: a}, target: {type: Value}}}",
         f"{AT}.external.target.averageValue: Required value: must set either a target value for metric or a per-pod target"),
    case("something outside with two targets", "{type: External, external: {metric: {name: a}, target: {type: Value, value: '1', averageValue: '1'}}}",
         f"{AT}.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target"),
    case("an amount that is none", "{type: External, external: {metric: {name: a}, target: {type: Value, value: '0'}}}",
         f'{AT}.external.target.value: Invalid value: "0": must be positive'),
)  # fmt: skip


@each(METRICS)
def test_metrics(case: Case) -> None:
    assert created(f"spec: {{{TARGET}, metrics: [{case.given}]}}") == violations(*case.want)


UP = "spec.behavior.scaleUp"
BEHAVIORS = (
    case("filled in", "{scaleUp: {}, scaleDown: {selectPolicy: Disabled}}"),
    case("windows", "{scaleUp: {stabilizationWindowSeconds: -1}, scaleDown: {stabilizationWindowSeconds: 3601}}",
         f"{UP}.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero",
         "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600"),
    case("a choice that is none", "{scaleUp: {selectPolicy: Any}}",
         f'{UP}.selectPolicy: Unsupported value: "Any": supported values: "Disabled", "Max", "Min"'),
    case("policies", "{scaleUp: {policies: [{}, {type: Pods, value: 1, periodSeconds: 1801}]}}",
         f'{UP}.policies[0].type: Unsupported value: "": supported values: "Percent", "Pods"',
         f"{UP}.policies[0].value: Invalid value: 0: must be greater than zero",
         f"{UP}.policies[0].periodSeconds: Invalid value: 0: must be greater than zero",
         f"{UP}.policies[1].periodSeconds: Invalid value: 1801: must be less than or equal to 1800"),
    case("a tolerance below nothing", "{scaleUp: {tolerance: -1m}}",
         f'{UP}.tolerance: Invalid value: "-1m": must be greater than or equal to 0'),
)  # fmt: skip


@each(BEHAVIORS)
def test_behaviors(case: Case) -> None:
    assert created(f"spec: {{{TARGET}, behavior: {case.given}}}") == violations(*case.want)


def test_what_is_not_said_is_filled_in() -> None:
    spec = to_dict(KIND, make(f"spec: {{{TARGET}, behavior: {{scaleDown: {{selectPolicy: Min}}}}}}"))["spec"]
    assert spec["minReplicas"] == 1
    target = {"type": "Utilization", "averageUtilization": 80}
    assert spec["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert spec["behavior"] == {
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent]},
        "scaleDown": {"selectPolicy": "Min", "policies": [percent]},
    }
    assert "behavior" not in to_dict(KIND, make(f"spec: {{{TARGET}}}"))["spec"]


def test_what_was_wrong_with_a_target_may_stay() -> None:
    bad = "spec: {scaleTargetRef: {kind: Deployment, name: web}, maxReplicas: 3, minReplicas: 0, metrics: [{type: External, external: {metric: {name: a}, target: {type: Value, value: '1'}}}]}"
    assert validate_update(KIND, make(bad, KEPT), make(bad, KEPT)) == []
    good = make(f"spec: {{{TARGET}}}", KEPT)
    assert validate_update(KIND, make(bad, KEPT), good) == violations(
        'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group',
    )


def test_a_status_counts_nothing_below_zero() -> None:
    old = make(f"spec: {{{TARGET}}}", KEPT)
    new = make(f"spec: {{{TARGET}}}\nstatus: {{currentReplicas: -1, desiredReplicas: -2}}", KEPT)
    assert validate_status_update(KIND, new, old) == violations(
        "status.currentReplicas: Invalid value: -1: must be greater than or equal to 0",
        "status.desiredReplicas: Invalid value: -2: must be greater than or equal to 0",
    )
