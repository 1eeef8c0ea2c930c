"""ResourceQuotas, LimitRanges, PriorityClasses and RuntimeClasses: defaults, and what is refused."""

from typing import Any

from apiserver.validation import validate_create, validate_status_update, validate_update
from tests.unit.apiserver.validation.cases import (
    LABEL,
    QUALIFIED,
    SUBDOMAIN,
    Case,
    case,
    each,
    read_default,
    violations,
)
from vaina.errors import FieldError
from vaina.kinds import LIMIT_RANGE, PRIORITY_CLASS, RESOURCE_QUOTA, RUNTIME_CLASS, Kind


def make(kind: Kind[Any], rest: str, meta: str = "{name: a, namespace: b}") -> Any:
    return read_default(kind, f"apiVersion: {kind.api_version}\nkind: {kind.kind}\nmetadata: {meta}\n{rest}")


def created(kind: Kind[Any], rest: str, meta: str = "{name: a, namespace: b}") -> list[FieldError]:
    return validate_create(kind, make(kind, rest, meta))


STANDARD = "must be a standard resource type or fully qualified"
FOR_QUOTA = "must be a standard resource for quota"
UNFIT = "unsupported scope applied to resource"
QUOTAS = (
    case("all that a quota can count",
         "hard: {pods: 1, cpu: 1, requests.memory: 1Gi, limits.ephemeral-storage: 1Gi, secrets: 2, count/replicasets.apps: 3, "
         "requests.example.com/gpu: 4, requests.hugepages-2Mi: 2Mi, requests.storage: 1Ti}"),
    case("names are known or have a domain", "hard: {storage: 1, foo: 1, -x: 1}",
         f'spec.hard[-x]: Invalid value: "-x": {QUALIFIED}',
         f'spec.hard[-x]: Invalid value: "-x": {FOR_QUOTA}',
         f'spec.hard[foo]: Invalid value: "foo": {STANDARD}',
         f'spec.hard[foo]: Invalid value: "foo": {FOR_QUOTA}',
         f'spec.hard[storage]: Invalid value: "storage": {FOR_QUOTA}'),
    case("amounts are not negative, counts are whole", "hard: {cpu: -1, pods: 1500m, count/pods: 0.5}",
         'spec.hard[count/pods]: Invalid value: "500m": must be an integer',
         'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
         'spec.hard[pods]: Invalid value: "1500m": must be an integer'),
    case("scopes are known", "scopes: [Sometimes]", 'spec.scopes: Invalid value: ["Sometimes"]: unsupported scope'),
    case("scopes go with the resources of Pods", "hard: {secrets: 1}\n  scopes: [Terminating]",
         f'spec.scopes: Invalid value: ["Terminating"]: {UNFIT}'),
    case("best effort goes with the number of Pods alone", "hard: {cpu: 1, pods: 1}\n  scopes: [BestEffort]",
         f'spec.scopes: Invalid value: ["BestEffort"]: {UNFIT}'),
    case("scopes that exclude each other", "scopes: [BestEffort, NotBestEffort]",
         'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes'),
    case("a selector of classes", "hard: {pods: 1}\n  scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In, values: [a]}]}"),
    case("operators and their values",
         "scopeSelector: {matchExpressions: [{scopeName: PriorityClass, operator: In}, "
         "{scopeName: PriorityClass, operator: Exists, values: [a]}, {scopeName: PriorityClass, operator: Near}, "
         "{scopeName: Terminating, operator: DoesNotExist}, {scopeName: Foo, operator: Exists}]}",
         "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or "
         "'NotIn' for scope selector",
         'spec.scopeSelector.matchExpressions.values: Invalid value: ["a"]: must be no value when `operator` is \'Exist\' or '
         "'DoesNotExist' for scope selector",
         'spec.scopeSelector.matchExpressions.operator: Invalid value: "Near": not a valid selector operator',
         'spec.scopeSelector.matchExpressions.operator: Invalid value: "DoesNotExist": must be \'Exist\' when scope is any of '
         "ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
         "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity",
         'spec.scopeSelector.matchExpressions.scopeName: Invalid value: "Foo": unsupported scope'),
)  # fmt: skip


@each(QUOTAS)
def test_quotas(case: Case) -> None:
    assert created(RESOURCE_QUOTA, f"spec:\n  {case.given}") == violations(*case.want)


