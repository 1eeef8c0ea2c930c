"""The Pod Security Standards, held against upstream's evaluator: the same levels and words in each version."""

import json
import random
from typing import Any

import pytest

from apiserver.admission.pod_security.checks import subject_of
from apiserver.admission.pod_security.levels import PRIVILEGED, Policy, details, evaluate, policy_of
from tests.support.interop import Kubernetes, kubernetes
from vaina.objects.manifest import decode_json

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
__all__ = ["kubernetes"]

_PROFILES = ("RuntimeDefault", "Localhost", "Unconfined", "")
_CAPABILITIES = ("NET_BIND_SERVICE", "CHOWN", "SYS_ADMIN", "NET_RAW", "ALL", "kill")
_VOLUMES: dict[str, Any] = {
    "configMap": {"name": "c"}, "csi": {"driver": "d"}, "downwardAPI": {"items": []}, "emptyDir": {},
    "ephemeral": {"volumeClaimTemplate": {"spec": {}}}, "image": {"reference": "i"}, "projected": {"sources": []},
    "persistentVolumeClaim": {"claimName": "p"}, "secret": {"secretName": "s"}, "hostPath": {"path": "/"},
    "nfs": {"server": "s", "path": "/"}, "gcePersistentDisk": {"pdName": "p"}, "awsElasticBlockStore": {"volumeID": "v"},
    "gitRepo": {"repository": "r"}, "iscsi": {"targetPortal": "t", "iqn": "i", "lun": 1}, "fc": {"lun": 1},
    "glusterfs": {"endpoints": "e", "path": "p"}, "rbd": {"monitors": ["m"], "image": "i"}, "cephfs": {"monitors": ["m"]},
    "flexVolume": {"driver": "d"}, "cinder": {"volumeID": "v"}, "flocker": {"datasetName": "d"},
    "azureFile": {"secretName": "s", "shareName": "n"}, "vsphereVolume": {"volumePath": "v"},
    "quobyte": {"registry": "r", "volume": "v"}, "azureDisk": {"diskName": "d", "diskURI": "u"},
    "photonPersistentDisk": {"pdID": "p"}, "portworxVolume": {"volumeID": "v"},
    "scaleIO": {"gateway": "g", "system": "s", "secretRef": {"name": "n"}}, "storageos": {"volumeName": "v"},
}  # fmt: skip
_SYSCTLS = (
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_notsent_lowat", "kernel.msgmax",
)  # fmt: skip
#: the versions in which a rule changed, and those before them
_MINORS = (0, 7, 8, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 40)
_PREFIX = "pod-security.kubernetes.io/"


