"""What changes a running Pod by a sub-resource of its own: ephemeral containers, resources."""

import textwrap
from typing import Any

from apiserver.validation.place import find_violations
from apiserver.validation.pod_subresources import check_ephemeral_containers_update, check_resize
from tests.unit.apiserver.validation.cases import Case, case, each, pod, read_default, violations
from vaina.kinds import POD
from vaina.objects.pods import qos_class

EPHEMERAL = "spec.ephemeralContainers"
SHELL = "ephemeralContainers: [{name: shell, image: busybox}]"
NO = "cannot be set for an Ephemeral Container"

#: given: the spec before; spec: the spec after
ADDITIONS = (
    case("a debug container is added", "", spec=SHELL),
    case("another one is added before it", SHELL,
         spec="ephemeralContainers: [{name: other, image: busybox}, {name: shell, image: busybox}]"),
    case("nothing changes", SHELL, spec=SHELL),
    case("an image is needed", "", f"{EPHEMERAL}[0].image: Required value",
         spec="ephemeralContainers: [{name: shell, imagePullPolicy: Always}]"),
    case("a name is needed", "", f"{EPHEMERAL}[0].name: Required value", spec="ephemeralContainers: [{image: busybox}]"),
    case("names are a Pod's own", "", f'{EPHEMERAL}[0].name: Duplicate value: "main"',
         spec="ephemeralContainers: [{name: main, image: busybox}]"),
    case("two debug containers have two names", "", f'{EPHEMERAL}[1].name: Duplicate value: "a"',
         spec="ephemeralContainers: [{name: a, image: busybox}, {name: a, image: busybox}]"),
    case("a target is a container of the Pod", "", f'{EPHEMERAL}[0].targetContainerName: Not found: "nobody"',
         spec="ephemeralContainers: [{name: a, image: busybox, targetContainerName: nobody}]"),
    case("a target that is there", "",
         spec="ephemeralContainers: [{name: a, image: busybox, targetContainerName: main, stdin: true, tty: true}]"),
    case("ports, probes, resources and hooks are not for it", "",
         f"{EPHEMERAL}[0].ports: Forbidden: {NO}", f"{EPHEMERAL}[0].resources: Forbidden: {NO}",
         f"{EPHEMERAL}[0].livenessProbe: Forbidden: {NO}", f"{EPHEMERAL}[0].lifecycle: Forbidden: {NO}",
         spec="ephemeralContainers: [{name: a, image: b, ports: [{containerPort: 1}], resources: {limits: {cpu: 1}}, "
         "livenessProbe: {exec: {command: [a]}}, lifecycle: {preStop: {sleep: {seconds: 1}}}}]"),
    case("a restart policy is not for it", "", f"{EPHEMERAL}[0].restartPolicy: Forbidden: {NO}",
         spec="ephemeralContainers: [{name: a, image: b, restartPolicy: Always}]"),
    case("it is not taken away", SHELL,
         f'{EPHEMERAL}: Forbidden: existing ephemeral containers "shell" may not be removed\n'),
    case("it is not changed", SHELL,
         f'{EPHEMERAL}: Forbidden: existing ephemeral containers "shell" may not be changed\n'
         "changed: spec.ephemeralContainers.image",
         spec="ephemeralContainers: [{name: shell, image: alpine, imagePullPolicy: Always}]"),
)  # fmt: skip


@each(ADDITIONS)
def test_additions(case: Case) -> None:
    errors = find_violations(check_ephemeral_containers_update, pod(case.spec), pod(case.given))
    assert errors == violations(*case.want)


def test_a_mirror_pod_takes_none() -> None:
    mirror = pod("", "annotations: {kubernetes.io/config.mirror: x}")
    (error,) = find_violations(check_ephemeral_containers_update, mirror, mirror)
    assert error.detail == "Forbidden: static pods do not support ephemeral containers"


