"""The form of the tables of bad input: what is sent, and the answer, whole: code, reason, message, causes.

Everything goes through the in-process apiserver: services, decoding, defaulting, admission, validation, storage.
"""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.apiserver import Harness
from tests.unit.apiserver.validation.cases import violations
from vaina.api.core.v1 import manifest_service_pb2
from vaina.errors import ApiError

#: how a Pod's manifest and other kinds' begin
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n"
CONTAINERS = "containers: [{name: main, image: x}]"


@dataclass(frozen=True)
class Bad:
    """A sentence, a manifest, and the violations in their order (or the one message of what cannot be read)."""

    name: str
    manifest: str
    want: tuple[str, ...]


def pod(name: str, spec: str, *want: str) -> Bad:
    """Make a wrong Pod of the lines of its spec; it gets a container where they have none."""
    text = textwrap.dedent(spec).strip()
    if not text.startswith("containers:"):
        text = f"{CONTAINERS}\n{text}"
    return Bad(name, POD + textwrap.indent(text, "  "), want)


def container(name: str, fields: str, *want: str, spec: str = "") -> Bad:
    """Make a wrong Pod of the fields of its container; in `want`, `$` is the container's path."""
    made = textwrap.indent(textwrap.dedent(fields).strip(), "  ").lstrip()
    told = tuple(
        text.replace("$", "spec.containers[0]", 1) if text.startswith("$") else text for text in want
    )
    return pod(name, f"containers:\n- name: main\n  image: x\n  {made}\n{spec}", *told)


def other(name: str, manifest: str, *want: str) -> Bad:
    """Make a wrong object of another kind."""
    return Bad(name, textwrap.dedent(manifest).strip(), want)


def each(cases: Iterable[Bad]) -> Any:
    """Run a test for every line, under its sentence."""
    listed = list(cases)
    return pytest.mark.parametrize("case", listed, ids=[one.name for one in listed])


async def refusal(api: Harness, manifest: str, **fields: Any) -> ApiError:
    """Apply a manifest and return why it is refused."""
    request = manifest_service_pb2.ApplyRequest(manifest=manifest, namespace="default", **fields)
    with pytest.raises(ApiError) as caught:
        await api.client.manifests.apply(request)
    return caught.value


def check_invalid(error: ApiError, subject: str, want: tuple[str, ...]) -> None:
    """Check an answer that names violations: code, reason, message and causes."""
    words = ", ".join(want)
    message = f"{subject} is invalid: {f'[{words}]' if len(want) > 1 else words}"
    assert error.message == message
    assert (error.code, error.reason, list(error.causes)) == (422, "Invalid", violations(*want))