class PodsAtRandom:
    """Pods that break some rules and keep others. Only what the rules look at is set."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def some(self, fields: dict[str, Any], share: float = 0.4) -> dict[str, Any]:
        """Keep some of the fields."""
        return {name: value for name, value in fields.items() if self.rng.random() < share}

    def either(self, *values: Any) -> Any:
        """Return one of the values."""
        return self.rng.choice(values)

    def shared_context(self) -> dict[str, Any]:
        """Return what the context of a Pod and of a container have both."""
        return {
            "runAsNonRoot": self.either(True, False), "runAsUser": self.either(0, 1000),
            "seccompProfile": {"type": self.either(*_PROFILES)},
            "appArmorProfile": {"type": self.either(*_PROFILES)},
            "windowsOptions": self.some({"hostProcess": self.either(True, False)}),
            "seLinuxOptions": self.some({
                "type": self.either("", "container_t", "container_engine_t", "spc_t"), "user": "u", "role": "r",
            }),
        }  # fmt: skip

    def container(self, name: str) -> dict[str, Any]:
        """Return a container."""
        context = self.shared_context() | {
            "privileged": self.either(True, False), "allowPrivilegeEscalation": self.either(True, False),
            "procMount": self.either("Default", "Unmasked"),
            "capabilities": self.some({
                "add": self.rng.sample(_CAPABILITIES, self.rng.randrange(3)),
                "drop": self.rng.sample(_CAPABILITIES, self.rng.randrange(3)),
            }),
        }  # fmt: skip

        def handler() -> dict[str, Any]:
            host = self.some({"host": self.either("10.0.0.1", "localhost", "")})
            return {self.either("httpGet", "tcpSocket"): {"port": 80} | host}

        lifecycle = self.some({"postStart": handler(), "preStop": handler()})
        probes = {"livenessProbe": handler(), "readinessProbe": handler(), "startupProbe": handler()}
        ports = [{"containerPort": 80} | self.some({"hostPort": self.either(0, 80, 8080)}) for _ in range(2)]
        return {"name": name} | self.some({
            "securityContext": self.some(context), "ports": ports, "lifecycle": lifecycle,
        }, 0.7) | self.some(probes, 0.2)  # fmt: skip

    def pod(self) -> dict[str, Any]:
        """Return a Pod."""
        annotations = {
            "container.apparmor.security.beta.kubernetes.io/a": self.either("unconfined", "localhost/x", 'q"\n'),
            "seccomp.security.alpha.kubernetes.io/pod": self.either("unconfined", "runtime/default"),
            "container.seccomp.security.alpha.kubernetes.io/a": self.either("unconfined", "docker/default"),
            "container.seccomp.security.alpha.kubernetes.io/none": "unconfined",
        }  # fmt: skip
        volumes = [
            {"name": f"v{number}", kind: _VOLUMES[kind]}
            for number, kind in enumerate(self.rng.sample(sorted(_VOLUMES), self.rng.randrange(4)))
        ]
        context = self.shared_context() | {
            "sysctls": [{"name": name, "value": "1"} for name in self.rng.sample(_SYSCTLS, 2)]
        }
        spec = {"containers": [self.container(name) for name in "ab"[: self.either(1, 2)]]} | self.some({
            "initContainers": [self.container("i")], "ephemeralContainers": [self.container("e")], "volumes": volumes,
            "securityContext": self.some(context, 0.3), "hostUsers": self.either(True, False),
            "os": {"name": self.either("linux", "windows")},
        }, 0.5) | self.some({"hostNetwork": True, "hostPID": True, "hostIPC": True}, 0.2)  # fmt: skip
        meta = {"name": "p"} | self.some({"annotations": self.some(annotations)})
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}

    def labels(self) -> dict[str, str]:
        """Return labels of a namespace, some of them wrong."""
        found: dict[str, str] = {}
        for mode in ("enforce", "audit", "warn"):
            level = self.either("privileged", "baseline", "restricted", "restricted", "Baseline", "")
            version = self.either(
                "latest", f"v1.{self.either(*_MINORS)}", "v1.01", "1.30", "v1.99999999999999999999"
            )
            found |= self.some({f"{_PREFIX}{mode}": level, f"{_PREFIX}{mode}-version": version}, 0.6)
        return found


@pytest.mark.parametrize("seed", range(20))
def test_a_pod_is_judged_as_upstream_judges_it(seed: int, kubernetes: Kubernetes) -> None:
    make = PodsAtRandom(seed)
    for _ in range(300):
        tree, labels = make.pod(), make.labels()
        theirs = kubernetes.pod_security(labels, tree)
        pod: Any = decode_json(json.dumps(tree)).message
        subject = subject_of(pod.metadata, pod.spec)
        policy, errors = policy_of(labels, PRIVILEGED)
        assert [str(error) for error in errors] == theirs["errors"], labels
        for mode, level in zip(Policy._fields, policy, strict=True):
            found = evaluate(level, subject)
            said = {
                "level": str(level), "reasons": [one.reason for one in found] or None,
                "details": [one.detail for one in found] or None, "sentence": details(found),
            }  # fmt: skip
            assert said == theirs[mode], (labels, mode, tree)