def test_the_scopes_of_a_quota_stay_and_its_amounts_may_change() -> None:
    old = make(RESOURCE_QUOTA, "spec: {hard: {pods: 1}, scopes: [Terminating]}")
    assert (
        validate_update(
            RESOURCE_QUOTA, make(RESOURCE_QUOTA, "spec: {hard: {pods: 2}, scopes: [Terminating]}"), old
        )
        == []
    )
    found = validate_update(RESOURCE_QUOTA, make(RESOURCE_QUOTA, "spec: {hard: {pods: 1}}"), old)
    assert found == violations("spec.scopes: Invalid value: []: field is immutable")


def test_the_status_of_a_quota_is_checked_like_its_spec() -> None:
    old = make(RESOURCE_QUOTA, "spec: {hard: {pods: 1}}")
    new = make(RESOURCE_QUOTA, "status: {hard: {pods: -1}, used: {foo/bar/baz: 1}}")
    assert [error.field for error in validate_status_update(RESOURCE_QUOTA, new, old)] == [
        "status.hard[pods]", "status.used[foo/bar/baz]",
    ]  # fmt: skip


RANGES = (
    case("all that a container can be told",
         "{type: Container, max: {cpu: 2}, min: {cpu: 100m}, default: {cpu: 1}, defaultRequest: {cpu: 500m}, maxLimitRequestRatio: {cpu: 4}}"),
    case("types are known or have a domain", "{type: Thing}, {type: example.com/thing, max: {cpu: 1}}, {}",
         'spec.limits[0].type: Invalid value: "Thing": must be a standard limit type or fully qualified',
         'spec.limits[2].type: Invalid value: "": name part must be non-empty',
         f'spec.limits[2].type: Invalid value: "": {QUALIFIED}'),
    case("each type once", "{type: Pod, max: {cpu: 1}}, {type: Pod, max: {cpu: 2}}",
         'spec.limits[1].type: Duplicate value: "Pod"'),
    case("resources are those of containers", "{type: Container, max: {pods: 1}, min: {foo: 1}}",
         'spec.limits[0].max[pods]: Invalid value: "pods": must be a standard resource for containers',
         f'spec.limits[0].min[foo]: Invalid value: "foo": {STANDARD}',
         'spec.limits[0].min[foo]: Invalid value: "foo": must be a standard resource for containers',
         'spec.limits[0].default[pods]: Invalid value: "pods": must be a standard resource for containers',
         f'spec.limits[0].defaultRequest[foo]: Invalid value: "foo": {STANDARD}',
         'spec.limits[0].defaultRequest[foo]: Invalid value: "foo": must be a standard resource for containers',
         'spec.limits[0].defaultRequest[pods]: Invalid value: "pods": must be a standard resource for containers'),
    case("a Pod has no defaults", "{type: Pod, default: {cpu: 1}, defaultRequest: {cpu: 1}}",
         "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
         "spec.limits[0].defaultRequest: Forbidden: may not be specified when `type` is 'Pod'"),
    case("a claim has storage", "{type: PersistentVolumeClaim, max: {cpu: 1}}",
         "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided"),
    case("everything in its order",
         "{type: Container, max: {cpu: 1}, min: {cpu: 5}, default: {cpu: 2}, defaultRequest: {cpu: 3}}",
         'spec.limits[0].min[cpu]: Invalid value: "5": min value 5 is greater than max value 1',
         'spec.limits[0].defaultRequest[cpu]: Invalid value: "3": min value 5 is greater than default request value 3',
         'spec.limits[0].defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than max value 1',
         'spec.limits[0].defaultRequest[cpu]: Invalid value: "3": default request value 3 is greater than default limit value 2',
         'spec.limits[0].default[cpu]: Invalid value: "5": min value 5 is greater than default value 2',
         'spec.limits[0].default[cpu]: Invalid value: "1": default value 2 is greater than max value 1'),
    case("ratios that can be", "{type: Pod, max: {cpu: 2}, min: {cpu: 1}, maxLimitRequestRatio: {cpu: 3, memory: 500m}}",
         'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000',
         'spec.limits[0].maxLimitRequestRatio[memory]: Invalid value: "500m": ratio 500m is less than 1'),
    case("what cannot be overcommitted has one amount",
         "{type: Container, default: {example.com/gpu: 2}, defaultRequest: {example.com/gpu: 1}}",
         'spec.limits[0].defaultRequest[example.com/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest '
         "value 1 in example.com/gpu"),
)  # fmt: skip


