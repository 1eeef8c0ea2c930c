"""Kubernetes' published API module in a process of its own (`tests/interop`, built by `deploy/interop.sh`)."""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[2] / ".tools"
PROGRAM = TOOLS / "bin" / "k8s-interop"
#: every release's golden objects, a folder a release; HEAD is the module's own
TESTDATA = TOOLS / "interop" / "testdata"


@dataclass(frozen=True, slots=True)
class Read:
    """An object as Kubernetes' own types hold it."""

    #: as its JSON shows it
    json: dict[str, Any]
    #: as it would put it into etcd: the envelope `k8s\\0`
    data: bytes


class Kubernetes:
    """Asks the process, one object at a time. Close it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def decode(self, data: bytes) -> Read:
        """Read an object as etcd holds it. Raises ValueError with Kubernetes' words."""
        return self._ask({"decode": base64.b64encode(data).decode()})

    def encode(self, tree: dict[str, Any]) -> Read:
        """Read an object as JSON, strictly. Raises ValueError with Kubernetes' words."""
        return self._ask({"encode": tree})

    def patched(self, current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
        """Return what a strategic merge patch makes of an object. Raises ValueError with Kubernetes' words."""
        found = self._answer({"patch": {"current": current, "patch": patch}})["json"]
        assert isinstance(found, dict)
        return found

    def pod_security(self, labels: dict[str, str], pod: dict[str, Any]) -> dict[str, Any]:
        """Return what upstream's Pod Security admission says of a Pod, by mode, in a namespace with these
        labels; and, as `errors`, what is wrong with the labels.
        """
        found = self._answer({"podSecurity": {"labels": labels, "pod": pod}})["json"]
        assert isinstance(found, dict)
        return found

    def encrypt(self, config: str, resource: str, key: str, data: bytes) -> bytes:
        """Return what a kube-apiserver with this EncryptionConfiguration stores. Raises ValueError."""
        return base64.b64decode(self._transformed("encrypt", config, resource, key, data)["data"])

    def decrypt(self, config: str, resource: str, key: str, data: bytes) -> tuple[bytes, bool]:
        """Return what it reads, and whether it is stale. Raises ValueError with Kubernetes' words."""
        answer = self._transformed("decrypt", config, resource, key, data)
        return base64.b64decode(answer["data"]), answer["json"]

    def _transformed(self, what: str, config: str, resource: str, key: str, data: bytes) -> dict[str, Any]:
        asked = {"config": config, "resource": resource, "key": key, "data": base64.b64encode(data).decode()}
        return self._answer({what: asked})

    def audit(self, policy: str, attributes: dict[str, Any]) -> dict[str, Any]:
        """Return how upstream audits a request by a policy. Raises ValueError with Kubernetes' words."""
        found = self._answer({"audit": {"policy": policy, "attributes": attributes}})["json"]
        assert isinstance(found, dict)
        return found

    def managed(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what upstream's field manager makes of a write: `object`, or `refused` with its message.

        `asked` has live, object, apply, manager, subresource, force, and the fields that are reset.
        """
        found = self._answer({"managed": asked})["json"]
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def _ask(self, request: dict[str, Any]) -> Read:
        answer = self._answer(request)
        return Read(answer["json"], base64.b64decode(answer["data"]))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Compact: what has no schema (managedFields) is kept as it was spelt.
        line = json.dumps(request, ensure_ascii=False, separators=(",", ":"))
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        assert isinstance(answer, dict)
        return answer


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[Kubernetes]:
    """Kubernetes' types, for all tests of the session."""
    if not PROGRAM.exists():
        pytest.skip("no k8s-interop: run `make test-component`, which builds it")
    process = Kubernetes()
    yield process
    process.close()
