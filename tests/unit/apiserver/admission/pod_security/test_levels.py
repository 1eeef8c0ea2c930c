"""Each rule of the Pod Security Standards, in upstream's words. `tests/component/test_pod_security_interop.py`
asks upstream itself about thousands of Pods.
"""

import json
from typing import Any, NamedTuple

import pytest

from apiserver.admission.pod_security.checks import subject_of
from apiserver.admission.pod_security.levels import LATEST, Level, LevelVersion, details, evaluate
from tests.unit.apiserver.validation.cases import read
from vaina.api.core.v1 import pod_pb2

#: keeps every rule of `restricted`
_GOOD = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


def _pod(
    spec: dict[str, Any] | None = None,
    container: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    annotations: dict[str, str] | None = None,
) -> pod_pb2.Pod:
    tree = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": annotations or {}},
        "spec": {"containers": [{"name": "a", "image": "i", "securityContext": _GOOD | (context or {})} | (container or {})]}
        | (spec or {}),
    }  # fmt: skip
    return read(json.dumps(tree))


class Case(NamedTuple):
    name: str
    pod: pod_pb2.Pod
    #: what the level says; empty: nothing
    want: str
    level: Level = Level.BASELINE
    minor: int = LATEST


_R = Level.RESTRICTED
CASES = (
    Case("a Pod that asks for nothing keeps baseline", read("{apiVersion: v1, kind: Pod, spec: {containers: [{name: a}]}}"), ""),
    Case("a careful Pod keeps restricted", _pod(), "", _R),
    Case("AppArmor", _pod(context={"appArmorProfile": {"type": "Unconfined"}}),
         'forbidden AppArmor profile (container "a" must not set AppArmor profile type to "Unconfined")'),
    Case("capabilities", _pod(context={"capabilities": {"add": ["SYS_ADMIN", "CHOWN", "NET_RAW"]}}),
         'non-default capabilities (container "a" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)'),
    Case("the node's namespaces", _pod({"hostNetwork": True, "hostIPC": True}), "host namespaces (hostNetwork=true, hostIPC=true)"),
    Case("hostPath", _pod({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}), 'hostPath volumes (volume "v")'),
    Case("host ports", _pod(container={"ports": [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 443}]}),
         'hostPort (container "a" uses hostPorts 443, 80)'),
    Case("probes of other hosts", _pod(container={"livenessProbe": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}}),
         'probe or lifecycle host (container "a" uses probe or lifecycle host "10.0.0.1")'),
    Case("... are no rule before 1.34", _pod(container={"livenessProbe": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}}), "", minor=33),
    Case("privileged", _pod(context={"privileged": True}), 'privileged (container "a" must not set securityContext.privileged=true)'),
    Case("/proc", _pod(context={"procMount": "Unmasked"}),
         'procMount (container "a" must not set securityContext.procMount to "Unmasked")'),
    Case("... may be seen by who has user ids of its own", _pod({"hostUsers": False}, context={"procMount": "Unmasked"}), ""),
    Case("... but not where it is restricted", _pod({"hostUsers": False}, context={"procMount": "Unmasked"}),
         'procMount (container "a" must not set securityContext.procMount to "Unmasked")', _R),
    Case("SELinux", _pod({"securityContext": {"seLinuxOptions": {"user": "u"}}}, context={"seLinuxOptions": {"type": "spc_t"}}),
         'seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)'),
    Case("seccomp", _pod({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
         'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'),
    Case("... by annotation, once", _pod(annotations={"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}),
         'seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod="unconfined")', minor=18),
    Case("sysctls", _pod({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}), "forbidden sysctls (kernel.msgmax)"),
    Case("... of later versions", _pod({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}}),
         "forbidden sysctls (net.ipv4.tcp_rmem)", minor=31),
    Case("Windows hosts", _pod({"securityContext": {"windowsOptions": {"hostProcess": True}}}),
         "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"),
    Case("privilege escalation", _pod(context={"allowPrivilegeEscalation": True}),
         'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false)', _R),
    Case("all capabilities are dropped", _pod(context={"capabilities": {"add": ["CHOWN"]}}),
         'unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]; '
         'container "a" must not include "CHOWN" in securityContext.capabilities.add)', _R),
    Case("volumes", _pod({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}, {"name": "w", "emptyDir": {}}]}),
         'restricted volume types (volume "v" uses restricted volume type "nfs")', _R),
    Case("not root", _pod(container={"securityContext": {k: v for k, v in _GOOD.items() if k != "runAsNonRoot"}}),
         'runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)', _R),
    Case("... as is said", _pod(context={"runAsNonRoot": False}),
         'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)', _R),
    Case("not user 0", _pod({"securityContext": {"runAsUser": 0}}), "runAsUser=0 (pod must not set runAsUser=0)", _R),
    Case("a seccomp profile", _pod(container={"securityContext": {k: v for k, v in _GOOD.items() if k != "seccompProfile"}}),
         'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")', _R),
    Case("all at once", _pod({"hostPID": True}, context={"privileged": True}),
         'host namespaces (hostPID=true), privileged (container "a" must not set securityContext.privileged=true)'),
    Case("privileged allows all of it", _pod({"hostPID": True}, context={"privileged": True}), "", Level.PRIVILEGED),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rules(case: Case) -> None:
    found = evaluate(LevelVersion(case.level, case.minor), subject_of(case.pod.metadata, case.pod.spec))
    assert details(found) == case.want


def test_init_and_ephemeral_containers_are_held_to_the_rules_in_their_order() -> None:
    pod = _pod(
        {"initContainers": [{"name": "i", "securityContext": {"privileged": True}}]},
        context={"privileged": True},
    )
    shell = pod.spec.ephemeral_containers.add().ephemeral_container_common
    shell.name, shell.security_context.privileged = "e", True
    (found,) = evaluate(LevelVersion(Level.BASELINE), subject_of(pod.metadata, pod.spec))
    assert found.detail == 'containers "i", "a", "e" must not set securityContext.privileged=true'