@each(RANGES)
def test_limit_ranges(case: Case) -> None:
    assert created(LIMIT_RANGE, f"spec: {{limits: [{case.given}]}}") == violations(*case.want)


def test_what_a_limit_range_does_not_say_follows_from_what_it_says() -> None:
    made = make(
        LIMIT_RANGE,
        "spec: {limits: [{type: Container, max: {cpu: '1.5'}, min: {memory: 1Mi}}, {type: Pod, max: {cpu: 2}}]}",
    )
    container, pod = made.spec.limits
    assert container.default["cpu"].string == container.default_request["cpu"].string == "1500m"
    assert (dict.fromkeys(container.default), container.default_request["memory"].string) == (
        {"cpu": None},
        "1Mi",
    )
    assert (len(pod.default), len(pod.default_request)) == (0, 0)


RESERVED = "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
#: given: name; spec: the rest
CLASSES = (
    case("a class of a user", "high", spec="value: 1000000000"),
    case("a class below all others", "low", spec="value: -2147483648"),
    case("too high for a user", "higher",
         "value: Forbidden: maximum allowed value of a user defined priority is 1000000000", spec="value: 1000000001"),
    case("names of the system", "system-mine", f"{RESERVED}system-mine is not a known system priority class", spec="value: 1"),
    case("values of the system", "system-node-critical",
         f"{RESERVED}value of system-node-critical PriorityClass must be 2000001000", spec="value: 1"),
    case("defaults of the system", "system-cluster-critical",
         f"{RESERVED}globalDefault of system-cluster-critical PriorityClass must be false",
         spec="value: 2000000000\nglobalDefault: true"),
    case("a class of the system", "system-cluster-critical", spec="value: 2000000000"),
    case("policies are two", "high",
         'preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"',
         spec="value: 1\npreemptionPolicy: Sometimes"),
    case("names are subdomains", "High", f'metadata.name: Invalid value: "High": {SUBDOMAIN}', spec="value: 1"),
)  # fmt: skip


@each(CLASSES)
def test_priority_classes(case: Case) -> None:
    assert created(PRIORITY_CLASS, case.spec, f"{{name: {case.given}}}") == violations(*case.want)


def test_what_pods_have_of_a_class_stays() -> None:
    old = make(PRIORITY_CLASS, "value: 1\ndescription: a", "{name: a}")
    new = make(
        PRIORITY_CLASS, "value: 2\npreemptionPolicy: Never\ndescription: b\nglobalDefault: true", "{name: a}"
    )
    assert validate_update(PRIORITY_CLASS, new, old) == violations(
        "value: Forbidden: may not be changed in an update.",
        'preemptionPolicy: Invalid value: "Never": field is immutable',
    )


CLASS = "handler: runc\noverhead: {podFixed: {cpu: 250m, memory: 64Mi}}\n"
RUNTIMES = (
    case("a class with all it can have", "a.b", spec=CLASS + "scheduling: {nodeSelector: {gpu: 'true'}, tolerations: [{key: a, operator: Exists}]}"),
    case("a class needs a handler", "a", "handler: Required value", spec="overhead: {}"),
    case("a handler is a label of DNS", "a", f'handler: Invalid value: "A": {LABEL}', spec="handler: A"),
    case("overhead is checked as limits are", "a",
         'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
         spec="handler: a\noverhead: {podFixed: {cpu: -1}}"),
    case("labels and tolerations are checked, and each toleration is there once", "a",
         "scheduling.nodeSelector: Invalid value: \"-\": name part must consist of alphanumeric characters, '-', '_' or '.', "
         "and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
         "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
         'scheduling.tolerations[1]: Duplicate value: {"key":"a","operator":"Exists"}',
         spec="handler: a\nscheduling: {nodeSelector: {'-': a}, tolerations: [{key: a, operator: Exists}, {key: a, operator: Exists}]}"),
)  # fmt: skip


@each(RUNTIMES)
def test_runtime_classes(case: Case) -> None:
    assert created(RUNTIME_CLASS, case.spec, f"{{name: {case.given}}}") == violations(*case.want)


def test_the_handler_of_a_class_stays() -> None:
    old = make(RUNTIME_CLASS, "handler: runc", "{name: a}")
    new = make(RUNTIME_CLASS, "handler: runsc", "{name: a}")
    assert validate_update(RUNTIME_CLASS, new, old) == violations(
        'handler: Invalid value: "runsc": field is immutable'
    )
