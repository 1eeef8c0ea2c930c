"""Changes of a Pod's status."""

import textwrap

import pytest

from apiserver.validation import validate_status_update
from apiserver.validation.pod_status import may_restart
from tests.unit.apiserver.validation.cases import (
    IP,
    QUALIFIED,
    SUBDOMAIN,
    Case,
    case,
    each,
    pod,
    read,
    violations,
)
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import POD


def with_status(status: str, spec: str) -> pod_pb2.Pod:
    made = pod(spec)
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nstatus:\n" + textwrap.indent(
        status or "{}", "  "
    )
    made.status.CopyFrom(read(text).status)
    return made


DONE = "containerStatuses: [{name: main, state: {terminated: {exitCode: 0}}}]"
FAILED = "containerStatuses: [{name: main, state: {terminated: {exitCode: 1}}}]"
RUNNING = "containerStatuses: [{name: main, state: {running: {}}}]"
BACK = "Forbidden: may not be transitioned to non-terminated state"
ONE_EACH = "may specify no more than one IP for each IP family"

#: given: status before; want; spec: status after, a line of dashes, spec
STATUSES = (
    case("a container that ended stays ended with Never", DONE, f"status.containerStatuses[0].state: {BACK}",
         spec=f"{RUNNING}\n---\nrestartPolicy: Never"),
    case("a container that failed stays failed with Never", FAILED, f"status.containerStatuses[0].state: {BACK}",
         spec=f"{RUNNING}\n---\nrestartPolicy: Never"),
    case("a container that failed may come back with OnFailure", FAILED,
         spec=f"{RUNNING}\n---\nrestartPolicy: OnFailure"),
    case("a container that succeeded stays so with OnFailure", DONE, f"status.containerStatuses[0].state: {BACK}",
         spec=f"{RUNNING}\n---\nrestartPolicy: OnFailure"),
    case("a container may come back with Always", DONE, spec=f"{RUNNING}\n---\n"),
    case("a container that ended may stay ended", DONE, spec=f"{FAILED}\n---\nrestartPolicy: Never"),
    case("a sidecar may come back in a Pod that never restarts",
         "initContainerStatuses: [{name: s, state: {terminated: {exitCode: 0}}}, {name: i, state: {terminated: {exitCode: "
         "0}}}]",
         f"status.initContainerStatuses[1].state: {BACK}",
         spec="initContainerStatuses: [{name: s, state: {running: {}}}, {name: i, state: {waiting: {}}}]\n---\n"
         "restartPolicy: Never\ninitContainers: [{name: s, image: a, restartPolicy: Always}, {name: i, image: a}]"),
    case("an ephemeral container never comes back",
         "ephemeralContainerStatuses: [{name: e, state: {terminated: {exitCode: 1}}}]",
         f"status.ephemeralContainerStatuses[0].state: {BACK}",
         spec="ephemeralContainerStatuses: [{name: e, state: {running: {}}}]\n---\n"),
    case("the QoS class stays", "qosClass: Burstable",
         'status.qosClass: Invalid value: "Guaranteed": field is immutable', spec="qosClass: Guaranteed\n---\n"),
    case("a status without a QoS class keeps the old one", "qosClass: Burstable", spec="phase: Running\n---\n"),
    case("conditions have names", "",
         f'status.conditions[1].Type: Invalid value: "-": {QUALIFIED}',
         spec="conditions: [{type: Ready, status: 'True'}, {type: '-', status: 'True'}, {type: a.b/c, status: "
         "'True'}]\n---\n"),
    case("a nominated node has a name", "", f'status.nominatedNodeName: Invalid value: "A_": {SUBDOMAIN}',
         spec="nominatedNodeName: A_\n---\n"),
    case("a nominated node that stays is not looked at", "nominatedNodeName: A_", spec="nominatedNodeName: A_\n---\n"),
    case("addresses are addresses, the first host address is the host's", "",
         f'status.podIPs[0]: Invalid value: "a": {IP}',
         'status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`',
         f'status.hostIPs[1]: Invalid value: "b": {IP}',
         f'status.hostIPs: Invalid value: [{{"ip":"10.0.0.2"}},{{"ip":"b"}}]: {ONE_EACH}',
         spec="podIPs: [{ip: a}]\nhostIP: 10.0.0.1\nhostIPs: [{ip: 10.0.0.2}, {ip: b}]\n---\n"),
    case("there is one address of each family, once", "",
         f'status.podIPs: Invalid value: [{{"ip":"10.0.0.2"}},{{"ip":"10.0.0.2"}}]: {ONE_EACH}',
         f'status.hostIPs: Invalid value: [{{"ip":"::1"}},{{"ip":"::1"}}]: {ONE_EACH}',
         spec="podIPs: [{ip: 10.0.0.2}, {ip: 10.0.0.2}]\nhostIP: '::1'\nhostIPs: [{ip: '::1'}, {ip: '::1'}]\n---\n"),
    case("two families are in order", "", spec="podIPs: [{ip: 10.0.0.2}, {ip: 'fd00::2'}]\n---\n"),
    case("users of containers are numbers of Linux", "",
         "status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive",
         "status.containerStatuses[0].user.linux.supplementalGroups[1]: Invalid value: -2: must be between 0 and 2147483647, "
         "inclusive",
         spec="containerStatuses: [{name: main, user: {linux: {uid: -1, gid: 0, supplementalGroups: [0, -2]}}}]\n---\n"),
    case("Windows has no users of Linux", "", "status.containerStatuses[0].user.linux: Forbidden: cannot be set for a windows pod",
         spec="containerStatuses: [{name: main, user: {linux: {uid: 1, gid: 1}}}]\n---\nos: {name: windows}"),
    case("claims are those of the spec, once", "",
         'status.resourceClaimStatuses[0].name: Invalid value: "x": must match the name of an entry in '
         "`spec.resourceClaims`",
         'status.resourceClaimStatuses[2].name: Duplicate value: "a"',
         f'status.resourceClaimStatuses[2].resourceClaimName: Invalid value: "A_": {SUBDOMAIN}',
         spec="resourceClaimStatuses: [{name: x}, {name: a}, {name: a, resourceClaimName: A_}]\n---\n"
         "resourceClaims: [{name: a, resourceClaimName: c}]"),
    case("generations that were observed are counted from 0", "",
         "status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer",
         "status.observedGeneration: Invalid value: -2: must be a non-negative integer",
         spec="observedGeneration: -2\nconditions: [{type: Ready, status: 'True', observedGeneration: -1}]\n---\n"),
    case("no node is nominated for a Pod that has one", "",
         "status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node",
         spec="nominatedNodeName: n2\n---\nnodeName: n1"),
    case("a rule that starts all containers again lets each of them run again",
         "containerStatuses: [{name: main, state: {terminated: {exitCode: 0}}}]",
         spec="containerStatuses: [{name: main, state: {running: {}}}]\n---\nrestartPolicy: Never\ninitContainers: [{name: i, "
         "image: x, restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, "
         "values: [7]}}]}]"),
    case("devices are those of the container, in a state that is known, each once", "",
         "status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: \"claim:c\": must match one of the "
         "container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty",
         "status.containerStatuses[0].allocatedResourcesStatus[1].name: Invalid value: \"a.b/gpu\": must match one of the "
         "container's resource requests",
         'status.containerStatuses[0].allocatedResourcesStatus[1].resources[0].health: Unsupported value: "Ill": supported '
         'values: "Healthy", "Unhealthy", "Unknown"',
         "status.containerStatuses[0].allocatedResourcesStatus[1].resources[1].message: Required value: must be non-empty if "
         "specified",
         'status.containerStatuses[0].allocatedResourcesStatus[1].resources[1].resourceID: Duplicate value: "x"',
         "status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container status",
         spec="containerStatuses: [{name: main, allocatedResourcesStatus: [{name: 'claim:c'}, {name: a.b/gpu, resources: "
         "[{resourceID: x, health: Ill}, {resourceID: x, health: Healthy, message: ''}]}]}]\n"
         "ephemeralContainerStatuses: [{name: e, allocatedResourcesStatus: [{name: x}]}]\n---\n"),
    case("images of volumes have a name", "",
         "status.containerStatuses[0].volumeMounts[0].volumeStatus.imageVolumeStatus.imageRef: Required value: imageRef must "
         "not be empty",
         spec="containerStatuses: [{name: main, volumeMounts: [{name: v, mountPath: /x, volumeStatus: {image: {imageRef: ''}}}]}]"
         "\n---\n"),
    case("a claim for extended resources maps them", "",
         'status.extendedResourceClaimStatus.requestMappings: Required value: at least one request mapping is required',
         "status.extendedResourceClaimStatus.resourceClaimName: Required value",
         spec="extendedResourceClaimStatus: {requestMappings: [], resourceClaimName: ''}\n---\n"),
    case("claims of what a node has are the Pod's", "",
         'status.nodeAllocatableResourceClaimStatuses[0].resourceClaimName: Invalid value: "c": no mapping found in pod '
         "reference",
         "status.nodeAllocatableResourceClaimStatuses[0].containers: Required value: must not be empty",
         spec="nodeAllocatableResourceClaimStatuses: [{resourceClaimName: c}]\n---\n"),
)  # fmt: skip