def sized(text: str) -> Any:
    """Make a Pod of containers: name=cpu/memory[=cpu/memory limits] a word.

    "i:" before an init container, "s:" before a sidecar.
    """
    lines: dict[str, list[str]] = {"containers": [], "initContainers": []}
    for word in text.split():
        prefix, colon, rest = word.partition(":")
        place = "initContainers" if colon else "containers"
        extra = ", restartPolicy: Always" if prefix == "s" and colon else ""
        name, *amounts = (rest if colon else word).split("=")
        shown = []
        for side, amount in zip(("requests", "limits"), amounts, strict=False):
            cpu, _, memory = amount.partition("/")
            fields = [f"{key}: {value}" for key, value in (("cpu", cpu), ("memory", memory)) if value]
            shown.append(f"{side}: {{{', '.join(fields)}}}")
        lines[place].append(f"{{name: {name}, image: b{extra}, resources: {{{', '.join(shown)}}}}}")
    spec = "".join(f"  {key}: [{', '.join(items)}]\n" for key, items in lines.items() if items)
    made = read_default(
        POD,
        textwrap.dedent("apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: default}\nspec:\n")
        + spec,
    )
    made.status.qos_class = qos_class(made)
    return made


#: given: before; spec: after
RESIZES = (
    case("more CPU", "a=1/1Gi", spec="a=2/1Gi"),
    case("less memory", "a=1/1Gi=2/2Gi", spec="a=1/1Gi=2/1Gi"),
    case("a request that was not there", "a=1", spec="a=1/1Gi"),
    case("a limit that was not there", "a=1", spec="a=1=2"),
    case("a sidecar's", "a=1 s:b=1", spec="a=1 s:b=2"),
    case("a Guaranteed Pod stays so", "a=1/1Gi=1/1Gi", spec="a=2/1Gi=2/1Gi"),
    case("a request does not go away", "a=1/1Gi",
         "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed", spec="a=1"),
    case("a limit does not go away", "a=1=2/1Gi",
         "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed", spec="a=1/1Gi=2"),
    case("a Guaranteed Pod does not become another class", "a=1/1Gi=1/1Gi",
         'spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing', spec="a=1/1Gi=2/1Gi"),
    case("a Burstable Pod does not become Guaranteed", "a=1/1Gi=2/1Gi",
         'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing', spec="a=2/1Gi=2/1Gi"),
    case("a BestEffort Pod stays so", "a",
         'spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing', spec="a=1"),
    case("an init container that runs once keeps what it has", "a=1 i:b=1",
         "spec: Forbidden: resources for non-sidecar init containers are immutable", spec="a=1 i:b=2"),
    case("a limit below its request", "a=1=2",
         'spec.containers[0].resources.requests: Invalid value: "3": must be less than or equal to cpu limit of 2', spec="a=3=2"),
    case("a container more", "a=1",
         "spec.containers: Forbidden: containers may not be added, removed, renamed or reordered on resize", spec="a=1 b=1"),
    case("another name", "a=1",
         "spec.containers: Forbidden: containers may not be added, removed, renamed or reordered on resize", spec="b=1"),
    case("init containers in another order", "a=1 s:b=1 s:c=1",
         "spec.initContainers: Forbidden: containers may not be added, removed, renamed or reordered on resize",
         spec="a=1 s:c=1 s:b=1"),
)  # fmt: skip


@each(RESIZES)
def test_resizes(case: Case) -> None:
    new, old = sized(case.spec), sized(case.given)
    new.status.CopyFrom(old.status)
    assert find_violations(check_resize, new, old) == violations(*case.want)


def test_resources_other_than_cpu_and_memory_stay() -> None:
    old = sized("a=1 s:b=1")
    new = sized("a=1 s:b=1")
    new.spec.containers[0].resources.requests["example.com/thing"].string = "1"
    new.spec.containers[0].resources.limits["example.com/thing"].string = "1"
    new.spec.init_containers[0].resources.requests["ephemeral-storage"].string = "1Gi"
    assert [str(error) for error in find_violations(check_resize, new, old)] == [
        "spec: Forbidden: only cpu and memory resources for sidecar containers are mutable",
        "spec: Forbidden: only cpu and memory resources are mutable",
    ]


def test_some_pods_cannot_be_resized() -> None:
    plain = pod()
    whole = pod("resources: {requests: {cpu: 1}}")
    mirror = pod("", "annotations: {kubernetes.io/config.mirror: x}")
    windows = pod("os: {name: windows}")
    said = [
        [error.detail for error in find_violations(check_resize, each, each)]
        for each in (plain, whole, mirror, windows)
    ]
    assert said == [
        [], ["Forbidden: pods with pod-level resources cannot be resized"],
        ["Forbidden: static pods cannot be resized"], ["Forbidden: windows pods cannot be resized"],
    ]  # fmt: skip
