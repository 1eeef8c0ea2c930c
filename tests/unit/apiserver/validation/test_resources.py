"""Requests, limits and claims of containers and Pods: what is refused, in which words."""

from tests.unit.apiserver.validation.cases import (
    LABEL,
    Case,
    case,
    container,
    each,
    pod,
    problems,
    violations,
)

CONTAINERS = (
    case(
        "a negative request is refused",
        "resources: {requests: {cpu: '-1'}}",
        'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ),
    case(
        "an unknown resource without a domain is named twice, as resource and as a container's",
        "resources: {limits: {foo: 1}}",
        'spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.limits[foo]: Invalid value: "foo": must be a standard resource for containers',
        'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.requests[foo]: Invalid value: "foo": must be a standard resource for containers',
    ),
    case(
        "a resource with two slashes has no name",
        "resources: {limits: {a/b/c: 1}}",
        "spec.containers[0].resources.limits[a/b/c]: Invalid value: \"a/b/c\": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        'spec.containers[0].resources.limits[a/b/c]: Invalid value: "a/b/c": doesn\'t follow extended resource name standard',
        "spec.containers[0].resources.requests[a/b/c]: Invalid value: \"a/b/c\": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        'spec.containers[0].resources.requests[a/b/c]: Invalid value: "a/b/c": doesn\'t follow extended resource name standard',
    ),
    case(
        "a standard resource of quotas is none of a container",
        "resources: {limits: {pods: 1}}",
        'spec.containers[0].resources.limits[pods]: Invalid value: "pods": must be a standard resource for containers',
        'spec.containers[0].resources.requests[pods]: Invalid value: "pods": must be a standard resource for containers',
    ),
    case(
        "a request above the limit is refused with both amounts in canonical form",
        "resources: {requests: {cpu: 1500m, memory: 1024Mi}, limits: {cpu: 1, memory: 512Mi}}",
        'spec.containers[0].resources.requests: Invalid value: "1500m": must be less than or equal to cpu limit of 1',
        'spec.containers[0].resources.requests: Invalid value: "1Gi": must be less than or equal to memory limit of 512Mi',
    ),
    case(
        "an extended resource must be a whole number",
        "resources: {limits: {example.com/gpu: 500m}}",
        'spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer',
        'spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer',
    ),
    case(
        "an extended resource cannot be overcommitted",
        "resources: {requests: {example.com/gpu: 1}, limits: {example.com/gpu: 2}}",
        'spec.containers[0].resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
    ),
    case(
        "an extended resource needs a limit",
        "resources: {requests: {example.com/gpu: 1}}",
        "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
    ),
    case(
        "an extended resource may not begin with requests.",
        "resources: {limits: {requests.example.com/gpu: 1}}",
        'spec.containers[0].resources.limits[requests.example.com/gpu]: Invalid value: "requests.example.com/gpu": doesn\'t follow extended resource name standard',
        'spec.containers[0].resources.requests[requests.example.com/gpu]: Invalid value: "requests.example.com/gpu": doesn\'t follow extended resource name standard',
    ),
    case(
        "huge pages need cpu or memory",
        "resources: {limits: {hugepages-2Mi: 4Mi}}",
        "spec.containers[0].resources: Forbidden: HugePages require cpu or memory",
    ),
    case(
        "huge pages come in whole pages",
        "resources: {limits: {hugepages-2Mi: 3Mi, cpu: 1}}",
        'spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
        'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
    ),
    case(
        "huge pages have a size",
        "resources: {limits: {hugepages-big: 3Mi, cpu: 1}}",
        'spec.containers[0].resources.limits[hugepages-big]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-big',
        'spec.containers[0].resources.requests[hugepages-big]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-big',
    ),
    case(
        "claims must be declared, and named once",
        "resources: {claims: [{name: ''},{name: a},{name: a},{name: b, request: R_},{name: b, request: x},{name: b, request: x},{name: b}]}",
        "spec.containers[0].resources.claims[0]: Required value",
        'spec.containers[0].resources.claims[1]: Not found: "a": must be one of the names in pod.spec.resourceClaims which is empty',
        'spec.containers[0].resources.claims[2]: Duplicate value: "a"',
        'spec.containers[0].resources.claims[2]: Not found: "a": must be one of the names in pod.spec.resourceClaims which is empty',
        f'spec.containers[0].resources.claims[3].request: Invalid value: "R_": {LABEL}',
        'spec.containers[0].resources.claims[3]: Not found: "b": must be one of the names in pod.spec.resourceClaims which is empty',
        'spec.containers[0].resources.claims[4]: Not found: "b": must be one of the names in pod.spec.resourceClaims which is empty',
        'spec.containers[0].resources.claims[5]: Duplicate value: "b/x"',
        'spec.containers[0].resources.claims[5]: Not found: "b": must be one of the names in pod.spec.resourceClaims which is empty',
        'spec.containers[0].resources.claims[6]: Duplicate value: "b"',
        'spec.containers[0].resources.claims[6]: Not found: "b": must be one of the names in pod.spec.resourceClaims which is empty',
    ),
    case(
        "claims that are not declared are told which are",
        "resources: {claims: [{name: c}]}",
        'spec.containers[0].resources.claims[0]: Not found: "c": must be one of the names in pod.spec.resourceClaims: a, b',
        spec="resourceClaims: [{name: b, resourceClaimName: x},{name: a, resourceClaimName: x}]",
    ),
    case(
        "amounts of all kinds that are in order",
        "resources: {requests: {cpu: 100m, memory: 64Mi, ephemeral-storage: 1Gi, kubernetes.io/batch: 1}, limits: {cpu: 0.5, memory: 1e8, example.com/gpu: 1, hugepages-2Mi: 4Mi, kubernetes.io/batch: 1}}",
    ),
)


@each(CONTAINERS)
def test_resources_of_containers(case: Case) -> None:
    assert problems(container(case.given, case.spec)) == violations(*case.want)


PODS = (
    case(
        "a Pod's own resources are cpu, memory and huge pages",
        "resources: {limits: {ephemeral-storage: 1Gi, foo: 1}, claims: [{name: x}]}",
        "spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level",
        'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "memory"',
        'spec.resources.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty',
    ),
    case(
        "a Pod's own requests cover those of its containers, sidecars beside the largest init container",
        "containers: [{name: a, image: a, resources: {requests: {cpu: 1, memory: 1Gi}}}]\ninitContainers: [{name: s, image: a, restartPolicy: Always, resources: {requests: {cpu: 500m}}},{name: i, image: a, resources: {requests: {cpu: 2}}}]\nresources: {requests: {cpu: 2, memory: 512Mi}}",
        'spec.resources.requests[cpu]: Invalid value: "2": must be greater than or equal to aggregate container requests of 2500m',
        'spec.resources.requests[memory]: Invalid value: "512Mi": must be greater than or equal to aggregate container requests of 1Gi',
    ),
    case(
        "a container's limit is not above the Pod's own",
        "containers: [{name: a, image: a, resources: {limits: {cpu: 2, memory: 1Gi}}}]\nresources: {limits: {cpu: 1}, requests: {cpu: 2, memory: 1Gi}}",
        'spec.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    case(
        "a container's limit is not above that of its Pod, in their canonical forms",
        "containers: [{name: a, image: a, resources: {limits: {cpu: 2, memory: 1024Mi}, requests: {cpu: 1}}}]\n"
        "resources: {limits: {cpu: 1, memory: 2Gi}, requests: {cpu: 1, memory: 1Gi}}",
        'spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1',
    ),
    case(
        "a Pod that requests nothing itself is measured against nothing",
        "containers: [{name: a, image: a, resources: {requests: {cpu: 1, memory: 1Gi}}}]\n"
        "resources: {requests: {memory: 1Gi}}",
    ),
    case(
        "a Pod's own huge pages cover those of its containers",
        "containers: [{name: a, image: a, resources: {limits: {memory: 1Gi, hugepages-2Mi: 8Mi}}}]\n"
        "resources: {limits: {memory: 1Gi, hugepages-2Mi: 4Mi}}",
        'spec.resources.requests[hugepages-2Mi]: Invalid value: "4Mi": must be greater than or equal to aggregate '
        "container requests of 8Mi",
        'spec.resources.limits[hugepages-2Mi]: Invalid value: "4Mi": must be greater than or equal to aggregate container '
        "limits of 8Mi",
        'spec.resources.containers[0][hugepages-2Mi].limits: Invalid value: "8Mi": must be less than or equal to pod limits '
        "of 4Mi",
    ),
    case(
        "a Pod of Windows has no resources of its own",
        "resources: {limits: {cpu: 1}}\nos: {name: windows}\nsecurityContext: {}",
        "spec.resources: Forbidden: may not be set for a windows pod",
    ),
    case(
        "overhead is checked as limits are",
        "overhead: {cpu: -1, foo: 1}",
        'spec.overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'spec.overhead.limits[foo]: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.overhead.limits[foo]: Invalid value: "foo": must be a standard resource for containers',
    ),
)


@each(PODS)
def test_resources_of_pods(case: Case) -> None:
    assert problems(pod(case.given)) == violations(*case.want)