@each(STATUSES)
def test_a_changed_status(case: Case) -> None:
    after, _, spec = case.spec.partition("\n---\n")
    found = validate_status_update(POD, with_status(after, spec), with_status(case.given, spec))
    assert found == violations(*case.want)


def test_a_status_does_not_move_a_pod_to_another_node() -> None:
    old, new = pod("nodeName: n1"), pod("nodeName: n2")
    assert validate_status_update(POD, new, old) == violations(
        "status.nodeName: Forbidden: may not be changed directly"
    )


def test_a_status_leaves_the_mirror_annotation() -> None:
    mirror = "kubernetes.io/config.mirror"
    new = pod("nodeName: n1", f"annotations: {{{mirror}: x}}")
    assert validate_status_update(POD, new, pod("nodeName: n1")) == violations(
        f"metadata.annotations[{mirror}]: Forbidden: may not add mirror pod annotation"
    )


@pytest.mark.parametrize(
    ("container", "policy", "exit_code", "want"),
    [
        ("", "Always", 0, True),
        ("", "OnFailure", 0, False),
        ("", "OnFailure", 1, True),
        ("", "Never", 1, False),
        ("restartPolicy: Always", "Never", 0, True),
        ("restartPolicy: Never", "Always", 0, False),
        ("restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]",
         "Never", 42, True),
        ("restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]",
         "Never", 41, False),
        ("restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [42]}}]",
         "Never", 41, True),
    ],
)  # fmt: skip
def test_who_may_be_started_again(container: str, policy: str, exit_code: int, want: bool) -> None:
    (made,) = pod(f"containers: [{{name: a, image: a, {container}}}]").spec.containers
    assert may_restart(made, policy, exit_code) is want
